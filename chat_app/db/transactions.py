"""Transactions of prepared statements on SQLite: each is one call to a thread, not one a statement.

Writes that are asked for in one tick of the event loop, or while another one is being committed,
are committed together, with a savepoint each: a commit costs about as much as a message.
"""

import asyncio
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import IntegrityError, OperationalError

from chat_app.core.errors import DatabaseBusy, DatabaseError
from chat_app.db.dialect import convert_error, thread_engine

_READERS = 4

MAX_PAGES = 40
"""The largest inline commit, in pages of a SQLite file."""
_WRITE_PAGES = 25
"""What any other write counts; SQLite does not say how many pages it changes."""
CHECKPOINT_PAGES = 800
"""After so many pages the thread copies the log of changes into the file; SQLite does it itself
after a thousand."""
SLOW_SECONDS = 0.02
"""A commit that takes longer has waited for a disk, or for a processor."""
PAUSE_SECONDS = 10.0
"""How long the thread commits everything after that."""

_T = TypeVar("_T")

Work = Callable[[sqlite3.Connection], _T]
"""What a transaction does, with the connection of the driver."""


class DriverConnection:
    """A connection of the driver, opened with its first transaction, and anew after an error.

    Args:
        engine: A synchronous engine; only one thread uses it.
        begin: How its transactions begin.
    """

    def __init__(self, engine: Engine, begin: str) -> None:
        self._engine = engine
        self._begin = begin
        self._connection: PoolProxiedConnection | None = None

    def transact(self, work: Work[_T]) -> _T:
        """Run work in a transaction and commit it; all or nothing.

        Raises:
            DatabaseError: The database cannot be used.
        """
        try:
            connection = self._open()
            connection.execute(self._begin)
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self.disconnect()
            raise _converted(error) from None
        return result

    def checkpoint(self) -> None:
        """Copy the log of changes into the file; a failure shows when something is written."""
        with suppress(sqlite3.Error):
            self._open().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def disconnect(self) -> None:
        """Close the connection; the next transaction begins with a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
        return cast(sqlite3.Connection, self._connection.driver_connection)


class DatabaseThread:
    """A thread with its own connection.

    Args:
        engine: A synchronous engine; only this thread uses it.
        begin: How its transactions begin.
        name: The thread's.

    Attributes:
        pending: How many calls wait for it.
    """

    def __init__(self, engine: Engine, begin: str, name: str) -> None:
        self.pending = 0
        self._engine = engine
        self._connection = DriverConnection(engine, begin)
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._is_closed = False

    async def call(self, work: Callable[[Engine], _T]) -> _T:
        """Run work in the thread. It goes on when the caller is cancelled.

        Args:
            work: Gets the engine.
        """
        if self._is_closed:
            raise RuntimeError("The database is closed.")
        if self._thread.ident is None:
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        self.pending += 1
        self._calls.put((work, loop, future))
        try:
            return await future
        finally:
            self.pending -= 1

    async def transact(self, work: Work[_T]) -> _T:
        """Run work in a transaction and commit it; all or nothing.

        Raises:
            DatabaseError: The database cannot be used.
        """
        return await self.call(lambda _: self._connection.transact(work))

    async def checkpoint(self) -> None:
        """Copy the log of changes of a SQLite file into it, as far as its readers allow it."""
        await self.call(lambda _: self._connection.checkpoint())

    async def close(self) -> None:
        """Wait for the work at hand, then close. Can be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self._calls.put(None)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)
        self._engine.dispose()

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            work, loop, future = call
            try:
                done = partial(_set_result, future, work(self._engine))
            except BaseException as error:
                done = partial(_set_exception, future, error)
            with suppress(RuntimeError):  # the loop is closed: no task waits
                loop.call_soon_threadsafe(done)
            del call, work, loop, future, done  # a waiting thread keeps nothing alive
        self._connection.disconnect()


def reading_threads(url: str, busy_seconds: float) -> tuple[DatabaseThread, ...]:
    """The threads that read on SQLite: one starts when the others are busy.

    Args:
        url: The async URL of the database.
        busy_seconds: How long to wait for another process's lock, in seconds.
    """
    engines = (thread_engine(url, busy_seconds, "BEGIN", "query_only=ON") for _ in range(_READERS))
    return tuple(DatabaseThread(one, "BEGIN", "reader") for one in engines if one is not None)


