"""A request that was let in does nothing after the end of its credential."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from chat_app.auth.principal import Principal
from chat_app.core.errors import Unauthenticated
from chat_app.core.signals import ROLES, Signal
from chat_app.gateway.admitted import AdmittedCredential, RequestBody
from chat_app.gateway.connections import CloseCode, ConnectionRegistry
from chat_app.gateway.errors import SlowBody
from testing.gateway_server import GatewayServer, RecordingApp, Streaming

Kind = str
KINDS: list[Kind] = ["session", "key"]
CODES = {"session": "unauthenticated", "key": "invalid_api_key"}
CHALLENGES = {"session": "Bearer", "key": 'Bearer error="invalid_token"'}


def issued(server: GatewayServer, kind: Kind) -> tuple[dict[str, str], UUID, Callable[[], None]]:
    """A credential: its headers, its id, and what revokes it."""
    if kind == "key":
        token, key_id = server.keys.issue("chat")
        return {"x-api-key": token}, key_id, lambda: server.keys.revoke(key_id)
    token, session_id = server.sessions.issue()
    headers = {"Cookie": server.cookie(token), "Origin": server.url}
    return headers, session_id, lambda: server.sessions.revoke(session_id)


class Reading:
    """Reads a body to its end, then acts."""

    def __init__(self) -> None:
        self.has_piece = asyncio.Event()
        self.acted: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            self.has_piece.set()
            if not message["more_body"]:
                break
        self.acted.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


async def begun(
    server: GatewayServer, headers: dict[str, str], path: str = "/api/threads"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request of whose body half has been sent."""
    reader, writer = await asyncio.open_connection("localhost", server.services.settings.port)
    lines = [f"POST {path} HTTP/1.1", f"Host: {server.url[7:]}", "Content-Length: 8"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", "half"]).encode())
    return reader, writer


async def response_of(reader: asyncio.StreamReader) -> httpx.Response:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    length = int(next(value for name, value in headers.items() if name.lower() == "content-length"))
    body = await reader.readexactly(length)
    return httpx.Response(int(head[0].split()[1]), headers=headers, content=body)


@pytest.mark.parametrize("path", ["/api/threads", "/api/auth/two-factor"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_slow_body_ends_with_its_credential(open_server, kind: Kind, path: str) -> None:
    if kind == "key" and path != "/api/threads":
        path = "/v1/chat/completions"
    app = Reading()
    async with open_server(app=RecordingApp(respond=app)) as server, asyncio.timeout(20):
        headers, credential_id, revoke = issued(server, kind)
        reader, writer = await begun(server, headers, path)
        await app.has_piece.wait()
        issued(server, kind)[2]()  # another's end is nothing to it
        assert server.gateway.connections.count(credential_id) == 1 + (path[1] == "v")
        revoke()
        response = await response_of(reader)
        assert response.status_code == 401
        assert CODES[kind] in response.text
        assert response.headers["www-authenticate"] == CHALLENGES[kind]
        writer.write(b"rest")
        await server.finished.get()
        assert app.acted == []
        assert len(server.gateway.connections) == 0
        writer.close()


@pytest.mark.parametrize("reason", ["left", "changed", "", "joined"])
@pytest.mark.parametrize(
    ("kind", "path"),
    [("session", "/api/threads"), ("key", "/api/threads"), ("key", "/v1/chat/completions")],
)
async def test_a_slow_body_ends_when_its_user_loses_a_role(
    open_server, kind: Kind, path: str, reason: str
) -> None:
    app = Reading()
    async with open_server(app=RecordingApp(respond=app)) as server, asyncio.timeout(20):
        headers, _, _ = issued(server, kind)
        reader, writer = await begun(server, headers, path)
        await app.has_piece.wait()
        user_id = server.app.scopes[0]["principal"].user_id
        for who in (uuid4(), user_id):  # another's role is nothing to it
            signal = Signal("roles_changed", user_id=who, reason=reason)
            server.services.bus.publish(ROLES, signal)
        if reason == "joined":
            writer.write(b"rest")
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
            assert app.acted == [b"halfrest"]
        else:
            response = await response_of(reader)
            assert response.status_code == 409
            assert "roles_changed" in response.text
            assert "Your access has changed meanwhile. Try again." in response.text
            writer.write(b"rest")
            await server.finished.get()
            assert app.acted == []
            again = await server.client.post(path, headers=headers, content=b"whole")
            assert (again.status_code, app.acted) == (200, [b"whole"])
        writer.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_is_read_on_while_its_credential_holds(open_server, kind: Kind) -> None:
    app = Reading()
    async with open_server(app=RecordingApp(respond=app)) as server, asyncio.timeout(20):
        headers, _, _ = issued(server, kind)
        reader, writer = await begun(server, headers)
        await app.has_piece.wait()
        issued(server, kind)[2]()
        writer.write(b"rest")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        assert app.acted == [b"halfrest"]
        writer.close()


async def test_a_slow_body_is_revalidated_in_case_a_signal_was_lost(open_server) -> None:
    app = Reading()
    async with open_server(app=RecordingApp(respond=app)) as server, asyncio.timeout(20):
        token, session_id = server.sessions.issue()
        headers = {"Cookie": server.cookie(token), "Origin": server.url}
        reader, writer = await begun(server, headers)
        await app.has_piece.wait()
        server.sessions.revoke(session_id, publish=False)
        server.gateway.connections.recheck.set()
        assert (await response_of(reader)).status_code == 401
        writer.close()


async def test_a_slow_body_is_told_that_the_server_stops(open_server) -> None:
    app = Reading()
    async with open_server(app=RecordingApp(respond=app)) as server, asyncio.timeout(20):
        headers, _, _ = issued(server, "session")
        reader, writer = await begun(server, headers)
        await app.has_piece.wait()
        server.gateway.connections.end_all(CloseCode.GOING_AWAY)
        response = await response_of(reader)
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        writer.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_route_does_not_begin_after_the_end_of_its_credential(
    server: GatewayServer, kind: Kind
) -> None:
    headers, _, revoke = issued(server, kind)
    loop = asyncio.get_running_loop()

    # in the turn of the event loop between the look-up and the first step of the route
    def between() -> None:
        loop.call_soon(loop.call_soon, revoke)

    server.sessions.after_reading = server.keys.after_reading = between
    response = await server.client.get("/api/threads", headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, CODES[kind])
    assert server.app.scopes == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_that_was_cut_before_it_began_says_what_its_credential_was(
    open_server, kind: Kind
) -> None:
    stream = Streaming()

    async def revoking(scope: Scope, receive: Receive, send: Send) -> None:
        revoke()
        await stream(scope, receive, send)

    async with open_server(app=RecordingApp(respond=revoking)) as server:
        headers, _, revoke = issued(server, kind)
        response = await server.client.get("/api/x", headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, CODES[kind])
        assert response.headers["www-authenticate"] == CHALLENGES[kind]
        assert stream.cancelled.is_set()


async def test_a_request_that_ends_its_own_session_still_responds(open_server) -> None:
    ended = asyncio.Event()

    async def sign_out(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        server.sessions.revoke(scope["principal"].credential_id)
        left = asyncio.ensure_future(receive())  # a disconnect is waited for, and none is made up
        await asyncio.wait({left}, timeout=0)
        assert not left.done()
        left.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"bye"})
        ended.set()

    async with open_server(app=RecordingApp(respond=sign_out)) as server:
        for path in ("/api/auth/signout", "/api/account/sessions/1"):
            headers, _, _ = issued(server, "session")
            response = await server.client.post(path, headers=headers, content=b"whole")
            assert (response.status_code, response.text) == (200, "bye")
        assert ended.is_set()


ONE = Principal(uuid4(), uuid4())


class Pieces:
    """A receive whose messages the test lets go."""

    def __init__(self) -> None:
        self.next: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> Message:
        return await self.next


@pytest.fixture
def registry() -> Iterator[ConnectionRegistry]:
    registry = ConnectionRegistry()
    yield registry
    assert len(registry) == 0


async def _reading(
    registry: ConnectionRegistry, seconds: float, end: Callable[[Pieces], Awaitable[None]]
) -> RequestBody:
    """A body of which the last piece is read while something happens."""
    pieces = Pieces()
    with registry.pending() as pending:
        credential = AdmittedCredential(ONE, registry, pending)
        scope: dict[str, Any] = {"type": "http", "headers": []}
        body = RequestBody(scope, pieces, limit=10, seconds=seconds, credential=credential)
        reading = asyncio.create_task(body.receive())
        while not registry.count(ONE.credential_id):  # noqa: ASYNC110 no event tells
            await asyncio.sleep(0)
        await end(pieces)
        assert await reading == {"type": "http.disconnect"}
        assert await body.receive() == {"type": "http.disconnect"}
    return body


async def test_a_body_that_is_whole_at_the_end_of_its_credential_is_not_read(
    registry: ConnectionRegistry,
) -> None:
    async def end(pieces: Pieces) -> None:
        pieces.next.set_result({"type": "http.request", "body": b"whole", "more_body": False})
        registry.end_credential(ONE.credential_id)

    body = await _reading(registry, 30, end)
    assert isinstance(body.error, Unauthenticated)


async def test_a_body_that_is_late_at_the_end_of_its_credential_has_one_error(
    registry: ConnectionRegistry,
) -> None:
    async def end(pieces: Pieces) -> None:
        # by the deadline, which the body has not seen yet
        while not pieces.next.cancelled():  # noqa: ASYNC110 no event tells
            await asyncio.sleep(0)
        registry.end_credential(ONE.credential_id)
        registry.end_credential(ONE.credential_id)

    body = await _reading(registry, 0, end)
    assert isinstance(body.error, Unauthenticated | SlowBody)


async def test_a_body_of_a_credential_that_has_ended_is_not_begun(
    registry: ConnectionRegistry,
) -> None:
    with registry.pending() as pending:
        credential = AdmittedCredential(ONE, registry, pending)
        registry.end_credential(ONE.credential_id)
        scope: dict[str, Any] = {"type": "http", "headers": []}
        body = RequestBody(scope, Pieces(), limit=10, seconds=30, credential=credential)
        assert await body.receive() == {"type": "http.disconnect"}
        assert isinstance(body.error, Unauthenticated)


async def test_a_body_whose_credential_ends_between_two_pieces_is_not_read_on(
    registry: ConnectionRegistry,
) -> None:
    pieces = Pieces()
    pieces.next.set_result({"type": "http.request", "body": b"half", "more_body": True})
    with registry.pending() as pending:
        credential = AdmittedCredential(ONE, registry, pending)
        scope: dict[str, Any] = {"type": "http", "headers": []}
        body = RequestBody(scope, pieces, limit=10, seconds=30, credential=credential)
        assert (await body.receive())["body"] == b"half"
        registry.end_credential(ONE.credential_id)
        assert await body.receive() == {"type": "http.disconnect"}
        assert isinstance(body.error, Unauthenticated)
