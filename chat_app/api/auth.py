"""`/api/auth`: sign-in, sign-up and sign-out, in the paths and shapes of Auth.js (version 5).

What each POST answers is in `responses`; `auth.errors` has every error code. The URLs of Auth.js's
own pages redirect to the page of this app that does the same: its client navigates to them by
itself (`useSession({required: true})`), and links in other programs point there.
"""

import contextlib
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chat_app.api import forms
from chat_app.api.email_flows import LINK_PAGE, SIGN_UP_PAGE, begin_sign_up
from chat_app.api.errors import NO_STORE
from chat_app.api.forms import FORM_MAX_BYTES, check_csrf
from chat_app.api.requests import read_json
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    Fields,
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
    timestamp,
)
from chat_app.api.routing import Routes
from chat_app.auth.errors import known_error_code
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.core.errors import NotFound
from chat_app.gateway import cookies
from chat_app.services import services

routes = Routes()


class SessionUpdate(BaseModel):
    """The body of Auth.js's `update()`; a client cannot change anything with it."""

    csrf_token: str | None = Field(None, alias="csrfToken")


@routes.public("GET POST", "/api/auth/session")
async def session(request: Request) -> Response:
    """The session as Auth.js's `useSession` reads it: null, or a user and an expiry."""
    if request.method == "POST":
        sent = await read_json(request, SessionUpdate, max_bytes=FORM_MAX_BYTES)
        check_csrf(request, {} if sent.csrf_token is None else {"csrfToken": sent.csrf_token})
    resolved: ResolvedSession | None = request.scope.get("session")
    if resolved is None:
        response = json_response(None)
        token = request.scope.get("session_token")
        if token and not services().sessions.was_replaced(token):
            clear_session_cookie(response)
        return response
    profile = resolved.user
    picture = await services().profiles.picture_digest(resolved.principal)
    user = {
        "id": str(profile.id),
        "name": profile.name or None,
        "email": profile.email,
        # The digest makes a new picture a new URL.
        "image": f"{_api_of(request)}/api/account/picture?{picture[:16]}" if picture else None,
    }
    body: dict[str, Any] = {"user": user, "expires": timestamp(resolved.expires_at)}
    if services().settings.auth_session_hook:
        body["claims"] = dict(resolved.principal.claims)
    return json_response(body)


def _api_of(request: Request) -> str:
    """The origin of this server as the client names it, which may be another than the page's."""
    return f"{request.url.scheme}://{request.url.netloc}"


@routes.public("GET", "/api/auth/csrf")
async def csrf_token(request: Request) -> Response | dict[str, str]:
    """The token that a form may send back; the browser keeps the signed one in a cookie."""
    settings = services().settings
    token = forms.csrf_token_of(settings, read_cookie(request, cookies.CSRF))
    if token is not None:
        return {"csrfToken": token}
    cookie = forms.make_csrf_token(settings)
    response = json_response({"csrfToken": forms.csrf_token_of(settings, cookie)})
    set_cookie(response, cookies.CSRF, cookie)
    return response


@routes.public("GET", "/api/auth/providers")
async def providers(request: Request) -> dict[str, dict[str, str]]:
    """The sign-in methods, in the order of the page."""
    settings = services().settings
    base = f"{_api_of(request)}/api/auth"
    methods = [("credentials", "Password", "credentials")]
    for provider in settings.identity_providers:
        kind = "oauth" if provider.kind == "github" else "oidc"
        methods.append((provider.id, provider.label, kind))
    if services().mailer.delivery != "none":
        methods.append(("email", "E-mail link", "email"))
    return {
        name: {
            "id": name,
            "name": label,
            "type": kind,
            "signinUrl": f"{base}/signin/{name}",
            "callbackUrl": f"{base}/callback/{name}",
        }
        for name, label, kind in methods
    }


@routes.form("/api/auth/callback/credentials", error_page=SIGN_IN_PAGE)
@routes.form("/api/auth/signin/credentials", error_page=SIGN_IN_PAGE)
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


@routes.form("/api/auth/signup", error_page=SIGN_UP_PAGE)
async def sign_up(request: Request, fields: Fields) -> Response:
    """Create an account from `email`, `password` and `name`; sign in, or send an email first."""
    if services().settings.sign_up_requires_verification:
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


@routes.public("GET", "/api/auth/signin", "/api/auth/signin/{provider}")
async def sign_in_page(request: Request) -> Response:
    """To the sign-in page; `error` and `callbackUrl` are kept."""
    return _to_page(request, SIGN_IN_PAGE)


@routes.public("GET", "/api/auth/signout")
async def sign_out_page(request: Request) -> Response:
    """To the page with the sign-out button: a link must not sign anyone out."""
    return _to_page(request, "/")


@routes.public("GET", "/api/auth/error")
async def error_page(request: Request) -> Response:
    """To the sign-in page, which shows the error."""
    return _to_page(request, SIGN_IN_PAGE, otherwise="Default")


@routes.public("GET", "/api/auth/verify-request")
async def verify_request_page(request: Request) -> Response:
    """To the page that reports a sent email."""
    return _to_page(request, LINK_PAGE, sent="1")


def _to_page(request: Request, page: str, *, otherwise: str = "", **query: str) -> Response:
    settings, params = services().settings, request.query_params
    if code := known_error_code(params.get("error", ""), otherwise):
        query["error"] = code
    # A URL that is not ours becomes `/`, and so is left out.
    target = safe_callback_url(params.get("callbackUrl"), settings).removeprefix(settings.url)
    if target != "/":
        query["callbackUrl"] = target
    url = f"{settings.url}{page}" + (f"?{urlencode(query)}" if query else "")
    return RedirectResponse(url, 303, NO_STORE)
