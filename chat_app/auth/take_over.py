"""Clearing an account that nobody ever proved, for the person who proves its address.

Whoever made it may have left a password, a passkey or an open session behind, to come back later
(pre-hijacking). None of that stays; what was written stays.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, delete, update

from chat_app.auth.sessions import Sessions
from chat_app.auth.tokens import revoke
from chat_app.db.system import SystemSession
from chat_app.db.tables import Account, BackupCode, Passkey, RememberedDevice, Totp, User

_WAYS = (Account, Passkey, Totp, BackupCode, RememberedDevice)

REASON = "taken_over"
"""Why the sessions of a cleared account ended."""


async def take_over(
    session: SystemSession, sessions: Sessions, user_id: UUID, now: datetime
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
    await revoke(session, user_id)
    await session.exec(update(User).where(col(User.id) == user_id).values(email_verified_at=now))
    return await sessions.end_all(session, user_id, reason=REASON)
