"""Streams and reads end when their user loses a membership; for bodies see `test_admitted.py`."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from chat_app.core.signals import ROLES, Signal
from testing.gateway_server import GatewayServer, RecordingApp, Streaming


def issued(server: GatewayServer, kind: str) -> tuple[dict[str, str], Callable[[str], None]]:
    """The headers of a credential, and what tells that its user's role has changed."""
    if kind == "key":
        token, _ = server.keys.issue("chat")
        principal, headers = server.keys.principal(token), {"x-api-key": token}
    else:
        token, _ = server.sessions.issue()
        principal = server.sessions.principal(token)
        headers = {"Cookie": server.cookie(token), "Origin": server.url}

    def change(reason: str) -> None:
        signal = Signal("roles_changed", user_id=principal.user_id, reason=reason)
        server.services.bus.publish(ROLES, signal)

    return headers, change


@pytest.mark.parametrize("kind", ["session", "key"])
async def test_a_role_that_changes_while_its_user_is_looked_up_ends_the_request(
    server: GatewayServer, kind: str
) -> None:
    headers, change = issued(server, kind)
    server.sessions.after_reading = server.keys.after_reading = lambda: change("left")
    response = await server.client.get("/api/threads", headers=headers)
    assert (response.status_code, response.json()["code"]) == (409, "roles_changed")
    assert server.app.scopes == []


async def _rest_of_stream(open_server: Any, kind: str, path: str) -> bytes:
    stream = Streaming()
    async with open_server(app=RecordingApp(respond=stream)) as server, asyncio.timeout(20):
        headers, change = issued(server, kind)
        async with server.client.stream("POST", path, headers=headers) as response:
            change("joined")
            await stream.pieces.put(b"data: 1\n\n")
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"data: 1\n\n"
            change("left")
            await stream.pieces.put(b"data: secret\n\n")
            rest = b"".join([piece async for piece in pieces])
        await stream.cancelled.wait()
        return rest


async def test_an_open_stream_ends_when_its_user_leaves(open_server: Any) -> None:
    assert await _rest_of_stream(open_server, "session", "/api/chat") == b""
    rest = await _rest_of_stream(open_server, "key", "/v1/chat/completions")
    assert json.loads(rest.removeprefix(b"data: "))["error"]["code"] == "roles_changed"


class Waiting:
    """Responds when the test lets it."""

    def __init__(self) -> None:
        self.started, self.go, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.started.set()
        try:
            await self.go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})
        finally:
            self.ended.set()


async def test_a_long_read_ends_when_its_user_leaves_and_what_changes_roles_responds(
    open_server: Any,
) -> None:
    app = Waiting()
    async with open_server(app=RecordingApp(respond=app)) as server, asyncio.timeout(20):
        headers, change = issued(server, "session")
        for method, status in (("GET", 409), ("POST", 200)):
            app.started.clear()
            asked = asyncio.create_task(server.client.request(method, "/api/x", headers=headers))
            await app.started.wait()
            change("left")
            if status == 200:
                app.go.set()
            assert (await asked).status_code == status
            await app.ended.wait()
