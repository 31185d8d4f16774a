"""One server a PostgreSQL database: a second one is refused, and a lost lock stops writing."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
from sqlmodel import select, update

from chat_app.core.errors import DatabaseUnreachable
from chat_app.db.engine import Database
from chat_app.db.server_lock import DatabaseInUse, ServerLock, is_served
from chat_app.db.tables import Thread
from testing.database import DatabaseUnderTest, only_sqlite
from testing.owned_rows import Person

on_postgres = pytest.mark.parametrize("database", ["postgres"], indirect=True)


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 PostgreSQL has no event for this
            await asyncio.sleep(0.01)


async def _title(db: Database, person: Person) -> str:
    async with db.read(person.principal) as session:
        return (await session.exec(select(Thread.title))).one()


async def _set_title(db: Database, person: Person, title: str) -> None:
    async with db.write(person.principal) as session:
        await session.exec(update(Thread).values(title=title))


def _lock(db: Database) -> ServerLock:
    assert db._server_lock is not None
    return db._server_lock


def _waiting(database: DatabaseUnderTest) -> bool:
    return bool(
        database.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted LIMIT 1")
    )


def _lose(database: DatabaseUnderTest) -> None:
    """End the connection that holds the lock, as a network or an administrator may."""
    database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    )


@on_postgres
async def test_a_second_server_refuses_to_start_until_the_first_has_stopped(
    database: DatabaseUnderTest, db: Database
) -> None:
    second = database.open(Database)
    async with db.serving():
        with pytest.raises(DatabaseInUse, match="Another server is using this database"):
            async with second.serving(wait_seconds=0.01):
                pass
        async with asyncio.TaskGroup() as tasks:
            stop = asyncio.Event()

            async def serve() -> None:
                async with second.serving(wait_seconds=60):
                    await stop.wait()

            tasks.create_task(serve())
            await _until(lambda: _waiting(database))
            _lose(database)  # the first one is killed: PostgreSQL frees its lock at once
            await _until(lambda: not _waiting(database))
            stop.set()
    async with second.serving():
        pass
    await second.close()


@on_postgres
async def test_a_server_that_lost_its_lock_writes_nothing_until_it_holds_it_again(
    database: DatabaseUnderTest, db: Database, alice: Person
) -> None:
    other, stop = database.open(Database), asyncio.Event()

    async def serve() -> None:
        async with other.serving(wait_seconds=60):
            await stop.wait()

    async def write_while_it_is_lost() -> None:
        async with db.write(alice.principal) as session:
            await session.exec(update(Thread).values(title="lost"))
            _lose(database)
            await _until(lambda: not _lock(db)._held.is_set())

    async with db.serving(), asyncio.TaskGroup() as tasks:
        await _set_title(db, alice, "before")
        tasks.create_task(serve())
        await _until(lambda: _waiting(database))
        with pytest.raises(DatabaseUnreachable):
            await write_while_it_is_lost()
        await _until(lambda: other._server_lock is not None)
        with pytest.raises(DatabaseUnreachable):
            await _set_title(db, alice, "never")
        with pytest.raises(DatabaseUnreachable):
            async with db.system("auth", write=True):
                pass
        with pytest.raises(DatabaseUnreachable):
            await db.system_transact("run log", lambda _: None)
        with pytest.raises(DatabaseUnreachable):  # so the server is not ready
            await db.revision()
        assert await _title(db, alice) == "before", "what is stored can be read"
        stop.set()
        await _until(_lock(db)._held.is_set)
        await _set_title(db, alice, "after")
    assert await _title(db, alice) == "after"
    await other.close()


@on_postgres
async def test_a_command_beside_the_server_needs_no_lock(
    database: DatabaseUnderTest, db: Database, alice: Person
) -> None:
    command = database.open(Database)
    async with db.serving():
        await _set_title(command, alice, "by a command")
        assert await _title(db, alice) == "by a command"
    await command.close()


async def test_a_database_that_cannot_be_reached_is_said() -> None:
    lock = ServerLock("postgresql+psycopg://ada:hunter2@127.0.0.1:1/chat")
    with pytest.raises(DatabaseUnreachable) as error:
        async with lock.hold():
            pass
    assert "hunter2" not in error.value.message
    with pytest.raises(DatabaseUnreachable):
        lock.check()


@only_sqlite
async def test_a_sqlite_file_needs_no_lock_beside_that_of_its_folder(
    database: DatabaseUnderTest, db: Database, alice: Person
) -> None:
    second = database.open(Database)
    async with db.serving(), second.serving():
        await _set_title(db, alice, "after")
    await second.close()


@on_postgres
async def test_a_connection_that_is_lost_in_silence_is_missed_at_the_next_heartbeat(
    database: DatabaseUnderTest, db: Database
) -> None:
    lock = ServerLock(db._system_url, heartbeat_seconds=0.05)
    async with lock.hold():
        lock.check()
        ((backend,),) = database.rows(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )
        os.kill(backend, signal.SIGSTOP)
        try:
            await _until(lambda: not lock._held.is_set())
        finally:
            os.kill(backend, signal.SIGCONT)
        await _until(lock._held.is_set)


@on_postgres
async def test_a_command_knows_whether_a_server_uses_the_database(
    database: DatabaseUnderTest, db: Database
) -> None:
    assert not await is_served(db._system_url)
    async with db.serving():
        assert await is_served(db._system_url)
    assert not await is_served(db._system_url)
    with pytest.raises(DatabaseUnreachable):
        await is_served("postgresql+psycopg://ada:hunter2@127.0.0.1:1/chat")
