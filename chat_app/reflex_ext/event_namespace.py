"""The event namespace of Reflex's websocket, for clients that cannot be trusted.

It stops what the policy table cannot see: malformed frames, and events of unknown names. Reflex
would log both with their content. Socket.IO's own lifecycle names are stopped too: a client that
sends an event called `connect` would otherwise choose its own token.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from reflex.app import App, EventNamespace
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.token import BaseStateToken
from reflex.state import State, StateUpdate
from socketio import AsyncServer
from socketio.packet import EVENT

from chat_app.core.text import repair_surrogates
from chat_app.reflex_ext.tabs import tabs

CLIENT_EVENTS = frozenset({"event", "ping", "client_error"})
"""The Socket.IO events that a client may send."""

FORGET_SECONDS = 1.0
"""How long the state of a closed tab is kept."""

MAX_ROUTE_LENGTH = 2_048
"""How much of a path or of an argument is taken from a page, in characters."""

MAX_ARGUMENTS = 32
"""How many arguments of a route are taken from a page."""


class SafeEventNamespace(EventNamespace):
    """Reflex's event namespace, for clients that cannot be trusted.

    Args:
        namespace: The Socket.IO namespace.
        app: The Reflex app.
        handlers: Called at each event for the names of all handlers.
        dropped: Counts what was dropped, by reason.
    """

    def __init__(
        self,
        namespace: str,
        app: App,
        handlers: Callable[[], Mapping[str, object]],
        dropped: Counter[str],
    ) -> None:
        super().__init__(namespace, app)
        self._handlers = handlers
        self._dropped = dropped

    async def on_event(self, sid: str, data: Any) -> None:
        """Queue an event if it is one.

        Args:
            sid: The Socket.IO session id.
            data: What the client sent.
        """
        event = parse_event(data)
        if event is None:
            self._dropped["malformed"] += 1
        elif event["name"] not in self._handlers():
            self._dropped["unknown"] += 1
        elif sid in self.sid_to_token:
            await super().on_event(sid, event)

    async def emit_update(self, update: StateUpdate, token: str) -> None:
        """Send an update to a tab, if it is open.

        Socket.IO makes a task and a wait for each recipient of each packet. A tab is one recipient
        and its queue has no end, so the packet can go there directly: half the cost of a token.

        Args:
            update: What to send.
            token: The state key of the tab.
        """
        linked = self._token_manager.token_to_socket.get(token)
        socket = self._engine_socket(linked.sid) if linked else None
        if socket is None or socket.closed:
            return
        server: Any = self.app.sio
        packet = server.packet_class(EVENT, namespace=self.namespace, data=["event", update])
        socket.queue.put_nowait(EnginePacket(MESSAGE, packet.encode()))
        await asyncio.sleep(0)  # the socket's writer is next, whatever the caller does

    async def link_token_to_sid(self, sid: str, token: str, *, update_state: bool = True) -> None:
        """Link a socket to its state, and note that its tab is open."""
        await super().link_token_to_sid(sid, token, update_state=update_state)
        linked = self.sid_to_token.get(sid)
        if linked is not None:
            tabs.opened(linked, partial(self._queued, sid))

    def on_disconnect(self, sid: str) -> Any:
        """Note that the tab of a socket is closed, and drop its state soon."""
        token = self.sid_to_token.get(sid)
        if token is not None and self.token_to_sid.get(token) == sid:
            tabs.closed(token)
            # Not at once: the handlers of the tab are only now being cancelled.
            asyncio.get_running_loop().call_later(FORGET_SECONDS, self.forget, token)
        return super().on_disconnect(sid)

    def forget(self, token: str) -> None:
        """Drop the state of a closed tab. One that reconnects reads everything again."""
        manager = self.app.state_manager
        if token in tabs or not isinstance(manager, StateManagerMemory):
            return
        state = BaseStateToken(ident=token, cls=State)
        lock = manager._states_locks.get(state.lock_key)
        if lock is None or not lock.locked():
            manager._purge_token(state)

    def sweep(self) -> None:
        """Drop the states that late events made, or locked, after their tabs were closed."""
        manager = self.app.state_manager
        if isinstance(manager, StateManagerMemory):
            for _, token in list(manager._token_expires_at.values()):
                self.forget(token.ident)

    async def on_client_error(self, sid: str, data: Any = None) -> None:
        """Count an error of the page. Its text is the client's, so it goes nowhere."""
        self._dropped["client error"] += 1

    def _engine_socket(self, sid: str) -> Any:
        """The Engine.IO socket under a Socket.IO session, or None."""
        server: Any = self.app.sio
        engine_sid = server.manager.eio_sid_from_sid(sid, self.namespace)
        return server.eio.sockets.get(engine_sid)

    def _queued(self, sid: str) -> int:
        """How many packets wait for a socket."""
        socket = self._engine_socket(sid)
        return 0 if socket is None else socket.queue.qsize()


