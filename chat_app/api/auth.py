"""Signing in, up and out over HTTP, on the paths and in the shapes of Auth.js (version 5).

Each POST answers in two ways: a browser's own form is sent on with 303; a script that says
`X-Auth-Return-Redirect: 1` gets `{"url": …}` and goes there itself. A refusal is told by the word
in that URL's `?error=` (`auth.refusals` has them all); wrong credentials answer 200 as Auth.js
does, the others their own status.
"""

import contextlib
from datetime import UTC
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from chat_app.api.errors import NO_STORE, wants_url
from chat_app.api.forms import read_form
from chat_app.auth import cookie, csrf
from chat_app.auth.address import client_address
from chat_app.auth.callback import safe_callback
from chat_app.auth.principal import Principal
from chat_app.auth.refusals import WrongCredentials, WrongCsrfToken, word
from chat_app.auth.session_views import Issued, Resolved
from chat_app.errors import ChatError, NotFound, RateLimited
from chat_app.services import services
from chat_app.settings import Settings

SIGN_IN_PAGE = "/signin"
SIGN_UP_PAGE = "/signup"

_ON = ("on", "true", "1")


async def session(request: Request) -> Response:
    """Who is signed in, as Auth.js's `useSession` reads it: null or a user and an expiry."""
    resolved: Resolved | None = request.scope.get("session")
    if resolved is None:
        answer = JSONResponse(None, headers=NO_STORE)
        if request.scope.get("session_token"):
            settings = services().settings
            answer.headers.append(
                "set-cookie", cookie.clear(settings, cookie.session_name(settings))
            )
        return answer
    person = resolved.person
    expires = resolved.expires_at.astimezone(UTC).replace(tzinfo=None)
    user = {
        "id": str(person.id),
        "name": person.name or None,
        "email": person.email,
        "image": None,
    }
    body = {"user": user, "expires": expires.isoformat(timespec="milliseconds") + "Z"}
    return JSONResponse(body, headers=NO_STORE)


async def csrf_token(request: Request) -> Response:
    """The token that a form may send back; the browser keeps the signed one in a cookie."""
    settings = services().settings
    name = cookie.csrf_name(settings)
    kept = csrf.token_of(settings, cookie.read(request.scope["headers"], name))
    if kept is not None:
        return JSONResponse({"csrfToken": kept}, headers=NO_STORE)
    made = csrf.make(settings)
    answer = JSONResponse({"csrfToken": csrf.token_of(settings, made)}, headers=NO_STORE)
    answer.headers.append("set-cookie", cookie.write(settings, name, made))
    return answer


async def providers(request: Request) -> Response:
    """The ways to sign in."""
    home = _home(request, services().settings)
    password = {
        "id": "credentials",
        "name": "Password",
        "type": "credentials",
        "signinUrl": f"{home}/api/auth/signin/credentials",
        "callbackUrl": f"{home}/api/auth/callback/credentials",
    }
    return JSONResponse({"credentials": password}, headers=NO_STORE)


async def sign_in(request: Request) -> Response:
    """Sign in with `email` and `password`; `remember` keeps the session past the browser."""
    fields = await read_form(request)
    live = services()
    try:
        _check_csrf(request, fields, live.settings)
        user_id = await live.accounts.sign_in(
            email=fields.get("email", ""),
            password=fields.get("password", ""),
            address=client_address(request.scope, live.settings.trusted_proxy_hops),
        )
        issued = await _issue(request, user_id, remember=fields.get("remember") in _ON)
    except ChatError as error:
        return _refused(request, error, SIGN_IN_PAGE, fields)
    return _signed_in(request, issued, fields)


async def sign_up(request: Request) -> Response:
    """Make an account from `email`, `password` and `name`, and sign in with it."""
    fields = await read_form(request)
    live = services()
    try:
        _check_csrf(request, fields, live.settings)
        user_id = await live.accounts.sign_up(
            email=fields.get("email", ""),
            password=fields.get("password", ""),
            name=fields.get("name", ""),
            address=client_address(request.scope, live.settings.trusted_proxy_hops),
        )
        issued = await _issue(request, user_id, remember=fields.get("remember") in _ON)
    except ChatError as error:
        return _refused(request, error, SIGN_UP_PAGE, fields)
    return _signed_in(request, issued, fields)


