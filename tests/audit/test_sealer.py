"""Sealing: in order, without a gap, by one writer, also after a crash and with a new key."""

import asyncio
import logging
import re
import sqlite3
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from chat_app import audit
from chat_app.audit.encoding import GENESIS, PURPOSE, AuditRow, seal_of
from chat_app.audit.failures import MAX_NETWORKS, WINDOW, FailureCounts
from chat_app.audit.sealer import RETRY_SECONDS, SEAL_SECONDS, head_of
from chat_app.core.crypto import KeyRing
from chat_app.core.errors import DatabaseBusy
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.tables import AuditEvent, AuditIdentity, User
from testing.audit_log import events_of, sealer_of, settings_of, tamper, write_events
from testing.auth_services import Time
from testing.database import DatabaseUnderTest
from testing.owned_rows import Person


def _event(row: AuditEvent) -> AuditRow:
    return AuditRow(**{name: getattr(row, name) for name in AuditRow.__dataclass_fields__})


async def test_rows_are_sealed_in_order_without_a_gap(
    database: DatabaseUnderTest, db: Database
) -> None:
    settings = settings_of(database)
    sealer = sealer_of(db, settings)
    await write_events(db, 3)
    assert await sealer.seal() == 3
    await write_events(db, 2)
    assert await sealer.seal() == 2
    assert await sealer.seal() == 0
    events = await events_of(db)
    assert [one.seq for one in events] == [1, 2, 3, 4, 5]
    (key_id, key), *_ = KeyRing(settings).mac_keys(PURPOSE).items()
    previous = GENESIS
    for event in events:
        assert event.key_id == key_id
        content = _event(event).signed(event.seq or 0, key_id, previous)
        assert event.seal == seal_of(key, content)
        previous = event.seal or ""
    head = await db.system_query("audit", head_of)
    assert str(head) == f"5:{events[-1].seal}"


async def test_a_row_waits_half_a_second_for_its_seal(
    database: DatabaseUnderTest, db: Database
) -> None:
    """The loop sleeps that long at most, and seals everything each time that it wakes."""
    waits: list[float] = []
    woken, asleep = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        asleep.set()
        await woken.wait()

    task = asyncio.create_task(sealer_of(db, settings_of(database), sleep=sleep).run())
    try:
        async with asyncio.timeout(60):
            await asleep.wait()
            await write_events(db, 700)
            asleep.clear()
            woken.set()
            await asleep.wait()
        assert all(event.seal for event in await events_of(db))
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=10)
    assert set(waits) == {SEAL_SECONDS}
    assert SEAL_SECONDS < 1


