"""Where a request comes from, as far as it can be believed."""

import ipaddress
from collections.abc import Mapping
from typing import Any

UNKNOWN = "unknown"
"""The address of a request without one; all of them share one budget, so they fail closed."""

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_ip(scope: Mapping[str, Any], hops: int) -> str:
    """The address of the client.

    Args:
        scope: An ASGI scope.
        hops: How many reverse proxies stand in front. Each appends the address it saw, so the
            client's is the `hops`-th from the right; what stands further left is hearsay.

    Returns:
        An address in its shortest spelling, or `UNKNOWN`.
    """
    if hops > 0:
        seen = [
            part
            for name, value in scope.get("headers", ())
            if name.lower() == b"x-forwarded-for"
            for part in value.decode("latin-1").split(",")
        ]
        if len(seen) >= hops and (address := _parse(seen[-hops])):
            return str(address)
    peer = scope.get("client")
    address = _parse(peer[0]) if peer else None
    return str(address) if address else UNKNOWN


def client_network_of(address: str) -> str:
    """What a rate limit counts: an IPv4 address, or the /64 that one IPv6 customer has."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return _network(parsed, 64)
    return str(parsed) if parsed else UNKNOWN


def coarse_network(address: str) -> str:
    """What is kept with a session: the /24 or the /64, enough to recognise one's own."""
    parsed = _parse(address)
    if parsed is None:
        return ""
    bits = 64 if isinstance(parsed, ipaddress.IPv6Address) else 24
    return f"{_network(parsed, bits)}/{bits}"


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
