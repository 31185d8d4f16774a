from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from testing.auth_api import auth_api_harness
from testing.auth_services import PASSWORD, AuthHarness
from testing.database import DatabaseUnderTest

ON_BOTH = {"test_account", "test_account_sessions", "test_chat", "test_chat_streaming"} | {
    "test_threads"
}
"""Modules that run on PostgreSQL too; of the other routes, the services are tested there."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if not _runs_once(item)]


def _runs_once(item: pytest.Item) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}  # pyright: ignore
    is_here = item.path.parent == Path(__file__).parent
    return is_here and parameters.get("database") == "postgres" and item.path.stem not in ON_BOTH


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_api_harness(database) as one:
        yield one


@pytest.fixture
async def ada(harness: AuthHarness) -> UUID:
    return await harness.accounts.add("ada@example.org", PASSWORD, "Ada")
