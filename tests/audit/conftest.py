"""A database with two people."""

from collections.abc import AsyncIterator

import pytest

from chat_app.db.engine import Database
from testing.database import DatabaseUnderTest
from testing.owned_rows import Person, make_person


@pytest.fixture
async def db(database: DatabaseUnderTest) -> AsyncIterator[Database]:
    one = database.open(Database)
    yield one
    await one.close()


@pytest.fixture
async def alice(db: Database) -> Person:
    return await make_person(db, "alice")


@pytest.fixture
async def bob(db: Database) -> Person:
    return await make_person(db, "bob")
