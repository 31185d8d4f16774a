"""The registry of open sockets and event streams, which ends those of a revoked session.

Everything here happens between two awaits of one event loop, so there is no lock and no moment in
which a session is revoked and one of its connections is not.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from chat_app.core.signals import Signal

SESSION_ENDED = 4401
"""Close code: the session is over. The client reconnects, signed out."""
TOO_MANY = 4429
"""Close code: too many sockets or too many events."""
TOO_BIG = 1009
"""Close code: a frame over the limit (RFC 6455 §7.4.1)."""
TOO_SLOW = 1008
"""Close code: the client does not read what it is sent."""
GOING_AWAY = 1001
"""Close code: the server stops."""


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


class PendingConnection:
    """A connection whose session is being resolved; records the signals that arrive meanwhile."""

    __slots__ = ("_replaced", "_revoked")

    def __init__(self) -> None:
        self._revoked: set[UUID] = set()
        self._replaced: set[UUID] = set()

    def add_revoked(self, session_id: UUID) -> None:
        """Record that a session was revoked."""
        self._revoked.add(session_id)

    def add_replaced(self, session_id: UUID) -> None:
        """Record that a session has a new token."""
        self._replaced.add(session_id)

    def is_outdated(self, session_id: UUID) -> bool:
        """Whether the session was revoked or got a new token since it was resolved."""
        return session_id in self._replaced or session_id in self._revoked

    def is_revoked(self, session_id: UUID) -> bool:
        """Whether the session was revoked since it was resolved."""
        return session_id in self._revoked


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

    @contextmanager
    def pending(self) -> Iterator[PendingConnection]:
        """Record signals from before a session is resolved until the connection is open."""
        pending = PendingConnection()
        self._pending.add(pending)
        try:
            yield pending
        finally:
            self._pending.discard(pending)

    @contextmanager
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

    def end_session(self, session_id: UUID, code: int = SESSION_ENDED) -> int:
        """End every connection of a session, pending ones included.

        Returns:
            How many were open.
        """
        for pending in self._pending:
            pending.add_revoked(session_id)
        connections = tuple(self._open.get(session_id, ()))
        for connection in connections:
            connection.end(code)
        return len(connections)

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
                pending.add_replaced(signal.session_id)
