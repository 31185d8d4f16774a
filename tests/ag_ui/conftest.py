"""One server and two processes of clients for all tests of a worker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from testing.ai_sdk_clients import Clients, Server, run_clients, run_server

HERE = Path(__file__).parent


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def clients(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clients]:
    """The clients of AG-UI."""
    async with run_clients(HERE, tmp_path_factory.mktemp("agents")) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def ai_sdk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clients]:
    """The clients of the AI SDK."""
    folder = tmp_path_factory.mktemp("clients")
    async with run_clients(HERE.parent / "ai_sdk", folder) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The server."""
    async with run_server(tmp_path_factory.mktemp("server")) as running:
        yield running
