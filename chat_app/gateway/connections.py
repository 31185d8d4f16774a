"""The registry of open sockets and event streams, which ends those of a revoked session.

Everything here happens between two awaits of one event loop, so there is no lock and no moment in
which a session is revoked and one of its connections is not.
"""

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol
from uuid import UUID

from chat_app.auth.operator_hooks import ClaimsUnavailable
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.core.errors import Unavailable
from chat_app.core.signals import Signal
from chat_app.db.engine import DATABASE_ERRORS

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
    SESSION_ENDED = 4401
    """The session is over. The client reconnects, signed out."""
    TOO_MANY = 4429
    """Too many sockets or too many events."""


class OpenConnection(Protocol):
    """A socket or a stream that can be ended at once."""

    @property
    def session_id(self) -> UUID | None:
        """The session it belongs to, or None."""
        ...

    @property
    def client_network(self) -> str:
        """The network that the limit on anonymous connections counts."""
        ...

    def end(self, code: int) -> None:
        """Let nothing more through, and close. Calling it again does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayTimeouts:
    """Every duration of the gateway, in seconds.

    Args:
        check: How often a socket checks that its session has not expired and its client reads.
        unread: How long a client may leave a frame unread before its socket is closed.
        close: How long a client has to take a close frame before the connection is dropped.
        revalidate: How often all connected sessions are revalidated.
    """

    check: float = 15.0
    unread: float = 30.0
    close: float = 1.0
    revalidate: float = 15.0


DEFAULT_TIMEOUTS = GatewayTimeouts()

LOOKUP_ERRORS = (*DATABASE_ERRORS, ClaimsUnavailable)
"""What is raised when the database or the session hook cannot answer."""


@dataclass(eq=False, slots=True)
class PendingConnection:
    """A connection whose session is being resolved; records the signals that arrive meanwhile.

    Args:
        revoked: The sessions that were revoked.
        replaced: The sessions that got a new token.
    """

    revoked: set[UUID] = field(default_factory=set[UUID])
    replaced: set[UUID] = field(default_factory=set[UUID])

    async def resolve(self, sessions: SessionService, token: str | None) -> ResolvedSession | None:
        """The live session of a cookie's token, if it was not revoked meanwhile.

        Raises:
            Unavailable: It cannot be looked up.
        """
        try:
            resolved = await sessions.resolve(token) if token else None
        except LOOKUP_ERRORS:
            raise Unavailable("Your account can't be checked right now. Try again soon.") from None
        if resolved is not None and resolved.principal.credential_id in self.revoked:
            return None
        return resolved

    def is_outdated(self, session_id: UUID) -> bool:
        """Whether the session was revoked or got a new token since it was resolved."""
        return session_id in self.revoked or session_id in self.replaced


class ConnectionRegistry:
    """Open sockets and event streams: by session, or by network when anonymous.

    Attributes:
        recheck: Set when a session may have expired, so that sessions are revalidated at once.
        refused: How many connections and requests were refused, by reason.
    """

    def __init__(self) -> None:
        self.recheck = asyncio.Event()
        self.refused: Counter[str] = Counter()
        self._open: dict[UUID | str, set[OpenConnection]] = defaultdict(set)
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
        key = connection.session_id or connection.client_network
        self._open[key].add(connection)
        try:
            yield
        finally:
            self._open[key].discard(connection)
            if not self._open[key]:
                del self._open[key]

    def count(self, key: UUID | str) -> int:
        """How many connections a session has, or how many anonymous ones a network has."""
        return len(self._open.get(key, ()))

    def session_ids(self) -> frozenset[UUID]:
        """Every session that has a connection."""
        return frozenset(key for key in self._open if isinstance(key, UUID))

    def end_session(self, session_id: UUID) -> None:
        """End every connection of a session, pending ones included."""
        for pending in self._pending:
            pending.revoked.add(session_id)
        for connection in tuple(self._open.get(session_id, ())):
            connection.end(CloseCode.SESSION_ENDED)

    def end_all(self, code: int, *, anonymous: bool = True) -> None:
        """End every connection.

        Args:
            code: The WebSocket close code.
            anonymous: Whether to end connections without a session too.
        """
        for key in tuple(self._open):
            if anonymous or isinstance(key, UUID):
                for connection in tuple(self._open[key]):
                    connection.end(code)

    def on_signal(self, signal: Signal) -> None:
        """Handle a signal of the bus."""
        if signal.session_id is None:
            return
        if signal.kind == "session_ended":
            self.end_session(signal.session_id)
        elif signal.kind == "session_token":
            for pending in self._pending:
                pending.replaced.add(signal.session_id)

    async def revalidate(self, sessions: SessionService, *, every: float) -> None:
        """Revalidate the connected sessions until cancelled, in case a signal was lost.

        Args:
            sessions: Revalidates, and publishes the sessions that are over.
            every: Seconds between two revalidations; `recheck` causes one at once.
        """
        failures = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self.recheck.wait()
            self.recheck.clear()
            try:
                await sessions.revalidate(self.session_ids())
                failures = 0
            except LOOKUP_ERRORS as error:
                failures += 1
                log.warning("Sessions could not be revalidated: %s", type(error).__name__)
                if failures > MAX_FAILURES:
                    self.end_all(CloseCode.SESSION_ENDED, anonymous=False)
