"""Read the audit log: a page of rows, the newest first, with the names behind the random ids."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, or_, select

from chat_app.audit.actions import TITLES, Action
from chat_app.core.errors import InvalidInput
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import AuditEvent, AuditIdentity, User

PAGE = 50
"""Rows of a page."""
_BATCH = 1_000  # rows in memory


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows are wanted; what is empty does not limit them.

    Args:
        actions: What happened.
        actor: Who did it: the id of a user.
        subject: The user that it was done to, or the id of another row.
        person: A user who did it, or to whom it was done.
        organisation: In which organisation.
        since: From this time on.
        until: Before this time.
    """

    actions: Sequence[Action] = ()
    actor: UUID | None = None
    subject: UUID | None = None
    person: UUID | None = None
    organisation: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditedUser(NamedTuple):
    """The user behind a random id, while the account is there."""

    user_id: UUID
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Rows of the audit log, the newest first.

    Args:
        events: The rows.
        people: The users that they name, by the random id.
        before: Where the next page begins; None at the end.
    """

    events: list[AuditEvent]
    people: dict[str, AuditedUser]
    before: int | None


async def typed_filters(
    db: Database, *, action: str = "", email: str = "", since: str = "", until: str = ""
) -> Filters:
    """Filters from the text of a form; empty text does not limit the rows.

    Args:
        db: The database.
        action: One of `TITLES`.
        email: Of a user who did it, or to whom it was done.
        since: The first day, in UTC: `2026-11-29`.
        until: The last day.

    Raises:
        InvalidInput: There is no such action or user, or it is no date.
    """
    filters = typed_limits(action, since, until)
    if not email.strip():
        return filters
    async with db.system("audit") as session:
        person = await user_of_email(session, email)
    if person is None:
        raise InvalidInput("No user has this email.")
    return replace(filters, person=person)


def typed_limits(action: str, since: str, until: str) -> Filters:
    """Filters from the text of a form, without a user; see `typed_filters`.

    Raises:
        InvalidInput: There is no such action, or it is no date.
    """
    actions: list[Action] = [one for one in TITLES if one == action]
    if action and not actions:
        raise InvalidInput("There is no such action.")
    first, last = _day(since), _day(until)
    return Filters(
        actions=actions,
        since=first,
        # no day comes after the last one that Python knows
        until=last + timedelta(days=1) if last and last.date() != date.max else None,
    )


async def user_of_email(session: SystemSession, email: str) -> UUID | None:
    """The user who has an email, as it was typed."""
    found = await session.exec(select(User.id).where(col(User.email) == email.strip().lower()))
    return found.first()


def _day(text: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        return datetime.combine(date.fromisoformat(text.strip()), time(), UTC)
    except ValueError:
        raise InvalidInput("Type a date as 2026-11-29.") from None


async def page(
    db: Database,
    filters: Filters | None = None,
    *,
    before: int | None = None,
    most: int = PAGE,
) -> AuditPage:
    """A page of the log, from every row of it: the caller has checked the role of its reader.

    Args:
        db: The database.
        filters: Which rows.
        before: `AuditPage.before` of the page before it.
        most: How many rows.
    """
    async with db.system("audit") as session:
        return await page_in(session, filters or Filters(), before=before, most=most)


async def page_in(
    session: SystemSession, filters: Filters, *, before: int | None = None, most: int = PAGE
) -> AuditPage:
    """A page of the log within a session that has checked the role of its reader; see `page`."""
    wanted = await _conditions(session, filters)
    if wanted is None:
        return AuditPage([], {}, None)
    if before is not None:
        wanted.append(col(AuditEvent.id) < before)
    newest = select(AuditEvent).where(*wanted).order_by(col(AuditEvent.id).desc())
    found = list((await session.exec(newest.limit(most + 1))).all())
    events = found[:most]
    people = await _people(session, events)
    return AuditPage(events, people, events[-1].id if len(found) > most else None)


async def every(db: Database, filters: Filters | None = None) -> AsyncIterator[AuditEvent]:
    """Every row, the oldest first, a few in memory at a time.

    Args:
        db: The database.
        filters: Which rows.
    """
    after = 0
    while True:
        async with db.system("audit") as session:
            wanted = await _conditions(session, filters or Filters())
            if wanted is None:
                return
            oldest = (
                select(AuditEvent)
                .where(*wanted, col(AuditEvent.id) > after)
                .order_by(col(AuditEvent.id))
                .limit(_BATCH)
            )
            rows = (await session.exec(oldest)).all()
        for row in rows:
            yield row
        if len(rows) < _BATCH:
            return
        after = rows[-1].id or 0


async def identity_of(session: SystemSession, user_id: UUID) -> str | None:
    """The random id that stands for a user; None when the account is gone."""
    found = await session.exec(
        select(AuditIdentity.audit_id).where(col(AuditIdentity.owner_id) == user_id)
    )
    return found.first()


async def _conditions(session: SystemSession, filters: Filters) -> list[ColumnElement[bool]] | None:
    """The conditions of a query; None when no row can meet them."""
    found: list[ColumnElement[bool]] = []
    if filters.organisation is not None:
        found.append(col(AuditEvent.org_id) == filters.organisation)
    if filters.actions:
        found.append(col(AuditEvent.action).in_(filters.actions))
    if filters.actor is not None:
        identity = await identity_of(session, filters.actor)
        if identity is None:
            return None
        found.append(col(AuditEvent.actor) == identity)
    if filters.subject is not None:
        identity = await identity_of(session, filters.subject)
        found.append(col(AuditEvent.subject) == (identity or str(filters.subject)))
    if filters.person is not None:
        identity = await identity_of(session, filters.person)
        if identity is None:
            return None
        found.append(or_(col(AuditEvent.actor) == identity, col(AuditEvent.subject) == identity))
    if filters.since is not None:
        found.append(col(AuditEvent.at) >= filters.since)
    if filters.until is not None:
        found.append(col(AuditEvent.at) < filters.until)
    return found


async def _people(session: SystemSession, events: Iterable[AuditEvent]) -> dict[str, AuditedUser]:
    named = {one.actor for one in events}
    named |= {one.subject for one in events if one.subject_kind == "user"}
    rows = await session.exec(
        select(AuditIdentity.audit_id, User.id, User.email, User.name)
        .join(User, col(User.id) == col(AuditIdentity.owner_id))
        .where(col(AuditIdentity.audit_id).in_(named))
    )
    return {audit_id: AuditedUser(one, email, name) for audit_id, one, email, name in rows.all()}
