"""What clients report: how much, how often and how long it is kept."""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound, RateLimited
from chat_app.db.engine import Database
from chat_app.db.tables import ClientReport
from chat_app.threads import client_reports
from chat_app.threads.client_reports import ClientReports, ReportsFull
from chat_app.threads.user_limits import ROW_BYTES
from testing.database import DatabaseUnderTest, only_postgres, only_sqlite
from testing.full_disk import Disk, fill
from testing.run_services import RunHarness, run_harness
from testing.sql_statements import statements

RUN = {"status": "completed"}


def reports_of(harness: RunHarness) -> ClientReports:
    return ClientReports(harness.db, harness.settings, harness.clock)


async def stored(harness: RunHarness, who: Principal) -> Sequence[ClientReport]:
    async with harness.db.read(who) as session:
        return (await session.exec(select(ClientReport))).all()


async def question(harness: RunHarness, who: Principal) -> tuple[Any, str]:
    """A thread, and a message in it."""
    sent = await harness.runs.send(who, text="hi", client_id=uuid4().hex)
    await harness.runs.stop(who, sent.run_id)
    return sent.thread_id, str(sent.user_message_id)


async def test_reports_are_removed_when_they_are_as_old_as_the_setting_says(
    harness: RunHarness, alice: Principal, bob: Principal
):
    reports, days = reports_of(harness), timedelta(days=harness.settings.client_reports_days)
    await reports.add(alice, "run", RUN)
    await reports.add_events(bob, [(None, {"kind": "opened"})])
    harness.clock.time += days - timedelta(hours=1)
    assert await reports.purge() == 0
    kept = await reports.add(alice, "score", {"value": 1})
    harness.clock.time += timedelta(hours=2)
    assert await reports.purge() == 2
    assert [row.id for row in await stored(harness, alice)] == [kept]
    assert await stored(harness, bob) == []
    harness.clock.time += days
    assert await reports.purge() == 1
    assert await reports.purge() == 0


async def test_many_reports_are_removed_a_little_at_a_time(
    harness: RunHarness, alice: Principal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client_reports, "_PURGED_AT_ONCE", 2)
    reports = reports_of(harness)
    await reports.add_events(alice, [(None, {"kind": "opened"})] * 5)
    harness.clock.time += timedelta(days=harness.settings.client_reports_days + 1)
    with statements() as noted:
        assert await reports.purge() == 5
    assert [len(ids) for ids in _deleted(noted.ran)] == [2, 2, 1]


