from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from testing.auth_api import auth_api_harness
from testing.auth_services import PASSWORD, AuthHarness
from testing.database import DatabaseUnderTest

ONCE = {
    "test_ag_ui",
    "test_auth_forms",
    "test_auth_routes",
    "test_crawl",
    "test_errors",
    "test_health",
    "test_mass_assignment",
} | {
    "test_openapi",
    "test_problems",
    "test_schema_cases",
    "test_one_cookie",
    "test_security_log",
    "test_session_claims",
}
"""Modules that run on SQLite alone: the services below them are tested on PostgreSQL too."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if not _runs_once(item)]


def _runs_once(item: pytest.Item) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}  # pyright: ignore
    is_here = item.path.parent == Path(__file__).parent
    return is_here and parameters.get("database") == "postgres" and item.path.stem in ONCE


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_api_harness(database) as one:
        yield one


@pytest.fixture
async def ada(harness: AuthHarness) -> UUID:
    return await harness.accounts.add("ada@example.org", PASSWORD, "Ada")