def parse_event(data: Any) -> dict[str, Any] | None:
    """The parts of an event that Reflex may see, or None when it is not one.

    A URL of any length and with any query is a page. So the route is shortened and never refused:
    a page whose first event is dropped would stay empty.
    """
    if not isinstance(data, dict):
        return None
    name, payload = data.get("name"), data.get("payload", {})
    router = data.get("router_data") or {}
    if not isinstance(name, str) or not isinstance(payload, dict) or not isinstance(router, dict):
        return None
    query = router.get("query") or {}
    route = {key: router.get(key, "/") for key in ("pathname", "asPath")}
    if not isinstance(query, dict) or not all(isinstance(path, str) for path in route.values()):
        return None
    route = {key: _shortened(path) for key, path in route.items()}
    return {"name": name, "payload": payload, "router_data": {**route, "query": _short(query)}}


def _short(query: dict[Any, Any]) -> dict[str, str]:
    """The last arguments of a route; the parts of an unknown path, which are a list, are none.

    The page puts those that the route itself names behind all others of the URL.
    """
    arguments = (item for item in reversed(query.items()) if isinstance(item[1], str))
    last = reversed(list(islice(arguments, MAX_ARGUMENTS)))
    return {_shortened(key): _shortened(value) for key, value in last}


def _shortened(text: str) -> str:
    return repair_surrogates(text[:MAX_ROUTE_LENGTH])


def _is_packet(frame: object) -> bool:
    """Whether a frame is a packet that a client sends: a close, a pong or a message."""
    return isinstance(frame, str) and frame[:1] in ("1", "3", "4")


def harden_server(server: AsyncServer, dropped: Counter[str]) -> None:
    """Make a Socket.IO server drop and count malformed packets and unknown events.

    Args:
        server: Reflex's server.
        dropped: Counts what was dropped, by reason.
    """
    handle_message, handle_event = server._handle_eio_message, server._handle_event
    transport: Any = server.eio._async["websocket"]

    class Transport(transport):
        """Engine.IO's socket, which raises at a frame that is no packet and skips its clean-up."""

        async def wait(self) -> str:
            while not _is_packet(frame := await super().wait()):
                dropped["frame"] += 1
            return frame

    async def message(eio_sid: str, data: Any) -> None:
        if not isinstance(data, str) or data[:1] not in ("0", "1", "2"):
            dropped["frame"] += 1
            return
        try:
            await handle_message(eio_sid, data)
        except Exception:  # any error of the parser
            dropped["frame"] += 1

    async def event(eio_sid: str, namespace: str, id: Any, data: Any) -> None:
        if isinstance(data, list) and len(data) <= 2 and data[0] in CLIENT_EVENTS:
            await handle_event(eio_sid, namespace, None, data)
        else:
            dropped["unspoken"] += 1

    server.eio._async = {**server.eio._async, "websocket": Transport}
    server.eio.on("message", message)
    server._handle_event = event
