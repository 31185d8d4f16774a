"""SQLite's statements, each in one visit to the connection's thread.

An SQLite connection lives in a thread of its own. SQLAlchemy's adapter visits it four times for
one SELECT (make a cursor, execute, fetch, close), and every visit waits for two threads to take
turns. Nothing between those steps needs the event loop, so they are done together.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import aiosqlite
from sqlalchemy import Engine
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.sql.base import Executable


@dataclass(frozen=True, slots=True)
class _Done:
    """What a closed cursor still knows."""

    description: Any
    rowcount: int
    lastrowid: int | None
    arraysize: int


_NOTHING = _Done(None, -1, None, 1)


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor that is closed whenever nobody is in its `execute`; the rows are here."""

    __slots__ = ()
    _cursor: Any
    _awaitable_cursor_close = False  # nothing is left to close

    def _make_new_cursor(self, connection: Any) -> Any:
        return _NOTHING

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    def close(self) -> None:
        self._rows.clear()

    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        def step(cursor: sqlite3.Cursor) -> None:
            cursor.execute(operation, () if parameters is None else parameters)

        await self._visit(step)

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._visit(lambda cursor: cursor.executemany(operation, seq_of_parameters))

    async def _visit(self, step: Callable[[sqlite3.Cursor], object]) -> None:
        connection: Any = self._connection
        async with self._adapt_connection._execute_mutex:
            self._cursor, self._rows = await connection._execute(_run, connection._conn, step)


def _run(
    connection: sqlite3.Connection, step: Callable[[sqlite3.Cursor], object]
) -> tuple[_Done, deque[Any]]:
    cursor = connection.cursor()
    try:
        step(cursor)
        rows = deque(cursor.fetchall() if cursor.description else ())
        done = _Done(cursor.description, cursor.rowcount, cursor.lastrowid, cursor.arraysize)
    finally:
        cursor.close()
    return done, rows


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls = _Cursor


class _Driver(AsyncAdapt_aiosqlite_dbapi):
    def connect(self, *arguments: Any, **given: Any) -> AsyncAdapt_aiosqlite_connection:
        return _Connection(self, super().connect(*arguments, **given)._connection)


def sqlite_driver() -> ModuleType:
    """The driver for `create_async_engine(module=…)`."""
    made: Any = _Driver(aiosqlite, sqlite3)
    return made


Statement = tuple[Executable, Sequence[Mapping[str, Any]]]
"""A Core statement and the rows to execute it with; a statement without rows is left out."""


class WriterThread:
    """A thread with a connection of its own.

    Args:
        engine: A synchronous engine; only this thread uses it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database errands")

    async def run(self, statements: Sequence[Statement]) -> None:
        """Execute the statements in one transaction: all or none.

        Raises:
            DatabaseError: The database cannot be used.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._run, statements)

    async def close(self) -> None:
        """Let the errand under way end, then close. Harmless when closed."""
        await asyncio.to_thread(self._thread.shutdown)
        self._engine.dispose()

    def _run(self, statements: Sequence[Statement]) -> None:
        with self._engine.begin() as connection:
            for statement, rows in statements:
                if rows:
                    connection.execute(statement, rows)
