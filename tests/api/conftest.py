from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from testing.auth_api import auth_api_harness
from testing.auth_services import PASSWORD, AuthHarness
from testing.database import DatabaseUnderTest, SqliteDatabase


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> SqliteDatabase:
    """The routes do not depend on the database; their services are tested on both."""
    return SqliteDatabase(tmp_path, migrated)


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_api_harness(database) as one:
        yield one


@pytest.fixture
async def ada(harness: AuthHarness) -> UUID:
    return await harness.accounts.add("ada@example.org", PASSWORD, "Ada")
