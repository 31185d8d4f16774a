from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_app.auth.principal import Principal
from tests.runs.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path / "chat.db") as one:
        yield one


@pytest.fixture
async def alice(stage: Stage) -> Principal:
    return await stage.person()


@pytest.fixture
async def bob(stage: Stage) -> Principal:
    return await stage.person()
