"""The registry of open sockets and event streams, which ends those of a revoked credential.

Everything here happens between two awaits of one event loop, so there is no lock and no moment in
which a credential is revoked and one of its connections is not.
"""

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, TypeVar, runtime_checkable
from uuid import UUID

from chat_app.auth.cloud_tokens import CloudTokens
from chat_app.auth.keys.models import ResolvedKey
from chat_app.auth.keys.service import ApiKeys
from chat_app.auth.operator_hooks import ClaimsUnavailable
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.core.errors import RateLimited, Unavailable
from chat_app.core.signals import Signal
from chat_app.db.engine import DATABASE_ERRORS
from chat_app.gateway.socket_arrivals import SocketArrivals

MAX_FAILURES = 2
"""How many revalidations in a row may fail; after the next, every session's connection ends."""

log = logging.getLogger(__name__)


class CloseCode(IntEnum):
    """Why a WebSocket is closed (RFC 6455 §7.4; from 4000 our own)."""

    GOING_AWAY = 1001
    """The server stops."""
    TOO_SLOW = 1008
    """The client does not read what it is sent."""
    TOO_BIG = 1009
    """A frame over the limit."""
    CREDENTIAL_ENDED = 4401
    """The session or API key is over. A page reconnects, signed out."""
    ROLES_CHANGED = 4403
    """The user has other roles now. A page reconnects, and shows what they allow."""
    NOT_CONNECTED = 4408
    """It was opened, and then not used: Socket.IO's CONNECT did not follow."""
    TOO_MANY = 4429
    """Too many sockets or too many events."""


class OpenConnection(Protocol):
    """A socket or a stream that can be ended at once."""

    @property
    def credential_id(self) -> UUID | None:
        """The session or API key it belongs to, or None."""
        ...

    @property
    def user_id(self) -> UUID | None:
        """The user it belongs to, or None."""
        ...

    def end(self, code: int) -> None:
        """Let nothing more through, and close. Calling it again does nothing."""
        ...


