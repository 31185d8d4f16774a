"""The addresses that Auth.js has pages under: each sends on to the page of ours that does it.

Its client navigates to them by itself (`useSession({required: true})`, `signIn()` without a
name), and links in other programs point there.
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
    """The page to sign in on; `error` and `callbackUrl` go along."""
    return _to(request, SIGN_IN_PAGE)


async def sign_out(request: Request) -> Response:
    """A link signs nobody out: it leads to where the button is."""
    return _to(request, "/")


async def error(request: Request) -> Response:
    """The page that says what went wrong, which is the one to try again on."""
    return _to(request, SIGN_IN_PAGE, otherwise="Default")


async def verify_request(request: Request) -> Response:
    """The page that says a letter is on its way."""
    return _to(request, LINK_PAGE, sent="1")


def _to(request: Request, page: str, *, otherwise: str = "", **query: str) -> Response:
    settings, asked = services().settings, request.query_params
    if said := known_error_code(asked.get("error", ""), otherwise):
        query["error"] = said
    # Only a path or an address of ours: what is not leads nowhere, and so is left out.
    target = safe_callback_url(asked.get("callbackUrl"), settings).removeprefix(settings.url)
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
