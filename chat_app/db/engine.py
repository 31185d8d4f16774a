"""The engine: parallel readers, one writer at a time, and the only way to a session."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.db.dialect import engines, errand_engine
from chat_app.db.errors import DatabaseBusy
from chat_app.db.row_level_security import restrict_to_owner
from chat_app.db.sessions import Scope, ScopedSession, SystemSession, check_reason
from chat_app.db.sqlite_driver import Statement, WriterThread
from chat_app.db.tables import metadata

_S = TypeVar("_S", bound=AsyncSession)


class NestedWrite(Exception):
    """A task that is writing asked to write again, which would wait for itself for ever."""


class Database:
    """The database and its sessions.

    Args:
        url: An async SQLAlchemy URL; on SQLite the file and its folder are made when missing.
        busy_seconds: How long to wait for another process's lock, and for the turn to write, in
            seconds.
    """

    def __init__(self, url: str, *, busy_seconds: float = 5) -> None:
        self._all = engines(url, busy_seconds)
        self._own = engines(url, busy_seconds)
        restrict_to_owner(self._own.writers, self._own.readers)
        engine = errand_engine(url, busy_seconds)
        self._errands = WriterThread(engine) if engine else None
        self._busy_seconds = busy_seconds
        self._turn = asyncio.Lock()  # binds itself to the loop that first waits for it
        self._writing: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def read(self, principal: Scope) -> AsyncIterator[ScopedSession]:
        """A session that sees what the principal owns and cannot write.

        Raises:
            Unscoped: The principal has no real ids.
            DatabaseBusy: No connection came free in time.
        """
        async with self._reading(
            ScopedSession(self._own.readers, principal, read_only=True)
        ) as one:
            yield one

    @asynccontextmanager
    async def write(self, principal: Scope) -> AsyncIterator[ScopedSession]:
        """A session that commits on a clean exit and otherwise leaves nothing behind.

        Keep it short: nobody else writes meanwhile. On Postgres that is so for this process alone,
        and the same row changed by another at the same time is `DatabaseBusy`.

        Raises:
            Unscoped: The principal has no real ids.
            NestedWrite: This task already has a write session.
            DatabaseBusy: Another process holds the database, or other writers took too long.
            DatabaseFull: The disk is full.
        """
        async with self._committing(ScopedSession(self._own.writers, principal)) as one:
            yield one

    @asynccontextmanager
    async def system(self, reason: str, *, write: bool = False) -> AsyncIterator[SystemSession]:
        """A session that sees everything, for work that belongs to no person.

        Args:
            reason: One of `db.system.REASONS`.
            write: Whether it may write.

        Raises:
            UnknownReason: The reason is not registered.
        """
        check_reason(reason)
        if write:
            async with self._committing(_system(self._all.writers)) as one:
                yield one
        else:
            async with self._reading(_system(self._all.readers)) as one:
                yield one

    async def system_batch(self, reason: str, statements: Sequence[Statement]) -> None:
        """Execute Core statements in one transaction that sees everything: all or none.

        On SQLite it costs one wake-up of the event loop, where a session costs one a statement.

        Args:
            reason: One of `db.system.REASONS`.
            statements: What to execute, in order, each with its rows.

        Raises:
            UnknownReason: The reason is not registered.
            DatabaseBusy: Another process holds the database, or other writers took too long.
            DatabaseFull: The disk is full.
        """
        check_reason(reason)
        if self._errands is not None:
            async with self._my_turn():
                await _to_the_end(self._errands.run(statements))
            return
        # Whoever writes logs waits for nobody: it counts nothing, and there is one of it.
        async with self._storing(_system(self._all.writers)) as session:
            connection = await session.connection()
            for statement, rows in statements:
                if rows:
                    await connection.execute(statement, rows)

    async def ping(self) -> None:
        """Execute a statement that reads nothing.

        Raises:
            DatabaseError: The database does not answer in time.
            SQLAlchemyError: It cannot be reached.
        """
        async with self.system("health") as session:
            await (await session.connection()).execute(select(1))

    async def create_all(self) -> None:
        """Make every table, for tests; the program migrates instead."""
        async with self._all.writers.begin() as connection:
            await connection.run_sync(metadata.create_all)

    @property
    def connections_in_use(self) -> int:
        """How many connections sessions hold now."""
        return self._own.in_use() + self._all.in_use()

    async def close(self) -> None:
        """Close every connection."""
        for engine in (self._own, self._all):
            await _to_the_end(engine.dispose())
        if self._errands is not None:
            await _to_the_end(self._errands.close())

    @asynccontextmanager
    async def _reading(self, session: _S) -> AsyncIterator[_S]:
        try:
            yield session
        except PoolTimeout:
            raise DatabaseBusy from None
        finally:
            await _to_the_end(session.close())

    @asynccontextmanager
    async def _committing(self, session: _S) -> AsyncIterator[_S]:
        async with self._my_turn(), self._storing(session):
            yield session

    @asynccontextmanager
    async def _storing(self, session: _S) -> AsyncIterator[_S]:
        async with self._reading(session):
            yield session
            await _to_the_end(session.commit())

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        """One writer at a time: SQLite takes no more, and whoever counts rows before they add or
        remove one (answers running, ways in) is right only while nobody else does.
        """
        task = asyncio.current_task()
        if self._writing is task:
            raise NestedWrite("This task has a write session already; use that one.")
        try:
            # each writer before us may wait for another process; together they may not
            async with asyncio.timeout(self._busy_seconds):
                await self._turn.acquire()
        except TimeoutError:
            raise DatabaseBusy from None
        self._writing = task
        try:
            yield
        finally:
            self._writing = None
            self._turn.release()


def _system(engine: AsyncEngine) -> SystemSession:
    return SystemSession(engine, expire_on_commit=False)


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that must not be left half done, and only then be cancelled."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()  # else the loop would log it as never looked at
        raise cancelled
    task.result()
