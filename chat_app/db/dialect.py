"""Database dialects: everything that differs between SQLite and PostgreSQL."""

import errno
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chat_app.core.errors import DatabaseBusy, DatabaseError, DatabaseFull, DatabaseUnreachable
from chat_app.db import sqlite_driver
from chat_app.db.data_folder import make_private_file

READERS = 10
"""Pool size of readers; as many again may be opened under load."""
WAIT_SECONDS = 30
"""Timeout for a free connection of the pool."""
CONNECT_SECONDS = 10
"""Timeout for a connection to a database server, unless its URL has another."""

_BUSY_CODES = ("SQLITE_BUSY", "SQLITE_LOCKED")
# SQLITE_READONLY itself is what a reader gets that writes, which is a bug.
_UNREACHABLE_CODES = (
    *("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY_"),
    *("SQLITE_NOTADB", "SQLITE_CORRUPT"),
)
_PG_BUSY = ("55P03", "40001", "40P01", "53300")  # lock, serialisation, deadlock, connections
_PG_FULL = "53100"

_LOG_BYTES = 16 * 1024 * 1024  # the log of changes keeps no more of the disk than this
_INCREMENTAL = 2  # of PRAGMA auto_vacuum
_CONVERTED_BYTES = 2 * 1024**3  # a larger file would delay the start by minutes


@dataclass(frozen=True)
class Engines:
    """Two engines on one database.

    Args:
        readers: Many connections that cannot write.
        writers: On SQLite one connection, whose transactions hold the write lock from the start.
    """

    readers: AsyncEngine
    writers: AsyncEngine

    async def dispose(self) -> None:
        """Close every connection."""
        for engine in (self.readers, self.writers):
            await engine.dispose()
            driver = engine.dialect.dbapi
            if isinstance(driver, sqlite_driver.SqliteDriver):
                await driver.until_stopped()


def engines(url: str, busy_seconds: float) -> Engines:
    """Create the engines of a database; a missing SQLite file and its folder are created.

    Args:
        url: An async SQLAlchemy URL.
        busy_seconds: How long a statement waits for another process's lock, in seconds.

    Raises:
        ValueError: SQLite without a file; in-memory databases cannot be shared by connections.
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
        **_postgres_options(parsed, busy_seconds),
        # as on SQLite: a reader has one snapshot, and a lost update is an error
        isolation_level="REPEATABLE READ",
    )
    event.listen(engine.sync_engine, "handle_error", _convert_server_error, retval=True)
    return Engines(engine.execution_options(postgresql_readonly=True), engine)


def _postgres_options(url: URL, busy_seconds: float) -> dict[str, Any]:
    wanted = {
        "connect_timeout": CONNECT_SECONDS,
        "options": f"-c lock_timeout={max(1, int(busy_seconds * 1000))}",
    }
    return {
        "connect_args": {name: wanted[name] for name in wanted.keys() - url.query.keys()},
        "hide_parameters": True,
        "use_native_hstore": False,  # a query at the first connection, for a type that is not used
    }


def _make_sqlite_file(url: URL) -> None:
    """Create the file of a SQLite database unless it exists; one that can't be written is refused.

    Raises:
        DatabaseUnreachable, DatabaseFull: It cannot be used; the cause says why.
    """
    try:
        make_private_file(Path(url.database or ""))
    except OSError as error:
        raise convert_error(error) or DatabaseUnreachable() from error


def _sqlite_engines(url: URL, busy_seconds: float) -> Engines:
    if not url.database or url.database == ":memory:":
        raise ValueError("SQLite needs a file.")
    _make_sqlite_file(url)
    shared = _sqlite_options(busy_seconds) | {
        "pool_timeout": WAIT_SECONDS,
        "module": sqlite_driver.sqlite_driver(),
    }
    readers = create_async_engine(url, pool_size=READERS, max_overflow=READERS, **shared)
    # the overflow serves a writer whose cancelled predecessor still closes its connection
    writers = create_async_engine(url, pool_size=1, max_overflow=1, **shared)
    _listen_sqlite(readers.sync_engine, "BEGIN", "query_only=ON")
    _listen_sqlite(writers.sync_engine, "BEGIN IMMEDIATE")
    return Engines(readers, writers)


def _sqlite_options(busy_seconds: float) -> dict[str, Any]:
    return {
        # None: sqlite3 itself opens no transaction; the listeners below do
        "connect_args": {"isolation_level": None, "timeout": busy_seconds},
        "hide_parameters": True,
    }


def _sync_sqlite_engine(
    url: URL, busy_seconds: float, begin: str, *pragmas: str, **pool: Any
) -> Engine:
    options = _sqlite_options(busy_seconds) | pool
    engine = create_engine(url.set(drivername="sqlite"), **options)
    _listen_sqlite(engine, begin, *pragmas)
    return engine


def thread_engine(url: str, busy_seconds: float, begin: str, *pragmas: str) -> Engine | None:
    """Create a synchronous engine for a `DatabaseThread`, where one is cheaper than the async one.

    Args:
        url: The async URL of the database.
        busy_seconds: How long to wait for another process's lock, in seconds.
        begin: How its transactions begin.
        pragmas: What else its connections are set to.

    Returns:
        The engine on SQLite; None where the async driver needs no thread.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    return _sync_sqlite_engine(parsed, busy_seconds, begin, *pragmas, pool_size=1, max_overflow=1)


