"""A real server with the guard in front of a small app that remembers everything it is shown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_app.core.signals import Bus
from chat_app.gateway import Gateway
from chat_app.gateway.ports import DEFAULT_TIMEOUTS, GatewayTimeouts
from chat_app.settings import Settings
from testing.asgi_server import serving
from testing.gateway_server import House, Inner, Services, Sessions
from testing.program import free_port


@pytest.fixture
def open_house(tmp_path: Path) -> Any:
    """Makes houses: `async with open_house(sockets_per_session=2) as house`."""

    @asynccontextmanager
    async def opened(
        *,
        inner: ASGIApp | None = None,
        build: Path | None = None,
        also: tuple[str, ...] = (),
        patience: GatewayTimeouts = DEFAULT_TIMEOUTS,
        **chosen: object,
    ) -> AsyncIterator[House]:
        port = free_port()
        given: dict[str, Any] = {"port": port, "data_dir": tmp_path / "data", **chosen}
        settings = Settings(_env_file=None, **given)  # pyright: ignore[reportCallIssue]
        bus = Bus()
        services = Services(settings, bus, Sessions(bus))
        app = inner or Inner()
        guard = Gateway(app, services=lambda: services, build=build, also=also, patience=patience)
        url = f"http://localhost:{port}"
        left: asyncio.Queue[Scope] = asyncio.Queue()

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            await guard(scope, receive, send)
            if scope["type"] != "lifespan":
                left.put_nowait(scope)

        async with (
            serving(watched, port),
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
        ):
            shown: Any = app
            yield House(url, guard, shown, services, client, left)

    return opened


@pytest.fixture
async def house(open_house: Any) -> AsyncIterator[House]:
    async with open_house() as one:
        yield one
