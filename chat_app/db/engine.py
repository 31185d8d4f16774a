"""Database sessions: parallel readers, one writer at a time, scoped to a principal or system."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import DatabaseBusy, DatabaseError, DatabaseFull, DatabaseUnreachable
from chat_app.db.dialect import (
    engines,
    free_pages,
    read_revision,
    sqlite_file,
    writer_thread_engine,
)
from chat_app.db.disk_reserve import DiskReserve
from chat_app.db.row_level_security import name_owner, restrict_to_owner
from chat_app.db.scoped_session import Scope, ScopedSession, SystemSession, check_reason
from chat_app.db.sqlite_driver import Statement, WriterThread

if TYPE_CHECKING:
    from chat_app.db.server_lock import ServerLock

_S = TypeVar("_S", bound=AsyncSession)
_T = TypeVar("_T")

_COMMITTED = "committed"
"""A key of a session's `info`."""

_VACUUM_PAGES = 1_000  # 4 MB: a few milliseconds under the write lock

DATABASE_ERRORS = (DatabaseError, SQLAlchemyError, OSError)
"""What is raised when the database cannot answer."""


class NestedWrite(Exception):
    """A task with a write session opened another one, which would be a deadlock."""


class Database:
    """The database and its sessions.

    Args:
        url: An async SQLAlchemy URL; a missing SQLite file and its folder are created.
        system_url: The URL of the role of unrestricted sessions, on PostgreSQL; empty for `url`.
        busy_seconds: Timeout for another process's lock and for the write lock, in seconds.
    """

    def __init__(self, url: str, *, system_url: str = "", busy_seconds: float = 5) -> None:
        self._all = engines(system_url or url, busy_seconds)
        self._own = engines(url, busy_seconds)
        restrict_to_owner(self._own.writers, self._own.readers)
        self._is_postgres = self._own.writers.dialect.name == "postgresql"
        self._read_committed = self._all.writers
        if self._is_postgres:
            name_owner(self._own.writers)
            self._read_committed = self._read_committed.execution_options(
                isolation_level="READ COMMITTED"
            )
        self._system_url = system_url or url
        self._server_lock: ServerLock | None = None
        engine = writer_thread_engine(url, busy_seconds)
        self._writer_thread = WriterThread(engine) if engine else None
        self._busy_seconds = busy_seconds
        self._file = sqlite_file(url)
        self._file_id = _id_of(self._file) if self._file else None
        self._reserve: DiskReserve | None = None
        self._write_locks: WeakValueDictionary[UUID | None, asyncio.Lock] = WeakValueDictionary()
        self._writing: set[asyncio.Task[Any] | None] = set()

    def keep_reserve(self, path: Path) -> None:
        """Keep a file on the disk of a SQLite database that is deleted when the disk is full."""
        self._reserve = DiskReserve(path)
        self._reserve.prepare()

    @property
    def writes(self) -> Literal["ok", "reserve"]:
        """`reserve` while the disk is full: only what people need to go on is written."""
        return "reserve" if self._is_full() else "ok"

    def read(self, principal: Scope) -> AbstractAsyncContextManager[ScopedSession]:
        """A read-only session, restricted to the rows of the principal.

        Raises:
            Unscoped: The principal has no real ids.
            DatabaseBusy: No connection was free in time.
        """
        return self._reading(ScopedSession(self._own.readers, principal, read_only=True))

    def write(self, principal: Scope) -> AbstractAsyncContextManager[ScopedSession]:
        """A read-write session, restricted to the rows of the principal; commits on a clean exit.

        Keep it short: it holds the write lock of this process (on PostgreSQL, that of the user). A
        concurrent change of the same row by another transaction is `DatabaseBusy` there.

        Raises:
            Unscoped: The principal has no real ids.
            NestedWrite: This task already has a write session.
            DatabaseBusy: Another process holds the database, or other writers took too long.
            DatabaseFull: The disk is full.
        """
        session = ScopedSession(self._own.writers, principal, is_full=self._is_full)
        return self._committing(session, principal.user_id)

    def system(
        self, reason: str, *, write: bool = False, read_committed: bool = False
    ) -> AbstractAsyncContextManager[SystemSession]:
        """An unrestricted session, for work that has no principal.

        Args:
            reason: One of `scoped_session.REASONS`.
            write: Whether it may write.
            read_committed: Whether a write sees what others commit meanwhile, instead of a conflict
                with it; for deleting rows under which others add some. SQLite has no others.

        Raises:
            UnknownReason: The reason is not registered.
        """
        check_reason(reason)
        if write:
            engine = self._read_committed if read_committed else self._all.writers
            return self._publishing(SystemSession(engine, self._is_full))
        return self._reading(SystemSession(self._all.readers))

    async def system_batch(self, reason: str, statements: Sequence[Statement]) -> None:
        """Execute Core statements in one unrestricted transaction: all or none.

        On SQLite it wakes the event loop once, where a session wakes it once per statement.

        Args:
            reason: One of `scoped_session.REASONS`.
            statements: What to execute, in order, each with its rows.

        Raises:
            UnknownReason: The reason is not registered.
            DatabaseBusy: Another process holds the database, or other writers took too long.
            DatabaseFull: The disk is full.
        """
        check_reason(reason)
        if self._writer_thread is not None:
            if self._is_full():
                raise DatabaseFull
            async with self._locked_write():
                with self._noticing_full():
                    await _shielded(self._writer_thread.run(statements))
            return
        # The log writer needs no lock: it counts no rows, and there is one of it.
        async with self._storing(SystemSession(self._all.writers)) as session:
            connection = await session.connection()
            for statement, rows in statements:
                if rows:
                    await connection.execute(statement, rows)

    async def revision(self) -> str:
        """The revision of the database as it is now; empty when it has none.

        A SQLite file is opened anew: an open connection would go on with a file that is deleted or
        replaced, and with the pages that it remembers.

        Raises:
            DatabaseError: The database does not answer.
            SQLAlchemyError: It cannot be reached.
        """
        self._check_server_lock()
        if self._file is not None:
            if _id_of(self._file) != self._file_id:
                raise DatabaseUnreachable
            return await asyncio.to_thread(read_revision, self._file)
        async with self.system("health") as session:
            connection = await session.connection()
            found = await connection.execute(text("SELECT version_num FROM alembic_version"))
            return str(found.scalar() or "")

    async def vacuum(self) -> int:
        """Give the free pages of a SQLite file back to the disk, a few at a time.

        Returns:
            How many pages; none from a file that was made without incremental vacuum.

        Raises:
            DatabaseBusy: Another process holds the database, or other writers took too long.
        """
        total = 0
        while self._writer_thread is not None:
            async with self._locked_write():
                with self._noticing_full():
                    freed = await _shielded(
                        self._writer_thread.call(partial(free_pages, pages=_VACUUM_PAGES))
                    )
            total += freed
            if freed < _VACUUM_PAGES:
                break
        return total

    @asynccontextmanager
    async def serving(self, wait_seconds: float = 5) -> AsyncIterator[None]:
        """Be the only server of a PostgreSQL database until the block ends.

        While the lock is lost, nothing can be written. A SQLite file needs none: the lock of the
        data folder does this.

        Args:
            wait_seconds: How long to wait for another server that stops, in seconds.

        Raises:
            DatabaseInUse: Another server uses the database.
            DatabaseUnreachable: It cannot be reached.
        """
        if not self._is_postgres:
            yield
            return
        # SQLite needs no driver of PostgreSQL
        from chat_app.db.server_lock import ServerLock

        lock = ServerLock(self._system_url, wait_seconds=wait_seconds)
        async with lock.hold():
            self._server_lock = lock
            yield

    async def close(self) -> None:
        """Close every connection."""
        for engine in (self._own, self._all):
            await _shielded(engine.dispose())
        if self._writer_thread is not None:
            await _shielded(self._writer_thread.close())

    @asynccontextmanager
    async def _reading(self, session: _S) -> AsyncIterator[_S]:
        try:
            yield session
        except PoolTimeout:
            raise DatabaseBusy from None
        finally:
            await _shielded(session.close())

    @asynccontextmanager
    async def _committing(self, session: _S, owner: UUID | None = None) -> AsyncIterator[_S]:
        async with self._locked_write(owner), self._storing(session):
            yield session

    @asynccontextmanager
    async def _publishing(self, session: SystemSession) -> AsyncIterator[SystemSession]:
        try:
            async with self._committing(session):
                yield session
        finally:
            if session.info.get(_COMMITTED):  # also when the task was cancelled meanwhile
                for publish in session.after_commit:
                    publish()

    def _is_full(self) -> bool:
        return self._reserve is not None and self._reserve.is_in_use()

    @contextmanager
    def _noticing_full(self) -> Iterator[None]:
        """Release the reserve when the disk is full."""
        try:
            yield
        except DatabaseFull:
            if self._reserve is not None:
                self._reserve.release()
            raise

    @asynccontextmanager
    async def _storing(self, session: _S) -> AsyncIterator[_S]:
        self._check_server_lock()
        with self._noticing_full():
            async with self._reading(session):
                yield session
                self._check_server_lock()  # it may be lost meanwhile
                await _shielded(_commit(session))

    @asynccontextmanager
    async def _locked_write(self, owner: UUID | None = None) -> AsyncIterator[None]:
        """Hold a write lock.

        SQLite allows one writer. Code that counts rows before it adds or removes one (active runs,
        login methods) is correct only with one writer of those rows: on PostgreSQL each user has a
        lock, and system sessions share one.

        Args:
            owner: Whose rows are written; None for a system session.
        """
        task = asyncio.current_task()
        if task in self._writing:
            raise NestedWrite("This task has a write session already; use that one.")
        key = owner if self._is_postgres else None
        lock = self._write_locks.setdefault(key, asyncio.Lock())
        try:
            # writers ahead may each wait for another process; together they may not exceed this
            async with asyncio.timeout(self._busy_seconds):
                await lock.acquire()
        except TimeoutError:
            raise DatabaseBusy from None
        self._writing.add(task)
        try:
            yield
        finally:
            self._writing.discard(task)
            lock.release()

    def _check_server_lock(self) -> None:
        if self._server_lock is not None:
            self._server_lock.check()


def _id_of(file: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None when there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


async def _commit(session: AsyncSession) -> None:
    await session.commit()
    session.info[_COMMITTED] = True


async def _shielded(work: Coroutine[Any, Any, _T]) -> _T:
    """Await work that must not be cancelled halfway, and then raise the cancellation."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()  # else the loop would log it as never retrieved
        raise cancelled
    return task.result()
