"""How often the log is committed, which is how often readers are shown something.

The first token goes at once. After it a 60 Hz page cannot show pushes finer than 16.7 ms, a fast
stream reads as well at half that rate, and a strained event loop gains more from fewer wake-ups.
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


def interval(rate: float, late: float) -> float:
    """Seconds to leave between two commits of one run.

    Args:
        rate: The deltas its model sends per second.
        late: How late the event loop is, in seconds.
    """
    if late > LATE:
        return STRAINED_FRAME
    return FAST_FRAME if rate > FAST_RATE else FRAME


class Pace:
    """The writer's clock."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

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
