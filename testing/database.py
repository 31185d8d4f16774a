"""A database under test: SQLite or PostgreSQL, with all its tables, and its connections in use."""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import dbapi2
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import QueuePool

from chat_app.db import migrations
from chat_app.db.engine import Database
from chat_app.db.tables import metadata
from chat_app.settings import read_settings

BUSY_SECONDS = 60
"""How long a write waits for others: on a busy machine, those of a burst take longer than the
program would wait."""

_D = TypeVar("_D", bound=Database)


only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
only_postgres = pytest.mark.parametrize("database", ["postgres"], indirect=True)


class DatabaseUnderTest(ABC):
    """A database at the newest revision.

    Args:
        folder: The data folder of a program that uses it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The settings of a program that uses it."""

    @abstractmethod
    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Execute a statement, as another process that sees every row would.

        Args:
            query: SQL, with `:name` for a value.
            values: The values.
        """

    @abstractmethod
    def emptied(self) -> "DatabaseUnderTest":
        """A database without rows, for a test that needs several, one after the other."""

    def open(self, kind: type[_D], **more: Any) -> _D:
        """Connect to it."""
        settings = read_settings(_env_file=None, **self.settings)
        options = {"busy_seconds": BUSY_SECONDS, **more}
        return kind(settings.sqlalchemy_url, system_url=settings.system_url, **options)


class SqliteDatabase(DatabaseUnderTest):
    """The SQLite file of a data folder.

    Args:
        folder: The data folder.
        template: A file at the newest revision to begin with.
    """

    def __init__(self, folder: Path, template: Path | None = None) -> None:
        super().__init__(folder)
        self.path = folder / "chat.db"
        self._template = template
        if template is not None:
            folder.mkdir(exist_ok=True, parents=True)
            shutil.copyfile(template, self.path)
            self.path.chmod(0o600)

    @property
    def settings(self) -> dict[str, Any]:
        return {"data_dir": self.folder, "database_url": ""}

    def emptied(self) -> "SqliteDatabase":
        return SqliteDatabase(Path(tempfile.mkdtemp(dir=self.folder)), self._template)

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        plain = {
            name: value.hex if isinstance(value, UUID) else value for name, value in values.items()
        }
        with contextlib.closing(sqlite3.connect(self.path)) as file, file:
            return file.execute(query, plain).fetchall()


@contextlib.contextmanager
def without_sqlite() -> Iterator[list[str]]:
    """Let nothing open a SQLite file while the block lasts; what was tried fails at the end too."""
    tried: list[str] = []

    def refuse(database: object, *_: object, **__: object) -> NoReturn:
        tried.append(str(database))
        raise AssertionError(f"A test on PostgreSQL opens the SQLite file {database}.")

    with pytest.MonkeyPatch.context() as patch:
        for module in (sqlite3, dbapi2):
            patch.setattr(module, "connect", refuse)
        yield tried
    assert tried == [], "a test on PostgreSQL has opened a SQLite file"


_made: list[bytes] = []


async def create_tables(db: Database) -> None:
    """Create all tables as the models declare them, where a database has none.

    The program migrates instead; so does the template of every PostgreSQL database under test. An
    empty SQLite file becomes a copy of the first one that was made: a thirtieth of the time.
    """
    if db._is_postgres:
        return
    if db._file is None or db._file.stat().st_size:
        await _create(db)
        return
    if not _made:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "made.db"
            first = Database(f"sqlite+aiosqlite:///{path}")
            await _create(first)
            await first.close()
            _made.append(path.read_bytes())
    db._file.write_bytes(_made[0])


async def _create(db: Database) -> None:
    async with db._all.writers.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32))"
        )
        await connection.exec_driver_sql("DELETE FROM alembic_version")
        await connection.exec_driver_sql(
            f"INSERT INTO alembic_version VALUES ('{migrations.head()}')"
        )


def connections_in_use(db: Database) -> int:
    """How many connections are checked out of the pools."""
    engines = (db._own.readers, db._own.writers, db._all.readers, db._all.writers)
    pools = {engine.sync_engine.pool for engine in engines}
    return sum(pool.checkedout() for pool in pools if isinstance(pool, QueuePool))


async def until_written_or_waiting(db: Database, write: "asyncio.Task[object]") -> None:
    """Wait until a write has ended, or waits for another writer of this process."""
    async with asyncio.timeout(30):
        while not write.done() and not db._locks._queued:
            await asyncio.wait({write}, timeout=0.01)


async def until_waiting(database: DatabaseUnderTest, task: "asyncio.Task[Any]") -> None:
    """Wait until a task waits for a lock of PostgreSQL; it fails if that ends instead."""
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1"
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(database.rows, waiting):
            assert not task.done(), "it has not waited"
