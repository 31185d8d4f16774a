"""`/api/auth`: sign-in, sign-up and sign-out, in the paths and shapes of Auth.js (version 5).

What each POST answers is in `responses`; `auth.errors` has every error code. The URLs of Auth.js's
own pages redirect to the page of this app that does the same: its client navigates to them by
itself (`useSession({required: true})`), and links in other programs point there.
"""

import contextlib
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chat_app.api import forms
from chat_app.api.email_flows import LINK_PAGE, SIGN_UP_PAGE, begin_sign_up
from chat_app.api.errors import NO_STORE
from chat_app.api.forms import check_csrf
from chat_app.api.requests import Query
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    Fields,
    ResponseModel,
    Timestamp,
    clear_session_cookie,
    client_of,
    complete_sign_in,
    json_response,
    known_browser_of,
    read_cookie,
    redirect,
    safe_callback_url,
    set_cookie,
    target_of,
)
from chat_app.api.routing import Routes
from chat_app.auth.errors import known_error_code
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.core.errors import NotFound
from chat_app.gateway import cookies
from chat_app.services import services

_CREDENTIALS = ("email", "password", "remember")

routes = Routes()


class SessionUpdate(BaseModel):
    """The body of Auth.js's `update()`; a client cannot change anything with it."""

    csrf_token: str | None = Field(None, alias="csrfToken")


class AuthJsUser(ResponseModel):
    """The user of a session."""

    id: UUID
    name: str | None
    email: str
    image: str | None
    """The URL of the picture."""


class AuthJsSession(ResponseModel):
    """A session as Auth.js has it."""

    user: AuthJsUser
    expires: Timestamp
    claims: dict[str, Any] | None = Field(None, exclude_if=lambda claims: claims is None)
    """What `AUTH_SESSION_HOOK` adds; missing where there is none."""


class AuthJsProvider(ResponseModel):
    """A sign-in method as Auth.js has it."""

    id: str
    name: str
    type: Literal["credentials", "oauth", "oidc", "email"]
    signin_url: str
    callback_url: str


class CsrfToken(ResponseModel):
    """The token of forms."""

    csrf_token: str


class PageQuery(Query):
    """What a page of Auth.js is told."""

    error: str = ""
    """The code of an error; an unknown one becomes `Default`."""
    callbackUrl: str = ""
    """Where to go after signing in; left out when it is not a URL of this app."""


@routes.public("POST", "/api/auth/session", body=SessionUpdate, response=AuthJsSession | None)
async def update_session(request: Request, body: SessionUpdate) -> Response:
    """The same as `GET`: what Auth.js's `update()` sends changes nothing."""
    check_csrf(request, {} if body.csrf_token is None else {"csrfToken": body.csrf_token})
    return await session(request)


@routes.public("GET", "/api/auth/session", response=AuthJsSession | None)
async def session(request: Request) -> Response:
    """The session as Auth.js's `useSession` reads it: null, or a user and an expiry."""
    resolved: ResolvedSession | None = request.scope.get("session")
    if resolved is None:
        response = json_response(None)
        token = request.scope.get("session_token")
        if token and not services().sessions.was_replaced(token):
            clear_session_cookie(response)
        return response
    profile = resolved.user
    picture = await services().profiles.picture_digest(resolved.principal)
    user = AuthJsUser(
        id=profile.id,
        name=profile.name or None,
        email=profile.email,
        # The digest makes a new picture a new URL.
        image=f"{_api_of(request)}/api/account/picture?{picture[:16]}" if picture else None,
    )
    has_claims = services().settings.auth_session_hook
    claims = dict(resolved.principal.claims) if has_claims else None
    return json_response(AuthJsSession(user=user, expires=resolved.expires_at, claims=claims))


def _api_of(request: Request) -> str:
    """The origin of this server as the client names it, which may be another than the page's."""
    return f"{request.url.scheme}://{request.url.netloc}"


@routes.public("GET", "/api/auth/csrf", response=CsrfToken)
async def csrf_token(request: Request) -> Response | CsrfToken:
    """The token that a form may send back; the browser keeps the signed one in a cookie."""
    settings = services().settings
    token = forms.csrf_token_of(settings, read_cookie(request, cookies.CSRF))
    if token is not None:
        return CsrfToken(csrf_token=token)
    cookie = forms.make_csrf_token(settings)
    response = json_response(CsrfToken(csrf_token=cookie.partition(".")[0]))
    set_cookie(response, cookies.CSRF, cookie)
    return response


