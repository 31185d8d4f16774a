"""Database sessions: parallel readers, one writer at a time, scoped to a principal or system."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

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
from chat_app.db.row_level_security import restrict_to_owner
from chat_app.db.scoped_session import Scope, ScopedSession, SystemSession, check_reason
from chat_app.db.sqlite_driver import Statement, WriterThread

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
        busy_seconds: Timeout for another process's lock and for the write lock, in seconds.
    """

    def __init__(self, url: str, *, busy_seconds: float = 5) -> None:
        self._all = engines(url, busy_seconds)
        self._own = engines(url, busy_seconds)
        restrict_to_owner(self._own.writers, self._own.readers)
        engine = writer_thread_engine(url, busy_seconds)
        self._writer_thread = WriterThread(engine) if engine else None
        self._busy_seconds = busy_seconds
        self._file = sqlite_file(url)
        self._file_id = _id_of(self._file) if self._file else None
        self._reserve: DiskReserve | None = None
        self._write_lock = asyncio.Lock()
        self._writing: asyncio.Task[Any] | None = None

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

        Keep it short: it holds the write lock of this process. On PostgreSQL, a concurrent change
        of the same row by another process is `DatabaseBusy`.

        Raises:
            Unscoped: The principal has no real ids.
            NestedWrite: This task already has a write session.
            DatabaseBusy: Another process holds the database, or other writers took too long.
            DatabaseFull: The disk is full.
        """
        return self._committing(ScopedSession(self._own.writers, principal, is_full=self._is_full))

    def system(
        self, reason: str, *, write: bool = False
    ) -> AbstractAsyncContextManager[SystemSession]:
        """An unrestricted session, for work that has no principal.

        Args:
            reason: One of `scoped_session.REASONS`.
            write: Whether it may write.

        Raises:
            UnknownReason: The reason is not registered.
        """
        check_reason(reason)
        if write:
            return self._publishing(SystemSession(self._all.writers, self._is_full))
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
    async def _committing(self, session: _S) -> AsyncIterator[_S]:
        async with self._locked_write(), self._storing(session):
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
        with self._noticing_full():
            async with self._reading(session):
                yield session
                await _shielded(_commit(session))

    @asynccontextmanager
    async def _locked_write(self) -> AsyncIterator[None]:
        """Hold the write lock.

        SQLite allows one writer, and code that counts rows before it adds or removes one (active
        runs, login methods) is correct only with one writer.
        """
        task = asyncio.current_task()
        if self._writing is task:
            raise NestedWrite("This task has a write session already; use that one.")
        try:
            # writers ahead may each wait for another process; together they may not exceed this
            async with asyncio.timeout(self._busy_seconds):
                await self._write_lock.acquire()
        except TimeoutError:
            raise DatabaseBusy from None
        self._writing = task
        try:
            yield
        finally:
            self._writing = None
            self._write_lock.release()


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
