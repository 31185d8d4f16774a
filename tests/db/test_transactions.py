"""Transactions of prepared statements on SQLite: committed together, each all or nothing.

PostgreSQL commits each by itself; what they do there is tested with the runs.
"""

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import select

from chat_app.core.clock import utc_now
from chat_app.core.errors import Conflict, DatabaseBusy
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.statements import CONTINUE_THREAD, OPTIONS_OF_NEW_CHATS, THREAD_TO_SEND_TO
from chat_app.db.tables import Thread
from chat_app.db.write_locks import NestedWrite
from testing.database import SqliteDatabase, only_sqlite
from testing.owned_rows import Person

pytestmark = only_sqlite


def _rename(person: Person, title: str) -> Any:
    def work(transaction: Transaction) -> int:
        return transaction.run(
            CONTINUE_THREAD,
            thread_id=person.thread_id,
            new_title=title,
            new_model="",
            new_head=uuid4(),
            now=utc_now(),
        )

    return work


async def _title(db: Database, person: Person) -> str:
    async with db.read(person.principal) as session:
        return (await session.exec(select(Thread.title))).one()


@pytest.fixture
def commits(db: Database, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many transactions the writer has committed: one entry for each."""
    assert db._writer is not None
    transact, seen = db._writer.transact, list[int]()

    async def counted(work: Any) -> Any:
        seen.append(1)
        return await transact(work)

    monkeypatch.setattr(db._writer, "transact", counted)
    return seen


async def test_writes_of_one_tick_are_one_commit(
    db: Database, alice: Person, bob: Person, commits: list[int]
) -> None:
    people = [alice, bob] * 10
    renamed = (db.transact(one.principal, _rename(one, f"new {n}")) for n, one in enumerate(people))
    assert await asyncio.gather(*renamed) == [1] * 20
    assert commits == [1]
    assert [await _title(db, one) for one in (alice, bob)] == ["new 18", "new 19"]


async def test_a_write_that_fails_takes_nothing_of_the_others_with_it(
    db: Database, alice: Person, bob: Person, commits: list[int]
) -> None:
    def fail(transaction: Transaction) -> None:
        _rename(bob, "half")(transaction)
        raise Conflict("no")

    results = await asyncio.gather(
        db.transact(alice.principal, _rename(alice, "whole")),
        db.transact(bob.principal, fail),
        return_exceptions=True,
    )
    assert results[0] == 1
    assert isinstance(results[1], Conflict)
    assert commits == [1]
    assert [await _title(db, one) for one in (alice, bob)] == ["whole", "bob thread"]
    with pytest.raises(Conflict):
        await db.transact(bob.principal, fail)
    assert await _title(db, bob) == "bob thread"
    assert await db.transact(bob.principal, _rename(bob, "after")) == 1


async def test_a_write_cancelled_before_it_began_is_left_out(
    db: Database, alice: Person, bob: Person
) -> None:
    async with db.write(bob.principal):  # holds the lock
        waiting = asyncio.create_task(db.transact(alice.principal, _rename(alice, "never")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await db.transact(bob.principal, _rename(bob, "after"))
    assert await _title(db, alice) == "alice thread"
    assert await _title(db, bob) == "after"


async def test_a_write_cancelled_while_it_runs_is_whole_when_the_caller_knows(
    db: Database, alice: Person
) -> None:
    loop = asyncio.get_running_loop()
    began, go_on = asyncio.Event(), threading.Event()

    def work(transaction: Transaction) -> None:
        loop.call_soon_threadsafe(began.set)
        go_on.wait(60)
        _rename(alice, "whole")(transaction)

    writing = asyncio.create_task(db.transact(alice.principal, work))
    await began.wait()
    writing.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    is_done = writing.done()
    go_on.set()
    assert not is_done
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await _title(db, alice) == "whole"


async def test_a_transaction_inside_a_write_session_is_refused_instead_of_hanging(
    db: Database, alice: Person
) -> None:
    async with db.write(alice.principal):
        with pytest.raises(NestedWrite):
            await db.transact(alice.principal, _rename(alice, "never"))
    assert await _title(db, alice) == "alice thread"


async def test_a_database_that_another_process_holds_is_busy_and_then_usable(
    database: SqliteDatabase, db: Database, alice: Person
) -> None:
    hasty = database.open(Database, busy_seconds=0.01)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy):
            await hasty.transact(alice.principal, _rename(alice, "never"))
        other.execute("ROLLBACK")
    assert await hasty.transact(alice.principal, _rename(alice, "after")) == 1
    assert await _title(hasty, alice) == "after"
    await hasty.close()


async def test_a_writer_that_waits_too_long_is_busy(
    database: SqliteDatabase, db: Database, alice: Person
) -> None:
    hasty = database.open(Database, busy_seconds=0.01)
    async with hasty.write(alice.principal):
        waiting = asyncio.create_task(hasty.transact(alice.principal, _rename(alice, "never")))
        await asyncio.wait({waiting}, timeout=10)
        with pytest.raises(DatabaseBusy):
            await waiting
    assert await hasty.transact(alice.principal, _rename(alice, "after")) == 1
    await hasty.close()


async def test_a_query_sees_what_is_committed_and_runs_beside_a_writer(
    db: Database, alice: Person
) -> None:
    async with db.write(alice.principal) as session:
        row = await session.get(Thread, alice.thread_id)
        assert row is not None
        row.title = "new"
        await session.flush()
        found = await db.query(
            alice.principal, lambda one: one.first(THREAD_TO_SEND_TO, thread_id=alice.thread_id)
        )
        assert found is not None
        assert found[0] == "alice thread"
    found = await db.query(alice.principal, lambda one: one.all(OPTIONS_OF_NEW_CHATS))
    assert len(found) == 1


async def test_a_long_query_does_not_hold_up_those_of_others(
    db: Database, alice: Person, bob: Person
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def read_long(transaction: Transaction) -> bool:
        began.set()
        return go_on.wait(60) and len(transaction.all(OPTIONS_OF_NEW_CHATS)) == 1

    reading = asyncio.create_task(db.query(alice.principal, read_long))
    await asyncio.to_thread(began.wait, 60)
    async with asyncio.timeout(30):
        assert await db.query(bob.principal, lambda one: one.first(OPTIONS_OF_NEW_CHATS))
    go_on.set()
    assert await reading
