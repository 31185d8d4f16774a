"""An ASGI app behind the real server, on loopback, in the event loop of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from granian.constants import Interfaces
from granian.server.embed import Server
from starlette.types import ASGIApp


@asynccontextmanager
async def serve(app: ASGIApp, port: int) -> AsyncIterator[None]:
    """Serve an app with the real server, on loopback, in this event loop."""
    server = Server(app, port=port, interface=Interfaces.ASGI, log_enabled=False, runtime_threads=1)
    task = asyncio.create_task(server.serve())
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                break
        yield
    finally:
        server.stop()
        await task
