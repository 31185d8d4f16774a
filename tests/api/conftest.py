from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from testing.auth_api import served
from testing.auth_services import PASSWORD, Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with served(tmp_path) as one:
        yield one


@pytest.fixture
async def ada(stage: Stage) -> UUID:
    return await stage.accounts.add("ada@example.org", PASSWORD, "Ada")
