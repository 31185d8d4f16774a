"""The socket gateway: checks a handshake, derives the Reflex state's key, and relays the frames.

A Reflex client token is a bearer key to the state on the server. So the token that Reflex sees is
derived from the session as well: the same token in another session addresses another state.
"""

import asyncio
import hmac
import re
from collections.abc import Awaitable
from typing import TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.auth.sessions.models import ResolvedSession
from chat_app.core.clock import Clock
from chat_app.core.rate_limit import TokenBucket
from chat_app.gateway.connections import TOO_BIG, TOO_MANY, TOO_SLOW, ConnectionRegistry
from chat_app.gateway.headers import Headers
from chat_app.gateway.paths import EVENT_PATH
from chat_app.gateway.ports import LOOKUP_ERRORS, GatewayServices, GatewayTimeouts
from chat_app.gateway.request_context import RequestContext
from chat_app.settings import Settings

_T = TypeVar("_T")
_TOKEN = re.compile(r"[0-9A-Za-z-]{8,64}")


class StateKeys:
    """Derives state keys; without the secret they cannot be made or linked.

    Args:
        secret: The secret of this installation.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"chat_app state key", "sha256")

    def derive(self, session_id: UUID | None, token: str) -> str:
        """The state key of one tab of one session: 128 bits, written as a UUID.

        Args:
            session_id: The session, or None when anonymous.
            token: The client token of the tab.
        """
        owner = b"anonymous:" if session_id is None else b"session:" + session_id.bytes
        return str(UUID(bytes=hmac.digest(self._key, owner + token.encode(), "sha256")[:16]))


def client_token(query: bytes) -> str | None:
    """The client token in a socket's query string.

    Returns:
        The token, or None when the query is not a plain Socket.IO handshake over a WebSocket
        with exactly one well-formed token.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        return None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    if values.get("EIO") != ["4"] or values.get("transport") != ["websocket"]:
        return None
    tokens = values.get("token", [])
    if "sid" in values or len(tokens) != 1 or not _TOKEN.fullmatch(tokens[0]):
        return None
    return tokens[0]


def handshake_query(state_key: str) -> bytes:
    """The query string that Reflex sees; it holds nothing from the client."""
    return f"token={state_key}&EIO=4&transport=websocket".encode()


class _ConnectionEnded(Exception):
    """The socket was ended during an await."""


class SocketConnection:
    """Relays one WebSocket between the server and the app.

    Outgoing frames are awaited one by one, so a client that does not read slows down its own app
    and nothing is buffered here. Ending is immediate: from then on nothing passes in either
    direction, whatever was awaited is interrupted, and the app sees a disconnect.

    Args:
        receive: The server's receive.
        send: The server's send.
        resolved: The session, or None when anonymous.
        client_network: The network of the client.
        recheck: Is set when the session may have expired.
        settings: The limits on frames and events.
        clock: The current time.
        timeouts: How long it waits.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        resolved: ResolvedSession | None,
        client_network: str,
        recheck: asyncio.Event,
        settings: Settings,
        clock: Clock,
        timeouts: GatewayTimeouts,
    ) -> None:
        self.session_id = resolved.principal.credential_id if resolved else None
        self.client_network = client_network
        self.end_code: int | None = None
        self._receive = receive
        self._send = send
        self._expires_at = resolved.expires_at if resolved else None
        self._recheck = recheck
        self._clock = clock
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._frame_bytes = settings.socket_frame_bytes
        self._bucket = TokenBucket(
            settings.socket_events_per_second, settings.socket_event_burst, self._loop.time()
        )
        self._waits: set[asyncio.Timeout] = set()
        self._sending_since: float | None = None
        self._closing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Run the app until either side, or `end`, ends the socket."""
        # A task of its own: the server's may be of a kind that cannot be cancelled.
        inner = asyncio.create_task(app(scope, self._receive_through, self._send_through))  # pyright: ignore[reportArgumentType]
        self._check()
        try:
            await inner
        finally:
            inner.cancel()
            if self._timer is not None:
                self._timer.cancel()
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
            async with asyncio.timeout(self._timeouts.close):
                await self._send({"type": "websocket.close", "code": code, "reason": ""})
        except (OSError, RuntimeError):
            # Closed already, or too slow: the connection is dropped when `run` returns.
            return

    async def _unless_ended(self, awaitable: Awaitable[_T]) -> _T:
        """Await the server, but not beyond the end of the socket."""
        try:
            async with asyncio.timeout(None) as wait:
                self._waits.add(wait)
                try:
                    return await awaitable
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            raise _ConnectionEnded from None

    async def _receive_through(self) -> Message:
        if self.end_code is None:
            try:
                message = await self._unless_ended(self._receive())
            except _ConnectionEnded:
                return self._disconnect()
            if message["type"] == "websocket.receive":
                self._check_limits(message)
            if self.end_code is None:
                return message
        return self._disconnect()

    def _disconnect(self) -> Message:
        return {"type": "websocket.disconnect", "code": self.end_code, "reason": ""}

    def _check_limits(self, message: Message) -> None:
        text = message.get("text")
        frame = message.get("bytes") or b"" if text is None else text
        # A character has at most four bytes, so most frames need not be encoded to be measured.
        if len(frame) * 4 > self._frame_bytes:
            size = len(frame.encode()) if isinstance(frame, str) else len(frame)
            if size > self._frame_bytes:
                self.end(TOO_BIG)
                return
        if not self._bucket.take(self._loop.time()):
            self.end(TOO_MANY)

    async def _send_through(self, message: Message) -> None:
        if self.end_code is not None:
            return
        self._sending_since = self._loop.time()
        try:
            await self._unless_ended(self._send(message))
        except _ConnectionEnded:
            return
        finally:
            self._sending_since = None

    def _check(self) -> None:
        """Check the expiry by the wall clock, which a suspended machine's loop clock is not."""
        delay = self._timeouts.check
        if self._expires_at is not None:
            seconds_left = (self._expires_at - self._clock()).total_seconds()
            if seconds_left <= 0:
                self._expires_at = None
                self._recheck.set()
            else:
                delay = min(delay, seconds_left)
        since = self._sending_since
        if since is not None and self._loop.time() - since > self._timeouts.unread:
            self.end(TOO_SLOW)
            return
        self._timer = self._loop.call_later(delay, self._check)


