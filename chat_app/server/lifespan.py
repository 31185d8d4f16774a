"""ASGI lifespan: startup before the first request, shutdown after the last one.

Granian would run it too, but would close the connections before the shutdown, so that clients would
miss the end of their answers.
"""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message


class StartupFailed(Exception):
    """The startup failed without an exception of its own."""


class Lifespan:
    """Runs the lifespan of an ASGI app once.

    Args:
        app: The ASGI app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Run the startup.

        Raises:
            StartupFailed: The startup failed; its own exception is raised instead if there is one.
        """
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._app(scope, self._to_app.get, self._from_app.put))
        message = await self._send("startup")
        if message is None or message["type"] != "lifespan.startup.complete":
            await asyncio.wait({self._task})
            self._task.result()
            raise StartupFailed(str((message or {}).get("message", "")))

    async def stop(self) -> None:
        """Run the shutdown."""
        if self._task is not None and not self._task.done():
            await self._send("shutdown")
            await asyncio.wait({self._task})

    async def _send(self, step: str) -> Message | None:
        assert self._task is not None
        self._to_app.put_nowait({"type": f"lifespan.{step}"})
        receiving = asyncio.ensure_future(self._from_app.get())
        try:
            await asyncio.wait({receiving, self._task}, return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else None
        finally:
            receiving.cancel()