@only_sqlite
async def test_on_a_full_disk_reports_are_removed_one_by_one(
    harness: RunHarness, alice: Principal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    reports, disk = reports_of(harness), Disk(monkeypatch)
    harness.db.keep_reserve(tmp_path / "ballast")
    await reports.add_events(alice, [(None, {"kind": "opened"})] * 3)
    harness.clock.time += timedelta(days=harness.settings.client_reports_days + 1)
    disk.free = 0
    await fill(harness.db)
    assert harness.db.writes == "reserve"
    with statements() as noted:
        assert await reports.purge() == 3
    assert [len(ids) for ids in _deleted(noted.ran)] == [1, 1, 1]


def _deleted(ran: Sequence[tuple[str, Any]]) -> list[Sequence[Any]]:
    """What each statement names that removes reports."""
    return [
        list(parameters)
        for statement, parameters in ran
        if re.match(r"DELETE FROM client_report\b", statement)
    ]


async def test_clients_of_a_user_report_no_more_than_is_kept(database: DatabaseUnderTest):
    async with run_harness(database, client_reports_bytes=100_000) as harness:
        alice, bob = await harness.person(), await harness.person()
        reports = reports_of(harness)
        content = {"status": "completed", "output": "x" * 24_000}
        size = len('{"status": "completed", "output": ""}') + 24_000
        for _ in range(100_000 // (size + ROW_BYTES)):
            await reports.add(alice, "run", content)
        left = 100_000 - 3 * (size + ROW_BYTES)
        assert 2 * ROW_BYTES < left < size + ROW_BYTES
        with pytest.raises(ReportsFull, match="0 MB, as much as this server keeps"):
            await reports.add(alice, "run", content)
        small = [(None, {"kind": "opened"})]
        with pytest.raises(ReportsFull):
            await reports.add_events(alice, small * (left // ROW_BYTES + 1))
        rows = await stored(harness, alice)
        assert [row.size for row in rows] == [size] * 3, "of several events all fit, or none"
        await reports.add_events(alice, small)
        await reports.add(bob, "run", content)
        harness.clock.time += timedelta(days=harness.settings.client_reports_days + 1)
        await reports.purge()
        await reports.add(alice, "run", content)


async def test_feedback_needs_room_for_what_it_is_longer_by(database: DatabaseUnderTest):
    async with run_harness(database, client_reports_bytes=100_000) as harness:
        alice, reports = await harness.person(), reports_of(harness)
        thread_id, message = await question(harness, alice)

        async def give(size: int) -> Any:
            return await reports.set_feedback(alice, thread_id, message, {"comment": "x" * size})

        first = await give(50_000)
        assert await give(60_000) == first
        with pytest.raises(ReportsFull):
            await give(100_000)
        [row] = await stored(harness, alice)
        assert (row.id, len(row.content["comment"])) == (first, 60_000)


async def test_feedback_that_changes_is_kept_as_long_as_new_feedback(
    harness: RunHarness, alice: Principal
):
    reports, days = reports_of(harness), timedelta(days=harness.settings.client_reports_days)
    thread_id, message = await question(harness, alice)
    first = await reports.set_feedback(alice, thread_id, message, {"type": "negative"})
    harness.clock.time += days - timedelta(hours=1)
    assert await reports.set_feedback(alice, thread_id, message, {"type": "positive"}) == first
    harness.clock.time += timedelta(hours=2)
    assert await reports.purge() == 0


async def test_feedback_on_a_message_of_a_deleted_or_another_thread_is_refused(
    harness: RunHarness, alice: Principal
):
    reports = reports_of(harness)
    thread_id, message = await question(harness, alice)
    other, _ = await question(harness, alice)
    for given in (other, uuid4()):
        with pytest.raises(NotFound):
            await reports.set_feedback(alice, given, message, {"type": "positive"})
    await harness.threads.delete(alice, thread_id)
    with pytest.raises(NotFound):
        await reports.set_feedback(alice, thread_id, message, {"type": "positive"})
    assert await stored(harness, alice) == []


async def test_what_is_no_json_of_browsers_is_stored_as_null(harness: RunHarness, alice: Principal):
    report = {**RUN, "first_token_ms": float("inf"), "tokens": 10**400}
    await reports_of(harness).add(alice, "run", report)
    [row] = await stored(harness, alice)
    assert row.content == {**RUN, "first_token_ms": None, "tokens": None}


async def test_feedback_that_is_given_twice_at_once_is_stored_once(
    harness: RunHarness, alice: Principal
):
    reports = reports_of(harness)
    thread_id, message = await question(harness, alice)
    types = ("positive", "negative") * 4
    given = (
        reports.set_feedback(alice, thread_id, message, {"type": one, "number": number})
        for number, one in enumerate(types)
    )
    assert len(set(await asyncio.gather(*given))) == 1
    assert len(await stored(harness, alice)) == 1


@only_postgres  # SQLite has one writer
async def test_feedback_that_another_process_has_stored_meanwhile_is_replaced(
    database: DatabaseUnderTest,
    harness: RunHarness,
    alice: Principal,
    monkeypatch: pytest.MonkeyPatch,
):
    reports, elsewhere = reports_of(harness), database.open(Database)
    others = ClientReports(elsewhere, harness.settings, harness.clock)
    thread_id, message = await question(harness, alice)
    store, first = reports._store, list[UUID]()

    async def store_after_another(session: Any, rows: Any) -> None:
        # this transaction has seen no feedback
        given = others.set_feedback(alice, thread_id, message, {"type": "negative"})
        first.append(await asyncio.create_task(given))
        await store(session, rows)

    monkeypatch.setattr(reports, "_store", store_after_another)
    async with asyncio.timeout(30):
        kept = await reports.set_feedback(alice, thread_id, message, {"type": "positive"})
    await elsewhere.close()
    [row] = await stored(harness, alice)
    assert (first, row.id, row.content) == ([kept], kept, {"type": "positive"})


async def test_clients_of_a_user_report_no_more_often_than_a_minute_allows(
    database: DatabaseUnderTest,
):
    async with run_harness(database, limit_reports="3/minute") as harness:
        alice, bob = await harness.person(), await harness.person()
        reports = reports_of(harness)
        thread_id, message = await question(harness, alice)
        await reports.add(alice, "run", RUN)
        await reports.add_events(alice, [(None, {"kind": "opened"})] * 9)
        with pytest.raises(NotFound):  # it counts: it has cost a query
            await reports.add(alice, "score", RUN, thread_id=uuid4())
        for attempt in (
            reports.add(alice, "run", RUN),
            reports.add_events(alice, [(None, {"kind": "opened"})]),
            reports.set_feedback(alice, thread_id, message, {"type": "positive"}),
        ):
            with pytest.raises(RateLimited) as refused:
                await attempt
            assert 1 <= refused.value.retry_after <= 60
        assert len(await stored(harness, alice)) == 10
        await reports.add(bob, "run", RUN)
        harness.clock.time += timedelta(minutes=1)
        await reports.set_feedback(alice, thread_id, message, {"type": "positive"})
