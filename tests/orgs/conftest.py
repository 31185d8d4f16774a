from collections.abc import AsyncIterator

import pytest

from testing.database import DatabaseUnderTest
from testing.organisations import OrgHarness, org_harness


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[OrgHarness]:
    async with org_harness(database) as one:
        yield one
