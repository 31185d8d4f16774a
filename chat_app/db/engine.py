"""Database sessions: parallel readers, one writer at a time, scoped to a principal or system."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import DatabaseBusy, DatabaseError, DatabaseFull, DatabaseUnreachable
from chat_app.core.signals import PublishedSignal
from chat_app.db.dialect import (
    engines,
    file_id,
    free_pages,
    merge_index,
    read_revision,
    sqlite_file,
    thread_engine,
)
from chat_app.db.disk_reserve import DiskReserve
from chat_app.db.prepared import ServerDriver, Transaction
from chat_app.db.row_level_security import RowScope, name_owner, owned_by, restrict_to_owner
from chat_app.db.scoped_session import (
    OpenGrant,
    Scope,
    ScopedSession,
    SystemSession,
    check_reason,
    scope_of,
)
from chat_app.db.transactions import (
    CHECKPOINT_PAGES,
    DatabaseThread,
    GroupCommit,
    InlineCommit,
    reading_threads,
    shielded,
)
from chat_app.db.write_locks import WriteLocks

if TYPE_CHECKING:
    from chat_app.db.server_lock import OnMessage, ServerLock

_S = TypeVar("_S", bound=AsyncSession)
_W = TypeVar("_W", ScopedSession, SystemSession)
_T = TypeVar("_T")

StoreSignals = Callable[[SystemSession, list[PublishedSignal]], Awaitable[None]]
"""Stores signals in a transaction."""

_COMMITTED = "committed"
"""A key of a session's `info`."""

_MAINTAINED_PAGES = 1_000  # 4 MB: a few milliseconds under the write lock

