from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testing.email_flows import Office, opened


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with opened(tmp_path) as one:
        yield one
