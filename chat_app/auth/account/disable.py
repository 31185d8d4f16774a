"""Disabling and enabling a user, by the operator."""

from uuid import UUID

from sqlmodel import select

from chat_app.auth.devices import forget_devices
from chat_app.auth.emails import normalise
from chat_app.auth.one_time_tokens import revoke_tokens
from chat_app.auth.sessions.service import SessionService
from chat_app.core.clock import Clock
from chat_app.core.errors import NotFound
from chat_app.db.engine import Database
from chat_app.db.sessions import SystemSession
from chat_app.db.tables import User

DISABLED = "disabled"
"""The reason for which the sessions of a disabled user are revoked."""


class UserAccess:
    """Disables and enables users; their data is kept.

    Args:
        db: Stores users.
        sessions: Revokes their sessions.
        clock: The time.
    """

    def __init__(self, db: Database, sessions: SessionService, clock: Clock) -> None:
        self._db = db
        self._sessions = sessions
        self._clock = clock

    async def disable(self, user_id: UUID) -> int:
        """Disable a user: no login method works, and sessions, tokens and remembered devices end.

        Returns:
            How many sessions were revoked.

        Raises:
            NotFound: There is no such user.
        """
        async with self._db.system("auth", write=True) as session:
            user = await _user(session, user_id)
            if user.disabled_at is None:
                user.disabled_at = self._clock()
                session.add(user)
            await revoke_tokens(session, user_id)
            await forget_devices(session, user_id)
            ended = await self._sessions.revoke_all(session, user_id, reason=DISABLED)
        self._sessions.publish_revoked(ended, DISABLED)
        return len(ended)

    async def enable(self, user_id: UUID) -> None:
        """Enable a user. Revoked sessions stay revoked.

        Raises:
            NotFound: There is no such user.
        """
        async with self._db.system("auth", write=True) as session:
            user = await _user(session, user_id)
            user.disabled_at = None
            session.add(user)

    async def find(self, email: str) -> UUID:
        """The user with an email.

        Raises:
            InvalidEmail: It is not an email.
            NotFound: There is none.
        """
        async with self._db.system("auth") as session:
            found = await session.exec(select(User.id).where(User.email == normalise(email)))
            user_id = found.first()
        if user_id is None:
            raise NotFound
        return user_id


async def _user(session: SystemSession, user_id: UUID) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise NotFound
    return user
