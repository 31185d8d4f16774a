"""A gateway under test: sessions in memory, an app that records, a server."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.auth.cloud_tokens import is_cloud_token
from chat_app.auth.keys.models import ResolvedKey
from chat_app.auth.principal import Principal, UserProfile
from chat_app.auth.principal import Scope as KeyScope
from chat_app.auth.sessions.models import IssuedSession, ResolvedSession
from chat_app.core.clock import Clock, utc_now
from chat_app.core.signals import CREDENTIALS, Bus, Signal
from chat_app.gateway import Gateway
from chat_app.settings import Settings


class FakeSessions:
    """Sessions in memory, revoked and published as the real ones are."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._live: dict[str, ResolvedSession] = {}
        self.looked_up: list[str] = []
        self.after_reading: Callable[[], None] | None = None
        self.broken: Exception | None = None
        self.broken_once: Exception | None = None

    def issue(
        self, lasts: timedelta = timedelta(hours=1), renewed: str = "", max_age: int | None = None
    ) -> tuple[str, UUID]:
        token, session_id = uuid4().hex, uuid4()
        principal = Principal(uuid4(), session_id)
        end = datetime.now(UTC) + lasts
        new = IssuedSession(renewed, session_id, end, max_age) if renewed else None
        profile = UserProfile(principal.user_id, "ada@example.org", "Ada")
        now = datetime.now(UTC)
        self._live[token] = ResolvedSession(principal, end, now, profile, renewed=new)
        return token, session_id

    def principal(self, token: str) -> Principal:
        """Whose session it is."""
        return self._live[token].principal

    def another(self, token: str) -> str:
        """Another session of the same user."""
        other, _ = self.issue()
        session_id = self._live[other].principal.credential_id
        principal = Principal(self._live[token].principal.user_id, session_id)
        self._live[other] = replace(self._live[other], principal=principal)
        return other

    async def resolve(self, token: str, *, cached: bool = False) -> ResolvedSession | None:
        self.looked_up.append(token)
        if self.broken:
            raise self.broken
        found = self._live.get(token)
        if self.after_reading:
            self.after_reading()
        await asyncio.sleep(0)
        return found

    async def revalidate(self, session_ids: Iterable[UUID]) -> set[UUID]:
        if self.broken:
            raise self.broken
        if self.broken_once:
            once, self.broken_once = self.broken_once, None
            raise once
        now = datetime.now(UTC)
        live = {v.principal.credential_id for v in self._live.values() if v.expires_at > now}
        over = set(session_ids) - live
        for session_id in over:
            self._bus.publish(CREDENTIALS, Signal("session_ended", credential_id=session_id))
        return over

    def revoke(self, session_id: UUID, *, publish: bool = True) -> None:
        self._live = {
            token: resolved
            for token, resolved in self._live.items()
            if resolved.principal.credential_id != session_id
        }
        if publish:
            self._bus.publish(CREDENTIALS, Signal("session_ended", credential_id=session_id))


class FakeKeys:
    """API keys or tokens in memory, revoked and published as the real ones are."""

    def __init__(self, bus: Bus, sessions: FakeSessions, prefix: str = "key-") -> None:
        self._prefix = prefix
        self._bus = bus
        self._sessions = sessions
        self._live: dict[str, ResolvedKey] = {}
        self.looked_up: list[str] = []
        self.after_reading: Callable[[], None] | None = None
        self.broken: Exception | None = None

    def issue(self, *scopes: KeyScope) -> tuple[str, UUID]:
        token, key_id = f"{self._prefix}{uuid4().hex}", uuid4()
        principal = Principal(
            *(uuid4(), key_id), scopes=frozenset(scopes), by_cloud_token=is_cloud_token(token)
        )
        self._live[token] = ResolvedKey(principal, None)
        return token, key_id

    def principal(self, token: str) -> Principal:
        """Whose key it is."""
        return self._live[token].principal

    async def resolve(self, token: str) -> ResolvedKey | None:
        self.looked_up.append(token)
        if self.broken:
            raise self.broken
        found = self._live.get(token)
        if self.after_reading:
            self.after_reading()
        await asyncio.sleep(0)
        return found

    async def revalidate(self, credential_ids: Iterable[UUID]) -> set[UUID]:
        keys = {one.principal.credential_id for one in self._live.values()}
        return await self._sessions.revalidate(set(credential_ids) - keys)

    def revoke(self, key_id: UUID) -> None:
        self._live = {
            token: one for token, one in self._live.items() if one.principal.credential_id != key_id
        }
        self._bus.publish(CREDENTIALS, Signal("api_key_ended", credential_id=key_id))


@dataclass
class FakeServices:
    settings: Settings
    bus: Bus
    sessions: FakeSessions
    api_keys: FakeKeys
    cloud_tokens: FakeKeys
    clock: Clock = utc_now


@dataclass
class RecordingApp:
    """The app behind the gateway.

    Its sockets accept, send a greeting and echo; it records every scope and message.
    """

    scopes: list[Scope] = field(default_factory=list)
    sockets: list[tuple[Scope, Send]] = field(default_factory=list)
    received: list[Message] = field(default_factory=list)
    disconnected: int = 0
    headers: list[tuple[bytes, bytes]] = field(
        default_factory=lambda: [(b"content-type", b"text/html")]
    )
    respond: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await self._echo(scope, receive, send)
        elif self.respond is not None:
            await self.respond(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": self.headers})
            await send({"type": "http.response.body", "body": b"inside"})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        subprotocol = next(iter(scope.get("subprotocols", ())), None)
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        self.sockets.append((scope, send))
        await send({"type": "websocket.send", "text": "4hello"})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self.disconnected += 1
                return
            self.received.append(message)
            if message.get("text"):
                await send({"type": "websocket.send", "text": "4" + message["text"]})


class Streaming:
    """Answers with an event stream whose pieces the test lets go one by one."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.cancelled = asyncio.Event()
        self.started = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        self.started.set()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while piece := await self.pieces.get():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@dataclass
class GatewayServer:
    """A running server with its parts.

    Attributes:
        finished: Every socket and request that the gateway has finished.
    """

    url: str
    gateway: Gateway
    app: RecordingApp
    services: FakeServices
    client: httpx.AsyncClient
    finished: asyncio.Queue[Scope]

    @property
    def sessions(self) -> FakeSessions:
        return self.services.sessions

    @property
    def keys(self) -> FakeKeys:
        return self.services.api_keys

    @property
    def cloud_tokens(self) -> FakeKeys:
        return self.services.cloud_tokens

    def cookie(self, token: str) -> str:
        return f"chat_session={token}"
