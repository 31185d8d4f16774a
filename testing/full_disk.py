"""A disk that is full, as the reserve and SQLite find it."""

from collections import namedtuple
from datetime import UTC, datetime
from typing import Any

import pytest

from chat_app.core.errors import DatabaseFull
from chat_app.db import disk_reserve
from chat_app.db.engine import Database
from chat_app.db.tables import OneTimeToken

PLENTY = 10**9

_Usage = namedtuple("_Usage", "total used free")
_NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Disk:
    """What the reserve is told of the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = PLENTY
        monkeypatch.setattr(
            disk_reserve.shutil, "disk_usage", lambda _path: _Usage(PLENTY, 0, self.free)
        )


def token_row(token_hash: str) -> dict[str, Any]:
    """The columns of a small row that a sign-in writes."""
    return {
        "token_hash": token_hash,
        "purpose": "oauth",
        "created_at": _NOW,
        "expires_at": _NOW,
    }


async def fill(db: Database) -> None:
    """Write until the database finds its disk full; afterwards the reserve is its room."""

    async def write() -> None:
        async with db.system("auth", write=True) as session:
            connection = await session.connection()
            pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
            await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            try:
                for number in range(2_000):
                    session.add(OneTimeToken(**token_row(str(number) * 9)))
                await session.flush()
            finally:
                await connection.exec_driver_sql("PRAGMA max_page_count=1000000")

    with pytest.raises(DatabaseFull):
        await write()
