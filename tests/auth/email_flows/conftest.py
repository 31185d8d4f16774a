from collections.abc import AsyncIterator

import pytest

from testing.database import DatabaseUnderTest
from testing.email_flows import EmailHarness, email_harness


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[EmailHarness]:
    async with email_harness(database) as one:
        yield one
