"""Where a request may come from: exact addresses, never patterns."""

from collections.abc import Collection, Sequence
from typing import Literal
from urllib.parse import urlsplit

UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Verdict = Literal["ours", "absent", "foreign"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def serialize_origin(origin: str) -> str:
    """A configured origin as browsers serialise it: lower case, no default port.

    RFC 6454 §6.2.
    """
    parts = urlsplit(origin.lower())
    if parts.port is not None and parts.port == _DEFAULT_PORTS.get(parts.scheme):
        return f"{parts.scheme}://{parts.netloc.rsplit(':', 1)[0]}"
    return f"{parts.scheme}://{parts.netloc}"


def is_cross_site(fetch_site: Sequence[str]) -> bool:
    """Whether the browser itself says that the page is of another site than this server.

    Only a browser knows where a site ends (the public suffix list), and one that asks across
    sites sends no session along (SameSite=Lax).

    Args:
        fetch_site: Every Sec-Fetch-Site header.
    """
    return "cross-site" in fetch_site


class Origins:
    """The allow-list of origins and the hosts that follow from it.

    Args:
        allowed: Exact origins such as `https://chat.example`.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self.allowed = frozenset(serialize_origin(origin) for origin in allowed)
        # Sorted, so that https wins where a host has both.
        self._schemes = {
            parts.netloc: parts.scheme for parts in map(urlsplit, sorted(self.allowed))
        }

    def scheme_for(self, host: str | None) -> str | None:
        """How people reach this server under a Host header; None when it is not a name of it.

        A proxy that ends TLS speaks plain HTTP to us, so the connection itself does not say.
        """
        return None if host is None else self._schemes.get(host.lower())

    def judge(self, values: Sequence[str]) -> Verdict:
        """Judge all Origin headers of a request.

        The comparison is of whole strings. Nothing is parsed, so a suffix, a user part, a
        trailing dot or a second value has no way in.
        """
        if not values:
            return "absent"
        if len(values) == 1 and values[0].lower() in self.allowed:
            return "ours"
        return "foreign"

    def permits(
        self,
        method: str,
        origin: Verdict,
        fetch_site: Sequence[str],
        *,
        has_cookie: bool,
    ) -> bool:
        """Whether a request may act in a person's name (ASVS 3.5.1).

        A foreign origin never may, whatever the method. A request without one comes from a plain
        navigation or from a program; to change something it must not carry a cookie, which a
        program with a cookie mends by sending the Origin it acts for.

        Args:
            method: The HTTP method.
            origin: The verdict on its Origin.
            fetch_site: Every Sec-Fetch-Site header.
            has_cookie: Whether any cookie came along.
        """
        if origin != "absent":
            return origin == "ours"
        if method not in UNSAFE_METHODS:
            return True
        from_elsewhere = any(site not in ("same-origin", "none") for site in fetch_site)
        return not has_cookie and not from_elsewhere
