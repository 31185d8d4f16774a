"""Small forms, read strictly: what a browser's own form sends, and nothing else."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from chat_app.auth import cookie, csrf
from chat_app.auth.refusals import WrongCsrfToken
from chat_app.errors import ChatError, InvalidInput, TooLarge
from chat_app.services import services

MAX_BYTES = 16_384
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
    kept = cookie.read(request.scope["headers"], cookie.csrf_name(settings))
    if sent is not None and not csrf.is_right(settings, kept, sent):
        raise WrongCsrfToken


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLarge("The form is too large.")
    return bytes(body)
