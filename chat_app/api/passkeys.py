"""Passkeys: sign-in with one, and the user's own."""

import secrets

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_app.api.forms import form_route
from chat_app.api.requests import Body, fresh, id_of, read_json, signed_in
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    Fields,
    browser_of,
    clear_cookie,
    client_of,
    json_response,
    no_content,
    read_cookie,
    set_cookie,
    sign_in_response,
)
from chat_app.auth.principal import Principal
from chat_app.auth.webauthn import CHALLENGE_SECONDS
from chat_app.gateway import cookies
from chat_app.services import services

MAX_BYTES = 16_384
"""The largest request: a credential and its name."""

_BINDING_BYTES = 16


class NewPasskey(Body):
    """A credential that the browser created, as JSON text, and a name for it."""

    credential: str
    name: str = ""


class PasskeyName(Body):
    """A new name for a passkey."""

    name: str = Field(max_length=1_000)


async def begin_sign_in(request: Request) -> Response:
    """The options for a sign-in; only this browser can finish it."""
    binding = secrets.token_urlsafe(_BINDING_BYTES)
    response = json_response(await services().passkeys.begin_sign_in(binding, client_of(request)))
    name = cookies.passkey_name(services().settings)
    set_cookie(response, name, binding, max_age=CHALLENGE_SECONDS)
    return response


@form_route(SIGN_IN_PAGE)
async def sign_in(request: Request, fields: Fields) -> Response:
    """Sign in with `credential`: the browser's assertion, as JSON text."""
    name = cookies.passkey_name(services().settings)
    binding = read_cookie(request, name)
    identity = await services().passkeys.sign_in(fields.get("credential", ""), binding or "")
    outcome = await services().sign_in_service.sign_in(identity, browser_of(request, fields))
    response = sign_in_response(request, outcome, fields)
    clear_cookie(response, name)
    return response


@fresh
async def begin_registration(request: Request, principal: Principal) -> Response:
    """The options for a new passkey."""
    return json_response(await services().passkeys.begin_registration(principal))


@fresh
async def register(request: Request, principal: Principal) -> Response:
    """Store the passkey that the browser created."""
    body = await read_json(request, NewPasskey, max_bytes=MAX_BYTES)
    passkey = await services().passkeys.register(principal, body.credential, body.name)
    return json_response({"id": str(passkey.id), "name": passkey.name}, 201)


@signed_in
async def rename(request: Request, principal: Principal) -> Response:
    """Rename a passkey."""
    passkey_id = id_of(request.path_params["id"])
    body = await read_json(request, PasskeyName, max_bytes=MAX_BYTES)
    await services().passkeys.rename(principal, passkey_id, body.name)
    return no_content()


@fresh
async def remove(request: Request, principal: Principal) -> Response:
    """Remove a passkey, unless it is the last login method."""
    await services().passkeys.remove(principal, id_of(request.path_params["id"]))
    return no_content()


routes = [
    Route("/api/auth/passkey/options", begin_sign_in, methods=["POST"]),
    Route("/api/auth/callback/passkey", sign_in, methods=["POST"]),
    Route("/api/account/passkeys/options", begin_registration, methods=["POST"]),
    Route("/api/account/passkeys", register, methods=["POST"]),
    Route("/api/account/passkeys/{id}", rename, methods=["PATCH"]),
    Route("/api/account/passkeys/{id}", remove, methods=["DELETE"]),
]
