from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_app.settings import Settings
from testing.auth_services import Stage, settings_of, staged


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as one:
        yield one