async def sign_out(request: Request) -> Response:
    """End the session, and with it its sockets and running answers."""
    fields = await read_form(request)
    live = services()
    try:
        _check_csrf(request, fields, live.settings)
    except WrongCsrfToken as error:
        return _refused(request, error, SIGN_IN_PAGE, fields)
    principal: Principal | None = request.scope.get("principal")
    if principal is not None:
        with contextlib.suppress(NotFound):  # the person was removed meanwhile
            await live.sessions.revoke(principal, principal.session_id, "signed_out")
    target = _target(request, fields, default=SIGN_IN_PAGE)
    answer = _go(request, target)
    _forget(answer, live.settings)
    return answer


routes = [
    Route("/api/auth/session", session, methods=["GET"]),
    Route("/api/auth/csrf", csrf_token, methods=["GET"]),
    Route("/api/auth/providers", providers, methods=["GET"]),
    Route("/api/auth/callback/credentials", sign_in, methods=["POST"]),
    Route("/api/auth/signup", sign_up, methods=["POST"]),
    Route("/api/auth/signout", sign_out, methods=["POST"]),
]


async def _issue(request: Request, user_id: UUID, *, remember: bool) -> Issued:
    live = services()
    before: Principal | None = request.scope.get("principal")
    return await live.sessions.issue(
        user_id,
        method="password",
        remember=remember,
        address=client_address(request.scope, live.settings.trusted_proxy_hops),
        user_agent=request.headers.get("user-agent", ""),
        replaces=before.session_id if before else None,
    )


def _check_csrf(request: Request, fields: dict[str, str], settings: Settings) -> None:
    # The guard has checked the origin; a token is asked of nobody, but a wrong one tells of a
    # form that was not made for this browser.
    sent = fields.get("csrfToken")
    kept = cookie.read(request.scope["headers"], cookie.csrf_name(settings))
    if sent is not None and not csrf.is_right(settings, kept, sent):
        raise WrongCsrfToken


def _signed_in(request: Request, issued: Issued, fields: dict[str, str]) -> Response:
    settings = services().settings
    name = cookie.session_name(settings)
    answer = _go(request, _target(request, fields))
    answer.headers.append(
        "set-cookie", cookie.write(settings, name, issued.token, max_age=issued.max_age)
    )
    return answer


def _forget(answer: Response, settings: Settings) -> None:
    answer.headers.append("set-cookie", cookie.clear(settings, cookie.session_name(settings)))


def _refused(request: Request, error: ChatError, page: str, fields: dict[str, str]) -> Response:
    if error.status >= 500:
        raise error
    settings = services().settings
    query = {"error": word(error)}
    if isinstance(error, WrongCredentials):
        query["code"] = "credentials"
    home = _home(request, settings)
    target = _target(request, fields)
    if target != f"{home}/":
        query["callbackUrl"] = target.removeprefix(home)
    status = 200 if isinstance(error, WrongCredentials) else error.status
    answer = _go(request, f"{home}{page}?{urlencode(query)}", status)
    if isinstance(error, RateLimited):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _go(request: Request, url: str, status: int = 200) -> Response:
    if wants_url(request):
        return JSONResponse({"url": url}, status, NO_STORE)
    return RedirectResponse(url, 303, NO_STORE)


def _target(request: Request, fields: dict[str, str], default: str = "/") -> str:
    settings = services().settings
    return safe_callback(
        fields.get("callbackUrl"), settings, base=_home(request, settings), default=default
    )


def _home(request: Request, settings: Settings) -> str:
    # While developing, the page is on another port than this; a person goes back to where they are.
    origin = request.headers.get("origin", "").lower()
    return origin if origin in settings.origins else settings.url
