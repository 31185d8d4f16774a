"""The engine: nothing is lost, nothing is left open, and a person gets a sentence."""

import asyncio
import contextlib
import sqlite3
import types
from collections.abc import Coroutine, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select, update

from chat_app.core.errors import DatabaseBusy, DatabaseFull
from chat_app.db import dialect
from chat_app.db.engine import Database
from chat_app.db.scoped_session import UnknownReason
from chat_app.db.tables import Thread, User
from chat_app.db.write_locks import NestedWrite
from testing.database import DatabaseUnderTest, connections_in_use, only_sqlite
from testing.owned_rows import Person


async def _title(db: Database, person: Person) -> str:
    async with db.read(person.principal) as session:
        return (await session.exec(select(Thread.title))).one()


async def _set_title(db: Database, person: Person, title: str) -> None:
    async with db.write(person.principal) as session:
        await session.exec(update(Thread).values(title=title))


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Another process's write lock, as the file sees it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def path(database: DatabaseUnderTest) -> Path:
    return database.folder / "chat.db"


@only_sqlite
async def test_sqlite_is_set_up_for_a_server(path: Path) -> None:
    db = Database(f"sqlite+aiosqlite:///{path}")
    async with db.system("auth", write=True) as session:
        connection = await session.connection()
        found = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    await db.close()
    assert found == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 1,
        "busy_timeout": 5000,
    }


@only_sqlite
async def test_the_database_is_private_whatever_the_umask(db: Database, path: Path) -> None:
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_hundred_concurrent_increments_lose_nothing(
    database: DatabaseUnderTest, alice: Person
) -> None:
    db = database.open(Database, busy_seconds=120)
    await _set_title(db, alice, "0")

    async def increment() -> None:
        async with db.write(alice.principal) as session:
            thread = await session.get(Thread, alice.thread_id)
            assert thread is not None
            await asyncio.sleep(0)
            thread.title = str(int(thread.title) + 1)

    await asyncio.gather(*(increment() for _ in range(100)))
    assert await _title(db, alice) == "100"
    await db.close()


async def test_readers_do_not_wait_for_a_writer_and_see_only_what_is_committed(
    db: Database, alice: Person
) -> None:
    async with db.write(alice.principal) as session:
        await session.exec(update(Thread).values(title="new"))
        assert await _title(db, alice) == "alice thread"
    assert await _title(db, alice) == "new"


async def test_readers_run_beside_each_other(db: Database, alice: Person) -> None:
    inside = asyncio.Barrier(8)

    async def read() -> None:
        async with db.read(alice.principal) as session:
            await session.exec(select(Thread.id))
            await inside.wait()

    await asyncio.gather(*(read() for _ in range(8)))


async def test_a_reader_keeps_one_picture_of_the_database(db: Database, alice: Person) -> None:
    async with db.read(alice.principal) as session:
        first = (await session.exec(select(Thread.title))).one()
        await _set_title(db, alice, "new")
        assert (await session.exec(select(Thread.title))).one() == first


