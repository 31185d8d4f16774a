"""Passkeys: sign-in with one, and the user's own."""

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.requests import Body, id_of
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    Fields,
    ResponseModel,
    clear_cookie,
    client_of,
    complete_sign_in,
    json_response,
    read_cookie,
    set_cookie,
)
from chat_app.api.routing import Routes
from chat_app.auth.principal import Principal
from chat_app.auth.webauthn import CHALLENGE_SECONDS
from chat_app.gateway import cookies
from chat_app.services import services

_BINDING_BYTES = 16

WebAuthnOptions = Mapping[str, Any]
"""What `navigator.credentials` takes as `publicKey`, as JSON (WebAuthn §5.1.8, §5.1.9)."""

routes = Routes()


class NewPasskey(Body):
    """A credential that the browser created, as JSON text, and a name for it."""

    credential: str
    name: str = ""


class PasskeyName(Body):
    """A new name for a passkey."""

    name: str = Field(max_length=1_000)


class RegisteredPasskey(ResponseModel):
    """A passkey that was stored."""

    id: UUID
    name: str


@routes.public("POST", "/api/auth/passkey/options", response=WebAuthnOptions)
async def begin_sign_in(request: Request) -> Response:
    """The options for a sign-in; only this browser can finish it."""
    binding = secrets.token_urlsafe(_BINDING_BYTES)
    response = json_response(await services().passkeys.begin_sign_in(binding, client_of(request)))
    set_cookie(response, cookies.PASSKEY, binding, max_age=CHALLENGE_SECONDS)
    return response


@routes.form(
    "/api/auth/callback/passkey", error_page=SIGN_IN_PAGE, fields=("credential", "remember")
)
async def sign_in(request: Request, fields: Fields) -> Response:
    """Sign in with `credential`: the browser's assertion, as JSON text."""
    binding = read_cookie(request, cookies.PASSKEY) or ""
    identity = await services().passkeys.sign_in(fields.get("credential", ""), binding)
    response = await complete_sign_in(request, identity, fields)
    clear_cookie(response, cookies.PASSKEY)
    return response


@routes.fresh("POST", "/api/account/passkeys/options", response=WebAuthnOptions)
async def begin_registration(_request: Request, principal: Principal) -> WebAuthnOptions:
    """The options for a new passkey."""
    return await services().passkeys.begin_registration(principal)


@routes.fresh(
    "POST", "/api/account/passkeys", body=NewPasskey, response=RegisteredPasskey, status=201
)
async def register(_request: Request, principal: Principal, body: NewPasskey) -> RegisteredPasskey:
    """Store the passkey that the browser created."""
    passkey = await services().passkeys.register(principal, body.credential, body.name)
    return RegisteredPasskey(id=passkey.id, name=passkey.name)


@routes.signed_in("PATCH", "/api/account/passkeys/{id}", body=PasskeyName)
async def rename(request: Request, principal: Principal, body: PasskeyName) -> None:
    """Rename a passkey."""
    passkey_id = id_of(request.path_params["id"])
    await services().passkeys.rename(principal, passkey_id, body.name)


@routes.fresh("DELETE", "/api/account/passkeys/{id}", errors=(409,))
async def remove(request: Request, principal: Principal) -> None:
    """Remove a passkey, unless it is the last login method."""
    await services().passkeys.remove(principal, id_of(request.path_params["id"]))
