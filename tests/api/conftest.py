from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from testing.auth_api import auth_api_harness
from testing.auth_services import PASSWORD, AuthHarness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[AuthHarness]:
    async with auth_api_harness(tmp_path) as one:
        yield one


@pytest.fixture
async def ada(harness: AuthHarness) -> UUID:
    return await harness.accounts.add("ada@example.org", PASSWORD, "Ada")
