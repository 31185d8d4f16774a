"""The token of `GET /api/auth/csrf`: a signed double submit that keeps nothing on the server.

What really stops a foreign page is the guard's check of Origin and Sec-Fetch-Site. Clients of
Auth.js ask for a token and send it, so one that is sent must be right.
"""

import hashlib
import hmac
import secrets

from chat_app.settings import Settings


def make(settings: Settings) -> str:
    """A new cookie value: `token.signature`."""
    token = secrets.token_hex(32)
    return f"{token}.{_signature(settings, token)}"


def token_of(settings: Settings, cookie: str | None) -> str | None:
    """The token inside a cookie that this program signed, or None."""
    token, _, signature = (cookie or "").partition(".")
    expected = _signature(settings, token)
    return token if _is_same(signature, expected) else None


def is_right(settings: Settings, cookie: str | None, sent: str) -> bool:
    """Whether a token that a form sent is the one of the browser's cookie."""
    token = token_of(settings, cookie)
    return token is not None and _is_same(token, sent)


def _signature(settings: Settings, token: str) -> str:
    key = hmac.new(settings.secret, b"csrf", hashlib.sha256).digest()
    return hmac.new(key, token.encode(), hashlib.sha256).hexdigest()


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(*(text.encode("utf-8", "surrogatepass") for text in (one, other)))
