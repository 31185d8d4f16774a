import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from chat_app.server.open_requests import OpenRequests


class FakeClient:
    """A client that records what it receives."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return {"type": "http.request"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


class FakeApp:
    """An app whose requests stay open until they are ended."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.states: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.states.append(scope["state"])
        self.is_open.set()
        await asyncio.Event().wait()


async def test_an_open_socket_gets_close_code_1001() -> None:
    program, client = FakeApp(), FakeClient()
    connections = OpenRequests(program, {})
    task = asyncio.create_task(connections({"type": "websocket"}, client.receive, client.send))
    await program.is_open.wait()
    await connections.end(within=10)
    await task
    assert client.sent == [{"type": "websocket.close", "code": 1001}]


async def test_an_open_stream_is_cut_off_without_a_final_chunk() -> None:
    program, client = FakeApp(), FakeClient()
    connections = OpenRequests(program, {})
    task = asyncio.create_task(connections({"type": "http"}, client.receive, client.send))
    await program.is_open.wait()
    await connections.end(within=10)
    await task
    assert client.sent == []


async def test_new_requests_are_refused_during_shutdown() -> None:
    program, http, socket = FakeApp(), FakeClient(), FakeClient()
    connections = OpenRequests(program, {})
    connections.close()
    await connections({"type": "http", "path": "/readyz"}, http.receive, http.send)
    await connections({"type": "websocket"}, socket.receive, socket.send)
    assert [message.get("status") for message in http.sent] == [503, None]
    assert json.loads(http.sent[1]["body"])["reason"] == "draining"
    assert [message["type"] for message in socket.sent] == ["websocket.close"]
    assert not program.is_open.is_set()


async def test_a_server_that_shuts_down_says_that_it_is_alive() -> None:
    program, client = FakeApp(), FakeClient()
    connections = OpenRequests(program, {})
    connections.close()
    asked = connections({"type": "http", "path": "/healthz"}, client.receive, client.send)
    task = asyncio.create_task(asked)
    await program.is_open.wait()
    assert client.sent == []
    await connections.end(within=10)
    await task


async def test_open_requests_continue_until_the_end() -> None:
    program, client = FakeApp(), FakeClient()
    connections = OpenRequests(program, {})
    task = asyncio.create_task(connections({"type": "websocket"}, client.receive, client.send))
    await program.is_open.wait()
    connections.close()
    assert not task.done()
    await connections.end(within=10)
    assert task.done()


async def test_a_request_that_was_cancelled_elsewhere_stays_cancelled() -> None:
    program, client = FakeApp(), FakeClient()
    task = asyncio.create_task(
        OpenRequests(program, {})({"type": "http"}, client.receive, client.send)
    )
    await program.is_open.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_each_request_gets_its_own_copy_of_the_lifespan_state() -> None:
    program, client, state = FakeApp(), FakeClient(), {"pool": object()}
    connections = OpenRequests(program, state)
    task = asyncio.create_task(connections({"type": "http"}, client.receive, client.send))
    await program.is_open.wait()
    assert program.states == [state]
    assert program.states[0] is not state
    await connections.end(within=10)
    await task
