import asyncio
from typing import Any

import pytest

from chat_app.server.open_requests import Message, OpenRequests, Receive, Scope, Send


class Wire:
    """What one client is sent."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return {"type": "http.request"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


class Program:
    """An app whose requests stay open until they are ended."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.states: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.states.append(scope["state"])
        self.is_open.set()
        await asyncio.Event().wait()


async def test_a_socket_that_is_open_at_the_end_is_told_that_the_server_goes() -> None:
    program, wire = Program(), Wire()
    connections = OpenRequests(program, {})
    task = asyncio.create_task(connections({"type": "websocket"}, wire.receive, wire.send))
    await program.is_open.wait()
    await connections.end(within=10)
    await task
    assert wire.sent == [{"type": "websocket.close", "code": 1001}]


async def test_a_stream_that_is_open_at_the_end_breaks_off_without_a_false_end() -> None:
    program, wire = Program(), Wire()
    connections = OpenRequests(program, {})
    task = asyncio.create_task(connections({"type": "http"}, wire.receive, wire.send))
    await program.is_open.wait()
    await connections.end(within=10)
    await task
    assert wire.sent == []


async def test_nothing_new_is_taken_while_the_program_ends() -> None:
    program, http, socket = Program(), Wire(), Wire()
    connections = OpenRequests(program, {})
    connections.close()
    await connections({"type": "http"}, http.receive, http.send)
    await connections({"type": "websocket"}, socket.receive, socket.send)
    assert [message.get("status") for message in http.sent] == [503, None]
    assert [message["type"] for message in socket.sent] == ["websocket.close"]
    assert not program.is_open.is_set()


async def test_what_is_open_goes_on_until_it_is_ended() -> None:
    program, wire = Program(), Wire()
    connections = OpenRequests(program, {})
    task = asyncio.create_task(connections({"type": "websocket"}, wire.receive, wire.send))
    await program.is_open.wait()
    connections.close()
    assert not task.done()
    await connections.end(within=10)
    assert task.done()


async def test_a_request_that_is_cancelled_by_somebody_else_stays_cancelled() -> None:
    program, wire = Program(), Wire()
    task = asyncio.create_task(OpenRequests(program, {})({"type": "http"}, wire.receive, wire.send))
    await program.is_open.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_each_request_gets_its_own_copy_of_the_lifespans_state() -> None:
    program, wire, state = Program(), Wire(), {"pool": object()}
    connections = OpenRequests(program, state)
    task = asyncio.create_task(connections({"type": "http"}, wire.receive, wire.send))
    await program.is_open.wait()
    assert program.states == [state]
    assert program.states[0] is not state
    await connections.end(within=10)
    await task
