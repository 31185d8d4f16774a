"""Small commits in the thread of the event loop on SQLite: when, and that they are transactions."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from chat_app.core.clock import utc_now
from chat_app.core.errors import DatabaseBusy
from chat_app.db.dialect import thread_engine
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.statements import CONTINUE_THREAD, INSERT_EVENT
from chat_app.db.tables import PRIVATE
from chat_app.db.transactions import (
    CHECKPOINT_PAGES,
    MAX_PAGES,
    PAUSE_SECONDS,
    SLOW_SECONDS,
    InlineCommit,
)
from testing.database import SqliteDatabase, only_sqlite
from testing.owned_rows import Person

pytestmark = only_sqlite

PAGES = 4
"""What a change of a title takes: its row and its index, at most twice."""


class Writer:
    """Writes as the run log does, and counts what the database's thread commits.

    Attributes:
        in_thread: How many transactions the thread has committed.
    """

    def __init__(self, db: Database, person: Person) -> None:
        self.in_thread = 0
        self._db = db
        self._person = person

    async def write(self, title: str, *, pages: int = PAGES) -> None:
        await self._db.system_transact("run log", self._renaming(title), pages=pages)

    async def write_inline(self, title: str) -> None:
        """Write until it is not done by the thread."""
        before = -1
        while before != self.in_thread:
            before = self.in_thread
            await self.write(title)

    async def write_as_user(self, title: str) -> None:
        await self._db.transact(self._person.principal, self._renaming(title))

    def count(self, transact: Any) -> Any:
        async def counted(work: Any) -> Any:
            self.in_thread += 1
            return await transact(work)

        return counted

    def _renaming(self, title: str) -> Any:
        def work(transaction: Transaction) -> int:
            return transaction.run(
                CONTINUE_THREAD,
                thread_id=self._person.thread_id,
                new_title=title,
                new_model="",
                new_head=uuid4(),
                now=utc_now(),
            )

        return work


@pytest.fixture
def writer(db: Database, alice: Person, monkeypatch: pytest.MonkeyPatch) -> Writer:
    assert db._writer is not None
    assert db._inline is not None
    monkeypatch.setattr(db._inline, "_now", lambda: 0.0)  # the machine may be busy
    made = Writer(db, alice)
    monkeypatch.setattr(db._writer, "transact", made.count(db._writer.transact))
    return made


def _titles(database: SqliteDatabase) -> list[str]:
    return [title for (title,) in database.rows("SELECT title FROM thread")]


async def test_small_writes_wake_no_thread_and_are_committed_when_they_return(
    database: SqliteDatabase, writer: Writer
) -> None:
    await writer.write_inline("first")
    before = writer.in_thread
    for number in range(20):
        await writer.write(f"title {number}")
        assert _titles(database) == [f"title {number}"], "another connection sees it at once"
    assert writer.in_thread == before


async def test_a_write_of_many_pages_is_left_to_the_thread(writer: Writer) -> None:
    await writer.write_inline("small")
    before = writer.in_thread
    await writer.write("large", pages=MAX_PAGES + 1)
    assert writer.in_thread == before + 1


def _times_begun(log: Path) -> bytes:
    with log.open("rb") as file:
        return file.read(16)[12:]


@pytest.mark.parametrize("users_write", [True, False])
async def test_the_event_loop_never_begins_the_log_of_changes_anew(
    database: SqliteDatabase, writer: Writer, users_write: bool
) -> None:
    # there SQLite waits for the disk; the header of the log counts it (sqlite.org/fileformat2.html)
    await writer.write_inline("first")
    log = database.path.with_name(f"{database.path.name}-wal")
    begun = [(_times_begun(log), writer.in_thread)]
    for number in range(4 * CHECKPOINT_PAGES // PAGES):
        by_user = users_write and number % 50 == 49
        await (writer.write_as_user if by_user else writer.write)(f"title {number}")
        now = _times_begun(log), writer.in_thread
        if now[0] != begun[-1][0]:
            assert now[1] > begun[-1][1], "it was begun anew in the event loop"
        begun.append(now)
    assert len({number for number, _ in begun}) > 3, "it was begun anew several times"
    assert log.stat().st_size < 1.5 * CHECKPOINT_PAGES * 4096


async def test_a_write_of_a_user_is_left_to_the_thread(writer: Writer) -> None:
    await writer.write_inline("first")
    before = writer.in_thread
    await writer.write_as_user("by the user")
    assert writer.in_thread == before + 1
    await writer.write("second")
    assert writer.in_thread == before + 1


async def test_while_another_task_writes_the_thread_waits_for_it(
    db: Database, database: SqliteDatabase, writer: Writer, alice: Person
) -> None:
    await writer.write_inline("first")
    async with db.write(alice.principal):
        writing = asyncio.create_task(writer.write("second"))
        await asyncio.sleep(0)
        assert not writing.done()
    await writing
    assert _titles(database) == ["second"]


async def test_while_another_process_writes_the_event_loop_goes_on(
    database: SqliteDatabase, writer: Writer
) -> None:
    await writer.write_inline("first")
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(writer.write("second"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not writing.done()
        other.execute("ROLLBACK")
    await writing
    assert _titles(database) == ["second"]


async def test_an_inline_write_that_fails_leaves_nothing(
    database: SqliteDatabase, db: Database, writer: Writer, alice: Person
) -> None:
    await writer.write_inline("first")
    before = writer.in_thread
    event = {
        "run_id": alice.run_id,
        "owner_id": alice.principal.user_id,
        "org_id": PRIVATE,
        "seq": 90,
        "kind": "text",
    }

    def half(transaction: Transaction) -> None:
        transaction.run(INSERT_EVENT, **event, payload="half")
        transaction.run(INSERT_EVENT, **{**event, "run_id": uuid4()}, payload="of nobody")

    with pytest.raises(IntegrityError):
        await db.system_transact("run log", half, pages=2)
    assert writer.in_thread == before
    assert database.rows("SELECT count(*) FROM run_event WHERE seq = 90") == [(0,)]
    await writer.write("after")
    assert _titles(database) == ["after"]


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inline(database: SqliteDatabase, db: Database, clock: Clock) -> Iterator[InlineCommit]:
    engine = thread_engine(f"sqlite+aiosqlite:///{database.path}", 0, "BEGIN IMMEDIATE")
    assert engine is not None
    made = InlineCommit(engine, lambda: True, clock)
    made.note_checkpoint()
    yield made
    made.close()


def test_after_a_slow_disk_the_event_loop_commits_nothing_for_a_while(
    inline: InlineCommit, clock: Clock
) -> None:
    def slow(_connection: sqlite3.Connection) -> None:
        clock.seconds += 2 * SLOW_SECONDS

    assert inline.is_ready(1)
    inline.transact(slow, 1)
    assert not inline.is_ready(1)
    clock.seconds += PAUSE_SECONDS
    assert inline.is_ready(1)


def test_a_database_that_another_process_holds_is_not_waited_for_again_and_again(
    inline: InlineCommit, clock: Clock, database: SqliteDatabase
) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy):
            inline.transact(lambda _connection: None, 1)
    assert not inline.is_ready(1)
    clock.seconds += PAUSE_SECONDS
    assert inline.is_ready(1)
    inline.transact(lambda _connection: None, 1)
