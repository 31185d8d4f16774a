"""Two-factor authentication: finishing a sign-in, turning it on and off, backup codes."""

import segno
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.requests import Body
from chat_app.api.responses import (
    CODE_PAGE,
    SIGN_IN_PAGE,
    Fields,
    ResponseModel,
    browser_of,
    error_redirect,
    is_checked,
    read_cookie,
    set_cookie,
    sign_in_response,
)
from chat_app.api.routing import Routes
from chat_app.auth.errors import AccessDenied, InvalidToken
from chat_app.auth.principal import Principal
from chat_app.auth.totp import uri_of
from chat_app.gateway import cookies
from chat_app.services import services
from chat_app.settings.validation import host_of

MAX_BYTES = 1_000
"""The largest JSON request."""

routes = Routes()


class Code(Body):
    """A code of the authenticator app."""

    code: str


class TotpSecret(ResponseModel):
    """A secret for an authenticator app."""

    secret: str
    """As text (base32)."""
    uri: str
    """As an `otpauth:` URI."""
    qr: str
    """The QR code of that URI, as the `data:` URI of a picture."""


class BackupCodes(ResponseModel):
    """Codes that each replace one of the authenticator app; they are shown once."""

    codes: list[str]


@routes.form(
    "/api/auth/callback/second-factor",
    error_page=CODE_PAGE,
    fields=("code", "trust", "remember"),
)
async def finish(request: Request, fields: Fields) -> Response:
    """Finish a sign-in with `code`, from the authenticator app or a backup code.

    `trust` remembers the browser, so that it needs no code for a while.
    """
    challenge = read_cookie(request, cookies.CHALLENGE)
    browser = browser_of(request, fields)
    try:
        passed = await services().two_factor.pass_challenge(challenge or "", fields.get("code", ""))
        result = await services().sign_in_service.finish(passed, browser)
    except (InvalidToken, AccessDenied) as error:
        return error_redirect(request, error, SIGN_IN_PAGE, fields)
    response = await sign_in_response(request, result, fields)
    devices = services().devices
    if is_checked(fields, "trust") and devices.max_age:
        token = await devices.remember(result.user_id, browser.user_agent)
        set_cookie(response, cookies.DEVICE, token, max_age=devices.max_age)
    return response


@routes.fresh("POST", "/api/account/totp", response=TotpSecret, errors=(409,))
async def begin(_request: Request, principal: Principal) -> TotpSecret:
    """A secret for an authenticator app: as text, as an `otpauth:` URI, and as its QR code."""
    user = await services().accounts.profile(principal)
    secret = await services().two_factor.begin(principal)
    uri = uri_of(secret, account=user.email, site=host_of(services().settings.url))
    picture = segno.make(uri, error="m").svg_data_uri(dark="#000", light="#fff", border=4)
    return TotpSecret(secret=secret, uri=uri, qr=picture)


@routes.fresh(
    "POST",
    "/api/account/totp/confirm",
    body=Code,
    max_bytes=MAX_BYTES,
    response=BackupCodes,
    errors=(409,),
)
async def confirm(_request: Request, principal: Principal, body: Code) -> BackupCodes:
    """Turn it on with the first code; the response has the backup codes."""
    return BackupCodes(codes=list(await services().two_factor.confirm(principal, body.code)))


@routes.fresh("POST", "/api/account/backup-codes", response=BackupCodes, errors=(409,))
async def renew_codes(_request: Request, principal: Principal) -> BackupCodes:
    """Replace the backup codes with ten new ones."""
    return BackupCodes(codes=list(await services().two_factor.renew_codes(principal)))


@routes.fresh("DELETE", "/api/account/totp", errors=(409,))
async def turn_off(request: Request, principal: Principal) -> None:
    """Turn two-factor authentication off."""
    await services().two_factor.turn_off(principal)
