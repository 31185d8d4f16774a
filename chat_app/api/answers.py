"""How the routes of signing in answer: on to a page, or the same as JSON for a script.

A browser's own form is sent on with 303; a script that says `X-Auth-Return-Redirect: 1` gets
`{"url": …}` and goes there itself (Auth.js's habit). A refusal is the word in that URL's `?error=`.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from chat_app.api.errors import NO_STORE, wants_url
from chat_app.auth import cookie
from chat_app.auth.address import client_address
from chat_app.auth.callback import safe_callback
from chat_app.auth.principal import Principal
from chat_app.auth.proof import Admitted, Browser, Challenged
from chat_app.auth.refusals import WrongCredentials, word
from chat_app.errors import ChatError, RateLimited
from chat_app.services import services
from chat_app.settings import Settings

SIGN_IN_PAGE = "/signin"
CODE_PAGE = "/signin/code"

_ON = ("on", "true", "1")

Fields = Mapping[str, str]


def client_of(request: Request) -> str:
    """The address of the client, as far as it can be believed."""
    return client_address(request.scope, services().settings.trusted_proxy_hops)


def browser_of(request: Request, fields: Fields) -> Browser:
    """Where a sign-in happens.

    Args:
        request: The request.
        fields: What was posted; `remember` keeps the session past the browser.
    """
    settings = services().settings
    before: Principal | None = request.scope.get("principal")
    return Browser(
        address=client_of(request),
        user_agent=request.headers.get("user-agent", ""),
        replaces=before.session_id if before else None,
        remember=is_on(fields, "remember"),
        device=cookie.read(request.scope["headers"], cookie.device_name(settings)),
    )


def is_on(fields: Fields, name: str) -> bool:
    """Whether a box of a form was ticked."""
    return fields.get(name) in _ON


def enter(request: Request, outcome: Admitted | Challenged, fields: Fields) -> Response:
    """Take somebody where they wanted to go, or to the page that asks for the second factor."""
    settings = services().settings
    challenge = cookie.challenge_name(settings)
    if isinstance(outcome, Challenged):
        query = _callback_query(request, fields)
        answer = go(request, _page(request, CODE_PAGE, query))
        max_age = int(outcome.lasts.total_seconds())
        set_cookie(answer, cookie.write(settings, challenge, outcome.token, max_age=max_age))
        return answer
    issued = outcome.issued
    answer = go(request, target_of(request, fields))
    name = cookie.session_name(settings)
    set_cookie(answer, cookie.write(settings, name, issued.token, max_age=issued.max_age))
    if cookie.read(request.scope["headers"], challenge):
        set_cookie(answer, cookie.clear(settings, challenge))
    return answer


def refused(request: Request, error: ChatError, page: str, fields: Fields) -> Response:
    """Back to a page, which says why.

    Wrong credentials answer 200 as Auth.js does, other refusals their own status.

    Args:
        request: The request.
        error: The refusal.
        page: The path of the page.
        fields: What was posted; `callbackUrl` is kept.

    Raises:
        ChatError: The error itself, when it is our own failure and no refusal.
    """
    if error.status >= 500:
        raise error
    query = {"error": word(error)}
    if isinstance(error, WrongCredentials):
        query["code"] = "credentials"
    status = 200 if isinstance(error, WrongCredentials) else error.status
    answer = go(request, _page(request, page, query | _callback_query(request, fields)), status)
    if isinstance(error, RateLimited):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def go(request: Request, url: str, status: int = 200) -> Response:
    """Send the browser on, or tell the script where to go.

    Args:
        request: The request.
        url: Where.
        status: What a script is answered with.
    """
    if wants_url(request):
        return JSONResponse({"url": url}, status, NO_STORE)
    return RedirectResponse(url, 303, NO_STORE)


def set_cookie(answer: Response, value: str) -> None:
    """Add one `Set-Cookie` header, as `auth.cookie` wrote it."""
    answer.headers.append("set-cookie", value)


def target_of(request: Request, fields: Fields, default: str = "/") -> str:
    """The page that `callbackUrl` names, when it is surely ours; else the default."""
    settings = services().settings
    home = home_of(request, settings)
    return safe_callback(fields.get("callbackUrl"), settings, base=home, default=default)


def home_of(request: Request, settings: Settings) -> str:
    """The origin of the page that asks."""
    # While developing, the page is on another port than this; a person goes back to where they are.
    origin = request.headers.get("origin", "").lower()
    return origin if origin in settings.origins else settings.url


def _page(request: Request, page: str, query: Fields) -> str:
    url = f"{home_of(request, services().settings)}{page}"
    return f"{url}?{urlencode(query)}" if query else url


def _callback_query(request: Request, fields: Fields) -> dict[str, str]:
    home = home_of(request, services().settings)
    target = target_of(request, fields)
    return {} if target == f"{home}/" else {"callbackUrl": target.removeprefix(home)}
