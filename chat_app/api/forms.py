"""The token of `GET /api/auth/csrf`: a signed double submit that keeps nothing on the server.

What really stops a foreign page is the guard's check of Origin and Sec-Fetch-Site. Clients of
Auth.js ask for a token and send it, so one that is sent must be right.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from chat_app.auth.errors import InvalidCsrfToken
from chat_app.core.errors import ChatError, InvalidInput, TooLarge
from chat_app.gateway import cookies
from chat_app.services import services
from chat_app.settings import Settings


def make_csrf_token(settings: Settings) -> str:
    """A new cookie value: `token.signature`."""
    token = secrets.token_hex(32)
    return f"{token}.{_signature(settings, token)}"


def csrf_token_of(settings: Settings, cookie: str | None) -> str | None:
    """The token inside a cookie that this program signed, or None."""
    token, _, signature = (cookie or "").partition(".")
    expected = _signature(settings, token)
    return token if _is_same(signature, expected) else None


def is_csrf_token_valid(settings: Settings, cookie: str | None, sent: str) -> bool:
    """Whether a token that a form sent is the one of the browser's cookie."""
    token = csrf_token_of(settings, cookie)
    return token is not None and _is_same(token, sent)


def _signature(settings: Settings, token: str) -> str:
    key = hmac.new(settings.secret, b"csrf", hashlib.sha256).digest()
    return hmac.new(key, token.encode(), hashlib.sha256).hexdigest()


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(*(text.encode("utf-8", "surrogatepass") for text in (one, other)))


FORM_MAX_BYTES = 16_384
"""The largest form that is read."""

_TYPE = "application/x-www-form-urlencoded"
_MAX_FIELDS = 20
_MALFORMED = "The form could not be read."


class WrongType(ChatError):
    """The body is of a type that is not taken here."""

    code = "wrong_type"
    status = 415


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form; an empty body has none.

    Raises:
        TooLarge: It has more than 16 kB.
        WrongType: It is not a URL-encoded form.
        InvalidInput: It is not UTF-8, or names a field twice.
    """
    body = await _read(request)
    if not body:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise WrongType("Send a form.")
    return parse(body)


def parse(body: bytes) -> dict[str, str]:
    """The fields of a URL-encoded form (WHATWG URL §5.1).

    Raises:
        InvalidInput: It is not UTF-8, has more than 20 fields, or names one twice.
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
    """Refuse a form that was made for another browser.

    The guard has checked the origin. A `csrfToken` is asked of nobody; one that is sent must be
    right.

    Args:
        request: The request, with the browser's cookies.
        fields: What was posted.

    Raises:
        WrongCsrfToken: The token is not the one of this browser's cookie.
    """
    settings = services().settings
    sent = fields.get("csrfToken")
    kept = cookies.read(request.scope["headers"], cookies.csrf_name(settings))
    if sent is not None and not is_csrf_token_valid(settings, kept, sent):
        raise InvalidCsrfToken


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_MAX_BYTES:
            raise TooLarge("The form is too large.")
    return bytes(body)
