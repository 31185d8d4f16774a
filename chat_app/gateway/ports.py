"""How long the door waits for whom, in seconds."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from chat_app.auth.hooks import ClaimsUnavailable
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import IssuedSession
from chat_app.core.signals import Bus
from chat_app.db.errors import DatabaseError
from chat_app.settings import Settings


@dataclass(frozen=True, slots=True)
class GatewayTimeouts:
    """Every duration of the door.

    Args:
        look: How often a socket looks at its own expiry and at a frame that is stuck.
        stuck: How long a client may leave a frame unread before it is taken for gone.
        close: How long a client has to take a close frame before the connection is dropped.
        revalidate: How often all live sessions are looked up again.
    """

    look: float = 15.0
    stuck: float = 30.0
    close: float = 1.0
    revalidate: float = 15.0


DEFAULT_TIMEOUTS = GatewayTimeouts()


LOOKUP_ERRORS = (DatabaseError, SQLAlchemyError, OSError, ClaimsUnavailable)
"""What the floor below raises when it cannot say who somebody is."""


class ResolvedSessionPort(Protocol):
    """A session that was found to be alive."""

    @property
    def principal(self) -> Principal:
        """Who it is."""
        ...

    @property
    def expires_at(self) -> datetime:
        """When it ends by itself, in UTC."""
        ...

    @property
    def renewed(self) -> IssuedSession | None:
        """What the cookie should hold from now on, where that has changed."""
        ...


class SessionResolver(Protocol):
    """Where sessions are looked up."""

    async def resolve(self, token: str) -> ResolvedSessionPort | None:
        """The live session behind a cookie's token."""
        ...

    async def revalidate(self, session_ids: Iterable[UUID]) -> Set[UUID]:
        """Tell the bus of those that are over."""
        ...


class GatewayServices(Protocol):
    """The live parts that the door uses."""

    @property
    def settings(self) -> Settings:
        """What the operator decided."""
        ...

    @property
    def bus(self) -> Bus:
        """Where ended sessions are told."""
        ...

    @property
    def sessions(self) -> SessionResolver:
        """Where sessions are looked up."""
        ...
