"""The cookies of this program: their names, their attributes, and reading them from a request.

On https the name carries `__Host-`, so a browser refuses it from another host or path
(ASVS 3.3.1). On plain http, which the settings allow only on loopback, that prefix cannot be used.
"""

import hashlib
from collections.abc import Iterable, Iterator

from chat_app.settings import Settings


def session_name(settings: Settings) -> str:
    """The name of the session cookie."""
    return _prefix(settings) + "chat_session"


def csrf_name(settings: Settings) -> str:
    """The name of the cookie that a form's `csrfToken` is compared with."""
    return _prefix(settings) + "chat_csrf"


def challenge_name(settings: Settings) -> str:
    """The name of the cookie of somebody who still has to show a second factor."""
    return _prefix(settings) + "chat_challenge"


def device_name(settings: Settings) -> str:
    """The name of the cookie by which a browser is remembered as somebody's own."""
    return _prefix(settings) + "chat_device"


def transaction_name(settings: Settings, state: str) -> str:
    """The name of the cookie that ties one sign-in at a provider to the browser it began in."""
    return _transaction(settings) + hashlib.sha256(state.encode()).hexdigest()[:12]


def transactions(headers: Iterable[tuple[bytes, bytes]], settings: Settings) -> list[str]:
    """The names of all such cookies that came, the oldest first as browsers send them.

    RFC 6265 §5.4.
    """
    return [key for key, _ in _pairs(headers) if key.startswith(_transaction(settings))]


def sign_up_name(settings: Settings) -> str:
    """The name of the cookie of a browser whose new account waits for a letter."""
    return _prefix(settings) + "chat_signup"


def passkey_name(settings: Settings) -> str:
    """The name of the cookie that ties a passkey's challenge to the browser that asked for it."""
    return _prefix(settings) + "chat_passkey"


def read(headers: Iterable[tuple[bytes, bytes]], name: str) -> str | None:
    """The first cookie of a name in the raw headers of an ASGI scope, or None."""
    return next((value for key, value in _pairs(headers) if key == name), None)


def read_token(headers: Iterable[tuple[bytes, bytes]], settings: Settings) -> str | None:
    """The session token that a request carries, unchecked, or None."""
    return read(headers, session_name(settings))


def others(headers: Iterable[tuple[bytes, bytes]], settings: Settings) -> str:
    """The value of a Cookie header without the session's; empty when nothing is left."""
    ours = session_name(settings)
    return "; ".join(f"{key}={value}" for key, value in _pairs(headers) if key != ours)


def write(settings: Settings, name: str, value: str, *, max_age: int | None = None) -> str:
    """A `Set-Cookie` value.

    Args:
        settings: Decides whether the cookie is Secure.
        name: One of the names above.
        value: Printable ASCII without `;`; the callers only pass base64url and hex.
        max_age: Seconds the browser keeps it; None keeps it until the browser is closed.
    """
    parts = [f"{name}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if settings.is_https:
        parts.append("Secure")
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    return "; ".join(parts)


def clear(settings: Settings, name: str) -> str:
    """A `Set-Cookie` value that makes the browser forget a cookie."""
    return write(settings, name, "", max_age=0)


def _pairs(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    for header, value in headers:
        if header.lower() == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, equals, text = pair.partition("=")
                if equals:
                    yield key.strip(), text.strip()


def _transaction(settings: Settings) -> str:
    return _prefix(settings) + "chat_oauth_"


def _prefix(settings: Settings) -> str:
    return "__Host-" if settings.is_https else ""
