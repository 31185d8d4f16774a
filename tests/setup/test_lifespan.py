import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from chat_app.core.errors import Conflict
from chat_app.server.lifespan import Lifespan, StartupFailed


async def test_the_lifespan_runs_between_start_and_stop() -> None:
    seen: list[str] = []

    @contextlib.asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[dict[str, str]]:
        seen.append("start")
        yield {"key": "value"}
        seen.append("stop")

    lifespan = Lifespan(Starlette(lifespan=running))
    await lifespan.start()
    assert (seen, lifespan.state) == (["start"], {"key": "value"})
    await lifespan.stop()
    assert seen == ["start", "stop"]


async def test_the_exception_of_a_failed_startup_is_raised() -> None:
    @contextlib.asynccontextmanager
    async def refusing(_app: Starlette) -> AsyncIterator[None]:
        raise Conflict("Another process owns the folder.")
        yield

    with pytest.raises(Conflict, match="owns the folder"):
        await Lifespan(Starlette(lifespan=refusing)).start()


async def test_a_failed_startup_without_an_exception_is_raised_with_its_message() -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "not today"})

    with pytest.raises(StartupFailed, match="not today"):
        await Lifespan(refusing).start()


async def test_an_app_that_returns_at_once_has_not_started() -> None:
    async def empty(scope: Scope, receive: Receive, send: Send) -> None:
        return

    with pytest.raises(StartupFailed):
        await Lifespan(empty).start()


async def test_an_app_that_never_started_can_be_stopped() -> None:
    stopped = Lifespan(Starlette())
    await asyncio.wait_for(stopped.stop(), 10)
