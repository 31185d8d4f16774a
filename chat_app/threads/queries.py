"""Queries of threads and messages: keyset pagination, branches, active runs.

A page's cursor holds the sort key of its last row, so that page 100 costs what page 1 does.
"""

import base64
import binascii
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID

from sqlalchemy import Uuid, bindparam, case, func, literal, or_, tuple_
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased, defer
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import InvalidInput, NotFound
from chat_app.db.prepared import Transaction
from chat_app.db.statements import ACTIVE_THREADS, LOCK_MEMBERSHIP, PAGE_OF_THREADS
from chat_app.db.tables import ACTIVE, PRIVATE, Message, Run, Thread, ThreadStatus
from chat_app.threads.search_query import SearchQuery
from chat_app.threads.tree import Node
from chat_app.threads.views import MessageView, RunRef, ThreadRow, message_view

_MAX_CURSOR_LENGTH = 120
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NEWEST = datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1)
"""A sort key newer than that of every thread."""


def encode_cursor(updated_at: datetime, thread_id: UUID) -> str:
    """The cursor behind the thread with this sort key."""
    micros = (updated_at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(f"{micros}.{thread_id.hex}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The sort key in a cursor.

    Raises:
        InvalidInput: It is malformed.
    """
    try:
        if len(cursor) > _MAX_CURSOR_LENGTH:
            raise ValueError
        padded = cursor + "=" * (-len(cursor) % 4)
        micros, _, thread_hex = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(".")
        )
        if len(thread_hex) != 32:
            raise ValueError
        return _EPOCH + _MICROSECOND * int(micros), UUID(thread_hex)
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidInput("This page of the list is not valid. Load the list again.") from None


def _branch() -> Any:
    first = (
        sa_select(
            col(Message.id),
            col(Message.parent_id),
            col(Message.thread_id),
            literal(1).label("depth"),
            col(Message.size).label("total"),
        )
        .where(col(Message.id) == bindparam("leaf", type_=Uuid()))
        .cte("branch", recursive=True)
    )
    parent = aliased(Message)
    chain = first.union_all(
        sa_select(
            col(parent.id),
            col(parent.parent_id),
            col(parent.thread_id),
            first.c.depth + 1,
            first.c.total + col(parent.size),
        )
        .where(col(parent.id) == first.c.parent_id)
        .where(first.c.depth < bindparam("limit"))
        .where(first.c.total < bindparam("max_bytes"))
    )
    sibling, root = aliased(Message), aliased(Message)
    siblings = (
        select(func.count())
        .select_from(sibling)
        .where(col(sibling.parent_id) == chain.c.parent_id, col(sibling.deleted_at).is_(None))
        .scalar_subquery()
    )
    roots = (
        select(func.count())
        .select_from(root)
        .where(col(root.thread_id) == chain.c.thread_id, col(root.parent_id).is_(None))
        .where(col(root.deleted_at).is_(None))
        .scalar_subquery()
    )
    versions = case((chain.c.parent_id.is_(None), roots), else_=siblings)
    return select(chain.c.id, versions).order_by(chain.c.depth)


BRANCH = _branch()
"""The ids from a message up to the root, the message itself first, each with the number of its
versions; see `branch_params`.

Built once, because building it costs more than running it. Its cost depends on the limits, not on
the length of the thread.
"""


def branch_params(leaf: UUID, limit: int, max_bytes: int) -> dict[str, Any]:
    """The parameters of `BRANCH`.

    Args:
        leaf: The message to start at.
        limit: The most ids to return.
        max_bytes: The size of the messages at which it stops; the last one may exceed it.
    """
    return {"leaf": leaf, "limit": limit, "max_bytes": max_bytes}


# whole rows would cost twice as much
_SUMMARY_COLUMNS: Any = (
    Thread.id,
    Thread.title,
    Thread.title_origin,
    Thread.model,
    Thread.created_at,
    Thread.updated_at,
    Thread.status,
    Thread.external_id,
    Thread.custom,
    Thread.org_id,
)


async def thread_row(
    session: AsyncSession, thread_id: UUID, *, deleted: bool = False, lock: bool = False
) -> Thread:
    """The row of a thread.

    Args:
        session: A session that sees it.
        thread_id: The thread.
        deleted: Whether a deleted thread is returned too.
        lock: Whether other writers wait, because what the row has decides what is written.

    Raises:
        NotFound: It is missing, foreign or deleted, which look the same.
    """
    thread = await session.get(Thread, thread_id, with_for_update=lock or None)
    if thread is None or (thread.deleted_at is not None and not deleted):
        raise NotFound
    return thread


def lock_membership(transaction: Transaction, org_id: UUID) -> None:
    """Check that the user still belongs to an organisation, and keep it until the transaction ends.

    The principal was resolved before; meanwhile the organisation may have been deleted. It is
    locked before a thread, as when it is deleted.

    Args:
        transaction: A write transaction, restricted to the user.
        org_id: The organisation; `PRIVATE` for none, which costs nothing.

    Raises:
        NotFound: The user does not belong to it.
    """
    if org_id != PRIVATE and transaction.first(LOCK_MEMBERSHIP, of_org=org_id) != (True,):
        raise NotFound


async def named_thread(session: AsyncSession, external_id: str) -> UUID | None:
    """The id of the thread that a program named so; None if there is none."""
    found = await session.exec(
        select(Thread.id).where(
            col(Thread.external_id) == external_id, col(Thread.deleted_at).is_(None)
        )
    )
    return found.first()


async def message_row(
    session: AsyncSession, thread_id: UUID, message_id: UUID, *, deleted: bool = False
) -> Message:
    """The row of a message of a thread.

    Args:
        deleted: Whether a deleted message is returned too.

    Raises:
        NotFound: It is missing, foreign, deleted or in another thread.
    """
    message = await session.get(Message, message_id)
    if message is None or message.thread_id != thread_id:
        raise NotFound
    if message.deleted_at is not None and not deleted:
        raise NotFound
    return message


def is_named(*given: str) -> Any:
    """Whether a message has one of these ids, or was sent or appended under one."""
    return col(Message.client_id).in_(given) | col(Message.id).in_([*_ids(given).values()])


def _ids(given: Iterable[str]) -> dict[str, UUID]:
    """What of some names is an id."""
    ids = dict[str, UUID]()
    for one in given:
        with suppress(ValueError):
            ids[one] = UUID(one)
    return ids


async def find_message(session: AsyncSession, thread_id: UUID, given: str) -> tuple[UUID, str]:
    """The id and the role of a message of a thread.

    Args:
        given: The id as text, or the client id under which the message was sent.

    Raises:
        NotFound: The message is missing, foreign, deleted or in another thread.
    """
    is_it = is_named(given)
    found = await session.exec(
        select(Message.id, Message.role).where(
            is_it, col(Message.thread_id) == thread_id, col(Message.deleted_at).is_(None)
        )
    )
    if (message := found.first()) is None:
        raise NotFound
    return message


async def message_roles(
    session: AsyncSession, thread_id: UUID, ids: Collection[UUID]
) -> dict[UUID, str]:
    """The roles of those of some messages that are in a thread, by id."""
    found = await session.exec(
        select(Message.id, Message.role).where(
            col(Message.id).in_(ids),
            col(Message.thread_id) == thread_id,
            col(Message.deleted_at).is_(None),
        )
    )
    return dict(found.all())


async def find_messages(
    session: AsyncSession, thread_id: UUID, given: Collection[str]
) -> set[UUID]:
    """The ids of messages of a thread, read at once; see `find_message`.

    Raises:
        NotFound: One of them is missing, foreign, deleted or in another thread.
    """
    rows = await session.exec(
        select(Message.id, Message.client_id).where(
            is_named(*given), col(Message.thread_id) == thread_id, col(Message.deleted_at).is_(None)
        )
    )
    by_id, by_client_id = set[UUID](), dict[str | None, UUID]()
    for message_id, client_id in rows:
        by_id.add(message_id)
        by_client_id[client_id] = message_id
    ids, found = _ids(given), set[UUID]()
    for one in given:
        message_id = ids[one] if ids.get(one) in by_id else by_client_id.get(one)
        if message_id is None:
            raise NotFound
        found.add(message_id)
    return found


async def message_tree(
    session: AsyncSession, thread_id: UUID, *, deleted: bool = False
) -> list[Node]:
    """Every message of a thread, without its content.

    Args:
        deleted: Whether the deleted ones are among them.
    """
    columns: Any = (
        Message.id,
        Message.parent_id,
        Message.created_at,
        Message.chosen_at,
        Message.deleted_at,
    )
    statement = select(*columns).where(col(Message.thread_id) == thread_id)
    if not deleted:
        statement = statement.where(col(Message.deleted_at).is_(None))
    return [Node(*message) for message in await session.exec(statement)]


async def running_threads(session: AsyncSession) -> set[UUID]:
    """The threads with an active run: at most as many as a user may run."""
    return set(await session.exec(select(Run.thread_id).where(col(Run.status).in_(ACTIVE))))


async def active_run_of(session: AsyncSession, thread_id: UUID) -> RunRef | None:
    """The active run of a thread."""
    runs = await session.exec(
        select(Run.id, Run.message_id)
        .where(Run.thread_id == thread_id, col(Run.status).in_(ACTIVE))
        .limit(1)
    )
    row = runs.first()
    return RunRef(*row) if row else None


class _SummaryRow(NamedTuple):
    id: UUID
    title: str
    title_origin: str
    model: str
    created_at: datetime
    updated_at: datetime
    status: str
    external_id: str | None
    custom: dict[str, Any]
    org_id: UUID


def page(
    transaction: Transaction,
    *,
    org_id: UUID,
    status: ThreadStatus,
    after: str | None,
    limit: int,
) -> tuple[Sequence[ThreadRow], set[UUID]]:
    """Threads of an organisation and a status by last activity, at most `limit`; and those with an
    active run.

    Raises:
        InvalidInput: The cursor is malformed.
    """
    before, before_id = _NEWEST if after is None else decode_cursor(after)
    rows = transaction.all(
        PAGE_OF_THREADS,
        of_org=org_id,
        status=status,
        before=before,
        before_id=before_id,
        limit=limit,
    )
    running = {thread_id for (thread_id,) in transaction.all(ACTIVE_THREADS)}
    return cast(Sequence[ThreadRow], [_SummaryRow(*row) for row in rows]), running


async def page_rows(
    session: AsyncSession,
    *,
    org_id: UUID | None,
    status: ThreadStatus | Literal["all"],
    after: str | None,
    limit: int,
    query: SearchQuery,
) -> Sequence[ThreadRow]:
    """Threads by last activity, newest first, at most `limit`.

    Args:
        org_id: Only threads of this organisation, `PRIVATE` for private ones; None for all.
        status: Only threads of this status.
        after: The cursor of the page; None for the first.
        query: Only threads whose title has each of its words, ignoring case.

    Raises:
        InvalidInput: The cursor is malformed.
    """
    statement = (
        select(*_SUMMARY_COLUMNS)
        .where(col(Thread.deleted_at).is_(None))
        .order_by(col(Thread.updated_at).desc(), col(Thread.id).desc())
        .limit(limit)
    )
    if org_id is not None:
        statement = statement.where(col(Thread.org_id) == org_id)
    if status != "all":
        statement = statement.where(col(Thread.status) == status)
    if after is not None:
        updated_at, thread_id = decode_cursor(after)
        # a row comparison, so that the index is entered at the cursor
        statement = statement.where(
            tuple_(col(Thread.updated_at), col(Thread.id)) < tuple_(updated_at, thread_id)
        )
    for word in query.words:
        # SQLite folds the case of ASCII only; the usual spellings of other words are tried
        is_plain = word.isascii()
        spellings = {word} if is_plain else {word, word.lower(), word.upper(), word.capitalize()}
        statement = statement.where(
            or_(*(col(Thread.title).icontains(spelling, autoescape=True) for spelling in spellings))
        )
    if query.after is not None:
        statement = statement.where(col(Thread.updated_at) >= query.after)
    if query.before is not None:
        statement = statement.where(col(Thread.updated_at) < query.before)
    return cast(Sequence[ThreadRow], (await session.exec(statement)).all())


async def branch_above(
    session: AsyncSession,
    leaf: UUID,
    limit: int,
    max_bytes: int,
    run: RunRef | None = None,
    *,
    deleted: bool = False,
) -> list[MessageView]:
    """A message and those above it, newest first, as many as fit; at least one.

    Args:
        session: A session that sees them.
        leaf: The message to start at.
        limit: The most messages.
        max_bytes: The most bytes; the last message may exceed it.
        run: The thread's active run; its message gets the run's id.
        deleted: Whether deleted messages are returned too.

    Raises:
        NotFound: One of them is deleted.
    """
    branch = await session.exec(BRANCH, params=branch_params(leaf, limit, max_bytes))
    counts: dict[UUID, int] = dict(branch.all())
    query = select(Message).where(col(Message.id).in_(counts))
    messages = await session.exec(query.options(defer(cast(Any, Message.native))))
    rows = {message.id: message for message in messages}
    if not deleted and any(message.deleted_at is not None for message in rows.values()):
        raise NotFound
    several = [rows[message_id] for message_id, count in counts.items() if count > 1]
    versions = await _versions(session, several) if several else {}
    return [
        message_view(rows[message_id], run, versions.get(rows[message_id].parent_id, ()))
        for message_id in counts
    ]


async def _versions(
    session: AsyncSession, messages: Sequence[Message]
) -> dict[UUID | None, tuple[UUID, ...]]:
    """The ids of all versions of messages of one thread, by their parent, the oldest first."""
    parents = [message.parent_id for message in messages if message.parent_id is not None]
    is_version = col(Message.parent_id).in_(parents)
    if len(parents) < len(messages):
        is_root = col(Message.parent_id).is_(None)
        is_version |= is_root & (col(Message.thread_id) == messages[0].thread_id)
    rows = await session.exec(
        select(Message.id, Message.parent_id)
        .where(is_version, col(Message.deleted_at).is_(None))
        .order_by(col(Message.created_at), col(Message.id))
    )
    found = defaultdict[UUID | None, list[UUID]](list)
    for message_id, parent_id in rows:
        found[parent_id].append(message_id)
    return {parent_id: tuple(ids) for parent_id, ids in found.items()}
