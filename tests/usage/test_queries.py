"""Sums of the usage ledger: of one user, and of everyone."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.db.tables import NO_USER, PRIVATE, Organisation, User
from chat_app.usage.ledger import disown_usage, sweep_deleted_users
from chat_app.usage.queries import (
    PAGE,
    Period,
    UsageRow,
    UsageSums,
    every_sum,
    own_usage,
    site_usage,
    site_users,
    typed_period,
)
from testing.database import SqliteDatabase, only_sqlite
from testing.run_services import RunHarness
from testing.usage import add_usage

NOW = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
TODAY = NOW.date()
MONTH = Period.last(30, NOW)


def keys(rows: list[UsageRow]) -> list[tuple[str, int]]:
    """Which rows there are, and how many calls each has."""
    return [(row.key, row.sums.calls) for row in rows]


def test_a_period_ends_today() -> None:
    assert Period.last(30, NOW) == Period(date(2026, 3, 2), TODAY)
    assert Period.last(1, NOW).days == [TODAY]
    assert len(MONTH.days) == 30
    for days in (0, 367):
        with pytest.raises(InvalidInput, match="days must be 1 to 366"):
            Period.last(days, NOW)


def test_a_typed_period_has_a_first_and_a_last_day() -> None:
    assert typed_period(None, None, NOW) == MONTH
    assert typed_period(date(2025, 1, 1), None, NOW) == Period(date(2025, 1, 1), TODAY)
    assert typed_period(None, date(2026, 1, 30), NOW).since == date(2026, 1, 1)
    assert typed_period(None, date.min, NOW) == Period(date.min, date.min)
    with pytest.raises(InvalidInput):
        typed_period(TODAY, TODAY - timedelta(days=1), NOW)


async def test_a_user_reads_the_sums_of_their_own_rows_in_the_period(
    harness: RunHarness, alice: Principal, bob: Principal
) -> None:
    left, db = Organisation(name="Left").id, harness.db
    await add_usage(
        *(db, alice, TODAY),
        input_tokens=10,
        output_tokens=5,
        cached_input_tokens=4,
        reasoning_tokens=2,
    )
    await add_usage(db, alice, TODAY, org_id=left, model="small", failed_calls=1)
    await add_usage(db, alice, MONTH.since, purpose="title", unreported_calls=1)
    await add_usage(db, alice, MONTH.since - timedelta(days=1), input_tokens=1_000)
    await add_usage(db, alice, TODAY + timedelta(days=1), input_tokens=1_000)
    await add_usage(db, bob, TODAY, input_tokens=1_000)
    found = await own_usage(db, alice, MONTH)
    assert found.total == UsageSums(3, 1, 1, 10, 5, 4, 2)
    assert found.total.tokens == 15
    assert keys(found.by["day"]) == [("2026-03-02", 1), ("2026-03-31", 2)]
    assert keys(found.by["model"]) == [("fake:50x0", 2), ("small", 1)]
    assert keys(found.by["purpose"]) == [("answer", 2), ("title", 1)]


async def test_nothing_adds_up_to_nothing(harness: RunHarness, alice: Principal) -> None:
    found = await own_usage(harness.db, alice, MONTH)
    assert (found.total, found.by) == (UsageSums(), {"day": [], "model": [], "purpose": []})
    site = await site_usage(harness.db, MONTH)
    assert (site.total, site.organisations, site.counted_since) == (UsageSums(), [], None)
    assert await site_users(harness.db, MONTH, 0) == ([], False)


async def test_the_installation_adds_up_what_everyone_has_used(
    harness: RunHarness, alice: Principal, bob: Principal
) -> None:
    db, acme, gone = harness.db, Organisation(name="Acme"), Organisation(name="Gone")
    async with db.system("organisations", write=True) as session:
        session.add(acme)
    await add_usage(db, alice, TODAY, input_tokens=10, org_id=acme.id)
    await add_usage(db, bob, TODAY, input_tokens=5, output_tokens=2)
    await add_usage(db, bob, TODAY, output_tokens=1, org_id=gone.id)
    await add_usage(db, bob, date(2025, 1, 1), input_tokens=1_000)
    site = await site_usage(db, MONTH)
    assert (site.total.calls, site.total.tokens) == (3, 18)
    assert site.counted_since == date(2025, 1, 1)
    assert [(one.key, one.name, one.sums.tokens) for one in site.organisations] == [
        (str(acme.id), "Acme", 10),
        (str(PRIVATE), "", 7),
        (str(gone.id), "", 1),
    ]
    users, has_more = await site_users(db, MONTH, 0)
    async with db.system("auth") as session:
        emails = [(await session.require(User, who.user_id)).email for who in (alice, bob)]
    assert [one.name for one in users] == emails
    assert not has_more
    async with db.system("auth", write=True) as session:
        await disown_usage(session, alice.user_id)
    users, _ = await site_users(db, MONTH, 0)
    assert [(one.key, one.name) for one in users] == [
        (str(NO_USER), ""),
        (str(bob.user_id), emails[1]),
    ]
    assert (await site_usage(db, MONTH)).total == site.total
    assert keys(await every_sum(db, MONTH, "user")) == keys(users)


async def test_users_are_listed_page_by_page_those_who_used_most_first(
    harness: RunHarness,
) -> None:
    people = [await harness.person() for _ in range(PAGE + 1)]
    for number, who in enumerate(people):
        await add_usage(harness.db, who, TODAY, input_tokens=number)
    first, has_more = await site_users(harness.db, MONTH, 0)
    assert [one.key for one in first] == [str(who.user_id) for who in people[:0:-1]]
    assert has_more
    second, has_more = await site_users(harness.db, MONTH, 1)
    assert [one.key for one in second] == [str(people[0].user_id)]
    assert not has_more


@only_sqlite
async def test_the_ledger_is_read_by_its_indexes(
    database: SqliteDatabase, harness: RunHarness, alice: Principal
) -> None:
    executed = list[tuple[str, Any]]()

    def keep(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "FROM usage_ledger" in statement or "FROM (SELECT * FROM usage_ledger" in statement:
            executed.append((statement, values))

    for engines in (harness.db._all, harness.db._own):
        event.listen(engines.readers.sync_engine, "before_cursor_execute", keep)
    await add_usage(harness.db, alice, TODAY)
    await own_usage(harness.db, alice, MONTH)
    await site_usage(harness.db, MONTH)
    await site_users(harness.db, MONTH, 0)
    await sweep_deleted_users(harness.db, harness.clock)
    assert len(executed) == 1 + 3 + 1 + 1
    with closing(sqlite3.connect(database.path)) as file:
        for statement, values in executed:
            plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert any(step.startswith("SEARCH usage_ledger") for step in plan), (statement, plan)


async def test_sums_beyond_32_and_64_bits_are_read(harness: RunHarness, alice: Principal) -> None:
    most = 2**62
    for number in range(3):
        await add_usage(harness.db, alice, TODAY - timedelta(days=number), input_tokens=most // 3)
    assert (await own_usage(harness.db, alice, MONTH)).total.input_tokens == 3 * (most // 3)
