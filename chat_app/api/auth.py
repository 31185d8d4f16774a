"""`/api/auth`: sign-in, sign-up and sign-out, in the paths and shapes of Auth.js (version 5).

What each POST answers is in `responses`; `auth.errors` has every error code.
"""

import contextlib
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_app.api import forms
from chat_app.api.email_flows import SIGN_UP_PAGE, begin_sign_up
from chat_app.api.forms import FORM_MAX_BYTES, check_csrf, form_route
from chat_app.api.requests import read_json
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    Fields,
    browser_of,
    clear_session_cookie,
    client_of,
    json_response,
    read_cookie,
    redirect,
    set_cookie,
    sign_in_response,
    target_of,
    timestamp,
)
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.core.errors import NotFound
from chat_app.gateway import cookies
from chat_app.services import services


class SessionUpdate(BaseModel):
    """The body of Auth.js's `update()`; a client cannot change anything with it."""

    csrf_token: str | None = Field(None, alias="csrfToken")


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
    user = {
        "id": str(profile.id),
        "name": profile.name or None,
        "email": profile.email,
        "image": None,
    }
    body: dict[str, Any] = {"user": user, "expires": timestamp(resolved.expires_at)}
    if services().settings.auth_session_hook:
        body["claims"] = dict(resolved.principal.claims)
    return json_response(body)


async def csrf_token(request: Request) -> Response:
    """The token that a form may send back; the browser keeps the signed one in a cookie."""
    settings = services().settings
    name = cookies.csrf_name(settings)
    token = forms.csrf_token_of(settings, read_cookie(request, name))
    if token is not None:
        return json_response({"csrfToken": token})
    cookie = forms.make_csrf_token(settings)
    response = json_response({"csrfToken": forms.csrf_token_of(settings, cookie)})
    set_cookie(response, name, cookie)
    return response


async def providers(request: Request) -> Response:
    """The sign-in methods, in the order of the page."""
    settings = services().settings
    # The host of the request, which may be another than the page's.
    base = f"{request.url.scheme}://{request.url.netloc}/api/auth"
    methods = [("credentials", "Password", "credentials")]
    for provider in settings.identity_providers:
        kind = "oauth" if provider.kind == "github" else "oidc"
        methods.append((provider.id, provider.label, kind))
    if services().mailer.delivery != "none":
        methods.append(("email", "E-mail link", "email"))
    body = {
        name: {
            "id": name,
            "name": label,
            "type": kind,
            "signinUrl": f"{base}/signin/{name}",
            "callbackUrl": f"{base}/callback/{name}",
        }
        for name, label, kind in methods
    }
    return json_response(body)


@form_route(SIGN_IN_PAGE)
async def sign_in(request: Request, fields: Fields) -> Response:
    """Sign in with `email` and `password`; `remember` keeps the session when the browser closes."""
    identity = await services().accounts.sign_in(
        email=fields.get("email", ""),
        password=fields.get("password", ""),
        client_ip=client_of(request),
    )
    outcome = await services().sign_in_service.sign_in(identity, browser_of(request, fields))
    return sign_in_response(request, outcome, fields)


@form_route(SIGN_UP_PAGE)
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
    outcome = await services().sign_in_service.sign_in(identity, browser_of(request, fields))
    return sign_in_response(request, outcome, fields)


@form_route(SIGN_IN_PAGE)
async def sign_out(request: Request, fields: Fields) -> Response:
    """Revoke the session, and with it its sockets and running answers."""
    principal: Principal | None = request.scope.get("principal")
    if principal is not None:
        with contextlib.suppress(NotFound):  # the user was deleted meanwhile
            await services().sessions.revoke(principal, principal.credential_id, "signed_out")
    response = redirect(request, target_of(request, fields, default=SIGN_IN_PAGE))
    clear_session_cookie(response)
    return response


routes = [
    Route("/api/auth/session", session, methods=["GET", "POST"]),
    Route("/api/auth/csrf", csrf_token, methods=["GET"]),
    Route("/api/auth/providers", providers, methods=["GET"]),
    Route("/api/auth/callback/credentials", sign_in, methods=["POST"]),
    Route("/api/auth/signin/credentials", sign_in, methods=["POST"]),
    Route("/api/auth/signup", sign_up, methods=["POST"]),
    Route("/api/auth/signout", sign_out, methods=["POST"]),
]
