"""The socket gateway: checks a handshake, derives the Reflex state's key, and relays the frames.

A Reflex client token is a bearer key to the state on the server. So the token that Reflex sees is
derived from the session as well: the same token in another session means another state.
"""

import asyncio
import hmac
import re
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qs
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.auth.sessions.models import ResolvedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.core.clock import Clock
from chat_app.core.errors import Unavailable
from chat_app.core.rate_limit import TokenBucket
from chat_app.gateway.connections import (
    CloseCode,
    ConnectionRegistry,
    GatewayTimeouts,
    Quota,
    TooManyConnections,
)
from chat_app.gateway.headers import Headers
from chat_app.gateway.paths import EVENT_PATH
from chat_app.gateway.request_context import RequestContext
from chat_app.settings import Settings

_T = TypeVar("_T")
_TOKEN = re.compile(r"[0-9A-Za-z-]{8,64}")


def state_key(secret: bytes, session_id: UUID | None, token: str) -> str:
    """The state key of one tab of one session: 128 bits, written as a UUID.

    Without the secret it cannot be made or linked to the session.

    Args:
        secret: The secret of this installation.
        session_id: The session, or None when anonymous.
        token: The client token of the tab.
    """
    key = hmac.digest(secret, b"chat_app state key", "sha256")
    owner = b"anonymous:" if session_id is None else b"session:" + session_id.bytes
    return str(UUID(bytes=hmac.digest(key, owner + token.encode(), "sha256")[:16]))


def client_token(query: bytes) -> str | None:
    """The client token in a socket's query string.

    Returns:
        The token, or None when the query is not a plain Socket.IO handshake over a WebSocket
        with exactly one well-formed token.
    """
    try:
        values = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        return None
    if values.get("EIO") != ["4"] or values.get("transport") != ["websocket"]:
        return None
    tokens = values.get("token", [])
    if "sid" in values or len(tokens) != 1 or not _TOKEN.fullmatch(tokens[0]):
        return None
    return tokens[0]


def handshake_query(key: str) -> bytes:
    """The query string that Reflex sees; it holds nothing from the client."""
    return f"token={key}&EIO=4&transport=websocket".encode()


