"""A database with two people, each with a thread, a message and a run."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_app.db.engine import Database
from testing.database import create_tables
from testing.owned_rows import Person, make_person


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'data' / 'chat.db'}"


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await create_tables(database)
    yield database
    await database.close()


@pytest.fixture
async def alice(db: Database) -> Person:
    return await make_person(db, "alice")


@pytest.fixture
async def bob(db: Database) -> Person:
    return await make_person(db, "bob")
