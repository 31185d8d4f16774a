"""Rules for the addresses that settings hold. Pure: nothing is looked up."""

import ipaddress
import re
from urllib.parse import urlsplit

_PLAIN = re.compile(r"[!-\[\]-~]+")  # what ASCII shows, but for the backslash
_ORIGIN = re.compile(r"^https?://[a-z0-9.\-\[\]:]+$")


def host_of(url: str) -> str:
    """The host that a URL names, or an empty text."""
    return urlsplit(url).hostname or ""


def is_loopback(host: str) -> bool:
    """Whether a host, a name or an IP address, can only be this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_ip_address(host: str) -> bool:
    """Whether a host is a number rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_origin(value: str) -> bool:
    """Whether a text in lower case is one exact origin: scheme, host and port, no pattern."""
    return _ORIGIN.match(value) is not None


def has_plain_port(url: str) -> bool:
    """Whether what stands where the port of a URL stands is a port, or nothing."""
    try:
        return urlsplit(url).port != 0
    except ValueError:  # most often a password that is not written as a URL wants it
        return False


def is_plain_url(url: str) -> bool:
    """Whether every reader of a URL finds the same host in it; no user, nothing unseen."""
    try:
        parts = urlsplit(url)
        is_whole = parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return bool(is_whole) and _PLAIN.fullmatch(url) is not None


def api_base_url(url: str) -> str:
    """Where an HTTP API begins, without the slash at the end.

    Raises:
        ValueError: It is no such address, or it says more than where.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits or "@" in url or re.search(r"[\s?#]", url):
        raise ValueError("must look like https://host/v1, without a user, a query or a fragment")
    return url.rstrip("/")
