"""Which tabs have an open socket, so that what a tab follows ends with it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

MOST_WAITING = 16
"""Packets a socket may have waiting before its followers pause."""
LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Socket:
    gone: asyncio.Event
    waiting: Callable[[], int]


class Tabs:
    """The open sockets of this process, by Reflex's client token."""

    def __init__(self) -> None:
        self._open: dict[str, _Socket] = {}

    def opened(self, token: str, waiting: Callable[[], int]) -> None:
        """A socket is now linked to this token; an older one of the same token is over.

        Args:
            token: Reflex's client token of the tab.
            waiting: Tells how many packets wait for the socket to take them.
        """
        self.closed(token)
        self._open[token] = _Socket(asyncio.Event(), waiting)

    def closed(self, token: str) -> None:
        """The token's socket is gone."""
        socket = self._open.pop(token, None)
        if socket is not None:
            socket.gone.set()

    def __contains__(self, token: str) -> bool:
        return token in self._open

    def __len__(self) -> int:
        return len(self._open)

    def until_closed(self, token: str) -> Coroutine[Any, Any, object]:
        """What returns when the socket the token has now is gone; at once when it has none."""
        socket = self._open.get(token)
        return asyncio.sleep(0) if socket is None else socket.gone.wait()

    async def room(self, token: str) -> None:
        """Return when the socket has taken most of what it was sent.

        A slow reader waits here and holds a place in the log, not a queue of frames.
        """
        socket = self._open.get(token)
        while socket and not socket.gone.is_set() and socket.waiting() > MOST_WAITING:  # noqa: ASYNC110 a queue that is not ours
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


tabs = Tabs()


async def while_open(token: str, work: Coroutine[Any, Any, None]) -> None:
    """Do `work` for as long as the token's socket is open, then cancel it.

    Args:
        token: Reflex's client token of the tab.
        work: What to do; it is also cancelled when the caller is.
    """
    async with _task(work) as working, _task(tabs.until_closed(token)) as closing:
        await asyncio.wait({working, closing}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()


@contextlib.asynccontextmanager
async def _task(work: Coroutine[Any, Any, object]) -> AsyncIterator[asyncio.Task[object]]:
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            if not task.done():
                await task
