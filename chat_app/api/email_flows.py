"""What people do by letter: come in, choose a password, confirm an address.

Who asks for a letter gets the same answer whether or not there is an account. A link in a letter
leads to a page, and only a POST from there does something: programs that open links to look at
them use nothing up.
"""

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.forms import check_csrf, read_form
from chat_app.api.requests import fresh, read_json, signed_in
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    browser_of,
    client_of,
    enter,
    go,
    home_of,
    refused,
    set_cookie,
    target_of,
)
from chat_app.auth.errors import InvalidToken, SessionRequired
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in import sign_up
from chat_app.core.errors import ChatError
from chat_app.gateway import cookies
from chat_app.services import services

LINK_PAGE, RESET_PAGE, NEW_PASSWORD_PAGE = "/signin/link", "/reset", "/reset/new"
SIGN_UP_PAGE, CONFIRM_PAGE, PROFILE_PAGE = "/signup", "/confirm", "/settings/profile"
MAX_BYTES = 4_000
"""The largest JSON request."""

Fields = dict[str, str]


class NewAddress(BaseModel):
    """Where somebody wants to move."""

    model_config = ConfigDict(strict=True, extra="forbid")

    email: str


async def send_link(request: Request) -> Response:
    """Send a link to sign in with to `email`."""
    fields = await read_form(request)
    try:
        check_csrf(request, fields)
        await services().email_flows.magic_links.send(
            fields.get("email", ""), client_of(request), goes_to=target_of(request, fields)
        )
    except ChatError as error:
        return refused(request, error, LINK_PAGE, fields)
    return go(request, _ours(request, f"{LINK_PAGE}?sent=1"))


async def follow_link(request: Request) -> Response:
    """Sign in with the `token` of a link."""
    fields = await read_form(request)
    try:
        check_csrf(request, fields)
        token = _token_of(fields, "sign_in_link")
        outcome = await services().email_flows.magic_links.follow(
            token, browser_of(request, fields)
        )
    except ChatError as error:
        return refused(request, error, SIGN_IN_PAGE, fields)
    return enter(request, outcome, fields)


async def send_reset(request: Request) -> Response:
    """Send a link to choose a new password with to `email`."""
    fields = await read_form(request)
    try:
        check_csrf(request, fields)
        await services().email_flows.resets.send(fields.get("email", ""), client_of(request))
    except ChatError as error:
        return refused(request, error, RESET_PAGE, fields)
    return go(request, _ours(request, f"{RESET_PAGE}?sent=1"))


async def finish_reset(request: Request) -> Response:
    """Take the new `password` of who has the `token`."""
    fields = await read_form(request)
    try:
        check_csrf(request, fields)
        token = _token_of(fields, "reset_password")
        password = fields.get("password", "")
        await services().email_flows.resets.finish(token, password, client_of(request))
    except ChatError as error:
        return refused(request, error, NEW_PASSWORD_PAGE, fields)
    return go(request, _ours(request, f"{RESET_PAGE}?done=1"))


async def begin_sign_up(request: Request, fields: Fields) -> Response:
    """Send the letter that confirms a new account; the rest of `POST /api/auth/signup`.

    Raises:
        ChatError: See `SignUps.begin`.
    """
    live = services()
    known_as = await live.email_flows.sign_ups.begin(
        email=fields.get("email", ""),
        password=fields.get("password", ""),
        name=fields.get("name", ""),
        address=client_of(request),
        goes_to=target_of(request, fields),
    )
    answer = go(request, _ours(request, f"{SIGN_UP_PAGE}?sent=1"))
    name, max_age = (
        cookies.sign_up_name(live.settings),
        int(sign_up.SIGN_UP_LIFETIME.total_seconds()),
    )
    set_cookie(answer, cookies.write(live.settings, name, known_as, max_age=max_age))
    return answer


async def look(request: Request) -> Response:
    """What the `token` of a letter would do; it is not used up."""
    fields = await read_form(request)
    purpose, _, token = fields.get("token", "").partition(".")
    seen = await services().email_flows.look(
        purpose, token, known_as=_known_as(request), principal=request.scope.get("principal")
    )
    body = {"email": seen.email, "needs": seen.needs, "callbackUrl": seen.goes_to or None}
    return JSONResponse(body, headers=NO_STORE)


async def verify(request: Request) -> Response:
    """Do what the `token` of a letter is for: make an account, prove an address, move to one."""
    fields = await read_form(request)
    purpose = fields.get("token", "").partition(".")[0]
    try:
        check_csrf(request, fields)
        if purpose == "sign_up":
            return await _finish_sign_up(request, fields)
        await _take_address(request, purpose, _token_of(fields, purpose))
    except ChatError as error:
        return refused(request, error, CONFIRM_PAGE, fields)
    return go(request, _ours(request, PROFILE_PAGE))


@signed_in
async def send_proof(request: Request, principal: Principal) -> Response:
    """Send the letter that proves the person's own address, once more."""
    await services().email_flows.addresses.send_proof(principal, client_of(request))
    return Response(status_code=204, headers=NO_STORE)


@fresh
async def send_change(request: Request, principal: Principal) -> Response:
    """Send a letter to the address that the person wants to have."""
    wanted = await read_json(request, NewAddress, most=MAX_BYTES)
    addresses = services().email_flows.addresses
    await addresses.send_change(principal, wanted.email, client_of(request))
    return Response(status_code=204, headers=NO_STORE)


routes = [
    Route("/api/auth/signin/email", send_link, methods=["POST"]),
    Route("/api/auth/callback/email", follow_link, methods=["POST"]),
    Route("/api/auth/reset", send_reset, methods=["POST"]),
    Route("/api/auth/reset/confirm", finish_reset, methods=["POST"]),
    Route("/api/auth/letter", look, methods=["POST"]),
    Route("/api/auth/verify", verify, methods=["POST"]),
    Route("/api/account/verify", send_proof, methods=["POST"]),
    Route("/api/account/email", send_change, methods=["POST"]),
]


async def _finish_sign_up(request: Request, fields: Fields) -> Response:
    live = services()
    outcome = await live.email_flows.sign_ups.finish(
        _token_of(fields, "sign_up"),
        known_as=_known_as(request),
        password=fields.get("password", ""),
        browser=browser_of(request, fields),
    )
    answer = enter(request, outcome, fields)
    set_cookie(answer, cookies.clear(live.settings, cookies.sign_up_name(live.settings)))
    return answer


async def _take_address(request: Request, purpose: str, token: str) -> None:
    principal: Principal | None = request.scope.get("principal")
    if principal is None:
        raise SessionRequired
    addresses = services().email_flows.addresses
    if purpose == "verify_email":
        await addresses.prove(principal, token)
    elif purpose == "change_email":
        await addresses.change(principal, token)
    else:
        raise InvalidToken


def _token_of(fields: Fields, purpose: str) -> str:
    """The token, as it stands in the link: with its purpose before it, or alone."""
    return fields.get("token", "").removeprefix(f"{purpose}.")


def _known_as(request: Request) -> str | None:
    return cookies.read(request.scope["headers"], cookies.sign_up_name(services().settings))


def _ours(request: Request, path: str) -> str:
    return home_of(request, services().settings) + path
