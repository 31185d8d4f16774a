"""A database with two people, each with a thread, a message and a run."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_app.db.engine import Database
from testing.database import create_tables
from testing.owned_rows import Person, make_person


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'data' / 'chat.db'}"


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with every table and no row; copying it is quicker than making it."""

    async def make(path: Path) -> None:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await create_tables(database)
        await database.close()

    path = tmp_path_factory.mktemp("empty") / "chat.db"
    asyncio.run(make(path))
    return path


@pytest.fixture
async def db(url: str, empty: Path) -> AsyncIterator[Database]:
    database = Database(url)
    shutil.copyfile(empty, url.removeprefix("sqlite+aiosqlite:///"))
    yield database
    await database.close()


@pytest.fixture
async def alice(db: Database) -> Person:
    return await make_person(db, "alice")


@pytest.fixture
async def bob(db: Database) -> Person:
    return await make_person(db, "bob")
