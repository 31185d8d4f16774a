"""The gateway in front of a real Socket.IO server, set up as Reflex sets up its own."""

import asyncio
import contextlib
from typing import Any

import socketio

from testing.socket_client import NAMESPACE, connect


class Events(socketio.AsyncNamespace):
    """Says who connected, echoes, and can push."""

    def __init__(self) -> None:
        super().__init__(NAMESPACE)
        self.connected: list[dict[str, Any]] = []
        self.disconnected: asyncio.Queue[str] = asyncio.Queue()

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        self.connected.append({**environ, "auth": auth})
        await self.emit("event", {"booted": True}, to=sid)

    async def on_disconnect(self, sid: str, reason: str) -> None:
        self.disconnected.put_nowait(sid)

    async def on_event(self, sid: str, data: Any) -> None:
        await self.emit("event", data, to=sid)


async def test_events_pass_and_a_revocation_disconnects_socketio(open_server) -> None:
    sio = socketio.AsyncServer(
        async_mode="asgi", cors_allowed_origins=[], transports=["websocket"], allow_upgrades=False
    )
    events = Events()
    sio.register_namespace(events)
    app = socketio.ASGIApp(sio, socketio_path="/_event")
    async with open_server(app=app) as server, contextlib.AsyncExitStack() as stack:
        token, session_id = server.sessions.issue()
        cookie = server.cookie(token)
        attacker = await stack.enter_async_context(connect(server.url, cookie=cookie))
        await attacker.boot({"name": "hydrate"})
        assert ["event", {"booted": True}] in attacker.frames
        await attacker.send_event("state.chat.send", {"text": "hello"})
        [_, echoed] = await attacker.receive()
        assert echoed["payload"] == {"text": "hello"}

        [environ] = events.connected
        assert environ["auth"] == {"event": {"name": "hydrate"}}
        assert environ["HTTP_AUTHORIZATION"] == str(session_id)
        assert "HTTP_COOKIE" not in environ
        assert token not in str(environ)

        server.sessions.revoke(session_id)
        for number in range(20):
            await sio.emit("event", {"late": number}, namespace=NAMESPACE)
        seen = len(attacker.frames)
        assert await attacker.closed_code() == 4401
        assert attacker.frames[seen:] == []
        await events.disconnected.get()
        await server.finished.get()
        assert len(server.gateway.connections) == 0
