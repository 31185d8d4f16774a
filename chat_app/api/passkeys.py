"""Passkeys over HTTP: coming in with one, and a person's own."""

import secrets

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.forms import check_csrf, read_form
from chat_app.api.requests import fresh, id_of, read_json, signed_in
from chat_app.api.responses import SIGN_IN_PAGE, browser_of, client_of, enter, refused, set_cookie
from chat_app.auth.principal import Principal
from chat_app.auth.webauthn import CHALLENGE_SECONDS
from chat_app.core.errors import ChatError
from chat_app.gateway import cookies
from chat_app.services import services

MAX_BYTES = 16_384
"""The largest request: a credential and its name."""

_BINDING = 16  # bytes


class NewPasskey(BaseModel):
    """What a browser made, as JSON text, and what to call it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    credential: str
    name: str = ""


class Name(BaseModel):
    """What to call a passkey."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str = Field(max_length=1_000)


async def begin_sign_in(request: Request) -> Response:
    """What to ask the browser for; it can be answered from this browser alone."""
    live = services()
    binding = secrets.token_urlsafe(_BINDING)
    options = await live.passkeys.begin_sign_in(binding, client_of(request))
    answer = JSONResponse(options, headers=NO_STORE)
    name = cookies.passkey_name(live.settings)
    set_cookie(answer, cookies.write(live.settings, name, binding, max_age=CHALLENGE_SECONDS))
    return answer


async def sign_in(request: Request) -> Response:
    """Sign in with `credential`: what the browser brought, as JSON text."""
    fields = await read_form(request)
    live = services()
    name = cookies.passkey_name(live.settings)
    binding = cookies.read(request.scope["headers"], name)
    try:
        check_csrf(request, fields)
        identity = await live.passkeys.sign_in(fields.get("credential", ""), binding or "")
        outcome = await live.sign_in_service.sign_in(identity, browser_of(request, fields))
    except ChatError as error:
        return refused(request, error, SIGN_IN_PAGE, fields)
    answer = enter(request, outcome, fields)
    set_cookie(answer, cookies.clear(live.settings, name))
    return answer


@fresh
async def begin_registration(request: Request, principal: Principal) -> Response:
    """What to ask the browser for."""
    options = await services().passkeys.begin_registration(principal)
    return JSONResponse(options, headers=NO_STORE)


@fresh
async def register(request: Request, principal: Principal) -> Response:
    """Keep the passkey that the browser made."""
    new = await read_json(request, NewPasskey, most=MAX_BYTES)
    made = await services().passkeys.register(principal, new.credential, new.name)
    return JSONResponse({"id": str(made.id), "name": made.name}, 201, NO_STORE)


@signed_in
async def rename(request: Request, principal: Principal) -> Response:
    """Call a passkey something else."""
    passkey_id = id_of(request.path_params["id"])
    wanted = await read_json(request, Name, most=MAX_BYTES)
    await services().passkeys.rename(principal, passkey_id, wanted.name)
    return Response(status_code=204, headers=NO_STORE)


@fresh
async def remove(request: Request, principal: Principal) -> Response:
    """Remove a passkey, unless it is the last way in."""
    await services().passkeys.remove(principal, id_of(request.path_params["id"]))
    return Response(status_code=204, headers=NO_STORE)


routes = [
    Route("/api/auth/passkey/options", begin_sign_in, methods=["POST"]),
    Route("/api/auth/callback/passkey", sign_in, methods=["POST"]),
    Route("/api/account/passkeys/options", begin_registration, methods=["POST"]),
    Route("/api/account/passkeys", register, methods=["POST"]),
    Route("/api/account/passkeys/{id}", rename, methods=["PATCH"]),
    Route("/api/account/passkeys/{id}", remove, methods=["DELETE"]),
]
