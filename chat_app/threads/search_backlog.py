"""Index what a version before full-text search has written into a database of this one.

While an update is under way, or when one is taken back, that version works with tables that are
migrated already. What it writes has no search entry, and a title that it changes has an old one.

A message has no entry while it is deleted, or while it is written: restoring it, or the end of the
answer, adds one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists
from sqlmodel import col, select

from chat_app.db.engine import Database
from chat_app.db.full_text import entry_of_message, entry_of_title
from chat_app.db.tables import ACTIVE, Message, SearchEntry, Thread

_LOOKED_AT = 1_000  # ids without an entry; most are answers without a word
_BATCH = 10  # messages in memory; one may have a megabyte
_REMOVED_AT_ONCE = 100  # entries; so that others can write in between
_BEFORE_ALL = UUID(int=0)


async def index_missing(db: Database, before: datetime) -> int:
    """Write the search entries that are missing, and remove those of deleted messages.

    It does a few at a time.

    Args:
        db: The database.
        before: Only of messages that were created before this time: those of this server have their
            entry, or get it when their answer ends.

    Returns:
        How many messages got one.
    """
    await _remove_deleted(db)
    count, last = 0, _BEFORE_ALL
    while True:
        async with db.system("search backlog") as session:
            ids = (
                await session.exec(
                    select(Message.id)
                    .where(col(Message.id) > last, *_lacks_entry())
                    .order_by(col(Message.id))
                    .limit(_LOOKED_AT)
                )
            ).all()
        for first in range(0, len(ids), _BATCH):
            count += await _index(db, ids[first : first + _BATCH], before)
        if len(ids) < _LOOKED_AT:
            return count
        last = ids[-1]


async def _index(db: Database, ids: Sequence[UUID], before: datetime) -> int:
    """Index these messages, and the titles of their threads anew; how many got an entry."""
    columns: Any = (
        Message.id,
        Message.owner_id,
        Message.org_id,
        Message.thread_id,
        Message.role,
        Message.created_at,
        Message.parts,
    )
    query = select(*columns).where(
        col(Message.id).in_(ids), col(Message.created_at) < before, *_lacks_entry()
    )
    async with db.system("search backlog") as session:
        entries = [
            entry_of_message(
                row.parts,
                owner_id=row.owner_id,
                org_id=row.org_id,
                thread_id=row.thread_id,
                message_id=row.id,
                role=row.role,
                created_at=row.created_at,
            )
            for row in (await session.exec(query)).all()
        ]
    new = [entry for entry in entries if entry is not None]
    if not new:
        return 0
    threads = {entry["thread_id"] for entry in new}
    async with db.system("search backlog", write=True, read_committed=True) as session:
        # the lock first: what an action did to a message meanwhile is seen then
        locked = select(Thread).where(col(Thread.id).in_(threads)).order_by(col(Thread.id))
        titles = (await session.exec(locked.with_for_update())).all()
        there = set(
            await session.exec(
                select(Message.id).where(col(Message.id).in_(_message_ids(new)), *_lacks_entry())
            )
        )
        await session.exec(
            delete(SearchEntry).where(
                col(SearchEntry.thread_id).in_(threads), col(SearchEntry.message_id).is_(None)
            )
        )
        new = [entry for entry in new if entry["message_id"] in there]
        anew = (
            entry_of_title(
                thread.title,
                owner_id=thread.owner_id,
                org_id=thread.org_id,
                thread_id=thread.id,
                created_at=thread.created_at,
            )
            for thread in titles
        )
        session.add_all(SearchEntry(**entry) for entry in (*new, *filter(None, anew)))
    return len(new)


async def _remove_deleted(db: Database) -> None:
    """Remove the entries of deleted messages, which a version before this one has written."""
    deleted = select(Message.id).where(col(Message.deleted_at).is_not(None))
    is_left = col(SearchEntry.message_id).in_(deleted)
    while True:
        async with db.system("search backlog") as session:
            ids = (
                await session.exec(select(SearchEntry.id).where(is_left).limit(_REMOVED_AT_ONCE))
            ).all()
        if not ids:
            return
        async with db.system("search backlog", write=True, read_committed=True) as session:
            await session.exec(delete(SearchEntry).where(col(SearchEntry.id).in_(ids), is_left))


def _lacks_entry() -> tuple[ColumnElement[bool], ...]:
    """Whether a message has no entry and may get one."""
    return (
        ~exists().where(col(SearchEntry.message_id) == col(Message.id)),
        col(Message.deleted_at).is_(None),
        col(Message.status).not_in(ACTIVE),
    )


def _message_ids(entries: Iterable[dict[str, Any]]) -> list[UUID]:
    return [entry["message_id"] for entry in entries]
