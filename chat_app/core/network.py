"""The client's IP address behind reverse proxies, and the network it belongs to."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from chat_app.settings import Settings

UNKNOWN = "unknown"
"""The client IP of a request without one; all of them share one rate limit."""

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_ip(scope: Mapping[str, Any], hops: int) -> str:
    """The client's IP address in canonical form, or `UNKNOWN`.

    Args:
        scope: An ASGI scope.
        hops: How many trusted reverse proxies there are. Each appends the address it saw to
            X-Forwarded-For, so the client's is the `hops`-th from the right; entries further
            left can be forged.
    """
    if hops > 0:
        forwarded = [
            part
            for name, value in scope.get("headers", ())
            if name.lower() == b"x-forwarded-for"
            for part in value.decode("latin-1").split(",")
        ]
        if len(forwarded) >= hops and (address := _parse(forwarded[-hops])):
            return str(address)
    peer = scope.get("client")
    address = _parse(peer[0]) if peer else None
    return str(address) if address else UNKNOWN


def client_network_of(client_ip: str) -> str:
    """The key of a rate limit: an IPv4 address, or the /64 of one IPv6 customer."""
    address = _parse(client_ip)
    if isinstance(address, ipaddress.IPv6Address):
        return _network(address, 64)
    return str(address) if address else UNKNOWN


def is_private(client_ip: str) -> bool:
    """Whether a client IP is loopback, private or not a valid IP address."""
    address = _parse(client_ip)
    return address is None or not address.is_global


def is_hidden_by_proxy(client_ip: str, settings: Settings) -> bool:
    """Whether a client IP is the one of a reverse proxy, and so that of every client.

    A server with a public URL is behind a proxy, because it serves no TLS. If none is trusted, a
    loopback or private address is the proxy's.

    Args:
        client_ip: From `client_ip`.
        settings: How many proxies are trusted, and the public URL.
    """
    is_proxied = settings.trusted_proxy_hops == 0 and not settings.has_loopback_url
    return is_proxied and is_private(client_ip)


def limited_network(client_ip: str, settings: Settings) -> str | None:
    """The key of a limit per client; None where one client would use up the limit of all."""
    return None if is_hidden_by_proxy(client_ip, settings) else client_network_of(client_ip)


def coarse_network(client_ip: str) -> str:
    """What is stored with a session: the /24 or the /64."""
    address = _parse(client_ip)
    if address is None:
        return ""
    bits = 64 if isinstance(address, ipaddress.IPv6Address) else 24
    return f"{_network(address, bits)}/{bits}"


def _network(address: _IPAddress, bits: int) -> str:
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False).network_address)


def _parse(text: str) -> _IPAddress | None:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
