"""What the gateway needs from the services, and how long it waits."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from chat_app.auth.hooks import ClaimsUnavailable
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.core.errors import DatabaseError
from chat_app.core.signals import Bus
from chat_app.settings import Settings


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

LOOKUP_ERRORS = (DatabaseError, SQLAlchemyError, OSError, ClaimsUnavailable)
"""What is raised when the database or the session hook cannot answer."""


class SessionResolver(Protocol):
    """Resolves and revalidates sessions; see `SessionService`."""

    async def resolve(self, token: str) -> ResolvedSession | None:
        """The live session of a cookie's token."""
        ...

    async def revalidate(self, session_ids: Iterable[UUID]) -> Set[UUID]:
        """Publish the sessions that are over."""
        ...


class GatewayServices(Protocol):
    """The services that the gateway uses."""

    @property
    def settings(self) -> Settings:
        """The settings."""
        ...

    @property
    def bus(self) -> Bus:
        """Where revoked sessions and replaced tokens are published."""
        ...

    @property
    def sessions(self) -> SessionResolver:
        """Resolves sessions."""
        ...
