"""The cookies: names, attributes, parsing and `Set-Cookie` values.

Over HTTPS a name begins with `__Host-`, so a browser refuses it from another host or path
(ASVS 3.3.1). Over plain HTTP, which the settings allow only on loopback, that prefix cannot be
used.
"""

import hashlib
from collections.abc import Iterable

from chat_app.settings import Settings

Cookies = tuple[tuple[str, str], ...]
"""Names and values, in the order of the request."""


def session_name(settings: Settings) -> str:
    """The name of the session cookie."""
    return _prefix(settings) + "chat_session"


def csrf_name(settings: Settings) -> str:
    """The name of the cookie that a form's `csrfToken` is compared with."""
    return _prefix(settings) + "chat_csrf"


def challenge_name(settings: Settings) -> str:
    """The name of the cookie of a sign-in that still needs a second factor."""
    return _prefix(settings) + "chat_challenge"


def device_name(settings: Settings) -> str:
    """The name of the cookie of a remembered browser."""
    return _prefix(settings) + "chat_device"


def transaction_name(settings: Settings, state: str) -> str:
    """The name of the cookie that binds one OAuth sign-in to the browser that started it."""
    return _transaction(settings) + hashlib.sha256(state.encode()).hexdigest()[:12]


def transactions(headers: Iterable[tuple[bytes, bytes]], settings: Settings) -> list[str]:
    """The names of a request's OAuth cookies, the oldest first (RFC 6265 §5.4)."""
    return [key for key, _ in parse(headers) if key.startswith(_transaction(settings))]


def sign_up_name(settings: Settings) -> str:
    """The name of the cookie of a browser whose new account waits for its email."""
    return _prefix(settings) + "chat_signup"


def passkey_name(settings: Settings) -> str:
    """The name of the cookie that binds a passkey challenge to the browser that requested it."""
    return _prefix(settings) + "chat_passkey"


def parse(headers: Iterable[tuple[bytes, bytes]]) -> Cookies:
    """The cookies in the raw headers of an ASGI scope."""
    return tuple(
        (key.strip(), value.strip())
        for name, header in headers
        if name.lower() == b"cookie"
        for key, equals, value in (
            pair.partition("=") for pair in header.decode("latin-1").split(";")
        )
        if equals
    )


def first(cookies: Cookies, name: str) -> str | None:
    """The first cookie of a name, or None."""
    return next((value for key, value in cookies if key == name), None)


def read(headers: Iterable[tuple[bytes, bytes]], name: str) -> str | None:
    """The first cookie of a name in the raw headers of an ASGI scope, or None."""
    return first(parse(headers), name)


def without_session(cookies: Cookies, settings: Settings) -> str:
    """The value of a Cookie header without the session cookie; empty when nothing is left."""
    session = session_name(settings)
    return "; ".join(f"{key}={value}" for key, value in cookies if key != session)


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
    """A `Set-Cookie` value that deletes a cookie."""
    return write(settings, name, "", max_age=0)


def _transaction(settings: Settings) -> str:
    return _prefix(settings) + "chat_oauth_"


def _prefix(settings: Settings) -> str:
    return "__Host-" if settings.is_https else ""
