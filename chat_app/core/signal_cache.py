"""A cached value that expires, and that a signal drops."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

from chat_app.core.signals import Bus, Signal

T = TypeVar("T")


class SignalCache(Generic[T]):
    """Reads a value when it is first needed, after it has expired, and after a signal.

    However many callers wait for it, it is read once at a time. What was read before a signal is
    not kept.

    Args:
        bus: Delivers the signals.
        topic: Of the signals that drop the value.
        read: Reads the value.
        seconds: How long it is kept.
        now: A clock, in seconds.
    """

    def __init__(
        self,
        bus: Bus,
        topic: str,
        read: Callable[[], Awaitable[T]],
        *,
        seconds: float,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._now = now
        self._cached: tuple[float, T] | None = None
        self._signals = 0
        self._reading = asyncio.Lock()
        bus.subscribe_callback(topic, self._drop)

    async def get(self) -> T:
        """The value, as it was at most `seconds` ago; raises what reading it raises."""
        if (cached := self._fresh()) is not None:
            return cached[1]
        async with self._reading:
            if (cached := self._fresh()) is not None:  # another caller has read it
                return cached[1]
            started, signals = self._now(), self._signals
            value = await self._read()
            if signals == self._signals:
                self._cached = started, value
            return value

    def _fresh(self) -> tuple[float, T] | None:
        if self._cached is None:
            return None
        # the clock may have been set back
        return self._cached if 0 <= self._now() - self._cached[0] < self._seconds else None

    def _drop(self, _signal: Signal) -> None:
        self._cached = None
        self._signals += 1
