"""Signing in, up and out over HTTP, on the paths and in the shapes of Auth.js (version 5).

How each POST answers is in `answers`; `auth.refusals` has the words of all refusals.
"""

import contextlib
from datetime import UTC
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chat_app.api import forms
from chat_app.api.email_flows import SIGN_UP_PAGE, begin_sign_up
from chat_app.api.errors import NO_STORE
from chat_app.api.forms import FORM_MAX_BYTES, check_csrf, read_form
from chat_app.api.requests import read_json
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    browser_of,
    client_of,
    enter,
    go,
    refused,
    set_cookie,
    target_of,
)
from chat_app.auth.errors import InvalidCsrfToken
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.core.errors import ChatError, NotFound
from chat_app.gateway import cookies
from chat_app.services import services


class Update(BaseModel):
    """What Auth.js's `update()` sends: nothing of it may be written by a client."""

    csrf_token: str | None = Field(None, alias="csrfToken")


async def session(request: Request) -> Response:
    """Who is signed in, as Auth.js's `useSession` reads it: null or a user and an expiry."""
    if request.method == "POST":
        sent = await read_json(request, Update, most=FORM_MAX_BYTES)
        check_csrf(request, {} if sent.csrf_token is None else {"csrfToken": sent.csrf_token})
    resolved: ResolvedSession | None = request.scope.get("session")
    if resolved is None:
        answer = JSONResponse(None, headers=NO_STORE)
        token = request.scope.get("session_token")
        if token and not services().sessions.was_replaced(token):
            settings = services().settings
            set_cookie(answer, cookies.clear(settings, cookies.session_name(settings)))
        return answer
    profile = resolved.user
    expires = resolved.expires_at.astimezone(UTC).replace(tzinfo=None)
    user = {
        "id": str(profile.id),
        "name": profile.name or None,
        "email": profile.email,
        "image": None,
    }
    body: dict[str, Any] = {
        "user": user,
        "expires": expires.isoformat(timespec="milliseconds") + "Z",
    }
    if services().settings.auth_session_hook:
        body["claims"] = dict(resolved.principal.claims)
    return JSONResponse(body, headers=NO_STORE)


async def csrf_token(request: Request) -> Response:
    """The token that a form may send back; the browser keeps the signed one in a cookie."""
    settings = services().settings
    name = cookies.csrf_name(settings)
    kept = forms.csrf_token_of(settings, cookies.read(request.scope["headers"], name))
    if kept is not None:
        return JSONResponse({"csrfToken": kept}, headers=NO_STORE)
    made = forms.make_csrf_token(settings)
    answer = JSONResponse({"csrfToken": forms.csrf_token_of(settings, made)}, headers=NO_STORE)
    set_cookie(answer, cookies.write(settings, name, made))
    return answer


async def providers(request: Request) -> Response:
    """The ways to sign in, in the order of the page."""
    settings = services().settings
    # Where this was asked, not where the page is: that may be another host.
    base = f"{request.url.scheme}://{request.url.netloc}/api/auth"
    ways = [("credentials", "Password", "credentials")]
    for one in settings.identity_providers:
        ways.append((one.id, one.label, "oauth" if one.kind == "github" else "oidc"))
    if services().email_flows.mailer.delivery != "none":
        ways.append(("email", "E-mail link", "email"))
    found = {
        name: {
            "id": name,
            "name": label,
            "type": kind,
            "signinUrl": f"{base}/signin/{name}",
            "callbackUrl": f"{base}/callback/{name}",
        }
        for name, label, kind in ways
    }
    return JSONResponse(found, headers=NO_STORE)


async def sign_in(request: Request) -> Response:
    """Sign in with `email` and `password`; `remember` keeps the session past the browser."""
    fields = await read_form(request)
    live = services()
    try:
        check_csrf(request, fields)
        identity = await live.accounts.sign_in(
            email=fields.get("email", ""),
            password=fields.get("password", ""),
            address=client_of(request),
        )
        outcome = await live.sign_in_service.sign_in(identity, browser_of(request, fields))
    except ChatError as error:
        return refused(request, error, SIGN_IN_PAGE, fields)
    return enter(request, outcome, fields)


async def sign_up(request: Request) -> Response:
    """Make an account from `email`, `password` and `name`, and sign in or send a letter."""
    fields = await read_form(request)
    live = services()
    try:
        check_csrf(request, fields)
        if live.settings.sign_up_requires_verification:
            return await begin_sign_up(request, fields)
        identity = await live.accounts.sign_up(
            email=fields.get("email", ""),
            password=fields.get("password", ""),
            name=fields.get("name", ""),
            address=client_of(request),
            welcome=live.sign_in_service.check,
        )
        outcome = await live.sign_in_service.sign_in(identity, browser_of(request, fields))
    except ChatError as error:
        return refused(request, error, SIGN_UP_PAGE, fields)
    return enter(request, outcome, fields)


async def sign_out(request: Request) -> Response:
    """End the session, and with it its sockets and running answers."""
    fields = await read_form(request)
    live = services()
    try:
        check_csrf(request, fields)
    except InvalidCsrfToken as error:
        return refused(request, error, SIGN_IN_PAGE, fields)
    principal: Principal | None = request.scope.get("principal")
    if principal is not None:
        with contextlib.suppress(NotFound):  # the person was removed meanwhile
            await live.sessions.revoke(principal, principal.credential_id, "signed_out")
    answer = go(request, target_of(request, fields, default=SIGN_IN_PAGE))
    set_cookie(answer, cookies.clear(live.settings, cookies.session_name(live.settings)))
    return answer


routes = [
    Route("/api/auth/session", session, methods=["GET", "POST"]),
    Route("/api/auth/csrf", csrf_token, methods=["GET"]),
    Route("/api/auth/providers", providers, methods=["GET"]),
    Route("/api/auth/callback/credentials", sign_in, methods=["POST"]),
    Route("/api/auth/signin/credentials", sign_in, methods=["POST"]),
    Route("/api/auth/signup", sign_up, methods=["POST"]),
    Route("/api/auth/signout", sign_out, methods=["POST"]),
]