@routes.public("GET", "/api/auth/providers", response=dict[str, AuthJsProvider])
async def providers(request: Request) -> dict[str, AuthJsProvider]:
    """The sign-in methods, in the order of the page."""
    settings = services().settings
    base = f"{_api_of(request)}/api/auth"
    methods: list[tuple[str, str, Literal["credentials", "oauth", "oidc", "email"]]] = [
        ("credentials", "Password", "credentials")
    ]
    for provider in settings.identity_providers:
        kind = "oauth" if provider.kind == "github" else "oidc"
        methods.append((provider.id, provider.label, kind))
    if services().mailer.delivery != "none":
        methods.append(("email", "E-mail link", "email"))
    return {
        name: AuthJsProvider(
            id=name,
            name=label,
            type=kind,
            signin_url=f"{base}/signin/{name}",
            callback_url=f"{base}/callback/{name}",
        )
        for name, label, kind in methods
    }


@routes.form("/api/auth/callback/credentials", error_page=SIGN_IN_PAGE, fields=_CREDENTIALS)
@routes.form("/api/auth/signin/credentials", error_page=SIGN_IN_PAGE, fields=_CREDENTIALS)
async def sign_in(request: Request, fields: Fields) -> Response:
    """Sign in with `email` and `password`; `remember` keeps the session when the browser closes."""
    email = fields.get("email", "")
    identity = await services().accounts.sign_in(
        email=email,
        password=fields.get("password", ""),
        client_ip=client_of(request),
        known=await known_browser_of(request, email),
    )
    return await complete_sign_in(request, identity, fields)


@routes.form("/api/auth/signup", error_page=SIGN_UP_PAGE, fields=(*_CREDENTIALS, "name"))
async def sign_up(request: Request, fields: Fields) -> Response:
    """Create an account from `email`, `password` and `name`; sign in, or send an email first."""
    if await services().sign_up_policies.needs_verified_email():
        return await begin_sign_up(request, fields)
    identity = await services().accounts.sign_up(
        email=fields.get("email", ""),
        password=fields.get("password", ""),
        name=fields.get("name", ""),
        client_ip=client_of(request),
        check=services().sign_in_service.check,
    )
    return await complete_sign_in(request, identity, fields)


@routes.form("/api/auth/signout", error_page=SIGN_IN_PAGE)
async def sign_out(request: Request, fields: Fields) -> Response:
    """Revoke the session, and with it its sockets and running answers."""
    principal: Principal | None = request.scope.get("principal")
    if principal is not None:
        with contextlib.suppress(NotFound):  # the user was deleted meanwhile
            await services().sessions.revoke(principal, principal.credential_id, "signed_out")
    response = redirect(request, target_of(request, fields, default=SIGN_IN_PAGE))
    clear_session_cookie(response)
    return response


@routes.public(
    "GET", "/api/auth/signin", "/api/auth/signin/{provider}", query=PageQuery, redirects=True
)
async def sign_in_page(_request: Request, query: PageQuery) -> Response:
    """To the sign-in page; `error` and `callbackUrl` are kept."""
    return _to_page(query, SIGN_IN_PAGE)


@routes.public("GET", "/api/auth/signout", query=PageQuery, redirects=True)
async def sign_out_page(_request: Request, query: PageQuery) -> Response:
    """To the page with the sign-out button: a link must not sign anyone out."""
    return _to_page(query, "/")


@routes.public("GET", "/api/auth/error", query=PageQuery, redirects=True)
async def error_page(_request: Request, query: PageQuery) -> Response:
    """To the sign-in page, which shows the error."""
    return _to_page(query, SIGN_IN_PAGE, otherwise="Default")


@routes.public("GET", "/api/auth/verify-request", query=PageQuery, redirects=True)
async def verify_request_page(_request: Request, query: PageQuery) -> Response:
    """To the page that reports a sent email."""
    return _to_page(query, LINK_PAGE, sent="1")


def _to_page(given: PageQuery, page: str, *, otherwise: str = "", **query: str) -> Response:
    settings = services().settings
    if code := known_error_code(given.error, otherwise):
        query["error"] = code
    # A URL that is not ours becomes `/`, and so is left out.
    target = safe_callback_url(given.callbackUrl, settings).removeprefix(settings.url)
    if target != "/":
        query["callbackUrl"] = target
    url = f"{settings.url}{page}" + (f"?{urlencode(query)}" if query else "")
    return RedirectResponse(url, 303, NO_STORE)
