"""What one client can make the gateway hold: requests, sockets, connections, bodies, fragments."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.exceptions import ConnectionClosed

from chat_app.api.errors import CatchBugs, exception_handlers
from chat_app.gateway.connections import ConnectionRegistry, GatewayTimeouts
from chat_app.gateway.tcp import TcpWatch
from chat_app.settings import Settings
from testing.gateway_server import GatewayServer, RecordingApp
from testing.socket_client import connect, opened

SAFETY = 20


class Held:
    """An app whose requests wait until the test lets them go."""

    def __init__(self) -> None:
        self.waiting = 0
        self.arrived = asyncio.Condition()
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self.arrived:
            self.waiting += 1
            self.arrived.notify_all()
        await self.go.wait()
        await PlainTextResponse("done")(scope, receive, send)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(SAFETY), self.arrived:
            await self.arrived.wait_for(lambda: self.waiting >= count)


async def read_body(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


def reading_app() -> ASGIApp:
    """An app that reads bodies as the routes do."""
    return Starlette(
        routes=[Route("/{path:path}", read_body, methods=["POST"])],
        exception_handlers=exception_handlers,
        middleware=[Middleware(CatchBugs)],
    )


async def test_one_user_has_so_many_requests_open_and_no_more(open_server) -> None:
    held = Held()
    async with open_server(app=RecordingApp(respond=held), requests_per_user=3) as server:
        token, _ = server.sessions.issue()
        other, _ = server.sessions.issue()

        async def ask(who: str) -> httpx.Response:
            return await server.client.get("/api/x", headers={"Cookie": server.cookie(who)})

        open_requests = [asyncio.create_task(ask(token)) for _ in range(3)]
        await held.until(3)
        refused = await ask(token)
        assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["x-content-type-options"] == "nosniff"
        page = await server.client.get("/c/1", headers={"Cookie": server.cookie(token)})
        assert (page.status_code, page.headers["retry-after"]) == (429, "1")
        another = asyncio.create_task(ask(other))
        await held.until(4)
        held.go.set()
        responses = await asyncio.gather(*open_requests, another)
        assert {response.status_code for response in responses} == {200}
        assert (await ask(token)).status_code == 200


async def test_one_address_has_so_many_requests_open_and_probes_besides(open_server) -> None:
    held = Held()
    async with open_server(app=RecordingApp(respond=held), connections_per_address=10) as server:
        asked = [asyncio.create_task(server.client.get("/assets/a.js")) for _ in range(10)]
        await held.until(10)
        refused = await server.client.get("/assets/a.js")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        probe = asyncio.create_task(server.client.get("/ping"))
        await held.until(11)
        held.go.set()
        assert {one.status_code for one in await asyncio.gather(*asked, probe)} == {200}


async def test_where_every_client_is_the_proxy_no_address_has_a_limit(open_server) -> None:
    held = Held()
    given = {"app_url": "https://chat.example", "connections_per_address": 10}
    async with open_server(
        app=RecordingApp(respond=held), sockets_per_address=1, sockets_anonymous=3, **given
    ) as server:
        headers = {"Host": "chat.example"}
        asked = [
            asyncio.create_task(server.client.get("/assets/a.js", headers=headers))
            for _ in range(30)
        ]
        await held.until(30)
        held.go.set()
        assert {one.status_code for one in await asyncio.gather(*asked)} == {200}
        port = server.services.settings.port
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                await opened(stack, "https://chat.example", address=chat_socket(port), port=port)
            async with connect(
                "https://chat.example", address=chat_socket(port), port=port
            ) as extra:
                assert await extra.closed_code() == 4429


def chat_socket(port: int) -> str:
    """The socket of a server whose public name is another one."""
    return "ws://chat.example/_event/?token=12345678-aaaa&EIO=4&transport=websocket"


async def test_a_user_has_so_many_tabs_in_all_sessions_together(open_server) -> None:
    async with open_server(sockets_per_user=3, sockets_per_session=2) as server:
        first, session_id = server.sessions.issue()
        second = server.sessions.another(first)
        other, _ = server.sessions.issue()
        async with contextlib.AsyncExitStack() as stack:
            for token in (first, first, second, other):
                await opened(stack, server.url, cookie=server.cookie(token))
            for token in (first, second):
                async with connect(server.url, cookie=server.cookie(token)) as extra:
                    assert await extra.closed_code() == 4429
            assert server.gateway.connections.count(session_id) == 2


async def test_sockets_without_a_session_are_counted_in_total(open_server) -> None:
    given = {"sockets_anonymous": 2, "sockets_per_address": 50, "trusted_proxy_hops": 1}
    async with open_server(**given) as server, contextlib.AsyncExitStack() as stack:
        token, _ = server.sessions.issue()
        for number in range(2):
            where = {"X-Forwarded-For": f"192.0.2.{number}"}
            await opened(stack, server.url, headers=where)
        async with connect(server.url, headers={"X-Forwarded-For": "192.0.2.9"}) as extra:
            assert await extra.closed_code() == 4429
        await opened(stack, server.url, cookie=server.cookie(token))


async def test_a_socket_that_never_connects_is_closed(open_server) -> None:
    async with (
        open_server(timeouts=GatewayTimeouts(connect=5)) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        idle = await opened(stack, server.url)
        busy = await opened(stack, server.url)
        for _ in range(5):
            await busy.send_raw("1")
        connected = await opened(stack, server.url)
        await connected.send_raw("0/_event,{}")  # the app sends "40/_event,{}"
        assert await connected.receive() == "40/_event,{}"
        async with asyncio.timeout(SAFETY):
            assert await idle.closed_code() == 4408
            assert await busy.closed_code() == 4408
        await connected.send_raw("still")
        assert await connected.receive() == "4still"


async def raw(server: GatewayServer, path: str, *pieces: bytes, **headers: str) -> bytes:
    """Send pieces after the head of a POST, and read the response to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.services.settings.port)
    try:
        head = {"Host": server.url.removeprefix("http://"), "Origin": server.url, **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items())
        writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode())
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(SAFETY):
            came = await reader.readuntil(b"\r\n\r\n")
            length = int(came.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return came + await reader.readexactly(length)
    finally:
        writer.close()


@pytest.fixture
async def impatient(open_server) -> AsyncIterator[GatewayServer]:
    """A server for which every body that is not there at once is late."""
    app = RecordingApp(respond=reading_app())
    async with open_server(app=app, timeouts=GatewayTimeouts(body=0.2)) as server:
        yield server


@pytest.fixture
async def patient(open_server) -> AsyncIterator[GatewayServer]:
    """A server that waits as long as in production."""
    async with open_server(app=RecordingApp(respond=reading_app())) as server:
        yield server


async def test_a_body_that_does_not_arrive_ends_with_our_headers(
    impatient: GatewayServer,
) -> None:
    token, _ = impatient.sessions.issue()
    cookie = {"Cookie": impatient.cookie(token)}
    for path, who in (("/api/auth/callback/credentials", {}), ("/api/chat", cookie)):
        for pieces, kind in (
            ([], {"Content-Length": "100"}),
            ([b"half"], {"Content-Length": "100"}),
            ([b"4\r\nhalf\r\n"], {"Transfer-Encoding": "chunked"}),
        ):
            came = await raw(impatient, path, *pieces, **kind, **who)
            assert came.startswith(b"HTTP/1.1 408 "), came
            assert b"x-content-type-options: nosniff" in came.lower()
            assert b'"code":"timeout"' in came


async def test_a_whole_body_is_read(patient: GatewayServer) -> None:
    path = "/api/auth/callback/credentials"
    whole = await raw(patient, path, b"whole", Content_Length="5")
    assert whole.endswith(b"\r\n\r\n5")


async def test_a_malformed_body_is_our_400(patient: GatewayServer) -> None:
    token, _ = patient.sessions.issue()
    cookie = {"Cookie": patient.cookie(token)}
    for path, who in (("/api/auth/callback/credentials", {}), ("/api/chat", cookie)):
        for body in (b"zz\r\nhello\r\n", b"5\r\nhello5\r\nhello\r\n0\r\n\r\n", b"5;\nhello"):
            came = await raw(patient, path, body, Transfer_Encoding="chunked", **who)
            assert came.startswith(b"HTTP/1.1 400 "), came
            assert b"x-content-type-options: nosniff" in came.lower()
            assert b'"code":"malformed"' in came


PING = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connected(server: GatewayServer, count: int) -> AsyncIterator[list[Stream]]:
    """Connections from one address that the server has accepted: each has had a response."""
    port, streams = server.services.settings.port, list[Stream]()
    try:
        for _ in range(count):
            stream = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
            streams.append(stream)
            stream[1].write(PING)
        for reader, _ in streams:
            await reader.readuntil(b"\r\n")
        yield streams
    finally:
        for _, writer in streams:
            writer.close()


async def test_connections_over_the_limit_of_an_address_are_shut_down(open_server) -> None:
    async with (
        open_server(connections_per_address=10, timeouts=GatewayTimeouts(watch=0.02)) as server,
        asyncio.timeout(SAFETY),
    ):
        port = server.services.settings.port
        streams = [
            await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
            for _ in range(40)
        ]
        gone = [asyncio.create_task(reader.read()) for reader, _ in streams]
        try:
            while sum(task.done() for task in gone) < 30:
                open_still = [task for task in gone if not task.done()]
                await asyncio.wait(open_still, return_when=asyncio.FIRST_COMPLETED)
            assert (await server.client.get("/ping")).status_code == 200
        finally:
            for task in gone:
                task.cancel()
            for _, writer in streams:
                writer.close()


async def test_of_too_many_connections_the_oldest_stay(open_server) -> None:
    async with (
        open_server(timeouts=GatewayTimeouts(watch=3_600)) as server,
        asyncio.timeout(SAFETY),
    ):
        settings = server.services.settings.model_copy(update={"connections_per_address": 10})
        watch = TcpWatch(settings, ConnectionRegistry())
        async with connected(server, 10) as oldest:
            await watch.check()
            async with connected(server, 30) as newest:
                await watch.check()
                for reader, _ in newest:
                    await reader.read()
            for reader, writer in oldest:
                writer.write(PING)
                await reader.readuntil(b"HTTP/1.1 200 ")


async def test_many_open_files_do_not_hold_up_the_event_loop() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    settings = Settings(_env_file=None, connections_per_address=10)  # pyright: ignore[reportCallIssue]
    with contextlib.ExitStack() as files:
        for _ in range(350):
            files.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        counting = asyncio.create_task(count())
        await TcpWatch(settings, ConnectionRegistry()).check()
        counting.cancel()
    assert turns >= 3


async def fragments() -> AsyncIterator[str]:
    """A message that the server itself would still accept, for as long as a test waits."""
    while True:
        yield "x" * 10_000
        await asyncio.sleep(0.01)


async def test_a_message_that_grows_without_an_end_is_closed(open_server) -> None:
    timeouts = GatewayTimeouts(watch=0.02)
    async with (
        open_server(socket_frame_bytes=8_000, message_bytes=1_000, timeouts=timeouts) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        honest = await opened(stack, server.url)
        attacker = await opened(stack, server.url)
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(SAFETY):
                await attacker.socket.send(fragments())
        for _ in range(10):
            await honest.send_raw("y" * 7_000)
            assert await honest.receive() == "4" + "y" * 7_000
