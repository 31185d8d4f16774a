"""The cookies: names, attributes, parsing and `Set-Cookie` values.

Over HTTPS a name begins with `__Host-`, so a browser refuses it from another host or path
(ASVS 3.3.1). Over plain HTTP, which the settings allow only on loopback, that prefix cannot be
used.
"""

import hashlib
from collections.abc import Iterable

from chat_app.gateway.paths import RouteKind
from chat_app.settings import Settings

Cookies = tuple[tuple[str, str], ...]
"""Names and values, in the order of the request."""


SESSION = "chat_session"
"""The session's token."""
CSRF = "chat_csrf"
"""What a form's `csrfToken` is compared with."""
CHALLENGE = "chat_challenge"
"""A sign-in that still needs a second factor."""
DEVICE = "chat_device"
"""A remembered browser."""
KNOWN = "chat_known"
"""Whose failed sign-ins count apart in this browser; it authenticates nothing."""
SIGN_UP = "chat_signup"
"""A browser whose new account waits for its email."""
PASSKEY = "chat_passkey"
"""Binds a passkey challenge to the browser that requested it."""
_TRANSACTION = "chat_oauth_"


def full_name(settings: Settings, name: str) -> str:
    """The name under which a browser stores one of these cookies."""
    return f"__Host-{name}" if settings.is_https else name


def transaction(state: str) -> str:
    """The cookie that binds one OAuth sign-in to the browser that started it."""
    return _TRANSACTION + hashlib.sha256(state.encode()).hexdigest()[:12]


def transactions(headers: Iterable[tuple[bytes, bytes]], settings: Settings) -> list[str]:
    """The OAuth cookies of a request, the oldest first (RFC 6265 §5.4)."""
    prefix = full_name(settings, _TRANSACTION)
    names = [name for name, _ in parse(headers) if name.startswith(prefix)]
    return [_TRANSACTION + name.removeprefix(prefix) for name in names]


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


def first(cookies: Cookies, settings: Settings, name: str) -> str | None:
    """The first cookie of a name, or None."""
    stored = full_name(settings, name)
    return next((value for key, value in cookies if key == stored), None)


def passed_on(route: RouteKind, cookies: Cookies, settings: Settings) -> str:
    """The Cookie header that the app receives; empty for none.

    It never has the session, which the gateway resolves. The routes for signing in receive all
    others, and those of a signed-in user the known browser, whose limits they count.

    Args:
        route: What the path leads to.
        cookies: Those of the request.
        settings: Decides how the cookies are named.
    """
    if route is RouteKind.AUTH:
        session = full_name(settings, SESSION)
        passed = [(key, value) for key, value in cookies if key != session]
    elif route is RouteKind.API:
        known = full_name(settings, KNOWN)
        passed = [(key, value) for key, value in cookies if key == known]
    else:
        passed = []
    return "; ".join(f"{key}={value}" for key, value in passed)


def write(settings: Settings, name: str, value: str, *, max_age: int | None = None) -> str:
    """A `Set-Cookie` value.

    Args:
        settings: Decides whether the cookie is Secure.
        name: One of the names above.
        value: Printable ASCII without `;`; the callers only pass base64url, hex and compact JWE.
        max_age: Seconds the browser keeps it; None keeps it until the browser is closed.
    """
    parts = [f"{full_name(settings, name)}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if settings.is_https:
        parts.append("Secure")
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    return "; ".join(parts)
