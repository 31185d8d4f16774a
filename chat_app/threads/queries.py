"""Where a page of the list ended, as one opaque word.

The word holds the sort key of the last row, so that page 100 costs what page 1 does.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Uuid, bindparam, literal, or_, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from chat_app.core.errors import InvalidInput, NotFound
from chat_app.db.tables import ACTIVE, Message, Run, Thread
from chat_app.threads.views import MessageView, RunRef, ThreadRow, message_view

_LONGEST = 120
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode_cursor(updated_at: datetime, thread_id: UUID) -> str:
    """The cursor after the thread with this sort key."""
    micros = (updated_at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(f"{micros}.{thread_id.hex}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The sort key in a cursor.

    Raises:
        InvalidInput: It is none of ours.
    """
    try:
        if len(cursor) > _LONGEST:
            raise ValueError
        padded = cursor + "=" * (-len(cursor) % 4)
        micros, _, hexed = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(".")
        )
        if len(hexed) != 32:
            raise ValueError
        return _EPOCH + _MICROSECOND * int(micros), UUID(hexed)
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidInput("This list position is not valid; load the list again.") from None


def _branch() -> SelectOfScalar[UUID]:
    first = (
        select(col(Message.id), col(Message.parent_id), literal(1).label("depth"))
        .where(col(Message.id) == bindparam("leaf", type_=Uuid()))
        .cte("branch", recursive=True)
    )
    parent = aliased(Message)
    chain = first.union_all(
        select(col(parent.id), col(parent.parent_id), first.c.depth + 1)
        .where(col(parent.id) == first.c.parent_id)
        .where(first.c.depth < bindparam("most"))
    )
    return select(chain.c.id).order_by(chain.c.depth)


BRANCH = _branch()
"""The ids from a message upwards, the message itself first; see `upwards`.

Built once: to put it together costs more than to run it. Its cost depends on how many ids are
wanted, not on the length of the thread.
"""


def upwards(leaf: UUID, limit: int) -> dict[str, Any]:
    """The parameters of `BRANCH`.

    Args:
        leaf: Where to start.
        limit: The most ids to give.
    """
    return {"leaf": leaf, "most": limit}


# A list is read far more often than written: whole rows would cost twice as much.
_SHOWN: Any = (
    Thread.id,
    Thread.title,
    Thread.title_origin,
    Thread.model,
    Thread.created_at,
    Thread.updated_at,
)


async def thread_row(session: AsyncSession, thread_id: UUID, *, deleted: bool = False) -> Thread:
    """The row of a thread.

    Args:
        deleted: Whether a deleted one is found too.

    Raises:
        NotFound: It is missing, foreign or deleted, which look the same.
    """
    thread = await session.get(Thread, thread_id)
    if thread is None or (thread.deleted_at is not None and not deleted):
        raise NotFound
    return thread


async def message_row(session: AsyncSession, thread_id: UUID, message_id: UUID) -> Message:
    """The row of a message of a thread.

    Raises:
        NotFound: It is missing, foreign or in another thread.
    """
    message = await session.get(Message, message_id)
    if message is None or message.thread_id != thread_id:
        raise NotFound
    return message


async def running_threads(session: AsyncSession) -> set[UUID]:
    """The threads in which an answer is being written: at most as many as a person may run."""
    return set(await session.exec(select(Run.thread_id).where(col(Run.status).in_(ACTIVE))))


async def active_run_of(session: AsyncSession, thread_id: UUID) -> RunRef | None:
    """The answer that is being written in a thread."""
    found = await session.exec(
        select(Run.id, Run.message_id)
        .where(Run.thread_id == thread_id, col(Run.status).in_(ACTIVE))
        .limit(1)
    )
    row = found.first()
    return RunRef(*row) if row else None


async def page_rows(
    session: AsyncSession, *, after: str | None, limit: int, search: str
) -> Sequence[ThreadRow]:
    """Threads by last activity, newest first, at most `limit`.

    Args:
        after: The cursor of the page; None for the first.
        search: Only threads whose title holds this, whatever its case.

    Raises:
        InvalidInput: The cursor is none of ours.
    """
    query = (
        select(*_SHOWN)
        .where(col(Thread.deleted_at).is_(None))
        .order_by(col(Thread.updated_at).desc(), col(Thread.id).desc())
        .limit(limit)
    )
    if after is not None:
        updated_at, thread_id = decode_cursor(after)
        # a row comparison, so that the index is entered at the cursor
        query = query.where(
            tuple_(col(Thread.updated_at), col(Thread.id)) < tuple_(updated_at, thread_id)
        )
    if search:
        # SQLite folds the case of ASCII only; the usual spellings of other words are tried
        spellings = {search, search.lower(), search.upper(), search.capitalize()}
        query = query.where(
            or_(*(col(Thread.title).icontains(word, autoescape=True) for word in spellings))
        )
    return cast(Sequence[ThreadRow], (await session.exec(query)).all())


async def branch_above(
    session: AsyncSession, leaf: UUID, limit: int, run: RunRef | None = None
) -> list[MessageView]:
    """A message and those above it, newest first, at most `limit`.

    Args:
        run: The thread's live run, to be marked on its message.
    """
    ids = list(await session.exec(BRANCH, params=upwards(leaf, limit)))
    found = await session.exec(select(Message).where(col(Message.id).in_(ids)))
    rows = {message.id: message for message in found}
    return [message_view(rows[one], run) for one in ids]
