"""Many rows in one transaction, at the price of one wake-up.

An async session on SQLite goes to the driver's thread and back for each statement. What is
written sixty times a second cannot afford that: here the whole transaction is one errand of one
thread.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.sql.base import Executable

Statement = tuple[Executable, Sequence[Mapping[str, Any]]]
"""A Core statement and the rows to execute it with; a statement without rows is left out."""


class Errands:
    """A thread with a connection of its own.

    Args:
        engine: A synchronous engine; only this thread uses it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database errands")

    async def run(self, statements: Sequence[Statement]) -> None:
        """Execute the statements in one transaction: all or none.

        Raises:
            DatabaseError: The database cannot be used.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._run, statements)

    async def close(self) -> None:
        """Let the errand under way end, then close. Harmless when closed."""
        await asyncio.to_thread(self._thread.shutdown)
        self._engine.dispose()

    def _run(self, statements: Sequence[Statement]) -> None:
        with self._engine.begin() as connection:
            for statement, rows in statements:
                if rows:
                    connection.execute(statement, rows)
