"""Proving again who one is, over HTTP. The answer carries a new token for the same session."""

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.requests import read_json, signed_in
from chat_app.api.responses import client_of, set_cookie, target_of
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import IssuedSession
from chat_app.core.errors import InvalidInput
from chat_app.gateway import cookies
from chat_app.services import services

MAX_BYTES = 16_384
"""The largest request: a credential and an address."""


class Again(BaseModel):
    """What is shown: one of the two; and where to go then."""

    model_config = ConfigDict(strict=True, extra="forbid")

    password: str | None = None
    code: str | None = None
    callbackUrl: str = ""


class AgainByPasskey(BaseModel):
    """What the browser brought, as JSON text, and where to go then."""

    model_config = ConfigDict(strict=True, extra="forbid")

    credential: str
    callbackUrl: str = ""


@signed_in
async def step_up(request: Request, principal: Principal) -> Response:
    """Prove it by the password or by a code of the second factor."""
    shown = await read_json(request, Again, most=MAX_BYTES)
    by = services().step_up
    if (shown.password is None) == (shown.code is None):
        raise InvalidInput("Send either a password or a code.")
    if shown.password is not None:
        issued = await by.by_password(principal, shown.password, client_of(request))
    else:
        issued = await by.by_code(principal, shown.code or "")
    return _proved(request, issued, shown.callbackUrl)


@signed_in
async def begin_passkey(request: Request, principal: Principal) -> Response:
    """What to ask the browser for."""
    options = await services().passkeys.begin_step_up(principal)
    return JSONResponse(options, headers=NO_STORE)


@signed_in
async def by_passkey(request: Request, principal: Principal) -> Response:
    """Prove it by a passkey."""
    shown = await read_json(request, AgainByPasskey, most=MAX_BYTES)
    issued = await services().step_up.by_passkey(principal, shown.credential)
    return _proved(request, issued, shown.callbackUrl)


def _proved(request: Request, issued: IssuedSession, callback: str) -> Response:
    settings = services().settings
    url = target_of(request, {"callbackUrl": callback}, default="/settings/profile")
    answer = JSONResponse({"url": url}, headers=NO_STORE)
    name = cookies.session_name(settings)
    set_cookie(answer, cookies.write(settings, name, issued.token, max_age=issued.max_age))
    return answer


routes = [
    Route("/api/account/step-up", step_up, methods=["POST"]),
    Route("/api/account/step-up/passkey/options", begin_passkey, methods=["POST"]),
    Route("/api/account/step-up/passkey", by_passkey, methods=["POST"]),
]