_Call = tuple[Callable[[Engine], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


def _set_result(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _converted(error: sqlite3.Error) -> Exception:
    """An error of the driver as SQLAlchemy's engines raise it; without the values."""
    if (found := convert_error(error)) is not None:
        return found
    kind = IntegrityError if isinstance(error, sqlite3.IntegrityError) else OperationalError
    return kind("", None, error)


class InlineCommit:
    """Commits small writes in the thread of the event loop, and says when that will not wait.

    In WAL mode a commit copies a few pages into the system's cache. To hand it to a thread and to
    hear of its end wakes two threads, which costs several times as much, with each token of an
    answer. But the event loop must not wait for a disk or a lock. So the thread commits what is
    large, everything for a while after a commit took long, and what may begin the log of changes
    anew: SQLite waits for the disk there, after the whole log was copied (a checkpoint;
    https://sqlite.org/wal.html#checkpointing). The thread does both, one right after the other.

    Args:
        engine: A synchronous engine that waits for no lock and makes no checkpoint.
        is_unlocked: Whether no other writer of this process is active.
        now: Seconds of a monotonic clock.
    """

    def __init__(
        self,
        engine: Engine,
        is_unlocked: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._connection = DriverConnection(engine, "BEGIN IMMEDIATE")
        self._is_unlocked = is_unlocked
        self._now = now
        self._pages = CHECKPOINT_PAGES  # what the log has at the start is not known
        self._paused_until = 0.0

    def is_ready(self, pages: int) -> bool:
        """Whether a commit of about so many pages will not wait."""
        return (
            pages <= MAX_PAGES
            and not self.needs_checkpoint
            and self._is_unlocked()
            and self._now() >= self._paused_until
        )

    def transact(self, work: Work[_T], pages: int) -> _T:
        """Run work in a transaction and commit it; all or nothing.

        Raises:
            DatabaseError: The database cannot be used; `DatabaseBusy` if another process writes.
        """
        self._pages += pages
        began = self._now()
        try:
            return self._connection.transact(work)
        except DatabaseError:
            began = -math.inf  # the thread waits for what is in the way
            raise
        finally:
            ended = self._now()
            if ended - began > SLOW_SECONDS:
                self._paused_until = ended + PAUSE_SECONDS

    @property
    def needs_checkpoint(self) -> bool:
        """Whether the thread must copy the log, and then commit something."""
        return self._pages >= CHECKPOINT_PAGES

    def note_write(self, pages: int = _WRITE_PAGES) -> None:
        """Another connection of this process has written."""
        self._pages += pages

    def note_checkpoint(self) -> None:
        """The thread has copied the log and committed something."""
        self._pages = 0

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()
        self._engine.dispose()


@dataclass(eq=False, slots=True)
class _Job:
    work: Work[Any]
    done: "asyncio.Future[Any]"
    batch: "asyncio.Future[None] | None" = None


class GroupCommit:
    """Commits writes together.

    Args:
        thread: The thread that writes.
        lock: The write lock of the database, for one batch.
        inline: Commits small writes in the thread that asks for them.
    """

    def __init__(
        self,
        thread: DatabaseThread,
        lock: Callable[[], AbstractAsyncContextManager[None]],
        inline: InlineCommit,
    ) -> None:
        self._thread = thread
        self._lock = lock
        self._inline = inline
        self._waiting: list[_Job] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, work: Work[_T], pages: int | None = None) -> _T:
        """Run work in a transaction, perhaps with that of others; all or nothing.

        When the caller is cancelled, work that has not begun is left out; otherwise its end is
        awaited first.

        Args:
            work: What the transaction does.
            pages: About how many pages it changes, if it may be committed in this thread.

        Raises:
            DatabaseError: The database cannot be used, or other writers took too long.
        """
        if pages is not None and self._task is None and self._inline.is_ready(pages):
            with suppress(DatabaseBusy):  # the thread can wait for another process
                return self._inline.transact(work, pages)
        return await self._queue(work)

    async def _queue(self, work: Work[_T]) -> _T:
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future())
        self._waiting.append(job)
        if self._task is None:
            self._task = loop.create_task(self._drain(), name="group commit")
        try:
            return await job.done
        except asyncio.CancelledError:
            while job.batch is not None and not job.batch.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({job.batch})
            raise

    async def _drain(self) -> None:
        try:
            while self._waiting:
                count = len(self._waiting)
                try:
                    async with self._lock():
                        await self._commit()
                except Exception as error:  # the lock was not free in time
                    failed, self._waiting = self._waiting[:count], self._waiting[count:]
                    for job in failed:
                        _set_exception(job.done, error)
        finally:
            self._task = None

    async def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        jobs = [job for job in waiting if not job.done.done()]  # a cancelled one is left out
        if not jobs:
            return
        batch = asyncio.get_running_loop().create_future()
        for job in jobs:
            job.batch = batch
        try:
            copied = self._inline.needs_checkpoint
            if copied:
                await self._thread.checkpoint()
            if len(jobs) == 1:
                outcomes = [(await self._thread.transact(jobs[0].work), None)]
            else:
                outcomes = await self._thread.transact(partial(_run_each, jobs))
            if copied:
                self._inline.note_checkpoint()
            for job, (result, error) in zip(jobs, outcomes, strict=True):
                if error is None:
                    _set_result(job.done, result)
                else:
                    _set_exception(job.done, error)
        except Exception as error:
            for job in jobs:
                _set_exception(job.done, error)
        finally:
            batch.set_result(None)


def _run_each(
    jobs: Sequence[_Job], connection: sqlite3.Connection
) -> list[tuple[Any, Exception | None]]:
    outcomes: list[tuple[Any, Exception | None]] = []
    for job in jobs:
        connection.execute("SAVEPOINT job")
        try:
            outcomes.append((job.work(connection), None))
        except Exception as error:
            if not connection.in_transaction:  # a full disk ends the transaction of all
                raise
            connection.execute("ROLLBACK TO job")
            outcomes.append(
                (None, _converted(error) if isinstance(error, sqlite3.Error) else error)
            )
        connection.execute("RELEASE job")
    return outcomes


async def shielded(work: Coroutine[Any, Any, _T]) -> _T:
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
