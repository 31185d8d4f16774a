from collections.abc import AsyncIterator

import pytest

from tests.guard.conftest import free_port, serving
from tests.oidc.github_double import GitHub
from tests.oidc.stage import CLIENT, SECRET


class Served(GitHub):
    """A GitHub that listens.

    Attributes:
        url: Where.
    """

    url = ""


@pytest.fixture
async def github() -> AsyncIterator[Served]:
    """A GitHub on loopback."""
    double, port = Served(CLIENT, SECRET), free_port()
    double.url = f"http://127.0.0.1:{port}"
    async with serving(double.app, port):
        yield double
