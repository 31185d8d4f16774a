"""Sign-in links, password resets, and the verification of email addresses.

A request for an email gets the same response whether or not there is an account. A link in an
email leads to a page, and only a POST from that page has an effect: mail scanners that open links
use nothing up.
"""

from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.forms import read_form
from chat_app.api.requests import Body
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    Fields,
    ResponseModel,
    browser_of,
    clear_cookie,
    client_of,
    known_browser_of,
    own_known_browser,
    read_cookie,
    redirect_to_page,
    remember_known_browser,
    set_cookie,
    sign_in_response,
    target_of,
)
from chat_app.api.routing import Routes
from chat_app.auth.errors import InvalidToken, SessionRequired
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.email_flows import (
    SIGN_UP_LIFETIME,
    LinkRequirement,
    preview_link,
)
from chat_app.gateway import cookies
from chat_app.orgs.invitations import PURPOSE as INVITATION
from chat_app.services import services

LINK_PAGE, RESET_PAGE, NEW_PASSWORD_PAGE = "/signin/link", "/reset", "/reset/new"
SIGN_UP_PAGE, CONFIRM_PAGE, ACCOUNT_PAGE = "/signup", "/confirm", "/settings/account"
MAX_BYTES = 4_000
"""The largest JSON request."""

routes = Routes()


class NewEmail(Body):
    """The body of `POST /api/account/email`."""

    email: str


class LinkPreview(ResponseModel):
    """What an email's link would do."""

    email: str
    """The email address that it is about."""
    needs: LinkRequirement
    """What following it needs."""
    callback_url: str | None
    """Where it leads afterwards."""


@routes.form("/api/auth/signin/email", error_page=LINK_PAGE, fields=("email",))
async def send_link(request: Request, fields: Fields) -> Response:
    """Send a sign-in link to `email`."""
    email = fields.get("email", "")
    await services().magic_links.send(
        email,
        client_of(request),
        callback_url=target_of(request, fields),
        known=await known_browser_of(request, email),
    )
    return redirect_to_page(request, LINK_PAGE, {"sent": "1"})


@routes.form("/api/auth/callback/email", error_page=SIGN_IN_PAGE, fields=("token", "remember"))
async def follow_link(request: Request, fields: Fields) -> Response:
    """Sign in with the `token` of a link."""
    result = await services().magic_links.follow(
        _token_of(fields, "sign_in_link"), browser_of(request, fields)
    )
    return await sign_in_response(request, result, fields)


@routes.form("/api/auth/reset", error_page=RESET_PAGE, fields=("email",))
async def send_reset(request: Request, fields: Fields) -> Response:
    """Send a link to reset the password to `email`."""
    email = fields.get("email", "")
    known = await known_browser_of(request, email)
    await services().password_changes.send_reset(email, client_of(request), known)
    return redirect_to_page(request, RESET_PAGE, {"sent": "1"})


@routes.form("/api/auth/reset/confirm", error_page=NEW_PASSWORD_PAGE, fields=("token", "password"))
async def finish_reset(request: Request, fields: Fields) -> Response:
    """Set a new `password` with the `token` of a link; the browser becomes a known one."""
    token, password = _token_of(fields, "reset_password"), fields.get("password", "")
    user_id = await services().password_changes.reset(token, password, client_of(request))
    response = redirect_to_page(request, RESET_PAGE, {"done": "1"})
    await remember_known_browser(request, response, user_id)
    return response


async def begin_sign_up(request: Request, fields: Fields) -> Response:
    """Send the email that verifies a new account; the rest of `POST /api/auth/signup`.

    Raises:
        ChatError: See `EmailSignUps.begin`.
    """
    email = fields.get("email", "")
    browser_secret = await services().email_sign_ups.begin(
        email=email,
        password=fields.get("password", ""),
        name=fields.get("name", ""),
        client_ip=client_of(request),
        callback_url=target_of(request, fields),
        known=await known_browser_of(request, email),
    )
    response = redirect_to_page(request, SIGN_UP_PAGE, {"sent": "1"})
    set_cookie(response, cookies.SIGN_UP, browser_secret, max_age=SIGN_UP_LIFETIME)
    return response


@routes.public(
    "POST", "/api/auth/email-link", response=LinkPreview, fields=("token",), errors=(403,)
)
async def preview(request: Request) -> LinkPreview:
    """What the `token` of an email would do; it is not used up."""
    fields = await read_form(request)
    purpose, _, token = fields.get("token", "").partition(".")
    principal: Principal | None = request.scope.get("principal")
    if purpose == INVITATION:
        link = await services().invitations.preview(principal, token)
    else:
        link = await preview_link(
            services().tokens,
            purpose,
            token,
            browser_secret=read_cookie(request, cookies.SIGN_UP),
            principal=principal,
        )
    return LinkPreview(
        email=link.email, needs=link.requirement, callback_url=link.callback_url or None
    )


@routes.form("/api/auth/verify", error_page=CONFIRM_PAGE, fields=("token", "password", "remember"))
async def verify(request: Request, fields: Fields) -> Response:
    """Use the `token` of an email: create an account, or verify or change an email."""
    purpose = fields.get("token", "").partition(".")[0]
    if purpose == "sign_up":
        return await _finish_sign_up(request, fields)
    principal: Principal | None = request.scope.get("principal")
    if principal is None:
        raise SessionRequired
    token, changes = _token_of(fields, purpose), services().email_changes
    if purpose == "verify_email":
        await changes.verify(principal, token)
    elif purpose == "change_email":
        await changes.change(principal, token)
    else:
        raise InvalidToken
    return redirect_to_page(request, ACCOUNT_PAGE)


@routes.signed_in("POST", "/api/account/verify")
async def send_verification(request: Request, principal: Principal) -> None:
    """Send the verification of the user's email again."""
    known = await own_known_browser(request)
    await services().email_changes.send_verification(principal, client_of(request), known)


@routes.fresh("POST", "/api/account/email", body=NewEmail, max_bytes=MAX_BYTES, errors=(409,))
async def send_change(request: Request, principal: Principal, body: NewEmail) -> None:
    """Send a verification to the email that the user wants to change to."""
    await services().email_changes.send_change(principal, body.email, client_of(request))


async def _finish_sign_up(request: Request, fields: Fields) -> Response:
    result = await services().email_sign_ups.finish(
        _token_of(fields, "sign_up"),
        browser_secret=read_cookie(request, cookies.SIGN_UP),
        password=fields.get("password", ""),
        browser=browser_of(request, fields),
    )
    response = await sign_in_response(request, result, fields)
    clear_cookie(response, cookies.SIGN_UP)
    return response


def _token_of(fields: Fields, purpose: str) -> str:
    """The token as it is in the link, with its purpose before it, or alone."""
    return fields.get("token", "").removeprefix(f"{purpose}.")
