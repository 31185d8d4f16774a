"""What the door needs from the floor below, so that it can be tested with a small stand-in."""

from collections.abc import Iterable, Set
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from chat_app.auth.hooks import NoClaims
from chat_app.auth.principal import Principal
from chat_app.auth.session_views import Issued
from chat_app.bus import Bus
from chat_app.db.errors import DatabaseError
from chat_app.settings import Settings

NO_ANSWER = (DatabaseError, SQLAlchemyError, OSError, NoClaims)
"""What the floor below raises when it cannot say who somebody is."""


class Visit(Protocol):
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
    def renewed(self) -> Issued | None:
        """What the cookie should hold from now on, where that has changed."""
        ...


class Sessions(Protocol):
    """Where sessions are looked up."""

    async def resolve(self, token: str) -> Visit | None:
        """The live session behind a cookie's token."""
        ...

    async def revalidate(self, session_ids: Iterable[UUID]) -> Set[UUID]:
        """Tell the bus of those that are over."""
        ...


class Services(Protocol):
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
    def sessions(self) -> Sessions:
        """Where sessions are looked up."""
        ...
