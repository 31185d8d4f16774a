"""Outgoing HTTP requests to URLs that a user or an operator names: SSRF protection and limits.

A host name is resolved once and the connection is pinned to an address that was checked, so DNS
rebinding changes nothing; TLS still verifies the name. Redirects, compressed bodies, proxies from
the environment, large bodies and slow servers are refused.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

import httpx2

MAX_BODY_BYTES = 262_144
"""The largest response body."""
READ_TIMEOUT_SECONDS = 10.0
"""How long a server may take to connect or to send its next bytes."""
NEXT_ADDRESS_SECONDS = 3.0
"""How long an address may take to accept the connection while another one is left to try."""
TOTAL_TIMEOUT_SECONDS = 30.0
"""How long a whole response may take."""

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes a host and a port; returns IP addresses. Raises `OSError` when there are none."""

_NON_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        # `is_global` of Python 3.11 does not know these.
        "192.0.0.0/24",
        "192.88.99.0/24",
        "224.0.0.0/4",
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
        "ff00::/8",
    )
)


class UnexpectedResponse(Exception):
    """A response that is not accepted.

    Args:
        problem: What is wrong with it; contains nothing of the response.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"The response {problem}.")


class BlockedAddress(Exception):
    """The URL leads to an address that may not be requested."""

    def __init__(self) -> None:
        super().__init__("The URL leads to an address that may not be requested.")


def is_public_address(text: str) -> bool:
    """Whether an IP address is on the public internet (unicast, not private, reserved or NAT64)."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_global and not any(
        address in network for network in _NON_PUBLIC if network.version == address.version
    )


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def no_private_hosts(host: str) -> bool:
    """The policy for users' URLs: https only, and only public addresses."""
    return False


class OutgoingTransport(httpx2.AsyncBaseTransport):
    """Requests allowed URLs only, and limits the responses.

    Args:
        allow_private: Whether a host may have a private address and plain http.
        resolver: Resolves host names.
        tls: Verifies servers; None for the system's trust store.
    """

    def __init__(
        self,
        allow_private: Callable[[str], bool] = no_private_hosts,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._resolver = resolver
        # A kept connection belongs to an address, not to a name: TLS would not check the name.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._inner = httpx2.AsyncHTTPTransport(
            verify=tls or _default_tls(), trust_env=False, limits=limits
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request.

        Raises:
            BlockedAddress: The URL or one of its host's addresses is not allowed.
            UnexpectedResponse: A redirect, a compressed or a too large response.
            httpx2.TransportError: The server cannot be reached, or is too slow.
        """
        deadline = asyncio.get_running_loop().time() + TOTAL_TIMEOUT_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._send(request)
        except TimeoutError:
            raise httpx2.ReadTimeout("The response took too long.") from None
        problem = _problem(response)
        if problem or not isinstance(response.stream, httpx2.AsyncByteStream):
            await response.aclose()
            raise UnexpectedResponse(problem or "has no body")
        response.stream = _LimitedBody(response.stream, deadline)
        return response

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        addresses = await self._checked_addresses(url)
        extensions = {**request.extensions, "sni_hostname": url.host}
        timeouts = extensions.get("timeout", {})
        for position, address in enumerate(addresses, start=1):
            request.url = url.copy_with(host=address)
            is_last = position == len(addresses)
            connect = {} if is_last else {"connect": NEXT_ADDRESS_SECONDS}
            request.extensions = {**extensions, "timeout": {**timeouts, **connect}}
            try:
                return await self._inner.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if is_last:
                    raise
            finally:
                request.url = url
        raise httpx2.ConnectError("The host has no address.")

    async def _checked_addresses(self, url: httpx2.URL) -> Sequence[str]:
        may_be_private = self._allow_private(url.host)
        if url.userinfo or not (url.scheme == "https" or may_be_private):
            raise BlockedAddress
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = await self._resolver(url.host, port)
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from None
        if not (may_be_private or all(map(is_public_address, addresses))):
            raise BlockedAddress
        return addresses

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _LimitedBody(httpx2.AsyncByteStream):
    """A body that fails when it grows too large or takes too long."""

    def __init__(self, body: httpx2.AsyncByteStream, deadline: float) -> None:
        self._body = body
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        chunks = aiter(self._body)
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise httpx2.ReadTimeout("The response took too long.") from None
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise UnexpectedResponse("is too large")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


def client_options(
    allow_private: Callable[[str], bool] = no_private_hosts, **transport: Any
) -> dict[str, Any]:
    """The arguments of an `httpx2.AsyncClient` (or a subclass) that uses `OutgoingTransport`."""
    return {
        "transport": OutgoingTransport(allow_private, **transport),
        "timeout": READ_TIMEOUT_SECONDS,
        "follow_redirects": False,
        "trust_env": False,
        "headers": {"Accept-Encoding": "identity"},
    }


def _problem(response: httpx2.Response) -> str:
    if 300 <= response.status_code < 400:
        return "is a redirect"
    # A small compressed body could expand to any size.
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    return "" if encoding == "identity" else "is compressed"


@lru_cache(maxsize=1)
def _default_tls() -> ssl.SSLContext:
    # Loading the trust store takes longer than a whole sign-in.
    return httpx2.create_ssl_context()