_PASSED_HEADERS = frozenset(
    b"host connection upgrade user-agent accept-language sec-websocket-key sec-websocket-version "
    b"sec-websocket-protocol sec-websocket-extensions".split()
)
"""Reflex shows most headers to the browser and keeps them in its state, so it gets no others."""


class SocketGateway:
    """Accepts a socket, or refuses its handshake.

    Args:
        app: The app behind the gateway.
        services: The settings, and the sessions.
        connections: The registry of open sockets; counts what is refused.
        clock: The current time.
        timeouts: How long sockets wait.
    """

    def __init__(
        self,
        app: ASGIApp,
        services: GatewayServices,
        connections: ConnectionRegistry,
        clock: Clock,
        timeouts: GatewayTimeouts,
    ) -> None:
        self._app = app
        self._settings = services.settings
        self._sessions = services.sessions
        self._keys = StateKeys(services.settings.secret)
        self._connections = connections
        self._clock = clock
        self._timeouts = timeouts

    async def __call__(
        self, context: RequestContext, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Handle one socket from handshake to close."""
        reason = _handshake_error(context)
        token = client_token(scope.get("query_string", b""))
        if reason is not None or token is None:
            await self._refuse(send, reason or "token")
            return
        with self._connections.pending() as pending:
            try:
                cookie = context.session_token
                resolved = await self._sessions.resolve(cookie) if cookie else None
            except LOOKUP_ERRORS:
                await self._refuse(send, "unavailable")
                return
            if resolved is not None and pending.is_revoked(resolved.principal.credential_id):
                resolved = None
        # Nothing is awaited from here to the registration, so no revocation is missed.
        session_id = resolved.principal.credential_id if resolved else None
        limit = (
            self._settings.sockets_per_address
            if session_id is None
            else self._settings.sockets_per_session
        )
        if self._connections.count(session_id or context.client_network) >= limit:
            await self._refuse_over_limit(scope, receive, send)
            return
        socket = SocketConnection(
            receive,
            send,
            resolved=resolved,
            client_network=context.client_network,
            recheck=self._connections.recheck,
            settings=self._settings,
            clock=self._clock,
            timeouts=self._timeouts,
        )
        with self._connections.open(socket):
            await socket.run(self._app, self._inner_scope(context, scope, session_id, token))

    async def _refuse(self, send: Send, reason: str) -> None:
        """Close before accepting, which the server turns into HTTP 403."""
        self._connections.refused[reason] += 1
        await send({"type": "websocket.close", "code": 1008, "reason": ""})

    async def _refuse_over_limit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept first: a page can read a close code, but not the status of a refused handshake."""
        self._connections.refused["sockets"] += 1
        await receive()
        subprotocol = next(iter(scope.get("subprotocols") or ()), None)
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        await send({"type": "websocket.close", "code": TOO_MANY, "reason": ""})

    def _inner_scope(
        self, context: RequestContext, scope: Scope, session_id: UUID | None, token: str
    ) -> Scope:
        headers: Headers = [
            (name, value) for name, value in scope["headers"] if name.lower() in _PASSED_HEADERS
        ]
        headers.append((b"origin", context.allowed_origin.lower().encode()))
        if session_id is not None:
            # Reflex shows every other header to the browser, but not this one.
            headers.append((b"authorization", str(session_id).encode()))
        state_key = self._keys.derive(session_id, token)
        return context.public_scope(scope, headers=headers, query_string=handshake_query(state_key))


def _handshake_error(context: RequestContext) -> str | None:
    if context.path.removesuffix("/") != EVENT_PATH:
        return "path"
    if context.public_scheme is None:
        return "host"
    if context.origin != "ours":
        return "origin"
    return "cross_site" if context.is_cross_site else None
