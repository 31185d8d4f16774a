"""One server for the tests of all clients."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from testing.provider_apis import ProviderServer, run_server


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProviderServer]:
    """The server."""
    async with run_server(tmp_path_factory.mktemp("server")) as running:
        yield running
