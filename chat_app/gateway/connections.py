"""Every connection that is open now, by session, so that ending a session ends them.

Everything here happens between two awaits of one event loop: no lock, and no moment in which a
session has ended and a connection of it has not heard.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from chat_app.core.signals import Signal

SESSION_ENDED = 4401
"""Close code: the session is over. The client connects again and meets the new truth."""
TOO_MANY = 4429
"""Close code: too many sockets, or too many events."""
TOO_BIG = 1009
"""Close code: a frame over the limit (RFC 6455 §7.4.1)."""
TOO_SLOW = 1008
"""Close code: the client does not read what it is sent."""
GOING_AWAY = 1001
"""Close code: the server stops."""


class OpenConnection(Protocol):
    """Something open that can be ended at once."""

    @property
    def session_id(self) -> UUID | None:
        """The session it belongs to, or None."""
        ...

    @property
    def client_network(self) -> str:
        """What a limit per address counts it under."""
        ...

    def end(self, code: int) -> None:
        """Let nothing more through, now, and close. Calling it again does nothing."""
        ...


class PendingConnection:
    """A connection whose session is being looked up; it hears what ends meanwhile."""

    __slots__ = ("_ended", "_replaced")

    def __init__(self) -> None:
        self._ended: set[UUID] = set()
        self._replaced: set[UUID] = set()

    def hear(self, session_id: UUID) -> None:
        """Note the end of a session."""
        self._ended.add(session_id)

    def hear_token(self, session_id: UUID) -> None:
        """Note that a session goes on under a new token."""
        self._replaced.add(session_id)

    def is_outdated(self, session_id: UUID) -> bool:
        """Whether what was looked up is no longer what the browser's cookie should hold."""
        return session_id in self._replaced or session_id in self._ended

    def missed(self, session_id: UUID) -> bool:
        """Whether the session ended after the look-up began."""
        return session_id in self._ended


class ConnectionRegistry:
    """The registry of open sockets and answer streams: by session, or else by address.

    Attributes:
        doubt: Set when a session may have ended by itself and should be looked at now.
    """

    def __init__(self) -> None:
        self.recheck = asyncio.Event()
        self._open: dict[UUID | str, set[OpenConnection]] = defaultdict(set)
        self._pending: set[PendingConnection] = set()

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    @contextmanager
    def pending_connection(self) -> Iterator[PendingConnection]:
        """Hear of ended sessions from before the look-up until the connection is added."""
        pending = PendingConnection()
        self._pending.add(pending)
        try:
            yield pending
        finally:
            self._pending.discard(pending)

    @contextmanager
    def open(self, connection: OpenConnection) -> Iterator[None]:
        """Hold a connection for as long as the block runs."""
        key = connection.session_id or connection.client_network
        self._open[key].add(connection)
        try:
            yield
        finally:
            self._open[key].discard(connection)
            if not self._open[key]:
                del self._open[key]

    def of_session(self, session_id: UUID) -> int:
        """How many connections a session has."""
        return len(self._open.get(session_id, ()))

    def of_household(self, client_network: str) -> int:
        """How many anonymous connections an address has."""
        return len(self._open.get(client_network, ()))

    def session_ids(self) -> frozenset[UUID]:
        """Every session that has a connection now."""
        return frozenset(key for key in self._open if isinstance(key, UUID))

    def end_session(self, session_id: UUID, code: int = SESSION_ENDED) -> int:
        """End every connection of a session, and those of it still arriving.

        Returns:
            How many were open.
        """
        for pending in self._pending:
            pending.hear(session_id)
        connections = tuple(self._open.get(session_id, ()))
        for connection in connections:
            connection.end(code)
        return len(connections)

    def end_all(self, code: int, *, anonymous: bool = True) -> None:
        """End every connection.

        Args:
            code: The WebSocket close code.
            anonymous: Whether to end those of nobody as well.
        """
        for key in tuple(self._open):
            if anonymous or isinstance(key, UUID):
                for connection in tuple(self._open[key]):
                    connection.end(code)

    def hear(self, signal: Signal) -> None:
        """Take a hint from the bus."""
        if signal.session_id is None:
            return
        if signal.kind == "session_ended":
            self.end_session(signal.session_id)
        elif signal.kind == "session_token":
            for pending in self._pending:
                pending.hear_token(signal.session_id)
