from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testing.reflex_tabs import Stage, stage


@pytest.fixture
async def on_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as put_up:
        yield put_up
