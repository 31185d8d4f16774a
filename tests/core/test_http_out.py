"""Outgoing requests: which addresses they may reach, and what they accept."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chat_app.core import http_out
from chat_app.core.http_out import (
    BlockedAddress,
    Resolver,
    UnexpectedResponse,
    client_options,
    is_public_address,
    resolve,
)
from testing.certificates import contexts
from testing.fake_provider import Answer, Request, serve
from testing.private_hosts import LOOPBACK, NETWORK
from testing.program import free_port

PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"]
NON_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]


class FakeResolver:
    """Resolves every name to the given addresses and counts the lookups."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.lookups: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.lookups.append((host, port))
        return self.addresses


def any_host(resolver: Resolver = resolve, **transport: Any) -> httpx2.AsyncClient:
    """A client for the operator's URLs, which may be private."""
    return httpx2.AsyncClient(**client_options(lambda host: True, resolver=resolver, **transport))


def public_hosts(resolver: Resolver = resolve, **transport: Any) -> httpx2.AsyncClient:
    """A client for users' URLs."""
    return httpx2.AsyncClient(**client_options(resolver=resolver, **transport))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize("address", NON_PUBLIC)
def test_an_address_of_a_network_or_a_machine_is_not_public(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize("address", NON_PUBLIC)
async def test_a_name_with_a_private_address_is_refused(address: str) -> None:
    for addresses in ((address,), ("8.8.8.8", address)):
        async with public_hosts(FakeResolver(*addresses)) as client:
            with pytest.raises(BlockedAddress):
                await client.get("https://rebound.example/")


@pytest.mark.parametrize("host", [*LOOPBACK, *NETWORK], ids=ascii)
async def test_no_spelling_of_a_private_host_gets_a_connection(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(*_: object, **__: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", connect)
    resolver = FakeResolver("127.0.0.1")
    async with public_hosts(resolver) as client:
        with pytest.raises((BlockedAddress, httpx2.InvalidURL)):
            await client.get(f"https://{host}/")


@pytest.mark.parametrize("url", ["http://public.example/", "https://user:pass@public.example/"])
async def test_a_users_url_is_https_without_credentials(url: str) -> None:
    resolver = FakeResolver("8.8.8.8")
    async with public_hosts(resolver) as client:
        with pytest.raises(BlockedAddress):
            await client.get(url)
    assert resolver.lookups == []


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    async with serve(answering("200 OK", b"{}")) as server:
        port = int(server.origin.rpartition(":")[2])
        resolver = FakeResolver("127.0.0.1")
        async with any_host(resolver) as client:
            response = await client.get(f"http://ada.example:{port}/x")
        assert response.json() == {}
        assert response.url.host == "ada.example"
        assert server.requests[0].headers["host"] == f"ada.example:{port}"
        assert resolver.lookups == [("ada.example", port)]


async def test_the_next_address_is_tried_when_one_cannot_be_reached() -> None:
    async with serve(answering("200 OK", b"{}")) as server:
        port = int(server.origin.rpartition(":")[2])
        async with any_host(FakeResolver("127.0.0.2", "127.0.0.1")) as client:
            assert (await client.get(f"http://ada.example:{port}/")).json() == {}


async def test_the_next_address_is_tried_when_one_does_not_accept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_out, "NEXT_ADDRESS_SECONDS", 0.05)
    async with serve(answering("200 OK", b"{}")) as server:
        port = int(server.origin.rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            silent = stack.enter_context(socket.socket())
            silent.bind(("127.0.0.2", port))
            silent.listen(0)
            for _ in range(4):  # a full queue: the kernel drops what comes after
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.2", port))
            async with any_host(FakeResolver("127.0.0.2", "127.0.0.1")) as client:
                assert (await client.get(f"http://ada.example:{port}/")).json() == {}


async def test_tls_verifies_the_name_and_not_the_address(tmp_path: Path) -> None:
    server_tls, client_tls = contexts(tmp_path)  # for 127.0.0.1
    async with serve(answering("200 OK", b"{}"), tls=server_tls) as server:
        resolver = FakeResolver("127.0.0.1")
        async with any_host(resolver, tls=client_tls) as client:
            assert (await client.get(server.origin)).json() == {}
            with pytest.raises(httpx2.ConnectError):
                await client.get(server.origin.replace("127.0.0.1", "ada.example"))
        assert len(server.requests) == 1


async def test_a_name_that_does_not_resolve_is_a_connection_error() -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    async with public_hosts(nowhere) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("https://nowhere.example/")


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"])
async def test_a_response_has_a_deadline(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(request: Request) -> None:
        await request.send(head)
        await request.wait_for_disconnect()

    monkeypatch.setattr(http_out, "TOTAL_TIMEOUT_SECONDS", 0.05)
    async with serve(hang) as server, any_host() as client, asyncio.timeout(60):
        # of httpx itself it would have no such words
        with pytest.raises(httpx2.ReadTimeout, match="The response took too long"):
            await client.get(server.origin)


def answering(head: str, body: bytes = b"") -> Answer:
    async def answer(request: Request) -> None:
        await request.send(f"HTTP/1.1 {head}\r\nconnection: close\r\n\r\n".encode(), body)

    return answer


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P", "300 C", "304 N"])
async def test_a_redirect_is_an_error(status: str) -> None:
    target = f"http://127.0.0.1:{free_port()}/"
    async with serve(answering(f"{status}\r\nlocation: {target}")) as server:
        async with any_host() as client:
            with pytest.raises(UnexpectedResponse):
                await client.get(server.origin)
        assert len(server.requests) == 1


@pytest.mark.parametrize(("size", "fits"), [(262_144, True), (262_145, False)])
async def test_a_body_has_a_limit(size: int, fits: bool) -> None:
    async with serve(answering("200 OK", b"x" * size)) as server, any_host() as client:
        if fits:
            assert len((await client.get(server.origin)).content) == size
        else:
            with pytest.raises(UnexpectedResponse):
                await client.get(server.origin)


async def test_a_compressed_body_is_refused() -> None:
    async with serve(answering("200 OK\r\ncontent-encoding: gzip", b"x")) as server:
        async with any_host() as client:
            with pytest.raises(UnexpectedResponse):
                await client.get(server.origin)
        assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    async with serve(answering("200 OK", b"{}")) as server, any_host() as client:
        assert (await client.get(server.origin)).json() == {}
