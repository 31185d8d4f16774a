"""What happens to the branches of a thread, within the transaction of an action."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, tuple_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import Conflict, NotFound
from chat_app.db.full_text import entry_of_message
from chat_app.db.tables import Message, SearchEntry, Thread
from chat_app.threads import queries
from chat_app.threads.tree import branch_through, deleted_with, head_without, subtrees

_BATCH = 500  # messages that one statement names
_MICROSECOND = timedelta(microseconds=1)

DeletedBranch = tuple[datetime, UUID]
"""When messages were deleted together, and their thread."""


async def branch_with(session: AsyncSession, thread: Thread, message_id: UUID) -> list[UUID]:
    """The ids of the branch that has a message; see `branch_through`.

    Raises:
        NotFound: The thread has no such message.
    """
    nodes = await queries.message_tree(session, thread.id)
    branch = branch_through(nodes, message_id, thread.head_id)
    if branch is None:
        raise NotFound
    return branch


async def choose_head(
    session: AsyncSession, thread: Thread, leaf: UUID | None, now: datetime
) -> None:
    """Make a leaf the head of its thread; None for a thread without messages."""
    thread.head_id = leaf
    if leaf is not None:
        head = await queries.message_row(session, thread.id, leaf)
        head.chosen_at = now


async def delete_branches(
    session: AsyncSession, thread: Thread, message_ids: Collection[UUID], now: datetime
) -> None:
    """Mark messages and all below them as deleted, and choose another head if it was among them.

    They are deleted later than what is deleted below them already, even if the clock was set back.
    The tree is read once, however many they are.

    Raises:
        NotFound: The thread lacks one of the messages, or it is deleted already.
        Conflict: An answer is running below one of them.
    """
    every = await queries.message_tree(session, thread.id, deleted=True)
    nodes = [node for node in every if node.deleted_at is None]
    if not {node.id for node in nodes}.issuperset(message_ids):
        raise NotFound
    removed = subtrees(nodes, message_ids)
    below = set(subtrees(every, message_ids))
    earlier = [node.deleted_at for node in every if node.id in below]
    deleted_at = max([now, *(at + _MICROSECOND for at in earlier if at is not None)])
    run = await queries.active_run_of(session, thread.id)
    if run is not None and run.message_id in removed:
        raise Conflict("An answer is still being written in that branch. Stop it first.")
    if thread.head_id in removed:
        head = head_without(nodes, set(removed), thread.head_id)
        await choose_head(session, thread, head, now)
    for ids in _batches(removed):
        of_these = col(Message.id).in_(ids)
        await session.exec(update(Message).where(of_these).values(deleted_at=deleted_at))
        await session.exec(delete(SearchEntry).where(col(SearchEntry.message_id).in_(ids)))


async def restore_branch(
    session: AsyncSession, thread: Thread, message_id: UUID, now: datetime
) -> bool:
    """Undo `delete_branches`, and choose that branch unless an answer is running in the thread.

    Returns:
        Whether the message was deleted.

    Raises:
        NotFound: The thread has no such message, or the message above is deleted too.
    """
    message = await queries.message_row(session, thread.id, message_id, deleted=True)
    if message.deleted_at is None:
        return False
    nodes = await queries.message_tree(session, thread.id, deleted=True)
    restored = deleted_with(nodes, message_id)
    if not restored:
        raise NotFound
    for ids in _batches(restored):
        of_these = col(Message.id).in_(ids)
        await session.exec(update(Message).where(of_these).values(deleted_at=None))
        # an earlier version may have given them one while they were deleted
        await session.exec(delete(SearchEntry).where(col(SearchEntry.message_id).in_(ids)))
        rows = (await session.exec(select(Message).where(of_these))).all()
        for entry in filter(None, map(_entry_of, rows)):
            session.add(entry)
            await session.flush()  # one by one: a driver returns no more than one id
    if await queries.active_run_of(session, thread.id) is None:
        branch = await branch_with(session, thread, message_id)
        await choose_head(session, thread, branch[-1], now)
    return True


async def due_branch(
    session: AsyncSession, before: datetime, after: DeletedBranch | None
) -> DeletedBranch | None:
    """The branch that was deleted first, if that was before a time; None if there is none.

    Args:
        session: A session that sees every thread.
        before: The time.
        after: Only branches behind this one; None for all.
    """
    key = tuple_(col(Message.deleted_at), col(Message.thread_id))
    due = (
        select(Message.deleted_at, Message.thread_id)
        .where(col(Message.deleted_at) < before)
        .order_by(col(Message.deleted_at), col(Message.thread_id))
        .limit(1)
    )
    if after is not None:
        due = due.where(key > tuple_(*after))
    row = (await session.exec(due)).first()
    return None if row is None or row[0] is None else (row[0], row[1])


async def purge_branch(session: AsyncSession, branch: DeletedBranch) -> None:
    """Remove a deleted branch; nothing happens if it was restored.

    A branch inside a deleted one was deleted earlier, so that no message loses its parent.

    Raises:
        IntegrityError: There is a message below all the same. An earlier version of the program
            compared no times, and does not know what is deleted.
    """
    deleted_at, thread_id = branch
    await session.exec(
        delete(Message).where(
            col(Message.thread_id) == thread_id, col(Message.deleted_at) == deleted_at
        )
    )


def _batches(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))


def _entry_of(message: Message) -> SearchEntry | None:
    """What search finds a message by; None if it has no word."""
    entry = entry_of_message(
        message.parts,
        owner_id=message.owner_id,
        thread_id=message.thread_id,
        message_id=message.id,
        role=message.role,
        created_at=message.created_at,
    )
    return None if entry is None else SearchEntry(**entry)
