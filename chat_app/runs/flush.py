"""Flush throttling: how often the run log is committed, and so how often readers get text.

The first token is flushed at once. After it, a 60 Hz page cannot show flushes finer than 16.7 ms,
a fast stream reads as well at half that rate, and the cost of a flush does not depend on the text
in it: so a busy event loop flushes less often, before it lags.
"""

import asyncio
import time

FRAME = 1 / 60
"""Seconds between two flushes of a stream at reading speed."""
FAST_FRAME = 1 / 30
"""The same for a stream faster than `FAST_RATE`."""
BUSY_FRAME = 0.05
"""The same while the event loop lags more than `MAX_LAG`."""
FAST_RATE = 100.0
"""Deltas per second."""
MAX_LAG = 0.02
"""Seconds."""
_SAMPLE_SECONDS = 0.1
IDLE_SHARE = 0.4
"""The share of its time that an event loop keeps free by flushing less often."""


def flush_interval(rate: float, lag: float, busy: float = 0.0) -> float:
    """Seconds to leave between two flushes of one run.

    Args:
        rate: The deltas its model sends per second.
        lag: How late the event loop is, in seconds.
        busy: The share of its time in which the event loop works, 0 to 1.
    """
    if lag > MAX_LAG:
        return BUSY_FRAME
    overload = max(0.0, busy - 1 + IDLE_SHARE) / IDLE_SHARE
    return max(FAST_FRAME if rate > FAST_RATE else FRAME, FRAME + (BUSY_FRAME - FRAME) * overload)


class FlushThrottle:
    """The log writer's clock and waits. Used by one event loop, in its thread."""

    def __init__(self) -> None:
        self._sampled_at = time.monotonic()
        self._cpu_time = time.thread_time()
        self._busy = 0.0

    def now(self) -> float:
        """Seconds of a monotonic clock."""
        return time.monotonic()

    def busy(self) -> float:
        """The recent share of its time in which the event loop worked, 0 to 1."""
        now = time.monotonic()
        elapsed = now - self._sampled_at
        if elapsed >= _SAMPLE_SECONDS:
            cpu_time = time.thread_time()
            share = (cpu_time - self._cpu_time) / elapsed
            self._sampled_at, self._cpu_time = now, cpu_time
            self._busy = min(1.0, 0.5 * self._busy + 0.5 * share)
        return self._busy

    async def rest(self, seconds: float, urgent: asyncio.Event, work: asyncio.Event) -> float:
        """Wait until `urgent` is set, but at most so many seconds.

        It is not woken without work: a timer costs as much as the token of a slow stream.

        Args:
            seconds: The longest wait.
            urgent: Ends the wait.
            work: Set when there is something to flush; also whenever `urgent` is.

        Returns:
            How much later than that the wait ended, in seconds: the lag of the event loop.
        """
        until = self.now() + seconds
        await work.wait()
        seconds = until - self.now()
        if seconds <= 0:
            return 0.0
        try:
            async with asyncio.timeout(seconds):
                await urgent.wait()
        except TimeoutError:
            return max(0.0, self.now() - until)
        return 0.0

    async def back_off(self, seconds: float) -> None:
        """Wait before a failed commit is retried."""
        await asyncio.sleep(seconds)
