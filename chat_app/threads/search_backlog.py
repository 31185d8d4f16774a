"""Index what a version before full-text search has written into a database of this one.

While an update is under way, or when one is taken back, that version works with tables that are
migrated already. What it writes has no search entry, and a title that it changes has an old one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists
from sqlmodel import col, select

from chat_app.db.engine import Database
from chat_app.db.full_text import entry_of_message, entry_of_title
from chat_app.db.tables import Message, SearchEntry, Thread

_LOOKED_AT = 1_000  # ids without an entry; most are answers without a word
_BATCH = 10  # messages in memory; one may have a megabyte
_BEFORE_ALL = UUID(int=0)


async def index_missing(db: Database, before: datetime) -> int:
    """Write the search entries that are missing, a few at a time.

    Args:
        db: The database.
        before: Only of messages that were created before this time: those of this server have their
            entry, or get it when their answer ends.

    Returns:
        How many messages got one.
    """
    count, last = 0, _BEFORE_ALL
    while True:
        async with db.system("search backlog") as session:
            ids = (
                await session.exec(
                    select(Message.id)
                    .where(col(Message.id) > last)
                    .where(~exists().where(col(SearchEntry.message_id) == col(Message.id)))
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
        Message.thread_id,
        Message.role,
        Message.created_at,
        Message.parts,
    )
    query = select(*columns).where(col(Message.id).in_(ids), col(Message.created_at) < before)
    async with db.system("search backlog") as session:
        entries = [
            entry_of_message(
                row.parts,
                owner_id=row.owner_id,
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
    async with db.system("search backlog", write=True) as session:
        there = set(
            await session.exec(select(Message.id).where(col(Message.id).in_(_message_ids(new))))
        )
        titles = (await session.exec(select(Thread).where(col(Thread.id).in_(threads)))).all()
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
                thread_id=thread.id,
                created_at=thread.created_at,
            )
            for thread in titles
        )
        session.add_all(SearchEntry(**entry) for entry in (*new, *filter(None, anew)))
    return len(new)


def _message_ids(entries: Iterable[dict[str, Any]]) -> list[UUID]:
    return [entry["message_id"] for entry in entries]
