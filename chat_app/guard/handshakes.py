"""The door for sockets: one path, one transport, a known origin, a derived state key."""

import asyncio
from collections import Counter
from datetime import datetime
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from chat_app.auth import cookie
from chat_app.auth.address import rate_key
from chat_app.clock import Clock
from chat_app.guard.asgi import Headers, header_values, only_header
from chat_app.guard.bucket import TokenBucket
from chat_app.guard.keys import client_token, handshake_query
from chat_app.guard.live import TOO_MANY, LiveConnections
from chat_app.guard.needs import NO_ANSWER, Services
from chat_app.guard.origins import is_cross_site
from chat_app.guard.paths import EVENT_PATH
from chat_app.guard.patience import Patience
from chat_app.guard.rules import Rules
from chat_app.guard.sockets import Socket

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


class SocketDoor:
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
        services: Services,
        rules: Rules,
        live: LiveConnections,
        refused: Counter[str],
        clock: Clock,
        patience: Patience,
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
        with self._live.arriving() as arrival:
            try:
                session_id, expires_at = await self._look_up(scope)
            except NO_ANSWER:
                await self._refuse(send, "unavailable")
                return
            if session_id is not None and arrival.missed(session_id):
                session_id = expires_at = None
        # From here to the registration nothing is awaited: no end of a session is missed.
        inner = self._inner_scope(scope, session_id, token)
        household = rate_key(inner["client"][0])
        if self._is_full(session_id, household):
            await self._turn_away(scope, receive, send)
            return
        settings = self._rules.settings
        socket = Socket(
            receive,
            send,
            session_id=session_id,
            household=household,
            expires_at=expires_at,
            doubt=self._live.doubt,
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

    def _is_full(self, session_id: UUID | None, household: str) -> bool:
        settings = self._rules.settings
        if session_id is None:
            return self._live.of_household(household) >= settings.sockets_per_address
        return self._live.of_session(session_id) >= settings.sockets_per_session

    async def _look_up(self, scope: Scope) -> tuple[UUID | None, datetime | None]:
        token = cookie.read_token(scope["headers"], self._rules.settings)
        visit = await self._services.sessions.resolve(token) if token else None
        return (visit.principal.session_id, visit.expires_at) if visit else (None, None)

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
