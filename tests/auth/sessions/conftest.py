"""Every test that takes `harness` or `open_harness` runs once for each kind of session."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest

from chat_app.db.engine import Database
from testing.auth_services import AuthHarness, OpenAuthHarness, auth_harness
from testing.database import DatabaseUnderTest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On PostgreSQL, encrypted JWTs have tests of their own only: the other kind has more rows."""
    items[:] = [item for item in items if not _is_repeated(item)]


def _is_repeated(item: pytest.Item) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}  # pyright: ignore
    return (parameters.get("database"), parameters.get("strategy")) == ("postgres", "jwt")


@pytest.fixture(params=["database", "jwt"])
def strategy(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def open_harness(database: DatabaseUnderTest, strategy: str) -> OpenAuthHarness:
    def opened(
        kind: type[Database] = Database, **given: Any
    ) -> AbstractAsyncContextManager[AuthHarness]:
        return auth_harness(database, kind, auth_session_strategy=strategy, **given)

    return opened


@pytest.fixture
async def harness(open_harness: OpenAuthHarness) -> AsyncIterator[AuthHarness]:
    async with open_harness() as one:
        yield one


@pytest.fixture
async def database_harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_harness(database, auth_session_strategy="database") as one:
        yield one


@pytest.fixture
def open_jwt_harness(database: DatabaseUnderTest) -> Any:
    """Opens a harness with encrypted JWTs and more settings."""
    return partial(auth_harness, database, auth_session_strategy="jwt")


@pytest.fixture
async def jwt_harness(open_jwt_harness: Any) -> AsyncIterator[AuthHarness]:
    async with open_jwt_harness() as one:
        yield one