DATABASE_ERRORS = (DatabaseError, SQLAlchemyError, OSError)
"""What is raised when the database cannot answer."""


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
        self._locks = WriteLocks(per_owner=self._is_postgres, busy_seconds=busy_seconds)
        writer = thread_engine(url, busy_seconds, "BEGIN IMMEDIATE")
        self._writer = DatabaseThread(writer, "BEGIN IMMEDIATE", "writer") if writer else None
        self._readers = reading_threads(url, busy_seconds) if writer else ()
        inline = thread_engine(url, 0, "BEGIN IMMEDIATE", "wal_autocheckpoint=0")
        self._inline = InlineCommit(inline, lambda: self._locks.are_free) if inline else None
        self._group = (
            GroupCommit(self._writer, self._locked_write, self._inline)
            if self._writer and self._inline
            else None
        )
        self._file = sqlite_file(url)
        self._file_id = file_id(self._file) if self._file else None
        self._reserve: DiskReserve | None = None
        self._store_signals: StoreSignals | None = None

    def keep_reserve(self, path: Path) -> None:
        """Keep a file on the disk of a SQLite database that is deleted when the disk is full."""
        self._reserve = DiskReserve(path)
        self._reserve.prepare()

    def store_signals(self, store: "StoreSignals") -> None:
        """Store what system sessions publish, in their transactions: another process hears it."""
        self._store_signals = store

    @property
    def is_postgres(self) -> bool:
        """Whether it is PostgreSQL."""
        return self._is_postgres

    @property
    def writes(self) -> Literal["ok", "reserve"]:
        """`reserve` while the disk is full: only what people need to go on is written."""
        return "reserve" if self._is_full() else "ok"

    def purged_at_once(self, most: int) -> int:
        """How many rows are removed in one transaction, at most: one while the disk is full.

        SQLite may overwrite what is deleted, and then its log of changes must be short.
        """
        return 1 if self.writes == "reserve" else most

    def read(self, principal: Scope) -> AbstractAsyncContextManager[ScopedSession]:
        """A read-only session, restricted to the rows of the principal.

        Raises:
            Unscoped: The principal has no real ids.
            DatabaseBusy: No connection was free in time.
        """
        return self._reading(ScopedSession(self._own.readers, scope_of(principal), read_only=True))

    def read_as(self, grant: OpenGrant) -> AbstractAsyncContextManager[ScopedSession]:
        """A read-only session of another user's threads in one organisation, by a grant.

        It reaches no private row and no other table than those of threads and messages.

        Args:
            grant: What `orgs.reading` has just found open.

        Raises:
            DatabaseBusy: No connection was free in time.
        """
        return self._reading(ScopedSession(self._own.readers, grant.scope, read_only=True))

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
        session = ScopedSession(self._own.writers, scope_of(principal), is_full=self._is_full)
        return self._publishing(session, principal.user_id)

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

    async def transact(self, principal: Scope, work: Callable[[Transaction], _T]) -> _T:
        """Run prepared statements in a write transaction, restricted to the principal's rows.

        On SQLite it is one call to a thread, and commits together with others of the same tick.
        When the caller is cancelled, it is still all or nothing.

        Args:
            principal: The owner.
            work: Executes the statements. It may run in another thread.

        Raises:
            Unscoped: The principal has no real ids.
            NestedWrite: This task has a write session.
            DatabaseBusy: Another process holds the database, or other writers took too long.
            DatabaseFull: The disk is full.
        """
        scope = scope_of(principal)
        if self._group is not None:
            return await self._grouped(scope, work)
        engine = owned_by(self._own.writers, scope)
        async with self._locked_write(scope.owner):
            return await shielded(self._on_server(engine, scope, work))

    async def query(self, principal: Scope, work: Callable[[Transaction], _T]) -> _T:
        """Run prepared statements in a read transaction, restricted to the principal's rows.

        Args:
            principal: The owner.
            work: Executes the statements. It may run in another thread.

        Raises:
            Unscoped: The principal has no real ids.
        """
        return await self._queried(scope_of(principal), work)

    async def system_query(self, reason: str, work: Callable[[Transaction], _T]) -> _T:
        """Run prepared statements in an unrestricted read transaction.

        Args:
            reason: One of `scoped_session.REASONS`.
            work: Executes the statements. It may run in another thread.

        Raises:
            UnknownReason: The reason is not registered.
        """
        check_reason(reason)
        return await self._queried(None, work)

    async def system_transact(
        self,
        reason: str,
        work: Callable[[Transaction], _T],
        *,
        pages: int | None = None,
        in_turn: bool = False,
    ) -> _T:
        """Run prepared statements in an unrestricted write transaction.

        Args:
            reason: One of `scoped_session.REASONS`.
            work: Executes the statements. It may run in another thread.
            pages: About how many pages of a SQLite file it changes; see `InlineCommit`. None
                leaves it to the other thread.
            in_turn: Whether it waits for the system sessions that write, because one of them may
                change the same row: on PostgreSQL that would be a conflict for them. On SQLite
                every write waits for the others.

        Raises:
            UnknownReason: The reason is not registered.
            NestedWrite: This task has a write session.
            DatabaseBusy: Another process holds the database, or other writers took too long.
            DatabaseFull: The disk is full.
        """
        check_reason(reason)
        if self._group is not None:
            return await self._grouped(None, work, pages)
        # The log writer needs no lock: it counts no rows, and there is one of it. It needs no
        # snapshot either: a row that was deleted meanwhile is missing, and no conflict.
        async with self._locked_write() if in_turn else nullcontext():
            return await shielded(self._on_server(self._read_committed, None, work))

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
            if file_id(self._file) != self._file_id:
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
        while freed := await self._maintain(partial(free_pages, pages=_MAINTAINED_PAGES)):
            total += freed
        return total

    async def merge_index(self) -> None:
        """Drop what the full-text index of a SQLite file keeps of deleted rows, a little at a time.

        Raises:
            DatabaseBusy: Another process holds the database, or other writers took too long.
            DatabaseFull: The disk is full.
        """
        pages = -_MAINTAINED_PAGES  # the sign begins to merge everything
        while await self._maintain(partial(merge_index, pages=pages)):
            pages = _MAINTAINED_PAGES

    async def _maintain(self, step: Callable[[Engine], int]) -> int:
        """One step on a SQLite file, under the write lock; 0 on PostgreSQL, which needs none."""
        if self._writer is None:
            return 0
        async with self._locked_write():
            with self._noticing_full():
                found = await shielded(self._writer.call(step))
        if self._inline is not None:
            self._inline.note_write(CHECKPOINT_PAGES)  # it may have copied the log
        return found

    @asynccontextmanager
    async def serving(
        self, wait_seconds: float = 5, *, on_message: "OnMessage | None" = None
    ) -> AsyncIterator[None]:
        """Be the only server of a PostgreSQL database until the block ends.

        While the lock is lost, nothing can be written. A SQLite file needs none: the lock of the
        data folder does this.

        Args:
            wait_seconds: How long to wait for another server that stops, in seconds.
            on_message: Called with what commands send on the channel of `db.outbox`, and with its
                one message after each time that nothing could be heard.

        Raises:
            DatabaseInUse: Another server uses the database.
            DatabaseUnreachable: It cannot be reached.
        """
        if not self._is_postgres:
            yield
            return
        # SQLite needs no driver of PostgreSQL
        from chat_app.db.server_lock import ServerLock

        lock = ServerLock(self._system_url, wait_seconds=wait_seconds, on_message=on_message)
        async with lock.hold():
            self._server_lock = lock
            yield

    async def close(self) -> None:
        """Close every connection."""
        for engine in (self._own, self._all):
            await shielded(engine.dispose())
        if self._inline is not None:
            self._inline.close()
        for thread in (*self._readers, self._writer):
            if thread is not None:
                await shielded(thread.close())

    @asynccontextmanager
    async def _reading(self, session: _S) -> AsyncIterator[_S]:
        try:
            yield session
        except PoolTimeout:
            raise DatabaseBusy from None
        finally:
            await shielded(session.close())

    @asynccontextmanager
    async def _publishing(self, session: _W, owner: UUID | None = None) -> AsyncIterator[_W]:
        try:
            async with self._locked_write(owner), self._storing(session):
                yield session
        finally:
            if session.info.get(_COMMITTED):  # also when the task was cancelled meanwhile
                for publish in session.after_commit:
                    publish()

    async def _queried(self, scope: RowScope | None, work: Callable[[Transaction], _T]) -> _T:
        if self._readers:
            least_busy = min(self._readers, key=attrgetter("pending"))
            return await least_busy.transact(self._on_driver(scope, work, is_full=True))
        engine = self._all.readers if scope is None else owned_by(self._own.readers, scope)
        return await shielded(self._on_server(engine, scope, work, reads=True))

    async def _grouped(
        self, scope: RowScope | None, work: Callable[[Transaction], _T], pages: int | None = None
    ) -> _T:
        assert self._group is not None
        self._locks.check()
        with self._noticing_full():
            on_driver = self._on_driver(scope, work, is_full=self._is_full())
            return await self._group.run(on_driver, pages)

    def _on_driver(
        self, scope: RowScope | None, work: Callable[[Transaction], _T], *, is_full: bool
    ) -> Callable[[sqlite3.Connection], _T]:
        engines = self._all if scope is None else self._own
        dialect = engines.writers.dialect
        return lambda driver: work(Transaction(driver, dialect, scope, is_full=is_full))

    async def _on_server(
        self,
        engine: AsyncEngine,
        scope: RowScope | None,
        work: Callable[[Transaction], _T],
        *,
        reads: bool = False,
    ) -> _T:
        def run(sync: Connection) -> _T:
            return work(Transaction(ServerDriver(sync), sync.dialect, scope))

        try:
            async with engine.begin() as connection:
                result = await connection.run_sync(run)
                if not reads:
                    self._check_server_lock()
                return result
        except PoolTimeout:
            raise DatabaseBusy from None

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
                await self._store_published(session)
                await shielded(_commit(session))

    async def _store_published(self, session: AsyncSession) -> None:
        if self._store_signals is None or not isinstance(session, SystemSession):
            return
        if session.signals:
            await self._store_signals(session, session.signals)
            session.are_stored = True

    @asynccontextmanager
    async def _locked_write(self, owner: UUID | None = None) -> AsyncIterator[None]:
        async with self._locks.hold(owner):
            yield
        if self._inline is not None:
            self._inline.note_write()

    def _check_server_lock(self) -> None:
        if self._server_lock is not None:
            self._server_lock.check()


async def _commit(session: AsyncSession) -> None:
    await session.commit()
    session.info[_COMMITTED] = True
