"""An aiosqlite driver for SQLAlchemy that runs each statement in one call to the thread.

A SQLite connection lives in a thread of its own. SQLAlchemy's adapter calls it four times for one
SELECT (create a cursor, execute, fetch, close), and every call costs two thread switches. Nothing
between those steps needs the event loop, so they run together.
"""

import asyncio
import sqlite3
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from types import ModuleType
from typing import Any

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)

_STOP_SECONDS = 1.0
"""The longest wait for the threads of connections that were told to stop."""


@dataclass(frozen=True, slots=True)
class _Result:
    """The attributes of a closed cursor."""

    description: Any
    rowcount: int
    lastrowid: int | None
    arraysize: int


_NO_RESULT = _Result(None, -1, None, 1)


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor that fetches all rows in `execute` and is closed afterwards."""

    __slots__ = ()
    _cursor: Any
    _awaitable_cursor_close = False  # nothing is left to close

    def _make_new_cursor(self, connection: Any) -> Any:
        return _NO_RESULT

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    def close(self) -> None:
        self._rows.clear()

    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        await self._call(sqlite3.Cursor.execute, operation, parameters or ())

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._call(sqlite3.Cursor.executemany, operation, seq_of_parameters)

    async def _call(self, *step: Any) -> None:
        connection: Any = self._connection
        async with self._adapt_connection._execute_mutex:
            self._cursor, self._rows = await connection._execute(_run, connection._conn, *step)


def _run(
    connection: sqlite3.Connection, method: Callable[..., object], *arguments: Any
) -> tuple[_Result, deque[Any]]:
    cursor = connection.cursor()
    try:
        method(cursor, *arguments)
        rows = deque(cursor.fetchall() if cursor.description else ())
        result = _Result(cursor.description, cursor.rowcount, cursor.lastrowid, cursor.arraysize)
    finally:
        cursor.close()
    return result, rows


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls = _Cursor


class SqliteDriver(AsyncAdapt_aiosqlite_dbapi):
    """The module of SQLAlchemy's adapter, which knows the threads of its connections."""

    def __init__(self, *modules: ModuleType) -> None:
        super().__init__(*modules)
        self._opened: list[tuple[Thread, weakref.ref[aiosqlite.Connection]]] = []

    def connect(self, *args: Any, **kwargs: Any) -> AsyncAdapt_aiosqlite_connection:
        """See `AsyncAdapt_aiosqlite_dbapi.connect`."""
        opened = super().connect(*args, async_creator_fn=self._open, **kwargs)
        return _Connection(self, opened._connection)

    def _open(self, *args: Any, **kwargs: Any) -> aiosqlite.Connection:
        connection = aiosqlite.connect(*args, **kwargs)
        connection._thread.daemon = True
        self._opened = [one for one in self._opened if one[0].is_alive()]
        self._opened.append((connection._thread, weakref.ref(connection)))
        return connection

    async def until_stopped(self) -> None:
        """Wait for the threads of connections that were told to stop.

        The task of a connection does not do so if it is cancelled while it opens or closes it. The
        thread reports to the event loop, which must not be closed before that.
        """
        stopping: list[Thread] = []
        for thread, opened in self._opened:
            connection = opened()
            if thread.is_alive() and (connection is None or not connection._running):
                stopping.append(thread)
        if stopping:
            await asyncio.to_thread(_join, stopping)


def _join(threads: Sequence[Thread]) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def sqlite_driver() -> ModuleType:
    """The driver for `create_async_engine(module=…)`."""
    driver: Any = SqliteDriver(aiosqlite, sqlite3)
    return driver
