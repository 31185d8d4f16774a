"""Step-up authentication. The response sets a new token for the same session."""

from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.passkeys import WebAuthnOptions
from chat_app.api.requests import Body
from chat_app.api.responses import (
    NextPage,
    client_of,
    json_response,
    own_known_browser,
    set_session_cookie,
    target_of,
)
from chat_app.api.routing import Routes
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import IssuedSession
from chat_app.core.errors import InvalidInput
from chat_app.services import services

routes = Routes()


class PasswordOrCode(Body):
    """One of the two, and where to go afterwards."""

    password: str | None = None
    code: str | None = None
    callbackUrl: str = ""


class PasskeyAssertion(Body):
    """The browser's assertion as JSON text, and where to go afterwards."""

    credential: str
    callbackUrl: str = ""


@routes.signed_in("POST", "/api/account/step-up", body=PasswordOrCode, response=NextPage)
async def step_up(request: Request, principal: Principal, body: PasswordOrCode) -> Response:
    """Authenticate again with the password or a two-factor code."""
    service = services().step_up
    if (body.password is None) == (body.code is None):
        raise InvalidInput("Send either a password or a code.")
    if body.password is not None:
        known = await own_known_browser(request)
        issued = await service.by_password(principal, body.password, client_of(request), known)
    else:
        issued = await service.by_code(principal, body.code or "")
    return _stepped_up(request, issued, body.callbackUrl)


@routes.signed_in(
    "POST", "/api/account/step-up/passkey/options", response=WebAuthnOptions, errors=(404,)
)
async def begin_passkey(_request: Request, principal: Principal) -> WebAuthnOptions:
    """The options for an assertion."""
    return await services().passkeys.begin_step_up(principal)


@routes.signed_in(
    "POST",
    "/api/account/step-up/passkey",
    body=PasskeyAssertion,
    response=NextPage,
)
async def by_passkey(request: Request, principal: Principal, body: PasskeyAssertion) -> Response:
    """Authenticate again with a passkey."""
    issued = await services().step_up.by_passkey(principal, body.credential)
    return _stepped_up(request, issued, body.callbackUrl)


def _stepped_up(request: Request, issued: IssuedSession, callback_url: str) -> Response:
    url = target_of(request, {"callbackUrl": callback_url}, default="/settings/account")
    response = json_response(NextPage(url=url))
    set_session_cookie(response, issued)
    return response
