"""The mail server that takes the program's letters, and how safely it is spoken to. Pure."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from chat_app.settings.addresses import is_loopback

Security = Literal["tls", "starttls", "none"]
"""TLS from the first byte; STARTTLS, or the letter does not leave; none at all."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server.

    Args:
        host: Its name.
        port: Its port.
        security: How the connection is encrypted.
        user: Who signs in there; empty for nobody.
        password: With what.
    """

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)


def relay_of(url: str) -> Relay:
    """Read `smtp://user:password@host:587` or `smtps://…`.

    A letter carries a key to somebody's account, so it crosses a network encrypted or not at all
    (RFC 8314 §3). What stays on this machine crosses none.

    Args:
        url: A URL that the settings have checked.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "smtps":
        security, port = "tls", 465
    else:
        security, port = ("none", 25) if is_loopback(host) else ("starttls", 587)
    return Relay(
        host,
        parts.port or port,
        security,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )
