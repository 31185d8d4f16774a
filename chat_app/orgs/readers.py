"""Who was let read a user's chats, as the user is told: by their grants, and by one chat."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlmodel import and_, col, func, or_, select

from chat_app.auth.principal import Principal, Role
from chat_app.core.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.scoped_session import ScopedSession
from chat_app.db.tables import Organisation, ReadingGrant, Thread, ThreadReading
from chat_app.orgs.roles import checked_role

MAX_LISTED = 50
"""How many grants a page of those who read one's chats has."""
MAX_THREADS = 100
"""How many chats of a grant are listed."""

GrantCursor = tuple[datetime, UUID]
"""Where a page of grants begins: before the one that was given then."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who read by a grant, as the owner of the chats is told.

    Args:
        name: The reader's name when they asked; empty if they had none.
        email: Their email then: it tells users of one name apart.
        role: What they were in the organisation.
        organisation: Its name; empty if it is gone.
        reason: As they typed it.
    """

    name: str
    email: str
    role: Role
    organisation: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReadThread:
    """A chat that was read.

    Args:
        title: Its title; None if its owner reaches it no longer.
    """

    thread_id: UUID
    title: str | None
    first_read_at: datetime
    last_read_at: datetime


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant as the owner of the chats sees it.

    Args:
        ends_at: When it ended, or will end.
        is_open: Whether it has not ended.
        listed_at: When the list of the chats was first shown; None if it was not.
        threads: The chats that were opened by it, the first `MAX_THREADS` of them.
        count: How many chats were opened by it.
    """

    id: UUID
    reader: Reader
    created_at: datetime
    ends_at: datetime
    is_open: bool
    listed_at: datetime | None
    threads: list[ReadThread]
    count: int


@dataclass(frozen=True, slots=True)
class GrantPage:
    """A page of the grants to read one's chats, the newest first.

    Args:
        before: Where the page of older ones begins; None at the end.
    """

    grants: list[GrantView]
    before: GrantCursor | None


@dataclass(frozen=True, slots=True)
class ThreadReader:
    """Who read a chat, and last when."""

    reader: Reader
    first_read_at: datetime
    last_read_at: datetime


@dataclass(frozen=True, slots=True)
class Readers:
    """Tells a user who was let read their chats.

    Args:
        db: The database.
        clock: Says which grants are open.
    """

    db: Database
    clock: Clock

    async def of_owner(
        self, principal: Principal, *, before: GrantCursor | None = None
    ) -> GrantPage:
        """Who was let read the user's chats, the newest first.

        Args:
            principal: The user.
            before: `GrantPage.before` of the page before it; None for the first one.
        """
        now = self.clock()
        created_at, id_ = col(ReadingGrant.created_at), col(ReadingGrant.id)
        newest = select(ReadingGrant).order_by(created_at.desc(), id_.desc())
        if before is not None:
            at, last = before
            newest = newest.where(or_(created_at < at, and_(created_at == at, id_ < last)))
        async with self.db.read(principal) as session:
            found = (await session.exec(newest.limit(MAX_LISTED + 1))).all()
            grants = found[:MAX_LISTED]
            opened = await _opened_by(session, [grant.id for grant in grants])
        readers = await self._readers(grants)
        return GrantPage(
            [
                GrantView(
                    id=grant.id,
                    reader=readers[grant.id],
                    created_at=grant.created_at,
                    ends_at=grant.ended_at or grant.until,
                    is_open=grant.ended_at is None and grant.until > now,
                    listed_at=grant.listed_at,
                    threads=opened[grant.id].threads,
                    count=opened[grant.id].count,
                )
                for grant in grants
            ],
            (grants[-1].created_at, grants[-1].id) if len(found) > MAX_LISTED else None,
        )

    async def of_thread(self, principal: Principal, thread_id: UUID) -> list[ThreadReader]:
        """Who read a chat of the user's, the last one first."""
        async with self.db.read(principal) as session:
            rows = await session.exec(
                select(ThreadReading, ReadingGrant)
                .join(ReadingGrant, col(ReadingGrant.id) == col(ThreadReading.grant_id))
                .where(col(ThreadReading.thread_id) == thread_id)
                .order_by(col(ThreadReading.last_read_at).desc())
                .limit(MAX_LISTED)
            )
            found = rows.all()
        if not found:
            return []
        readers = await self._readers([grant for _, grant in found])
        return [
            ThreadReader(readers[grant.id], one.first_read_at, one.last_read_at)
            for one, grant in found
        ]

    async def _readers(self, grants: Sequence[ReadingGrant]) -> dict[UUID, Reader]:
        """Who read by grants, by the grant."""
        organisations = {grant.org_id for grant in grants}
        async with self.db.system("grants") as session:
            places = await session.exec(
                select(Organisation).where(col(Organisation.id).in_(organisations))
            )
            titles = {one.id: one.name for one in places}
        return {
            grant.id: Reader(
                grant.reader_name,
                grant.reader_email,
                checked_role(grant.role),
                titles.get(cast(Any, grant.org_id), ""),
                grant.reason,
            )
            for grant in grants
        }


@dataclass(slots=True)
class _Opened:
    threads: list[ReadThread] = field(default_factory=list)
    count: int = 0


async def _opened_by(session: ScopedSession, grants: Sequence[UUID]) -> dict[UUID, _Opened]:
    """The first chats that were opened by each of some grants, and how many there are."""
    grant_id, thread_id = col(ThreadReading.grant_id), col(ThreadReading.thread_id)
    order = col(ThreadReading.first_read_at), thread_id
    numbered = (
        select(
            grant_id,
            thread_id,
            func.row_number().over(partition_by=grant_id, order_by=order).label("number"),
            func.count().over(partition_by=grant_id).label("total"),
        )
        .where(grant_id.in_(grants))
        .subquery()
    )
    is_it = (grant_id == numbered.c.grant_id) & (thread_id == numbered.c.thread_id)
    listed = await session.exec(
        select(ThreadReading, numbered.c.total)
        .join(numbered, is_it)
        .where(numbered.c.number <= MAX_THREADS)
        .order_by(numbered.c.number)
    )
    rows = listed.all()
    reached = await session.exec(
        select(Thread.id, Thread.title).where(
            col(Thread.id).in_({one.thread_id for one, _ in rows}),
            col(Thread.deleted_at).is_(None),
        )
    )
    titles = dict(reached.all())
    opened = {grant: _Opened() for grant in grants}
    for one, total in rows:
        of_grant = opened[one.grant_id]
        of_grant.count = total
        of_grant.threads.append(
            ReadThread(
                *(one.thread_id, titles.get(one.thread_id)),
                *(one.first_read_at, one.last_read_at),
            )
        )
    return opened
