"""What the program does before the first request and after the last one (ASGI lifespan).

The server below would run it too, but in the wrong order for us: it ends the connections first,
and then nobody would be left to see the last words of an answer.
"""

import asyncio
from typing import Any, NoReturn

from chat_app.server.open_requests import App, Message


class StartupFailed(Exception):
    """The program refused to start and gave no exception of its own."""


class Lifespan:
    """One run of the program's lifespan.

    Args:
        app: The program.
    """

    def __init__(self, app: App) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._say: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run what comes before the first request.

        Raises:
            NotStarted: The program said no; where it gave an exception, that one is raised.
        """
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}

        async def run() -> None:
            await self._app(scope, self._say.get, self._heard.put)

        self._task = asyncio.create_task(run())
        answer = await self._ask("startup")
        if answer is None or answer["type"] != "lifespan.startup.complete":
            await self._raise(answer)

    async def stop(self) -> None:
        """Run what comes after the last request."""
        if self._task is not None and not self._task.done():
            await self._ask("shutdown")
            await asyncio.wait({self._task})

    async def _ask(self, step: str) -> Message | None:
        assert self._task is not None
        self._say.put_nowait({"type": f"lifespan.{step}"})
        hearing = asyncio.ensure_future(self._heard.get())
        try:
            await asyncio.wait({hearing, self._task}, return_when=asyncio.FIRST_COMPLETED)
            return hearing.result() if hearing.done() else None
        finally:
            hearing.cancel()

    async def _raise(self, answer: Message | None) -> NoReturn:
        assert self._task is not None
        await asyncio.wait({self._task})
        self._task.result()
        raise StartupFailed(str((answer or {}).get("message", "")))
