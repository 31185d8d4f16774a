"""Two-factor authentication: finishing a sign-in, turning it on and off, backup codes."""

import segno
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_app.api.forms import form_route
from chat_app.api.requests import Body, fresh, read_json
from chat_app.api.responses import (
    CODE_PAGE,
    SIGN_IN_PAGE,
    Fields,
    browser_of,
    error_redirect,
    is_checked,
    json_response,
    no_content,
    read_cookie,
    set_cookie,
    sign_in_response,
)
from chat_app.auth.errors import AccessDenied, InvalidToken
from chat_app.auth.principal import Principal
from chat_app.auth.totp import uri_of
from chat_app.gateway import cookies
from chat_app.services import services
from chat_app.settings.validation import host_of

MAX_BYTES = 1_000
"""The largest JSON request."""


class Code(Body):
    """A code of the authenticator app."""

    code: str


@form_route(CODE_PAGE)
async def finish(request: Request, fields: Fields) -> Response:
    """Finish a sign-in with `code`, from the authenticator app or a backup code.

    `trust` remembers the browser, so that it needs no code for a while.
    """
    challenge = read_cookie(request, cookies.challenge_name(services().settings))
    browser = browser_of(request, fields)
    try:
        passed = await services().two_factor.pass_challenge(challenge or "", fields.get("code", ""))
        outcome = await services().sign_in_service.finish(passed, browser)
    except (InvalidToken, AccessDenied) as error:
        return error_redirect(request, error, SIGN_IN_PAGE, fields)
    response = sign_in_response(request, outcome, fields)
    if is_checked(fields, "trust") and services().devices.max_age:
        token = await services().devices.remember(outcome.user_id, browser.user_agent)
        name = cookies.device_name(services().settings)
        set_cookie(response, name, token, max_age=services().devices.max_age)
    return response


@fresh
async def begin(request: Request, principal: Principal) -> Response:
    """A secret for an authenticator app: as text, as an `otpauth:` URI, and as its QR code."""
    user = await services().accounts.profile(principal)
    secret = await services().two_factor.begin(principal)
    uri = uri_of(secret, account=user.email, site=host_of(services().settings.url))
    picture = segno.make(uri, error="m").svg_data_uri(dark="#000", light="#fff", border=4)
    return json_response({"secret": secret, "uri": uri, "qr": picture})


@fresh
async def confirm(request: Request, principal: Principal) -> Response:
    """Turn it on with the first code; the response has the backup codes."""
    body = await read_json(request, Code, max_bytes=MAX_BYTES)
    codes = await services().two_factor.confirm(principal, body.code)
    return json_response({"codes": list(codes)})


@fresh
async def renew_codes(request: Request, principal: Principal) -> Response:
    """Replace the backup codes with ten new ones."""
    codes = await services().two_factor.renew_codes(principal)
    return json_response({"codes": list(codes)})


@fresh
async def turn_off(request: Request, principal: Principal) -> Response:
    """Turn two-factor authentication off."""
    await services().two_factor.turn_off(principal)
    return no_content()


routes = [
    Route("/api/account/totp", begin, methods=["POST"]),
    Route("/api/account/totp", turn_off, methods=["DELETE"]),
    Route("/api/account/totp/confirm", confirm, methods=["POST"]),
    Route("/api/account/backup-codes", renew_codes, methods=["POST"]),
    Route("/api/auth/callback/second-factor", finish, methods=["POST"]),
]
