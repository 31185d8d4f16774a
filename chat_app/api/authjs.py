"""The URLs of Auth.js's own pages: each redirects to the page of this app that does the same.

Auth.js's client navigates to them by itself (`useSession({required: true})`, `signIn()` without a
provider), and links in other programs point there.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.responses import SIGN_IN_PAGE, safe_callback_url
from chat_app.auth.errors import known_error_code
from chat_app.services import services

LINK_PAGE = "/signin/link"


async def sign_in(request: Request) -> Response:
    """To the sign-in page; `error` and `callbackUrl` are kept."""
    return _to(request, SIGN_IN_PAGE)


async def sign_out(request: Request) -> Response:
    """To the page with the sign-out button: a link must not sign anyone out."""
    return _to(request, "/")


async def error(request: Request) -> Response:
    """To the sign-in page, which shows the error."""
    return _to(request, SIGN_IN_PAGE, otherwise="Default")


async def verify_request(request: Request) -> Response:
    """To the page that reports a sent email."""
    return _to(request, LINK_PAGE, sent="1")


def _to(request: Request, page: str, *, otherwise: str = "", **query: str) -> Response:
    settings, params = services().settings, request.query_params
    if code := known_error_code(params.get("error", ""), otherwise):
        query["error"] = code
    # A URL that is not ours becomes `/`, and so is left out.
    target = safe_callback_url(params.get("callbackUrl"), settings).removeprefix(settings.url)
    if target != "/":
        query["callbackUrl"] = target
    url = f"{settings.url}{page}" + (f"?{urlencode(query)}" if query else "")
    return RedirectResponse(url, 303, NO_STORE)


routes = [
    Route("/api/auth/signin", sign_in, methods=["GET"]),
    Route("/api/auth/signin/{provider}", sign_in, methods=["GET"]),
    Route("/api/auth/signout", sign_out, methods=["GET"]),
    Route("/api/auth/error", error, methods=["GET"]),
    Route("/api/auth/verify-request", verify_request, methods=["GET"]),
]
