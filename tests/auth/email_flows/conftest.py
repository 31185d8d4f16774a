from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testing.email_flows import EmailHarness, email_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[EmailHarness]:
    async with email_harness(tmp_path) as one:
        yield one
