"""Every difference between SQLite and Postgres, so that no other file names one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chat_app.db.errors import DatabaseBusy, DatabaseError, DatabaseFull
from chat_app.db.folder import make_private_file

READERS = 10
"""Idle connections kept for readers; as many again may be opened in a rush."""
WAIT_SECONDS = 30
"""How long a session waits for a free connection."""

_BUSY_CODES = ("SQLITE_BUSY", "SQLITE_LOCKED")
_PG_BUSY = ("55P03", "40001", "40P01", "53300")  # lock, serialisation, deadlock, connections
_PG_FULL = "53100"


def is_sqlite(url: str) -> bool:
    """Whether the URL names a SQLite file."""
    return make_url(url).get_backend_name() == "sqlite"


def engines(url: str, busy_seconds: float) -> tuple[AsyncEngine, AsyncEngine]:
    """Make the engine of the readers and that of the writers.

    Args:
        url: An async SQLAlchemy URL.
        busy_seconds: How long a statement waits for another process's lock, in seconds.

    Returns:
        The readers' engine and the writers'. SQLite's readers cannot write at all, and its
        writers share one connection.

    Raises:
        ValueError: SQLite without a file; its memory cannot be shared by two connections.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engines(parsed, busy_seconds)
    engine = create_async_engine(
        parsed,
        pool_size=READERS,
        max_overflow=READERS,
        pool_timeout=WAIT_SECONDS,
        pool_pre_ping=True,
    )
    event.listen(engine.sync_engine, "handle_error", _explain, retval=True)
    return engine.execution_options(postgresql_readonly=True), engine


def _sqlite_engines(url: URL, busy_seconds: float) -> tuple[AsyncEngine, AsyncEngine]:
    if not url.database or url.database == ":memory:":
        raise ValueError("SQLite needs a file.")
    make_private_file(Path(url.database))
    shared: dict[str, Any] = {
        # None: sqlite3 itself opens no transaction; the listeners below do
        "connect_args": {"isolation_level": None, "timeout": busy_seconds},
        "pool_timeout": WAIT_SECONDS,
    }
    readers = create_async_engine(url, pool_size=READERS, max_overflow=READERS, **shared)
    writers = create_async_engine(url, pool_size=1, max_overflow=1, **shared)
    listen_sqlite(readers.sync_engine, begin="BEGIN", pragmas=("query_only=ON",))
    listen_sqlite(writers.sync_engine, begin="BEGIN IMMEDIATE")
    return readers, writers


def listen_sqlite(engine: Engine, *, begin: str, pragmas: tuple[str, ...] = ()) -> None:
    """Set a SQLite engine's connections up and open its transactions.

    Args:
        engine: The engine, made with `isolation_level=None`.
        begin: The statement that opens a transaction.
        pragmas: Settings of a connection besides the common ones.
    """
    event.listen(engine, "connect", _set_pragmas(pragmas))
    event.listen(engine, "begin", _begin_with(begin))
    event.listen(engine, "handle_error", _explain, retval=True)


def _set_pragmas(pragmas: tuple[str, ...]) -> Callable[[Any, Any], None]:
    every = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", *pragmas)

    def connected(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in every:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return connected


def _begin_with(statement: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


def _explain(context: ExceptionContext) -> BaseException | None:
    return explained(context.original_exception)


def explained(error: BaseException | None) -> DatabaseError | None:
    """The driver's error as a sentence for a person, where it is not our bug.

    Args:
        error: What the driver raised.
    """
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(_BUSY_CODES):
        return DatabaseBusy()
    if name.startswith("SQLITE_FULL"):
        return DatabaseFull()
    state = getattr(error, "sqlstate", "") or ""
    if state in _PG_BUSY:
        return DatabaseBusy()
    return DatabaseFull() if state == _PG_FULL else None
