"""Deleting an account with everything in it."""

from sqlmodel import col, delete

from chat_app.auth.emails import normalise
from chat_app.auth.errors import InvalidEmail
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.service import SessionService
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.db.engine import Database
from chat_app.db.tables import OneTimeToken, User

DELETED = "removed"
"""The reason for which the sessions of a deleted user are revoked."""


class DeletionNotConfirmed(InvalidInput):
    """The typed email is not the account's."""

    code = "not_confirmed"

    def __init__(self) -> None:
        super().__init__("Type your account's email to delete it.")


class AccountDeletion:
    """Deletes users.

    Args:
        db: Stores users.
        sessions: Revokes their sessions.
    """

    def __init__(self, db: Database, sessions: SessionService) -> None:
        self._db = db
        self._sessions = sessions

    async def remove(self, principal: Principal, confirm: str) -> None:
        """Delete the user: accounts, sessions, threads, tokens. This can't be undone.

        Everything is deleted in one transaction; sockets and runs of the sessions end right after.

        Args:
            principal: The user.
            confirm: Their email, as typed.

        Raises:
            DeletionNotConfirmed: It is another email; nothing has changed.
            NotFound: The user was deleted already.
        """
        async with self._db.system("auth", write=True) as session:
            user = await session.get(User, principal.user_id)
            if user is None:
                raise NotFound
            if not _is_same(confirm, user.email):
                raise DeletionNotConfirmed
            ended = await self._sessions.revoke_all(session, user.id, reason=DELETED)
            # A sign-up that is not confirmed has only the email.
            await session.exec(delete(OneTimeToken).where(col(OneTimeToken.subject) == user.email))
            await session.exec(delete(User).where(col(User.id) == user.id))
        self._sessions.publish_revoked(ended, DELETED)


def _is_same(typed: str, email: str) -> bool:
    try:
        return normalise(typed) == email
    except InvalidEmail:
        return False
