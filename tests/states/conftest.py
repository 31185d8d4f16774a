from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testing.reflex_tabs import Harness, open_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with open_harness(tmp_path, limit_threads="1000/minute") as harness:
        yield harness
