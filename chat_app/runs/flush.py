"""How often the log is committed, which is how often readers are shown something.

The first token goes at once. After it a 60 Hz page cannot show pushes finer than 16.7 ms, a fast
stream reads as well at half that rate, and what a push costs does not depend on the text in it: so
an event loop that has much to do pushes less often, before it is late.
"""

import asyncio
import time

FRAME = 1 / 60
"""Seconds between two commits of a stream at reading speed."""
FAST_FRAME = 1 / 30
"""The same for a stream faster than `FAST_RATE`."""
STRAINED_FRAME = 0.05
"""The same while the event loop is later than `LATE`."""
FAST_RATE = 100.0
"""Deltas per second."""
LATE = 0.02
"""Seconds."""
_LOOK_SECONDS = 0.1
SPARE = 0.4
"""The share of its time that an event loop keeps free by pushing less often."""


def flush_interval(rate: float, late: float, busy: float = 0.0) -> float:
    """Seconds to leave between two commits of one run.

    Args:
        rate: The deltas its model sends per second.
        late: How late the event loop is, in seconds.
        busy: The share of its time in which the event loop works, 0 to 1.
    """
    if late > LATE:
        return STRAINED_FRAME
    return max(FAST_FRAME if rate > FAST_RATE else FRAME, _frame_when(busy))


def _frame_when(busy: float) -> float:
    """From `FRAME` when there is just enough to spare to `STRAINED_FRAME` when nothing is."""
    taken = max(0.0, busy - 1 + SPARE) / SPARE
    return FRAME + (STRAINED_FRAME - FRAME) * taken


class FlushThrottle:
    """The writer's clock. Used by one event loop, in its thread."""

    def __init__(self) -> None:
        self._looked = time.monotonic()
        self._worked = time.thread_time()
        self._busy = 0.0

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    def busy(self) -> float:
        """The share of its time in which the event loop worked lately, 0 to 1."""
        now = time.monotonic()
        elapsed = now - self._looked
        if elapsed >= _LOOK_SECONDS:
            worked = time.thread_time()
            share = (worked - self._worked) / elapsed
            self._looked, self._worked = now, worked
            self._busy = min(1.0, 0.5 * self._busy + 0.5 * share)
        return self._busy

    async def rest(self, seconds: float, hurry: asyncio.Event) -> float:
        """Wait, unless there is a hurry.

        Args:
            seconds: How long.
            hurry: Ends the wait early.

        Returns:
            How much later than asked it ended, in seconds.
        """
        until = self.now() + seconds
        try:
            async with asyncio.timeout(seconds):
                await hurry.wait()
        except TimeoutError:
            return max(0.0, self.now() - until)
        return 0.0

    async def back_off(self, seconds: float) -> None:
        """Wait before a failed commit is tried again."""
        await asyncio.sleep(seconds)
