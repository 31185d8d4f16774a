"""Forms: reading them, their CSRF token, and routes that answer errors with a redirect.

The CSRF token is a signed double-submit cookie, so nothing is kept on the server. What really
stops a foreign page is the gateway's check of Origin and Sec-Fetch-Site. Clients of Auth.js
request a token and send it, so one that is sent must be right.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.requests import read_body
from chat_app.api.responses import error_redirect, read_cookie
from chat_app.auth.errors import InvalidCsrfToken
from chat_app.core.errors import ChatError, InvalidInput
from chat_app.gateway import cookies
from chat_app.services import services
from chat_app.settings import Settings

FORM_MAX_BYTES = 16_384
"""The largest form."""

FORM_TYPE = "application/x-www-form-urlencoded"
"""The media type of a form."""

_MAX_FIELDS = 20
_MALFORMED = "The form could not be read."

FormRoute = Callable[[Request, dict[str, str]], Awaitable[Response]]


def make_csrf_token(settings: Settings) -> str:
    """A new cookie value: `token.signature`."""
    token = secrets.token_hex(32)
    return f"{token}.{_signature(settings, token)}"


def csrf_token_of(settings: Settings, cookie: str | None) -> str | None:
    """The token inside a cookie that this server signed, or None."""
    token, _, signature = (cookie or "").partition(".")
    return token if _is_same(signature, _signature(settings, token)) else None


def is_csrf_token_valid(settings: Settings, cookie: str | None, sent: str) -> bool:
    """Whether the token of a form is the one of the browser's cookie."""
    token = csrf_token_of(settings, cookie)
    return token is not None and _is_same(token, sent)


def _signature(settings: Settings, token: str) -> str:
    key = hmac.new(settings.secret, b"csrf", hashlib.sha256).digest()
    return hmac.new(key, token.encode(), hashlib.sha256).hexdigest()


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(*(text.encode("utf-8", "surrogatepass") for text in (one, other)))


class UnsupportedFormType(ChatError):
    """The body is not a URL-encoded form."""

    code = "wrong_type"
    status = 415


EVERY_FORM = ("csrfToken", "callbackUrl")
"""The fields of every form."""


def take_form(
    route: FormRoute, error_page: str, names: Collection[str]
) -> Callable[[Request], Awaitable[Response]]:
    """A route that takes a form, checks its CSRF token, and redirects to a page with an error.

    Args:
        route: Takes the request and the fields.
        error_page: The path of the page that shows errors.
        names: The fields that it reads, beside those of every form; it gets no others.
    """
    known = {*EVERY_FORM, *names}

    async def handle(request: Request) -> Response:
        sent = await read_form(request)
        fields = {name: value for name, value in sent.items() if name in known}
        try:
            check_csrf(request, fields)
            return await route(request, fields)
        except ChatError as error:
            return error_redirect(request, error, error_page, fields)

    return handle


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; an empty body has none.

    Raises:
        TooLarge: It has more than 16 kB.
        UnsupportedFormType: It is not a URL-encoded form.
        InvalidInput: It is not UTF-8, or has a field twice.
    """
    body = await read_body(request, FORM_MAX_BYTES, "The form is too large.")
    if not body:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise UnsupportedFormType("Send a form.")
    return parse(body)


def parse(body: bytes) -> dict[str, str]:
    """The fields of a URL-encoded form (WHATWG URL §5.1).

    Raises:
        InvalidInput: It is not UTF-8, has more than 20 fields, or has one twice.
    """
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:  # a UnicodeDecodeError is one
        raise InvalidInput(_MALFORMED) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidInput(_MALFORMED)
    return fields


def check_csrf(request: Request, fields: Mapping[str, str]) -> None:
    """Check a form's `csrfToken`, if it has one.

    Args:
        request: The request, with the browser's cookies.
        fields: The form.

    Raises:
        InvalidCsrfToken: The token is not the one of the browser's cookie.
    """
    settings = services().settings
    sent = fields.get("csrfToken")
    cookie = read_cookie(request, cookies.CSRF)
    if sent is not None and not is_csrf_token_valid(settings, cookie, sent):
        raise InvalidCsrfToken
