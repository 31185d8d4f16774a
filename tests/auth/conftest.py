from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_app.settings import Settings
from testing.auth_services import AuthHarness, auth_harness, settings_of
from testing.database import DatabaseUnderTest


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_harness(database) as one:
        yield one
