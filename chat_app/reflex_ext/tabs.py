"""The tabs with an open socket: background handlers end with it, and wait when it is slow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

MAX_QUEUED = 16
"""Packets that may wait for a socket before its followers pause."""
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Socket:
    closed: asyncio.Event
    queued: Callable[[], int]


class Tabs:
    """The open sockets of this process, by state key."""

    def __init__(self) -> None:
        self._open: dict[str, _Socket] = {}

    def opened(self, state_key: str, queued: Callable[[], int]) -> None:
        """Note a socket of this state. An older one of the same state counts as closed.

        Args:
            state_key: The key of the tab's state; Reflex calls it the client token.
            queued: Returns how many packets wait for the socket.
        """
        self.closed(state_key)
        self._open[state_key] = _Socket(asyncio.Event(), queued)

    def closed(self, state_key: str) -> None:
        """Note that the socket of a state is closed."""
        socket = self._open.pop(state_key, None)
        if socket is not None:
            socket.closed.set()

    def __contains__(self, state_key: str) -> bool:
        return state_key in self._open

    def __len__(self) -> int:
        return len(self._open)

    def until_closed(self, state_key: str) -> Coroutine[Any, Any, object]:
        """Wait until the socket that the state has now is closed; not at all without one."""
        socket = self._open.get(state_key)
        return asyncio.sleep(0) if socket is None else socket.closed.wait()

    async def wait_for_room(self, state_key: str) -> None:
        """Wait until the socket has sent most of its queue.

        A slow reader then holds a place in the run's log, not a queue of packets.
        """
        socket = self._open.get(state_key)
        while socket and not socket.closed.is_set() and socket.queued() > MAX_QUEUED:  # noqa: ASYNC110 a queue that is not ours
            await asyncio.sleep(POLL_SECONDS)


tabs = Tabs()


async def while_open(state_key: str, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` for as long as the state's socket is open, then cancel it.

    Args:
        state_key: The key of the tab's state; Reflex calls it the client token.
        work: It is also cancelled when the caller is.
    """
    async with _task(work) as task, _task(tabs.until_closed(state_key)) as closing:
        await asyncio.wait({task, closing}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()


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
