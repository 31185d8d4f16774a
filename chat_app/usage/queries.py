"""Read the usage ledger: sums of a period, by day, model, user, organisation or purpose.

A user's own sums come from a scoped session. Those of the installation are for site admins and the
command line; they are counts, and name who has used models, never what for.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from chat_app.core.errors import InvalidInput
from chat_app.db.engine import Database
from chat_app.db.scoped_session import Scope, ScopedSession, SystemSession
from chat_app.db.tables import Organisation, UsageLedger, User
from chat_app.usage.ledger import COUNTERS

Dimension = Literal["day", "model", "user", "organisation", "purpose"]
"""What sums are made for each of."""
OwnDimension = Literal["day", "model", "purpose"]
"""What sums of a user are made for each of."""

Days = Literal[7, 30, 90]
PERIODS: tuple[Days, ...] = get_args(Days)
"""The periods to choose from on pages, in days; each ends today."""
DEFAULT_DAYS = 30
MAX_DAYS = 366
"""The longest period of one request, in days."""
PAGE = 25
"""How many users or organisations a page has."""
_NAMED_AT_ONCE = 500
_OWN: tuple[OwnDimension, ...] = get_args(OwnDimension)

_COLUMNS: dict[Dimension, Any] = {
    "day": col(UsageLedger.day),
    "model": col(UsageLedger.model),
    "user": col(UsageLedger.owner_id),
    "organisation": col(UsageLedger.org_id),
    "purpose": col(UsageLedger.purpose),
}
_SUMS = tuple(func.sum(UsageLedger.__table__.c[name]) for name in COUNTERS)  # pyright: ignore[reportAttributeAccessIssue]
_MOST = _SUMS[COUNTERS.index("input_tokens")] + _SUMS[COUNTERS.index("output_tokens")]


@dataclass(frozen=True, slots=True)
class UsageSums:
    """What calls of models took together.

    Args:
        calls: How many there were, retries and failed ones included.
        failed_calls: Those that a provider refused, or in which it failed.
        unreported_calls: Those of which the provider has reported no tokens.
        input_tokens: Of the prompts.
        output_tokens: Of the answers, with those of the reasoning.
        cached_input_tokens: Of the input.
        reasoning_tokens: Of the output.
    """

    calls: int = 0
    failed_calls: int = 0
    unreported_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Those of the input and of the output."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The sums of one day, model, user, organisation or purpose.

    Args:
        key: Which: an ISO date, the id of a model, a user or an organisation, or a purpose.
        name: The email of a user or the name of an organisation; empty if that is deleted, and for
            the others.
        sums: What it took.
    """

    key: str
    name: str
    sums: UsageSums


@dataclass(frozen=True, slots=True)
class Period:
    """The days of which sums are made, in UTC.

    Args:
        since: The first one.
        until: The last one.
    """

    since: date
    until: date

    @classmethod
    def last(cls, days: int, now: datetime) -> "Period":
        """The last days, with today.

        Args:
            days: How many.
            now: The time.

        Raises:
            InvalidInput: They are none, or too many.
        """
        if not 1 <= days <= MAX_DAYS:
            raise InvalidInput(f"days must be 1 to {MAX_DAYS}.")
        return cls(now.date() - timedelta(days=days - 1), now.date())

    @property
    def days(self) -> list[date]:
        """Each day, the first one first."""
        count = (self.until - self.since).days + 1
        return [self.since + timedelta(days=number) for number in range(count)]


def typed_period(since: date | None, until: date | None, now: datetime) -> Period:
    """The days between two that are given.

    Args:
        since: The first one; None for the 30 days that end with the last one.
        until: The last one; None for today.
        now: The time.

    Raises:
        InvalidInput: The last one is before the first one.
    """
    last = until or now.date()
    first = since or last - min(timedelta(days=DEFAULT_DAYS - 1), last - date.min)
    if last < first:
        raise InvalidInput("The last day is before the first one.")
    return Period(first, last)


_OwnSums = dict[OwnDimension, list[UsageRow]]


@dataclass(frozen=True, slots=True)
class OwnUsage:
    """What a user has used in a period.

    Args:
        total: The sums of the period.
        by: The sums by day, model and purpose. Days are in order, the others by their tokens.
    """

    total: UsageSums
    by: dict[OwnDimension, list[UsageRow]]


async def own_usage(db: Database, principal: Scope, period: Period) -> OwnUsage:
    """What a user has used, in every organisation and outside, also in those that they have left.

    Args:
        db: The database.
        principal: The user.
        period: The days.
    """
    async with db.read(principal) as session:
        total, by = await _folded(session, period)
    return OwnUsage(total, by)


