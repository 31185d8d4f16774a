"""The guard in front of a real Socket.IO server, set up as Reflex sets up its own."""

import asyncio
import contextlib
from typing import Any

import socketio

from testing.socket_client import NAMESPACE, attack


class Events(socketio.AsyncNamespace):
    """Says who connected, echoes, and can push."""

    def __init__(self) -> None:
        super().__init__(NAMESPACE)
        self.connected: list[dict[str, Any]] = []
        self.gone: asyncio.Queue[str] = asyncio.Queue()

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        self.connected.append({**environ, "auth": auth})
        await self.emit("event", {"booted": True}, to=sid)

    async def on_disconnect(self, sid: str, reason: str) -> None:
        self.gone.put_nowait(sid)

    async def on_event(self, sid: str, data: Any) -> None:
        await self.emit("event", data, to=sid)


async def test_events_go_through_and_the_end_of_the_session_reaches_socketio(open_house) -> None:
    server = socketio.AsyncServer(
        async_mode="asgi", cors_allowed_origins=[], transports=["websocket"], allow_upgrades=False
    )
    events = Events()
    server.register_namespace(events)
    inner = socketio.ASGIApp(server, socketio_path="/_event")
    async with open_house(inner=inner) as house, contextlib.AsyncExitStack() as stack:
        token, session_id = house.sessions.issue()
        cookie = house.cookie(token)
        doomed = await stack.enter_async_context(attack(house.url, cookie=cookie))
        await doomed.boot({"name": "hydrate"})
        assert ["event", {"booted": True}] in doomed.frames
        await doomed.send_event("state.chat.send", {"text": "hello"})
        [_, echoed] = await doomed.receive()
        assert echoed["payload"] == {"text": "hello"}

        [environ] = events.connected
        assert environ["auth"] == {"event": {"name": "hydrate"}}
        assert environ["HTTP_AUTHORIZATION"] == str(session_id)
        assert "HTTP_COOKIE" not in environ
        assert token not in str(environ)

        house.sessions.revoke(session_id)
        for number in range(20):
            await server.emit("event", {"late": number}, namespace=NAMESPACE)
        seen = len(doomed.frames)
        assert await doomed.closed_code() == 4401
        assert doomed.frames[seen:] == []
        await events.gone.get()
        await house.left.get()
        assert len(house.guard.live) == 0
