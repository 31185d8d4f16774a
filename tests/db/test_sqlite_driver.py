"""The driver under SQLite: the same answers as SQLAlchemy's own, with fewer visits."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chat_app.db.dialect import engines
from chat_app.db.sqlite_driver import sqlite_driver


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'one.db'}", module=sqlite_driver())
    async with made.begin() as connection:
        await connection.execute(text("CREATE TABLE word (id INTEGER PRIMARY KEY, name UNIQUE)"))
        await connection.execute(
            text("INSERT INTO word (name) VALUES (:name)"), [{"name": "one"}, {"name": "two"}]
        )
    yield made
    await made.dispose()


async def visits(connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked of the connection's thread from now on."""
    raw: Any = (await connection.get_raw_connection()).driver_connection
    ask, seen = raw._execute, []

    async def counted(function: Any, *arguments: Any) -> Any:
        seen.append(function)
        return await ask(function, *arguments)

    monkeypatch.setattr(raw, "_execute", counted)
    return seen


async def test_a_statement_visits_the_thread_once(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine.connect() as connection:
        seen = await visits(connection, monkeypatch)
        found = await connection.execute(text("SELECT id, name FROM word ORDER BY id"))
        assert found.all() == [(1, "one"), (2, "two")]
        assert list(found.keys()) == ["id", "name"]
        assert len(seen) == 1


async def test_what_a_write_tells_is_kept(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        changed = await connection.execute(text("UPDATE word SET name = name || '!'"))
        added = await connection.execute(text("INSERT INTO word (name) VALUES ('three')"))
        told = await connection.execute(text("DELETE FROM word WHERE id < 3 RETURNING name"))
        assert (changed.rowcount, added.lastrowid) == (2, 3)
        assert sorted(told.scalars()) == ["one!", "two!"]


async def test_several_rows_are_written_by_one_visit(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine.begin() as connection:
        seen = await visits(connection, monkeypatch)
        rows = [{"name": str(number)} for number in range(50)]
        done = await connection.execute(text("INSERT INTO word (name) VALUES (:name)"), rows)
        assert (done.rowcount, len(seen)) == (50, 1)


async def test_a_refused_statement_leaves_the_connection_usable(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(text("INSERT INTO word (name) VALUES ('one')"))
        with pytest.raises(OperationalError):
            await connection.execute(text("SELECT nothing FROM nowhere"))
        await connection.rollback()
        assert (await connection.execute(text("SELECT count(*) FROM word"))).scalar() == 2


async def test_a_reader_that_is_cancelled_leaves_no_statement_open(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        slow = text(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
            "SELECT max(i) FROM n"
        )
        asking = asyncio.create_task(connection.execute(slow))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE word"))  # refused while a SELECT is open


async def test_what_was_opened_for_a_task_that_was_cancelled_ends_with_the_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, is_opening, go_on = sqlite3.connect, threading.Event(), threading.Event()
    threads = list[threading.Thread]()

    def slow(*args: Any, **options: Any) -> sqlite3.Connection:
        threads.append(threading.current_thread())
        is_opening.set()
        go_on.wait()
        return connect(*args, **options)

    made = engines(f"sqlite+aiosqlite:///{tmp_path / 'one.db'}", 5)
    monkeypatch.setattr(sqlite3, "connect", slow)
    opening = asyncio.ensure_future(made.readers.connect().start())
    await asyncio.to_thread(is_opening.wait)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    disposing = asyncio.create_task(made.dispose())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not disposing.done()
    go_on.set()
    await disposing
    assert [one.is_alive() for one in threads] == [False]
