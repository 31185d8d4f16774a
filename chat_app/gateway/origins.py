"""Origin checks: exact origins, never patterns; the CSRF rule for Origin and Sec-Fetch-Site."""

from collections.abc import Collection, Sequence
from typing import Literal
from urllib.parse import urlsplit

UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Verdict = Literal["ours", "absent", "foreign"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def serialize_origin(origin: str) -> str:
    """A configured origin as browsers serialize it: lower case, no default port.

    RFC 6454 §6.2.
    """
    parts = urlsplit(origin.lower())
    if parts.port is not None and parts.port == _DEFAULT_PORTS.get(parts.scheme):
        return f"{parts.scheme}://{parts.netloc.rsplit(':', 1)[0]}"
    return f"{parts.scheme}://{parts.netloc}"


def permits(method: str, origin: Verdict, fetch_site: Sequence[str], *, has_cookie: bool) -> bool:
    """Whether a request may act for a user (ASVS 3.5.1).

    A foreign origin never may, whatever the method. A request without an Origin is a plain
    navigation or comes from a program; to change something it must not carry a cookie. A program
    that has a cookie must send the Origin it acts for.

    Args:
        method: The HTTP method.
        origin: The verdict on the Origin header.
        fetch_site: Every Sec-Fetch-Site header.
        has_cookie: Whether the request has a Cookie header.
    """
    if origin != "absent":
        return origin == "ours"
    if method not in UNSAFE_METHODS:
        return True
    is_from_elsewhere = any(site not in ("same-origin", "none") for site in fetch_site)
    return not has_cookie and not is_from_elsewhere


class Origins:
    """The allowed origins of this server, and its hosts, which follow from them.

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
        """The public scheme of a Host header; None when it is no host of this server.

        Behind a proxy that terminates TLS, the connection itself is always plain HTTP. A host with
        the default port of its scheme is the host without one (RFC 9110 §4.2.3).
        """
        if host is None:
            return None
        host = host.lower()
        for scheme, port in _DEFAULT_PORTS.items():
            name = host.removesuffix(f":{port}")
            if name != host and f"{scheme}://{name}" in self.allowed:
                return scheme
        return self._schemes.get(host)

    def judge(self, values: Sequence[str]) -> Verdict:
        """Judge every Origin header of a request.

        Whole strings are compared. Nothing is parsed, so a suffix, a user part, a trailing dot or
        a second value never matches.
        """
        if not values:
            return "absent"
        if len(values) == 1 and values[0].lower() in self.allowed:
            return "ours"
        return "foreign"