@dataclass(eq=False)
class SocketConnection:
    """Relays one WebSocket between the server and the app.

    Outgoing frames are awaited one by one, so a client that does not read slows down its own app
    and nothing is buffered here; meanwhile nothing is read from it either. Ending is immediate:
    from then on nothing passes in either direction, whatever was awaited is interrupted, and the
    app sees a disconnect.

    Args:
        receive: The server's receive.
        send: The server's send.
        peer: The IP address and the port at the other end of the connection.
        resolved: The session, or None when anonymous.
        recheck: Is set when the session may have expired.
        settings: The limits on frames and events.
        clock: The current time.
        timeouts: How long it waits.

    Attributes:
        end_code: The close code, once it was ended.
        messages: How many whole messages have come.
    """

    receive: Receive
    send: Send
    peer: tuple[str, int]
    resolved: ResolvedSession | None
    recheck: asyncio.Event
    settings: Settings
    clock: Clock
    timeouts: GatewayTimeouts
    end_code: int | None = field(default=None, init=False)
    messages: int = field(default=0, init=False)
    _waits: set[asyncio.Timeout] = field(default_factory=set[asyncio.Timeout], init=False)
    _sending_since: float | None = field(default=None, init=False)
    _closing: asyncio.Task[None] | None = field(default=None, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _connecting: asyncio.TimerHandle | None = field(default=None, init=False)
    _sent: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        principal = self.resolved.principal if self.resolved else None
        self.credential_id = principal.credential_id if principal else None
        self.user_id = principal.user_id if principal else None
        self._expires_at = self.resolved.expires_at if self.resolved else None
        self._loop = asyncio.get_running_loop()
        rate, burst = self.settings.socket_events_per_second, self.settings.socket_event_burst
        self._bucket = TokenBucket(rate, burst, self._loop.time())
        self._sent.set()

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Run the app until either side, or `end`, ends the socket."""
        # A task of its own: the server's may be of a kind that cannot be cancelled.
        inner = asyncio.create_task(app(scope, self._receive_through, self._send_through))  # pyright: ignore[reportArgumentType]
        self._check()
        self._connecting = self._loop.call_later(
            self.timeouts.connect, self.end, CloseCode.NOT_CONNECTED
        )
        try:
            await inner
        finally:
            inner.cancel()
            for timer in (self._timer, self._connecting):
                if timer is not None:
                    timer.cancel()
            if self._closing is not None:
                await self._closing

    def end(self, code: int) -> None:
        """Let nothing more through, and close with `code`."""
        if self.end_code is not None:
            return
        self.end_code = code
        for wait in self._waits:
            wait.reschedule(self._loop.time())
        self._closing = self._loop.create_task(self._close(code))

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(self.timeouts.close):
                await self.send({"type": "websocket.close", "code": code, "reason": ""})
        except (OSError, RuntimeError):
            # Closed already, or too slow: the connection is dropped when `run` returns.
            return

    async def _unless_ended(self, awaitable: Awaitable[_T]) -> _T | None:
        """Await the server, but not beyond the end of the socket; None when it has ended."""
        try:
            async with asyncio.timeout(None) as wait:
                self._waits.add(wait)
                try:
                    return await awaitable
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            return None

    async def _receive_through(self) -> Message:
        if not self._sent.is_set():
            await self._unless_ended(self._sent.wait())
        if self.end_code is None:
            message = await self._unless_ended(self.receive())
            if message is not None and message["type"] == "websocket.receive":
                self.messages += 1
                self._check_limits(message)
            if message is not None and self.end_code is None:
                return message
        return {"type": "websocket.disconnect", "code": self.end_code, "reason": ""}

    def _check_limits(self, message: Message) -> None:
        text = message.get("text")
        frame = message.get("bytes") or b"" if text is None else text
        # A character has at most four bytes, so most frames need not be encoded to be measured.
        limit = self.settings.socket_frame_bytes
        if len(frame) * 4 > limit:
            size = len(frame.encode()) if isinstance(frame, str) else len(frame)
            if size > limit:
                self.end(CloseCode.TOO_BIG)
                return
        if not self._bucket.take(self._loop.time()):
            self.end(CloseCode.TOO_MANY)

    async def _send_through(self, message: Message) -> None:
        if self.end_code is not None:
            return
        if self._connecting is not None and _is_connect(message):
            self._connecting.cancel()
            self._connecting = None
        self._sending_since = self._loop.time()
        self._sent.clear()
        try:
            await self._unless_ended(self.send(message))
        finally:
            self._sending_since = None
            self._sent.set()

    def _check(self) -> None:
        """Check the expiry by the wall clock, which a suspended machine's loop clock is not."""
        delay = self.timeouts.check
        if self._expires_at is not None:
            seconds_left = (self._expires_at - self.clock()).total_seconds()
            if seconds_left <= 0:
                self._expires_at = None
                self.recheck.set()
            else:
                delay = min(delay, seconds_left)
        since = self._sending_since
        if since is not None and self._loop.time() - since > self.timeouts.unread:
            self.end(CloseCode.TOO_SLOW)
            return
        self._timer = self._loop.call_later(delay, self._check)


def _is_connect(message: Message) -> bool:
    """Whether the app confirms a namespace: Socket.IO's CONNECT in an Engine.IO message."""
    return (message.get("text") or "").startswith("40")


_PASSED_HEADERS = frozenset(
    b"host connection upgrade user-agent accept-language sec-websocket-key sec-websocket-version "
    b"sec-websocket-protocol sec-websocket-extensions".split()
)
"""Reflex shows most headers to the browser and keeps them in its state, so it gets no others."""


@dataclass(frozen=True, slots=True)
class SocketGateway:
    """Accepts a socket, or refuses its handshake.

    Args:
        app: The app behind the gateway.
        settings: The secret, and the limits.
        sessions: Resolves sessions.
        connections: The registry of open sockets; counts what is refused.
        clock: The current time.
        timeouts: How long sockets wait.
    """

    app: ASGIApp
    settings: Settings
    sessions: SessionService
    connections: ConnectionRegistry
    clock: Clock
    timeouts: GatewayTimeouts

    async def __call__(
        self, context: RequestContext, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Handle one socket from handshake to close."""
        reason = _handshake_error(context)
        token = client_token(scope.get("query_string", b""))
        if reason is not None or token is None:
            await self._refuse(send, reason or "token")
            return
        try:
            with self.connections.pending() as pending:
                resolved = await pending.resolve(self.sessions, context.session_token)
        except Unavailable as error:
            await self._refuse(send, error.code)
            return
        # Nothing is awaited from here to the registration, so no revocation is missed.
        socket = SocketConnection(
            receive,
            send,
            _peer(scope),
            resolved,
            self.connections.recheck,
            self.settings,
            self.clock,
            self.timeouts,
        )
        if socket.credential_id is not None:
            self.connections.arrivals.arrived(socket.credential_id)
        inner = self._inner_scope(context, scope, socket.credential_id, token)
        quotas = self._quotas(context, resolved)
        try:
            with self.connections.reserve(quotas), self.connections.open(socket):
                await socket.run(self.app, inner)
        except TooManyConnections:
            await self._refuse_over_limit(scope, receive, send)

    def _quotas(self, context: RequestContext, resolved: ResolvedSession | None) -> list[Quota]:
        settings, network = self.settings, context.limited_network
        quotas: list[Quota] = []
        if network is not None:
            quotas.append(Quota("connections", network, settings.connections_per_address))
        if resolved is not None:
            user_id, session_id = resolved.principal.user_id, resolved.principal.credential_id
            quotas.append(Quota("sockets", session_id, settings.sockets_per_session))
            quotas.append(Quota("sockets", user_id, settings.sockets_per_user))
            return quotas
        if network is not None:
            quotas.append(Quota("sockets", network, settings.sockets_per_address))
        return [*quotas, Quota("sockets", None, settings.sockets_anonymous)]

    async def _refuse(self, send: Send, reason: str) -> None:
        """Close before accepting, which the server turns into HTTP 403."""
        self.connections.refused[reason] += 1
        await send({"type": "websocket.close", "code": 1008, "reason": ""})

    async def _refuse_over_limit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept first: a page can read a close code, but not the status of a refused handshake."""
        self.connections.refused["sockets"] += 1
        await receive()
        subprotocol = next(iter(scope.get("subprotocols") or ()), None)
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        await send({"type": "websocket.close", "code": CloseCode.TOO_MANY, "reason": ""})

    def _inner_scope(
        self, context: RequestContext, scope: Scope, session_id: UUID | None, token: str
    ) -> Scope:
        headers: Headers = [
            (name, value) for name, value in scope["headers"] if name.lower() in _PASSED_HEADERS
        ]
        headers.append((b"origin", context.allowed_origin.lower().encode()))
        headers.append((b"x-request-id", context.request_id.encode("ascii")))
        if session_id is not None:
            # Reflex shows every other header to the browser, but not this one.
            headers.append((b"authorization", str(session_id).encode()))
        query = handshake_query(state_key(self.settings.secret, session_id, token))
        return context.public_scope(scope, headers=headers, query_string=query)


def _peer(scope: Scope) -> tuple[str, int]:
    host, port = scope.get("client") or ("", 0)
    return host, int(port)  # Granian has it as text


def _handshake_error(context: RequestContext) -> str | None:
    if context.path.removesuffix("/") != EVENT_PATH:
        return "path"
    if context.public_scheme is None:
        return "host"
    if context.api_keys:
        return "api_key"
    if not context.allowed_origin:
        return "origin"
    return "cross_site" if context.is_cross_site else None
