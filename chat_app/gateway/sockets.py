"""How fast one socket may talk."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.core.clock import Clock
from chat_app.core.network import client_network_of
from chat_app.gateway import cookies
from chat_app.gateway.asgi import Headers, header_values, only_header
from chat_app.gateway.connections import TOO_BIG, TOO_MANY, TOO_SLOW, ConnectionRegistry
from chat_app.gateway.origins import is_cross_site
from chat_app.gateway.paths import EVENT_PATH
from chat_app.gateway.ports import LOOKUP_ERRORS, GatewayServices, GatewayTimeouts
from chat_app.gateway.request_context import RequestRules
from chat_app.gateway.state_keys import client_token, handshake_query


class TokenBucket:
    """Lets a burst through, then a steady pace.

    Args:
        rate: Events per second in the long run.
        burst: Events at once.
        now: The current time in seconds, of any clock that only goes forward.
    """

    __slots__ = ("_burst", "_level", "_rate", "_seen")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._level = self._burst
        self._seen = now

    def take(self, now: float) -> bool:
        """Take one, or say that there is none left."""
        self._level = min(self._burst, self._level + (now - self._seen) * self._rate)
        self._seen = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


T = TypeVar("T")


class _Ended(Exception):
    """The socket was ended while something waited on it."""


class SocketConnection:
    """Stands between the server and the app for one WebSocket.

    Outgoing frames are awaited one by one, so a client that does not read holds its own app back
    and nothing piles up here. Ending is immediate: from the call on, nothing passes in either
    direction, whatever was waiting stops waiting, and the app sees a disconnect.

    Args:
        receive: The server's receive.
        send: The server's send.
        session_id: The session it belongs to, or None.
        household: What a limit per address counts it under.
        expires_at: When its session ends by itself unless it is used, in UTC, or None.
        doubt: Set once that time has come.
        bucket: How fast it may talk.
        frame_bytes: The largest incoming frame, in bytes.
        clock: The current time.
        patience: How long it waits for whom.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        session_id: UUID | None,
        client_network: str,
        expires_at: datetime | None,
        recheck: asyncio.Event,
        bucket: TokenBucket,
        frame_bytes: int,
        clock: Clock,
        patience: GatewayTimeouts,
    ) -> None:
        self.session_id = session_id
        self.client_network = client_network
        self.ended_with: int | None = None
        self._receive = receive
        self._send = send
        self._expires_at = expires_at
        self._recheck = recheck
        self._bucket = bucket
        self._frame_bytes = frame_bytes
        self._clock = clock
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Timeout] = set()
        self._sending_since: float | None = None
        self._closing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Let the app speak until either side, or `end`, ends it."""
        # A task of its own: the server's may be of a kind that cannot be interrupted.
        inner = asyncio.create_task(app(scope, self._inward, self._outward))  # pyright: ignore[reportArgumentType]
        self._look()
        try:
            await inner
        finally:
            inner.cancel()
            if self._timer is not None:
                self._timer.cancel()
            if self._closing is not None:
                await self._closing

    def end(self, code: int) -> None:
        """Let nothing more through, now, and close with `code`."""
        if self.ended_with is not None:
            return
        self.ended_with = code
        for wait in self._waiting:
            wait.reschedule(self._loop.time())
        self._closing = self._loop.create_task(self._close(code))

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(self._patience.close):
                await self._send({"type": "websocket.close", "code": code, "reason": ""})
        except (OSError, RuntimeError):
            # Gone already, or too slow to be told: the connection is dropped when `run` returns.
            return

    async def _unless_ended(self, awaitable: Awaitable[T]) -> T:
        """Wait for the server, but not past the end of the socket."""
        try:
            async with asyncio.timeout(None) as wait:
                self._waiting.add(wait)
                try:
                    return await awaitable
                finally:
                    self._waiting.discard(wait)
        except TimeoutError:
            raise _Ended from None

    async def _inward(self) -> Message:
        if self.ended_with is None:
            try:
                message = await self._unless_ended(self._receive())
            except _Ended:
                return self._disconnect()
            if message["type"] == "websocket.receive":
                self._weigh(message)
            if self.ended_with is None:
                return message
        return self._disconnect()

    def _disconnect(self) -> Message:
        return {"type": "websocket.disconnect", "code": self.ended_with, "reason": ""}

    def _weigh(self, message: Message) -> None:
        text = message.get("text")
        frame = message.get("bytes") or b"" if text is None else text
        # A character has at most four bytes, so most frames need no second copy to be measured.
        if len(frame) * 4 > self._frame_bytes:
            size = len(frame.encode()) if isinstance(frame, str) else len(frame)
            if size > self._frame_bytes:
                self.end(TOO_BIG)
                return
        if not self._bucket.take(self._loop.time()):
            self.end(TOO_MANY)

    async def _outward(self, message: Message) -> None:
        if self.ended_with is not None:
            return
        self._sending_since = self._loop.time()
        try:
            await self._unless_ended(self._send(message))
        except _Ended:
            return
        finally:
            self._sending_since = None

    def _look(self) -> None:
        """Look at the clock on the wall too: a machine that slept has not counted."""
        wait = self._patience.look
        if self._expires_at is not None:
            left = (self._expires_at - self._clock()).total_seconds()
            if left <= 0:
                self._expires_at = None
                self._recheck.set()
            else:
                wait = min(wait, left)
        since = self._sending_since
        if since is not None and self._loop.time() - since > self._patience.stuck:
            self.end(TOO_SLOW)
            return
        self._timer = self._loop.call_later(wait, self._look)


_INWARD = frozenset(
    {
        b"host",
        b"connection",
        b"upgrade",
        b"user-agent",
        b"accept-language",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-protocol",
        b"sec-websocket-extensions",
    }
)
"""What Reflex may see. It shows most headers to the browser and keeps them in its state, so
nothing else of the client's is handed on."""


