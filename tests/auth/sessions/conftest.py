"""Every test that takes `stage` or `open_stage` runs once for each kind of session."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chat_app.db.engine import Database
from testing.auth_services import OpenStage, Stage, staged


@pytest.fixture(params=["database", "jwt"])
def strategy(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def open_stage(tmp_path: Path, strategy: str) -> OpenStage:
    def opened(
        database: type[Database] = Database, **given: Any
    ) -> AbstractAsyncContextManager[Stage]:
        return staged(tmp_path, database, auth_session_strategy=strategy, **given)

    return opened


@pytest.fixture
async def stage(open_stage: OpenStage) -> AsyncIterator[Stage]:
    async with open_stage() as one:
        yield one


@pytest.fixture
async def database_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, auth_session_strategy="database") as one:
        yield one


@pytest.fixture
def open_jwt_stage(tmp_path: Path) -> Any:
    """Opens a stage with encrypted JWTs and more settings."""
    return partial(staged, tmp_path, auth_session_strategy="jwt")


@pytest.fixture
async def jwt_stage(open_jwt_stage: Any) -> AsyncIterator[Stage]:
    async with open_jwt_stage() as one:
        yield one
