"""The second factor over HTTP: finishing a sign-in with it, turning it on and off."""

import segno
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.forms import check_csrf, read_form
from chat_app.api.requests import fresh, read_json
from chat_app.api.responses import (
    CODE_PAGE,
    SIGN_IN_PAGE,
    browser_of,
    enter,
    is_on,
    refused,
    set_cookie,
)
from chat_app.auth.errors import AccessDenied, InvalidToken
from chat_app.auth.principal import Principal
from chat_app.auth.totp import uri_of
from chat_app.core.errors import ChatError
from chat_app.gateway import cookies
from chat_app.services import services
from chat_app.settings.validation import host_of

MAX_BYTES = 1_000
"""The largest request of a signed-in person."""


class Code(BaseModel):
    """What the authenticator shows."""

    model_config = ConfigDict(strict=True, extra="forbid")

    code: str


async def finish(request: Request) -> Response:
    """Finish a sign-in with `code`: of the moment, or a backup code.

    `trust` makes the browser one that need not show it again for a while.
    """
    fields = await read_form(request)
    live = services()
    challenge = cookies.read(request.scope["headers"], cookies.challenge_name(live.settings))
    browser = browser_of(request, fields)
    try:
        check_csrf(request, fields)
        spent = await live.two_factor.pass_challenge(challenge or "", fields.get("code", ""))
        entered = await live.sign_in_service.finish(spent, browser)
    except (InvalidToken, AccessDenied) as error:
        return refused(request, error, SIGN_IN_PAGE, fields)
    except ChatError as error:
        return refused(request, error, CODE_PAGE, fields)
    answer = enter(request, entered, fields)
    if is_on(fields, "trust") and live.devices.max_age:
        token = await live.devices.remember(entered.user_id, browser.user_agent)
        name = cookies.device_name(live.settings)
        set_cookie(answer, cookies.write(live.settings, name, token, max_age=live.devices.max_age))
    return answer


@fresh
async def begin(request: Request, principal: Principal) -> Response:
    """A secret for an authenticator: as text, as an `otpauth:` URI, and as a picture of that."""
    live = services()
    person = await live.accounts.person(principal)
    secret = await live.two_factor.begin(principal)
    uri = uri_of(secret, person=person.email, site=host_of(live.settings.url))
    picture = segno.make(uri, error="m").svg_data_uri(dark="#000", light="#fff", border=4)
    return JSONResponse({"secret": secret, "uri": uri, "qr": picture}, headers=NO_STORE)


@fresh
async def confirm(request: Request, principal: Principal) -> Response:
    """Turn it on with the first code; the answer has the backup codes."""
    shown = await read_json(request, Code, most=MAX_BYTES)
    codes = await services().two_factor.confirm(principal, shown.code)
    return JSONResponse({"codes": list(codes)}, headers=NO_STORE)


@fresh
async def renew_codes(request: Request, principal: Principal) -> Response:
    """Ten new backup codes in place of the old ones."""
    codes = await services().two_factor.renew_codes(principal)
    return JSONResponse({"codes": list(codes)}, headers=NO_STORE)


@fresh
async def turn_off(request: Request, principal: Principal) -> Response:
    """Ask for no second factor any more."""
    await services().two_factor.turn_off(principal)
    return Response(status_code=204, headers=NO_STORE)


routes = [
    Route("/api/account/totp", begin, methods=["POST"]),
    Route("/api/account/totp", turn_off, methods=["DELETE"]),
    Route("/api/account/totp/confirm", confirm, methods=["POST"]),
    Route("/api/account/backup-codes", renew_codes, methods=["POST"]),
    Route("/api/auth/callback/second-factor", finish, methods=["POST"]),
]
