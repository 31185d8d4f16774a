"""The write locks of this process: one writer at a time, of all rows or of a user's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from chat_app.core.errors import DatabaseBusy


class NestedWrite(Exception):
    """A task with a write session opened another one, which would be a deadlock."""


class WriteLocks:
    """Code that counts rows before it adds or removes one (active runs, login methods) is correct
    only with one writer of those rows.

    Args:
        per_owner: Whether each user has a lock, and system sessions share one; SQLite allows one
            writer of all rows.
        busy_seconds: How long to wait for a lock, in seconds.
    """

    def __init__(self, *, per_owner: bool, busy_seconds: float) -> None:
        self._per_owner = per_owner
        self._busy_seconds = busy_seconds
        self._locks: WeakValueDictionary[UUID | None, asyncio.Lock] = WeakValueDictionary()
        self._writing: set[asyncio.Task[Any] | None] = set()
        self._queued = 0

    @property
    def are_free(self) -> bool:
        """Whether no writer is active or waits."""
        return not self._writing and not self._queued

    def check(self) -> None:
        """Refuse a second write of the same task.

        Raises:
            NestedWrite: It holds a lock.
        """
        if asyncio.current_task() in self._writing:
            raise NestedWrite("This task has a write session already; use that one.")

    @asynccontextmanager
    async def hold(self, owner: UUID | None = None) -> AsyncIterator[None]:
        """Hold a lock.

        Args:
            owner: Whose rows are written; None for a system session.

        Raises:
            NestedWrite: The task holds one already.
            DatabaseBusy: Other writers took too long.
        """
        self.check()
        task = asyncio.current_task()
        lock = self._locks.setdefault(owner if self._per_owner else None, asyncio.Lock())
        if lock.locked() or self._queued:
            self._queued += 1
            try:
                # writers ahead may each wait for another process; together they may not exceed this
                async with asyncio.timeout(self._busy_seconds):
                    await lock.acquire()
            except TimeoutError:
                raise DatabaseBusy from None
            finally:
                self._queued -= 1
        else:
            await lock.acquire()  # at once: a timer for each write would cost more than the lock
        self._writing.add(task)
        try:
            yield
        finally:
            self._writing.discard(task)
            lock.release()
