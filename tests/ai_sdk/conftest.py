"""One server and one process of clients for all tests of a worker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from testing.ai_sdk_clients import Clients, Server, run_clients, run_server


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def clients(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clients]:
    """The clients."""
    folder = tmp_path_factory.mktemp("clients")
    async with run_clients(Path(__file__).parent, folder) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The server."""
    async with run_server(tmp_path_factory.mktemp("server")) as running:
        yield running
