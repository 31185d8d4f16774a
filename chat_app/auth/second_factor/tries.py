"""How often somebody may be wrong about the second factor.

The count is in the person's row: it does not begin anew with another sign-in, another kind of code
or another start of the program. A try takes its place before the code is looked at, so a burst gets
no further than one after the other would.
"""

from datetime import datetime
from uuid import UUID

from limits import RateLimitItem
from sqlmodel import case, col, select, update

from chat_app.auth.refusals import InvalidToken, SecondFactorLocked
from chat_app.db.system import SystemSession
from chat_app.db.tables import Totp


async def take_place(
    session: SystemSession, user_id: UUID, now: datetime, until: datetime, rate: RateLimitItem
) -> None:
    """Count one try as wrong, before it is judged. `forget` it when it was right.

    Args:
        session: A transaction of its own, committed before the code is looked at.
        user_id: Whose factor.
        now: The time.
        until: When a lock that begins now will end.
        rate: How many wrong ones there may be before that.

    Raises:
        SecondFactorLocked: There were too many.
        InvalidToken: They have no second factor (any more).
    """
    mine = col(Totp.user_id) == user_id, col(Totp.confirmed_at).is_not(None)
    await session.exec(
        update(Totp)
        .where(*mine, col(Totp.locked_until) <= now)
        .values(failures=0, locked_until=None)
    )
    counted = await session.exec(
        update(Totp)
        .where(*mine, col(Totp.locked_until).is_(None))
        .values(
            failures=Totp.failures + 1,
            locked_until=case((col(Totp.failures) + 1 >= rate.amount, until), else_=None),
        )
        .returning(col(Totp.user_id))
    )
    if counted.first() is not None:
        return
    locked = (await session.exec(select(Totp.locked_until).where(*mine))).first()
    if locked is None:
        raise InvalidToken
    raise SecondFactorLocked(max(1, int((locked - now).total_seconds())))


async def give_back(session: SystemSession, user_id: UUID) -> None:
    """Undo `take_place`: our own failure is nobody's try."""
    await session.exec(
        update(Totp)
        .where(col(Totp.user_id) == user_id, col(Totp.failures) > 0)
        .values(failures=Totp.failures - 1, locked_until=None)
    )


async def forget(session: SystemSession, user_id: UUID) -> None:
    """Begin to count anew: they have shown that it is they."""
    await session.exec(
        update(Totp).where(col(Totp.user_id) == user_id).values(failures=0, locked_until=None)
    )