class SocketGateway:
    """Lets a socket in, or refuses it before it is accepted.

    Args:
        app: What stands behind the door.
        services: Where sessions are looked up.
        rules: What the settings mean.
        live: Where open sockets are registered.
        refused: Counts what was refused, by reason.
        clock: The current time.
        patience: How long sockets wait for whom.
    """

    def __init__(
        self,
        app: ASGIApp,
        services: GatewayServices,
        rules: RequestRules,
        live: ConnectionRegistry,
        refused: Counter[str],
        clock: Clock,
        patience: GatewayTimeouts,
    ) -> None:
        self._app = app
        self._services = services
        self._rules = rules
        self._live = live
        self._refused = refused
        self._clock = clock
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry one socket from handshake to close."""
        token = client_token(scope.get("query_string", b""))
        reason = self._refusal(scope, token)
        if reason is not None or token is None:
            await self._refuse(send, reason or "token")
            return
        with self._live.pending_connection() as pending:
            try:
                session_id, expires_at = await self._look_up(scope)
            except LOOKUP_ERRORS:
                await self._refuse(send, "unavailable")
                return
            if session_id is not None and pending.missed(session_id):
                session_id = expires_at = None
        # From here to the registration nothing is awaited: no end of a session is missed.
        inner = self._inner_scope(scope, session_id, token)
        client_network = client_network_of(inner["client"][0])
        if self._is_full(session_id, client_network):
            await self._turn_away(scope, receive, send)
            return
        settings = self._rules.settings
        socket = SocketConnection(
            receive,
            send,
            session_id=session_id,
            client_network=client_network,
            expires_at=expires_at,
            recheck=self._live.recheck,
            bucket=TokenBucket(
                settings.socket_events_per_second,
                settings.socket_event_burst,
                asyncio.get_running_loop().time(),
            ),
            frame_bytes=settings.socket_frame_bytes,
            clock=self._clock,
            patience=self._patience,
        )
        with self._live.open(socket):
            await socket.run(self._app, inner)

    def _refusal(self, scope: Scope, token: str | None) -> str | None:
        origins = self._rules.origins
        if scope["path"].removesuffix("/") != EVENT_PATH:
            return "path"
        if origins.scheme_for(only_header(scope, b"host")) is None:
            return "host"
        if origins.judge(header_values(scope, b"origin")) != "ours":
            return "origin"
        if is_cross_site(header_values(scope, b"sec-fetch-site")):
            return "cross_site"
        return "token" if token is None else None

    async def _refuse(self, send: Send, reason: str) -> None:
        """Before it is accepted, a close is an HTTP 403."""
        self._refused[reason] += 1
        await send({"type": "websocket.close", "code": 1008, "reason": ""})

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept first: a browser is told a close code, but never the status of a refusal."""
        self._refused["sockets"] += 1
        await receive()
        subprotocol = next(iter(scope.get("subprotocols") or ()), None)
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        await send({"type": "websocket.close", "code": TOO_MANY, "reason": ""})

    def _is_full(self, session_id: UUID | None, client_network: str) -> bool:
        settings = self._rules.settings
        if session_id is None:
            return self._live.of_household(client_network) >= settings.sockets_per_address
        return self._live.of_session(session_id) >= settings.sockets_per_session

    async def _look_up(self, scope: Scope) -> tuple[UUID | None, datetime | None]:
        token = cookies.read_token(scope["headers"], self._rules.settings)
        resolved = await self._services.sessions.resolve(token) if token else None
        return (resolved.principal.credential_id, resolved.expires_at) if resolved else (None, None)

    def _inner_scope(self, scope: Scope, session_id: UUID | None, token: str) -> Scope:
        headers: Headers = [
            (name, value) for name, value in scope["headers"] if name.lower() in _INWARD
        ]
        origin = only_header(scope, b"origin") or ""
        headers.append((b"origin", origin.lower().encode()))
        if session_id is not None:
            # Reflex never shows this header to the browser; a name of our own it would.
            headers.append((b"authorization", str(session_id).encode()))
        state_key = self._rules.keys.derive(session_id, token)
        return self._rules.as_seen_outside(
            scope, headers=headers, query_string=handshake_query(state_key)
        )
