"""The program with a database that takes its time to answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chat_app.cli import main
from chat_app.db.engine import Database

SECONDS = 0.4
read = Database.read


@asynccontextmanager
async def slowly(self: Database, principal: Any) -> AsyncIterator[Any]:
    await asyncio.sleep(SECONDS)
    async with read(self, principal) as session:
        yield session


Database.read = slowly  # pyright: ignore[reportAttributeAccessIssue]
main()