def migration_engine(url: str, busy_seconds: float = 5) -> Engine:
    """Create a synchronous engine for migrations, in one transaction.

    SQLite's foreign keys are off: a batch migration drops and recreates tables, which would delete
    their child rows.

    Args:
        url: The async URL of the database.
        busy_seconds: How long to wait for another process's lock, in seconds.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        _make_sqlite_file(parsed)
        begin = "BEGIN IMMEDIATE"
        engine = _sync_sqlite_engine(
            parsed, busy_seconds, begin, "foreign_keys=OFF", poolclass=NullPool
        )
        event.listen(engine, "connect", _vacuum_incrementally, insert=True)
        return engine
    engine = create_engine(parsed, poolclass=NullPool, **_postgres_options(parsed, busy_seconds))
    event.listen(engine, "handle_error", _convert_server_error, retval=True)
    return engine


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None for another database."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)


def file_id(file: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None when there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def read_revision(file: Path) -> str:
    """Read the revision in a SQLite file, which is opened anew for it; empty when it has none.

    Raises:
        DatabaseError: It cannot be read, or is no database of this program.
    """
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, timeout=1)
        ) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise convert_error(error) or DatabaseUnreachable() from None
    return str(found[0]) if found else ""


def free_pages(engine: Engine, *, pages: int) -> int:
    """Give free pages of a SQLite file back to the disk.

    Args:
        engine: A synchronous engine that may write.
        pages: The most pages.

    Returns:
        How many were given back.

    Raises:
        DatabaseError: The database cannot be used.
    """
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        try:
            before = cursor.execute("PRAGMA freelist_count").fetchone()[0]
            # Each step frees one page; only a script is stepped to its end.
            cursor.executescript(f"PRAGMA incremental_vacuum({pages})")
            after = cursor.execute("PRAGMA freelist_count").fetchone()[0]
            # The file itself shrinks when the log of changes is copied into it.
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            raise convert_error(error) or error from None
        return before - after


def merge_index(engine: Engine, *, pages: int) -> int:
    """Merge segments of the full-text index of a SQLite file.

    Args:
        engine: A synchronous engine that may write.
        pages: About how many pages to write; a negative number begins to merge all segments.

    Returns:
        How much was done; 0 when nothing is left to merge.

    Raises:
        DatabaseError: The database cannot be used.
    """
    with closing(engine.raw_connection()) as connection:
        driver: Any = connection.driver_connection
        before = driver.total_changes
        try:
            driver.execute(
                "INSERT INTO search_index (search_index, rank) VALUES ('merge', ?)", (pages,)
            )
        except sqlite3.Error as error:
            raise convert_error(error) or error from None
        # a step that finds nothing changes one row: https://sqlite.org/fts5.html#the_merge_command
        done = driver.total_changes - before
        return done if done > 1 else 0


def enable_vacuum(file: Path) -> bool:
    """Let a SQLite file of an earlier version give pages back, which rewrites it once.

    Args:
        file: The file; no other process uses it.

    Returns:
        Whether it can now. A large file, and one without room for a copy, stays as it is.
    """
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
        size = file.stat().st_size
        if mode != _INCREMENTAL and size <= min(
            _CONVERTED_BYTES, shutil.disk_usage(file.parent).free // 3
        ):
            with suppress(sqlite3.Error):  # no room after all, or another process: as it is, then
                connection.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
                connection.execute("VACUUM")
            (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    return mode == _INCREMENTAL


def _vacuum_incrementally(connection: Any, _record: Any) -> None:
    """Let a new file give pages back; before anything is written, since later it has no effect."""
    cursor = connection.cursor()
    if not cursor.execute("PRAGMA page_count").fetchone()[0]:
        cursor.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
    cursor.close()


def broken_references(connection: Connection) -> int:
    """Count the rows whose parent is missing, after a migration with foreign keys off."""
    if connection.dialect.name != "sqlite":
        return 0
    return len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())


def _listen_sqlite(engine: Engine, begin: str, *pragmas: str) -> None:
    statements = (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"journal_size_limit={_LOG_BYTES}",
        *pragmas,
    )

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in statements:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "handle_error", _convert_error, retval=True)


def _convert_error(context: ExceptionContext) -> BaseException | None:
    return convert_error(context.original_exception)


def _convert_server_error(context: ExceptionContext) -> BaseException | None:
    if context.is_pre_ping:
        return None  # the pool checks the connection and replaces a lost one
    if not isinstance(context.original_exception, Exception):
        return None  # the wait was cancelled; the server is fine
    is_lost = context.connection is None or context.is_disconnect
    return _convert_error(context) or (DatabaseUnreachable() if is_lost else None)


def convert_error(error: BaseException | None) -> DatabaseError | None:
    """The `DatabaseError` for an operational error, or None for a bug.

    Args:
        error: The error of the driver or the file system.
    """
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return DatabaseFull()
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(_BUSY_CODES):
        return DatabaseBusy()
    if name.startswith("SQLITE_FULL"):
        return DatabaseFull()
    if name.startswith(_UNREACHABLE_CODES):
        return DatabaseUnreachable()
    state = getattr(error, "sqlstate", "") or ""
    if state in _PG_BUSY:
        return DatabaseBusy()
    return DatabaseFull() if state == _PG_FULL else None
