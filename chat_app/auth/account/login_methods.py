"""How many ways in a person has. The last one cannot be removed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, delete, func, select, update

from chat_app.auth.errors import LastLoginMethod
from chat_app.auth.one_time_tokens import revoke_tokens
from chat_app.auth.sessions.service import SessionService
from chat_app.db.sessions import SystemSession
from chat_app.db.tables import Account, BackupCode, Passkey, RememberedDevice, Totp, User


async def require_login_method(session: SystemSession, user_id: UUID) -> None:
    """Refuse what has just been removed when nothing is left.

    Call it after the removal, in the same write transaction, which its refusal undoes. A mailbox
    counts only for who came in by a letter: others may never have proved that it is theirs.

    Raises:
        LastWayIn: There is no other way in.
    """
    # Two removals at once must not each count the other's way; SQLite has one writer anyway.
    await session.exec(select(User.id).where(col(User.id) == user_id).with_for_update())
    for way in (Account, Passkey):
        count = select(func.count()).select_from(way).where(col(way.user_id) == user_id)
        if (await session.exec(count)).one():
            return
    raise LastLoginMethod


_WAYS = (Account, Passkey, Totp, BackupCode, RememberedDevice)

CLAIMED = "taken_over"
"""Why the sessions of a cleared account ended."""


async def claim_unverified_account(
    session: SystemSession, sessions: SessionService, user_id: UUID, now: datetime
) -> Sequence[UUID]:
    """Remove every way into an account and mark its address as proved.

    Args:
        session: The transaction of the caller, who adds the new way in.
        sessions: Ends the account's sessions.
        user_id: Whose account.
        now: The time.

    Returns:
        The sessions that ended. The caller tells of them after the commit.
    """
    for way in _WAYS:
        await session.exec(delete(way).where(col(way.user_id) == user_id))
    await revoke_tokens(session, user_id)
    await session.exec(update(User).where(col(User.id) == user_id).values(email_verified_at=now))
    return await sessions.revoke_all(session, user_id, reason=CLAIMED)