@runtime_checkable
class OpenSocket(OpenConnection, Protocol):
    """A WebSocket."""

    @property
    def peer(self) -> tuple[str, int]:
        """The IP address and the port of the client, or of the proxy before it."""
        ...

    @property
    def messages(self) -> int:
        """How many whole messages have come."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayTimeouts:
    """Every duration of the gateway, in seconds.

    Args:
        check: How often a socket checks that its session has not expired and its client reads.
        unread: How long a client may leave a frame unread before its socket is closed.
        close: How long a client has to take a close frame before the connection is dropped.
        revalidate: How often all connected sessions are revalidated.
        body: How long the body of a request may take to arrive.
        connect: How long a socket may take to send Socket.IO's CONNECT.
        watch: How often the TCP connections are looked at.
    """

    check: float = 15.0
    unread: float = 30.0
    close: float = 1.0
    revalidate: float = 15.0
    body: float = 30.0
    connect: float = 10.0
    watch: float = 1.0


DEFAULT_TIMEOUTS = GatewayTimeouts()

LOOKUP_ERRORS = (*DATABASE_ERRORS, ClaimsUnavailable)
"""What is raised when the database or the session hook cannot answer."""


_CredentialT = TypeVar("_CredentialT", ResolvedSession, ResolvedKey)


class Revalidation(Protocol):
    """Tells which credentials are over."""

    async def revalidate(self, credential_ids: Iterable[UUID], /) -> set[UUID]:
        """Publish the credentials that are over, and return them."""
        ...


@dataclass(eq=False, slots=True)
class PendingConnection:
    """A connection whose credential is being resolved; records the signals that arrive meanwhile.

    Args:
        revoked: The sessions and API keys that were revoked.
        replaced: The sessions that got a new token.
        changed: The users who have lost a role, or left an organisation.
    """

    revoked: set[UUID] = field(default_factory=set[UUID])
    replaced: set[UUID] = field(default_factory=set[UUID])
    changed: set[UUID] = field(default_factory=set[UUID])

    async def resolve(
        self, sessions: SessionService, token: str | None, *, cached: bool = False
    ) -> ResolvedSession | None:
        """The live session of a cookie's token, if it was not revoked meanwhile.

        Args:
            sessions: Resolves it.
            token: The token.
            cached: See `SessionService.resolve`.

        Raises:
            Unavailable: It cannot be looked up.
        """
        if not token:
            return None
        return await self._unless_revoked(sessions.resolve(token, cached=cached))

    async def resolve_key(self, keys: ApiKeys | CloudTokens, token: str) -> ResolvedKey | None:
        """The live API key or token of a request, if it was not revoked meanwhile.

        Args:
            keys: Resolves it.
            token: The key or the token.

        Raises:
            Unavailable: It cannot be looked up.
        """
        return await self._unless_revoked(keys.resolve(token))

    async def _unless_revoked(self, lookup: Awaitable[_CredentialT | None]) -> _CredentialT | None:
        try:
            resolved = await lookup
        except LOOKUP_ERRORS:
            raise Unavailable("Your account can't be checked right now. Try again soon.") from None
        if resolved is not None and resolved.principal.credential_id in self.revoked:
            return None
        return resolved

    def is_outdated(self, session_id: UUID) -> bool:
        """Whether the session was revoked or got a new token since it was resolved."""
        return session_id in self.revoked or session_id in self.replaced


RETRY_SECONDS = 1
"""When to try again where too many connections are open; one may close at any time."""


class TooManyConnections(RateLimited):
    """As many connections are open under a key as may be."""

    def __init__(self) -> None:
        super().__init__(
            "Too many requests are open at the same time. Try again in a moment.", RETRY_SECONDS
        )


@dataclass(frozen=True, slots=True)
class Quota:
    """How many connections may be open at the same time under one key.

    Args:
        kind: What is counted; the same key may have several kinds.
        key: Whose they are.
        limit: How many.
    """

    kind: str
    key: Hashable
    limit: int


class ConnectionRegistry:
    """Open sockets and event streams by credential, and how many are open under any key.

    Attributes:
        recheck: Set when a session may have expired, so that sessions are revalidated at once.
        refused: How many connections and requests were refused, by reason.
        arrivals: Which sessions' sockets have arrived lately.
    """

    def __init__(self) -> None:
        self.recheck = asyncio.Event()
        self.refused: Counter[str] = Counter()
        self.arrivals = SocketArrivals()
        self._open: dict[UUID | None, set[OpenConnection]] = defaultdict(set)
        self._counts: Counter[tuple[str, Hashable]] = Counter()
        self._pending: set[PendingConnection] = set()

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    @contextlib.contextmanager
    def pending(self) -> Iterator[PendingConnection]:
        """Record signals from before a session is resolved until the connection is open."""
        pending = PendingConnection()
        self._pending.add(pending)
        try:
            yield pending
        finally:
            self._pending.discard(pending)

    @contextlib.contextmanager
    def open(self, connection: OpenConnection) -> Iterator[None]:
        """Register a connection for as long as the block runs."""
        key = connection.credential_id
        self._open[key].add(connection)
        try:
            yield
        finally:
            self._open[key].discard(connection)
            if not self._open[key]:
                del self._open[key]

    @contextlib.contextmanager
    def reserve(self, quotas: Sequence[Quota]) -> Iterator[None]:
        """Count one connection under every key for as long as the block runs.

        Raises:
            TooManyConnections: A quota is used up; nothing is counted.
        """
        if any(self._counts[quota.kind, quota.key] >= quota.limit for quota in quotas):
            raise TooManyConnections
        for quota in quotas:
            self._counts[quota.kind, quota.key] += 1
        try:
            yield
        finally:
            for quota in quotas:
                self._counts[quota.kind, quota.key] -= 1
                if not self._counts[quota.kind, quota.key]:
                    del self._counts[quota.kind, quota.key]

    def count(self, credential_id: UUID | None) -> int:
        """How many connections a credential has; None counts those without one."""
        return len(self._open.get(credential_id, ()))

    def has_socket(self, session_id: UUID) -> bool:
        """Whether a session has an open socket."""
        return any(isinstance(each, OpenSocket) for each in self._open.get(session_id, ()))

    def sockets(self) -> dict[tuple[str, int], OpenSocket]:
        """Every open socket, by the address and port of its peer."""
        every = (connection for open_ in self._open.values() for connection in open_)
        return {each.peer: each for each in every if isinstance(each, OpenSocket)}

    def credential_ids(self) -> frozenset[UUID]:
        """Every session and API key that has a connection."""
        return frozenset(key for key in self._open if key is not None)

    def end_credential(self, credential_id: UUID) -> None:
        """End every connection of a session or an API key, pending ones included."""
        for pending in self._pending:
            pending.revoked.add(credential_id)
        for connection in tuple(self._open.get(credential_id, ())):
            connection.end(CloseCode.CREDENTIAL_ENDED)

    def end_sockets(self, user_id: UUID, code: int) -> None:
        """End every socket of a user."""
        for socket in self.sockets().values():
            if socket.user_id == user_id:
                socket.end(code)

    def end_user(self, user_id: UUID, code: int) -> None:
        """End every connection of a user whose roles have changed, pending ones included."""
        for pending in self._pending:
            pending.changed.add(user_id)
        for open_ in tuple(self._open.values()):
            for connection in tuple(open_):
                if connection.user_id == user_id:
                    connection.end(code)

    def end_all(self, code: int, *, anonymous: bool = True) -> None:
        """End every connection.

        Args:
            code: The WebSocket close code.
            anonymous: Whether to end connections without a credential too.
        """
        for key in tuple(self._open):
            if anonymous or key is not None:
                for connection in tuple(self._open[key]):
                    connection.end(code)

    def on_signal(self, signal: Signal) -> None:
        """Handle a signal of the bus."""
        if signal.kind == "roles_changed" and signal.user_id is not None:
            # who has joined may do no less than what a request was let in with
            end = self.end_sockets if signal.reason == "joined" else self.end_user
            end(signal.user_id, CloseCode.ROLES_CHANGED)
        if signal.credential_id is None:
            return
        if signal.kind in ("session_ended", "api_key_ended"):
            self.end_credential(signal.credential_id)
        elif signal.kind == "session_token":
            for pending in self._pending:
                pending.replaced.add(signal.credential_id)

    async def revalidate(self, credentials: Revalidation, *, every: float) -> None:
        """Revalidate the connected sessions and keys until cancelled, in case a signal was lost.

        Args:
            credentials: Revalidates, and publishes those that are over.
            every: Seconds between two revalidations; `recheck` causes one at once.
        """
        failures = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self.recheck.wait()
            self.recheck.clear()
            try:
                await credentials.revalidate(self.credential_ids())
                failures = 0
            except LOOKUP_ERRORS as error:
                failures += 1
                log.warning("Sessions could not be revalidated: %s", type(error).__name__)
                if failures > MAX_FAILURES:
                    self.end_all(CloseCode.CREDENTIAL_ENDED, anonymous=False)
