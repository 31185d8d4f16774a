"""Removing a person, with everything that is theirs."""

from sqlmodel import col, delete

from chat_app.auth.emails import normalise
from chat_app.auth.errors import InvalidEmail
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.service import SessionService
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.db.engine import Database
from chat_app.db.tables import OneTimeToken, User

DELETED = "removed"
"""Why the sessions of somebody who is gone ended."""


class DeletionNotConfirmed(InvalidInput):
    """What was typed is not the person's address."""

    code = "not_confirmed"

    def __init__(self) -> None:
        super().__init__("Type your account's email to delete it.")


class AccountDeletion:
    """Removes people.

    Args:
        db: Where they are kept.
        sessions: Ends what they have open.
    """

    def __init__(self, db: Database, sessions: SessionService) -> None:
        self._db = db
        self._sessions = sessions

    async def remove(self, principal: Principal, confirm: str) -> None:
        """Delete the person: accounts, sessions, threads, letters. Nothing of it can be restored.

        All of it goes in one transaction. What is still open for their sessions ends right after;
        what an answer then wants to write has nowhere to go.

        Args:
            principal: Who leaves.
            confirm: Their address, typed.

        Raises:
            NotConfirmed: It is not theirs; nothing has changed.
            NotFound: They are gone already.
        """
        async with self._db.system("auth", write=True) as session:
            user = await session.get(User, principal.user_id)
            if user is None:
                raise NotFound
            if not _is_same(confirm, user.email):
                raise DeletionNotConfirmed
            ended = await self._sessions.revoke_all(session, user.id, reason=DELETED)
            # These may be about somebody whom no account was made for yet.
            await session.exec(delete(OneTimeToken).where(col(OneTimeToken.subject) == user.email))
            await session.exec(delete(User).where(col(User.id) == user.id))
        self._sessions.publish_revoked(ended, DELETED)


def _is_same(typed: str, email: str) -> bool:
    try:
        return normalise(typed) == email
    except InvalidEmail:
        return False
