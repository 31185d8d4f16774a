"""Deleting an account with everything in it, by its user or by the operator."""

from functools import partial

from sqlmodel import col, delete

from chat_app.auth.emails import normalise
from chat_app.auth.errors import InvalidEmail
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.service import SessionService
from chat_app.core.errors import InvalidInput
from chat_app.core.logging import log_security_event
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import OneTimeToken, User


class DeletionNotConfirmed(InvalidInput):
    """The typed email is not the account's."""

    code = "not_confirmed"

    def __init__(self) -> None:
        super().__init__("Type your account's email to delete it.")


async def delete_account(
    db: Database, sessions: SessionService, principal: Principal, confirm: str
) -> None:
    """Delete the user: accounts, sessions, threads, tokens. This can't be undone.

    Everything is deleted in one transaction; sockets and runs of the sessions end right after.

    Args:
        db: Stores users.
        sessions: Revokes their sessions.
        principal: The user.
        confirm: Their email, as typed.

    Raises:
        DeletionNotConfirmed: It is another email; nothing has changed.
        NotFound: The user was deleted already.
    """
    async with db.system("auth", write=True) as session:
        user = await session.require(User, principal.user_id)
        if not _is_same(confirm, user.email):
            raise DeletionNotConfirmed
        await delete_user(session, sessions, user)


async def delete_user(session: SystemSession, sessions: SessionService, user: User) -> None:
    """Delete a user in the caller's transaction.

    Args:
        session: The transaction.
        sessions: Revokes the user's sessions.
        user: The user.
    """
    await sessions.revoke_all(session, user.id, reason="removed")
    # A sign-up that is not confirmed has only the email.
    await session.exec(delete(OneTimeToken).where(col(OneTimeToken.subject) == user.email))
    session.after_commit.append(partial(log_security_event, "user_deleted", user=user.id))
    await session.exec(delete(User).where(col(User.id) == user.id))


def _is_same(typed: str, email: str) -> bool:
    try:
        return normalise(typed) == email
    except InvalidEmail:
        return False