async def test_an_error_rolls_back_and_frees_the_lock(db: Database, alice: Person) -> None:
    async def fail_half_way() -> None:
        async with db.write(alice.principal) as session:
            await session.exec(update(Thread).values(title="half"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail_half_way()
    assert await _title(db, alice) == "alice thread"
    await _set_title(db, alice, "after")


async def test_a_cancelled_writer_rolls_back_and_frees_the_lock(
    db: Database, alice: Person
) -> None:
    written = asyncio.Event()

    async def write() -> None:
        async with db.write(alice.principal) as session:
            await session.exec(update(Thread).values(title="half"))
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _title(db, alice) == "alice thread"
    await _set_title(db, alice, "after")


async def test_a_writer_cancelled_while_it_waits_does_not_take_the_lock(
    db: Database, alice: Person
) -> None:
    async with db.write(alice.principal) as session:
        waiting = asyncio.create_task(_set_title(db, alice, "queued"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await session.exec(update(Thread).values(title="first"))
    await _set_title(db, alice, "second")
    assert await _title(db, alice) == "second"


@types.coroutine
def _cancel_at(work: Coroutine[Any, Any, None], pause: int) -> Generator[Any, Any, bool]:
    """Run work and cancel it at its nth pause; tell whether it got that far."""
    try:
        for _ in range(pause):
            yield work.send(None)
        waited_for = work.send(None)
        if waited_for is not None:  # and not a turn that is given to others
            waited_for.cancel()
        waited = work.throw(asyncio.CancelledError())
        while True:
            yield waited
            waited = work.send(None)
    except StopIteration:
        return False
    except asyncio.CancelledError:
        return True


async def test_a_writer_cancelled_at_any_pause_is_all_or_nothing_and_leaks_nothing(
    db: Database, alice: Person
) -> None:
    before, pause = "alice thread", 0
    while await _cancel_at(_set_title(db, alice, f"new {pause}"), pause):
        assert connections_in_use(db) == 0
        assert await _title(db, alice) in {before, f"new {pause}"}
        before = f"after {pause}"
        await asyncio.gather(*(_set_title(db, alice, before) for _ in range(2)))
        assert await _title(db, alice) == before
        pause += 1
    assert await _title(db, alice) == f"new {pause}"
    assert pause > 3, "the writer paused too seldom for this test to mean anything"


async def test_a_cancelled_writer_publishes_exactly_what_it_committed(
    db: Database, alice: Person
) -> None:
    published: list[str] = []

    async def set_title(title: str) -> None:
        async with db.system("auth", write=True) as session:
            session.after_commit.append(lambda: published.append(title))
            await session.exec(update(Thread).values(title=title))

    pause, late = 0, 0
    while await _cancel_at(set_title(f"new {pause}"), pause):
        is_committed = await _title(db, alice) == f"new {pause}"
        assert published == ([f"new {pause}"] if is_committed else [])
        late += is_committed
        published.clear()
        pause += 1
    assert late, "no cancellation came after the commit had begun"


async def test_cancelled_twice_still_cleans_up(db: Database, alice: Person) -> None:
    written = asyncio.Event()

    async def write() -> None:
        async with db.write(alice.principal) as session:
            await session.exec(update(Thread).values(title="half"))
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await written.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert connections_in_use(db) == 0
    await _set_title(db, alice, "after")
    assert await _title(db, alice) == "after"


async def test_writing_inside_a_write_is_refused_instead_of_hanging(
    db: Database, alice: Person
) -> None:
    async with db.write(alice.principal):
        with pytest.raises(NestedWrite):
            await _set_title(db, alice, "never")
        with pytest.raises(NestedWrite):
            async with db.system("auth", write=True):
                pass
    await _set_title(db, alice, "after")


@only_sqlite
async def test_a_database_held_by_another_process_is_a_sentence(
    database: DatabaseUnderTest, path: Path, alice: Person
) -> None:
    hasty = database.open(Database, busy_seconds=0.01)
    with _held(path), pytest.raises(DatabaseBusy) as refused:
        await _set_title(hasty, alice, "never")
    assert refused.value.message == "The database is busy. Try again in a moment."
    await _set_title(hasty, alice, "after")
    assert await _title(hasty, alice) == "after"
    await hasty.close()


async def test_a_writer_waits_for_its_turn_no_longer_than_for_another_process(
    database: DatabaseUnderTest, alice: Person
) -> None:
    hasty = database.open(Database, busy_seconds=0.01)
    async with hasty.write(alice.principal):
        waiting = asyncio.create_task(_set_title(hasty, alice, "never"))
        await asyncio.wait({waiting}, timeout=10)
        assert waiting.done()
    with pytest.raises(DatabaseBusy):
        await waiting
    await _set_title(hasty, alice, "after")
    assert await _title(hasty, alice) == "after"
    await hasty.close()


@only_sqlite
async def test_a_full_disk_is_a_sentence_and_saves_nothing(db: Database, alice: Person) -> None:
    async def fill_the_disk() -> None:
        async with db.system("auth", write=True) as session:
            connection = await session.connection()
            pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
            await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            for number in range(2_000):
                session.add(User(email=f"{number}@chat.example", name="x" * 100))

    with pytest.raises(DatabaseFull) as refused:
        await fill_the_disk()
    assert refused.value.message == "The disk is full. Nothing was saved."
    async with db.system("auth") as session:
        assert (await session.exec(select(User.name))).all() == ["alice"]


async def test_a_read_session_cannot_write_even_as_the_system(db: Database, alice: Person) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"):
        async with db.system("auth") as session:
            await session.exec(update(User).values(name="new"))


async def test_rows_stay_readable_after_the_session(db: Database, alice: Person) -> None:
    async with db.write(alice.principal) as session:
        thread = (await session.exec(select(Thread).where(col(Thread.title) != ""))).one()
    assert thread.title == "alice thread"


async def test_a_system_session_needs_a_registered_reason(db: Database) -> None:
    with pytest.raises(UnknownReason):
        async with db.system("because"):
            pass


async def test_no_free_connection_is_a_sentence(
    database: DatabaseUnderTest, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "READERS", 1)
    monkeypatch.setattr(dialect, "WAIT_SECONDS", 0.01)
    small = database.open(Database)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            session = await stack.enter_async_context(small.read(alice.principal))
            await session.exec(select(Thread.id))
        with pytest.raises(DatabaseBusy):
            await _title(small, alice)
    assert await _title(small, alice) == "alice thread"
    await small.close()


def test_sqlite_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a file"):
        Database("sqlite+aiosqlite://")