@dataclass(frozen=True, slots=True)
class SiteUsage:
    """What all users have used in a period.

    Args:
        total: The sums of the period.
        by: The sums by day, model and purpose, as in `OwnUsage`.
        organisations: The organisations that have used most, as many as fit a page.
        counted_since: The first day of which anything is counted; None while nothing is.
    """

    total: UsageSums
    by: dict[OwnDimension, list[UsageRow]]
    organisations: list[UsageRow]
    counted_since: date | None


async def site_usage(db: Database, period: Period) -> SiteUsage:
    """What all users have used. The caller has checked the role.

    Args:
        db: The database.
        period: The days.
    """
    async with db.system("administration") as session:
        total, by = await _folded(session, period)
        most = await _sums(session, period, "organisation", PAGE)
        organisations = await _named(session, "organisation", most)
        since = (await session.exec(select(func.min(col(UsageLedger.day))))).one()
    return SiteUsage(total, by, organisations, since)


async def site_users(db: Database, period: Period, number: int) -> tuple[list[UsageRow], bool]:
    """A page of the users who have used most, and whether there is one after it.

    Args:
        db: The database.
        period: The days.
        number: Of the page, from 0.
    """
    async with db.system("administration") as session:
        rows = await _sums(session, period, "user", PAGE + 1, number * PAGE)
        return await _named(session, "user", rows[:PAGE]), len(rows) > PAGE


async def every_sum(db: Database, period: Period, by: Dimension) -> list[UsageRow]:
    """All sums of the installation, for the command line.

    Args:
        db: The database.
        period: The days.
        by: What sums are made for each of.
    """
    async with db.system("command line") as session:
        return await _named(session, by, await _sums(session, period, by))


async def _folded(
    session: ScopedSession | SystemSession, period: Period
) -> tuple[UsageSums, _OwnSums]:
    """The sums of everything, and those by day, model and purpose, from one query."""
    columns = [_COLUMNS[one] for one in _OWN]
    found = await session.exec(
        select(*columns, *_SUMS).where(*_is_in(period)).group_by(*columns)  # pyright: ignore[reportCallIssue, reportArgumentType]
    )
    groups = [(row[: len(_OWN)], _sums_of(row[len(_OWN) :])) for row in found.all()]
    by: _OwnSums = {}
    for place, dimension in enumerate(_OWN):
        sums: defaultdict[str, list[UsageSums]] = defaultdict(list)
        for keys, one in groups:
            sums[str(keys[place])].append(one)
        rows = [UsageRow(key, "", _added(several)) for key, several in sorted(sums.items())]
        if dimension != "day":
            rows.sort(key=lambda row: -row.sums.tokens)
        by[dimension] = rows
    return _added([one for _, one in groups]), by


def _added(several: Sequence[UsageSums]) -> UsageSums:
    every = [[getattr(one, name) for name in COUNTERS] for one in several]
    return UsageSums(*map(sum, zip(*every, strict=True)))


async def _sums(
    session: ScopedSession | SystemSession,
    period: Period,
    by: Dimension,
    most: int | None = None,
    skip: int = 0,
) -> list[UsageRow]:
    column = _COLUMNS[by]
    order = [column] if by == "day" else [_MOST.desc(), column]
    found = await session.exec(
        select(column, *_SUMS)
        .where(*_is_in(period))
        .group_by(column)
        .order_by(*order)
        .limit(most)
        .offset(skip)
    )
    return [UsageRow(str(key), "", _sums_of(sums)) for key, *sums in found.all()]


async def _named(session: SystemSession, by: Dimension, rows: list[UsageRow]) -> list[UsageRow]:
    """The rows with the names of the users, or the organisations, that are there."""
    if by == "user":
        query = select(User.id, User.email)
    elif by == "organisation":
        query = select(Organisation.id, Organisation.name)
    else:
        return rows
    table_id = query.selected_columns[0]
    names: dict[str, str] = {}
    for start in range(0, len(rows), _NAMED_AT_ONCE):
        ids = [UUID(row.key) for row in rows[start : start + _NAMED_AT_ONCE]]
        found = await session.exec(query.where(table_id.in_(ids)))
        names |= {str(key): name for key, name in found.all()}
    return [replace(row, name=names.get(row.key, "")) for row in rows]


def _is_in(period: Period) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    day = col(UsageLedger.day)
    return day >= period.since, day <= period.until


def _sums_of(values: Any) -> UsageSums:
    # a sum of nothing is NULL, and PostgreSQL's of large numbers is a decimal
    return UsageSums(*(int(value or 0) for value in values))
