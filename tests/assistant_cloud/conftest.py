"""One server and one process of clients for all tests of a worker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from testing.ai_sdk_clients import run_clients
from testing.assistant_cloud import CloudServer, run_cloud_server


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CloudServer]:
    """The server, with the clients."""
    folder = tmp_path_factory.mktemp("clients")
    async with (
        run_clients(Path(__file__).parent, folder) as clients,
        run_cloud_server(tmp_path_factory.mktemp("server"), clients) as running,
    ):
        yield running
