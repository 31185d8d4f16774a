"""How many ways in a person has. The last one cannot be removed."""

from uuid import UUID

from sqlmodel import col, func, select

from chat_app.auth.refusals import LastWayIn
from chat_app.db.system import SystemSession
from chat_app.db.tables import Account, Passkey, User


async def leave_one(session: SystemSession, user_id: UUID) -> None:
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
    raise LastWayIn
