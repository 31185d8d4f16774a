"""A real server with the gateway in front of a small app that records what reaches it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_app.core.signals import Bus
from chat_app.gateway import Gateway
from chat_app.gateway.connections import DEFAULT_TIMEOUTS, GatewayTimeouts
from chat_app.services import Services
from chat_app.settings import Settings
from testing.asgi_server import serve
from testing.gateway_server import FakeKeys, FakeServices, FakeSessions, GatewayServer, RecordingApp
from testing.program import free_port
from testing.run_services import PATIENCE


@pytest.fixture
def open_server(tmp_path: Path) -> Any:
    """Makes servers: `async with open_server(sockets_per_session=2) as server`."""

    @asynccontextmanager
    async def opened(
        *,
        app: ASGIApp | None = None,
        build: Path | None = None,
        timeouts: GatewayTimeouts = DEFAULT_TIMEOUTS,
        **values: object,
    ) -> AsyncIterator[GatewayServer]:
        port = free_port()
        merged: dict[str, Any] = {"port": port, "data_dir": tmp_path / "data", **values}
        settings = Settings(_env_file=None, **merged)  # pyright: ignore[reportCallIssue]
        bus = Bus()
        sessions = FakeSessions(bus)
        tokens = FakeKeys(bus, sessions, "header.claims.")
        services = FakeServices(settings, bus, sessions, FakeKeys(bus, sessions), tokens)
        behind = app or RecordingApp()
        gateway = Gateway(
            behind,
            services=lambda: cast(Services, services),
            build=build,
            timeouts=timeouts,
        )
        url = f"http://localhost:{port}"
        finished: asyncio.Queue[Scope] = asyncio.Queue()

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            await gateway(scope, receive, send)
            if scope["type"] != "lifespan":
                finished.put_nowait(scope)

        async with (
            serve(watched, port),
            httpx.AsyncClient(
                verify=False, base_url=url, trust_env=False, timeout=PATIENCE
            ) as client,
        ):
            recording: Any = behind
            yield GatewayServer(url, gateway, recording, services, client, finished)

    return opened


@pytest.fixture
async def server(open_server: Any) -> AsyncIterator[GatewayServer]:
    async with open_server() as one:
        yield one