async def test_a_failing_database_is_logged_once_and_waited_for(
    database: DatabaseUnderTest,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            monkeypatch.undo()
        if len(waits) == 4:
            raise asyncio.CancelledError

    async def fail(*_: object) -> None:
        raise DatabaseBusy

    sealer = sealer_of(db, settings_of(database), sleep=sleep)
    await write_events(db, 1)
    monkeypatch.setattr(Database, "system_query", fail)
    with pytest.raises(asyncio.CancelledError):
        await sealer.run()
    assert waits == [RETRY_SECONDS] * 3 + [SEAL_SECONDS]
    assert caplog.text.count("The audit log can't be sealed now") == 1
    assert [event.seq for event in await events_of(db)] == [1]


async def test_what_a_killed_process_left_is_sealed_at_the_next_start(
    database: DatabaseUnderTest,
) -> None:
    settings = settings_of(database)
    before = database.open(Database)
    await write_events(before, 2)
    await sealer_of(before, settings).seal()
    await write_events(before, 2)  # and no seal: as after kill -9
    await before.close()
    after = database.open(Database)
    await sealer_of(after, settings).step()
    assert [event.seq for event in await events_of(after)] == [1, 2, 3, 4]
    await after.close()


async def test_a_batch_is_sealed_whole_or_not_at_all(
    database: DatabaseUnderTest, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealer = sealer_of(db, settings_of(database))
    await write_events(db, 3)
    run_each = Transaction.run_each

    def half(one: Transaction, statement: object, rows: list[object]) -> None:
        run_each(one, statement, rows[:1])  # pyright: ignore[reportArgumentType]
        raise DatabaseBusy

    monkeypatch.setattr(Transaction, "run_each", half)
    with pytest.raises(DatabaseBusy):
        await sealer.seal()
    monkeypatch.undo()
    assert [event.seal for event in await events_of(db)] == [None] * 3
    await sealer.seal()
    assert [event.seq for event in await events_of(db)] == [1, 2, 3]


async def test_concurrent_writers_and_the_sealer_leave_no_gap(
    database: DatabaseUnderTest, db: Database, alice: Person, bob: Person
) -> None:
    sealer = sealer_of(db, settings_of(database))

    async def write(number: int) -> None:
        person = (alice, bob)[number % 2].principal
        opened = db.write(person) if number % 3 else db.system("audit", write=True)
        async with opened as session:
            await audit.append(session, "thread_moved", actor=person)

    async def seal() -> None:
        for _ in range(10):
            await sealer.seal()

    await asyncio.gather(seal(), *(write(number) for number in range(24)))
    await sealer.seal()
    assert sorted(event.seq or 0 for event in await events_of(db)) == [*range(1, 25)]


async def test_a_new_key_begins_with_a_row_that_both_keys_seal(
    database: DatabaseUnderTest, db: Database
) -> None:
    old, new = "first-key-" + "ab12" * 8, "second-key-" + "cd34" * 8
    await write_events(db, 2)
    await sealer_of(db, settings_of(database, secret=old)).seal()
    await write_events(db, 2)
    rotated = settings_of(database, old, secret=new)
    await sealer_of(db, rotated).seal()
    events = sorted(await events_of(db), key=lambda one: one.seq or 0)
    assert [one.action == "audit_key_changed" for one in events] == [
        *(False, False, True, False, False)
    ]
    anchor, before = events[2], events[1]
    keys = KeyRing(rotated).mac_keys(PURPOSE)
    assert list(keys) == [anchor.key_id, before.key_id]
    content = _event(anchor).signed(3, anchor.key_id or "", before.seal or "")
    assert anchor.seal == seal_of(keys[anchor.key_id or ""], content)
    assert anchor.anchor_seal == seal_of(keys[before.key_id or ""], content)
    assert anchor.details == f'{{"previous_key":"{before.key_id}"}}'
    assert [one.anchor_seal for one in events if one is not anchor] == [None] * 4


async def test_a_row_that_is_written_beside_the_row_of_a_new_key_does_not_take_its_place(
    database: DatabaseUnderTest, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL shows the sealer what others commit between its statements."""
    old, new = "first-key-" + "ab12" * 8, "second-key-" + "cd34" * 8
    await write_events(db, 1)
    await sealer_of(db, settings_of(database, secret=old)).seal()
    await write_events(db, 1)
    append_to = audit.Entry.append_to

    def both(one: audit.Entry, transaction: Transaction) -> None:
        append_to(one, transaction)
        append_to(audit.entry("audit_exported", actor="system"), transaction)

    monkeypatch.setattr(audit.Entry, "append_to", both)
    sealer = sealer_of(db, settings_of(database, old, secret=new))
    await sealer.seal()
    monkeypatch.undo()
    await sealer.seal()
    events = sorted(await events_of(db), key=lambda one: one.seq or 0)
    assert [one.action == "audit_key_changed" for one in events] == [False, True, False, False]


async def test_a_sealed_row_cannot_be_changed_or_removed(
    database: DatabaseUnderTest, db: Database
) -> None:
    await write_events(db, 1)
    await sealer_of(db, settings_of(database)).seal()
    for statement in ("UPDATE audit_event SET actor = 'x'", "DELETE FROM audit_event"):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException)) as refused:
            database.rows(statement)
        assert "cannot be changed" in str(refused.value)
    assert len(await events_of(db)) == 1


async def test_a_row_cannot_come_with_a_seal(database: DatabaseUnderTest, db: Database) -> None:
    columns = "at, action, actor, subject_kind, subject, network, request_id, details"
    await write_events(db, 1)
    for name, value in (
        *(("seq", str(2**63 - 1)), ("seal", "'x'")),
        *(("key_id", "'x'"), ("anchor_seal", "'x'")),
    ):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException)) as refused:
            database.rows(
                f"INSERT INTO audit_event ({columns}, {name}) "
                f"SELECT {columns}, {value} FROM audit_event"
            )
        assert "without a seal" in str(refused.value)
    assert len(await events_of(db)) == 1


async def test_what_cannot_be_sealed_is_logged_and_sealed_once_it_can(
    database: DatabaseUnderTest, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A number that no database can follow ends no task: who repairs the log needs no restart."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            tamper(database, "DELETE FROM audit_event WHERE seq IS NOT NULL")
        if len(waits) == 3:
            raise asyncio.CancelledError

    await write_events(db, 2)
    tamper(
        database,
        f"UPDATE audit_event SET seq = {2**63 - 1}, seal = 'x' "
        "WHERE id = (SELECT min(id) FROM audit_event)",
    )
    with pytest.raises(asyncio.CancelledError):
        await sealer_of(db, settings_of(database), sleep=sleep).run()
    assert waits == [RETRY_SECONDS] * 2 + [SEAL_SECONDS]
    assert len(re.findall("can't be sealed now|in the sealing of the audit log", caplog.text)) == 1
    assert [event.seq for event in await events_of(db)] == [1]


async def test_a_log_that_changed_beside_the_server_is_an_error_in_its_log(
    database: DatabaseUnderTest, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    sealer = sealer_of(db, settings_of(database))
    await write_events(db, 2)
    await sealer.step()
    tamper(database, "DELETE FROM audit_event WHERE seq = 2")
    await sealer.step()
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "changed beside the server" in record.getMessage()


async def test_a_seal_that_was_cancelled_is_no_change_beside_the_server(
    database: DatabaseUnderTest,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The transaction runs in a thread, which commits although no caller waits for it any more."""
    sealer = sealer_of(db, settings_of(database))
    await write_events(db, 1)
    await sealer.step()
    await write_events(db, 1)
    transact = Database.system_transact

    async def cancelled(*given: Any) -> None:
        await transact(*given)
        raise asyncio.CancelledError

    monkeypatch.setattr(Database, "system_transact", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await sealer.step()
    monkeypatch.undo()
    await sealer.step()
    assert [event.seq for event in await events_of(db)] == [1, 2]
    assert [one for one in caplog.records if one.levelno == logging.ERROR] == []


async def test_the_head_is_logged_each_hour(
    database: DatabaseUnderTest, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat_app")
    clock = Time()
    sealer = sealer_of(db, settings_of(database), clock=clock)
    await write_events(db, 1)
    await sealer.step()
    clock.passes(minutes=59)
    await sealer.step()
    assert caplog.text.count("The head of the audit log is 1:") == 1
    clock.passes(minutes=1)
    await sealer.step()
    assert caplog.text.count("The head of the audit log is 1:") == 2


async def test_users_of_an_earlier_version_get_an_identity_at_the_start(
    database: DatabaseUnderTest, db: Database, alice: Person
) -> None:
    async with db.system("audit", write=True) as session:
        await session.delete(await session.require(AuditIdentity, alice.principal.user_id))

    async def stop(_: float) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await sealer_of(db, settings_of(database), sleep=stop).run()
    async with db.system("audit") as session:
        identity = await session.get(AuditIdentity, alice.principal.user_id)
        assert identity is not None
        assert await session.get(User, alice.principal.user_id) is not None


def _rows(counts: FailureCounts, time: Time) -> list[tuple[str, str]]:
    return [(one.values["network"], one.values["details"]) for one in counts.take(time())]


def test_the_first_failure_is_written_at_once_and_the_others_as_a_count() -> None:
    counts, time = FailureCounts(), Time()
    for _ in range(1_000):
        counts.add("sign_in_failed", "CredentialsSignin", audit.Origin("192.0.2.7"), time())
    assert _rows(counts, time) == [("192.0.2.0/24", '{"count":1,"error":"CredentialsSignin"}')]
    assert _rows(counts, time) == []
    time.now += WINDOW
    assert _rows(counts, time) == [("192.0.2.0/24", '{"count":999,"error":"CredentialsSignin"}')]
    counts.add("sign_in_failed", "CredentialsSignin", audit.Origin("192.0.2.7"), time())
    assert len(_rows(counts, time)) == 1


def test_failures_from_any_number_of_networks_write_few_rows() -> None:
    counts, time = FailureCounts(), Time()
    written = 0
    for number in range(20_000):
        origin = audit.Origin(f"10.{number % 200}.{number // 200}.1")
        counts.add("sign_in_failed", "CredentialsSignin", origin, time())
        written += len(_rows(counts, time))
        time.now += timedelta(milliseconds=45)  # one window
    assert written <= MAX_NETWORKS
    time.now += WINDOW
    rows = _rows(counts, time)
    assert len(rows) <= MAX_NETWORKS + 2
    assert any('"networks":' in details for _, details in rows)


def test_what_was_counted_is_written_before_the_process_ends() -> None:
    counts, time = FailureCounts(), Time()
    for _ in range(3):
        counts.add("locked_out", "RateLimited", audit.Origin("2001:db8::1"), time())
    assert len(counts.take(time())) == 1
    counts.close_windows()
    assert _rows(counts, time) == [("2001:db8::/64", '{"count":2,"error":"RateLimited"}')]


async def test_failures_that_cannot_be_written_are_kept(
    database: DatabaseUnderTest, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealer = sealer_of(db, settings_of(database))
    sealer.failures.add("locked_out", "RateLimited", audit.Origin("192.0.2.7"), sealer.clock())

    async def fail(*_: object) -> None:
        raise DatabaseBusy

    monkeypatch.setattr(Database, "system_transact", fail)
    with pytest.raises(DatabaseBusy):
        await sealer.step()
    monkeypatch.undo()
    await sealer.step()
    assert [event.action for event in await events_of(db)] == ["locked_out"]
