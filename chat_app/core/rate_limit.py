"""Rate limits that reserve an attempt before it is made and release it when it shall not count.

Reserving first means that concurrent attempts get no further than sequential ones. The limit of
one socket, which is checked for every event, is a `TokenBucket`.
"""

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from chat_app.core.errors import ChatError


@dataclass(frozen=True, slots=True)
class Budget:
    """What one attempt is counted against.

    Args:
        rate: How many attempts per period.
        key: Whose attempts, for example a kind and a client network.
    """

    rate: RateLimitItem
    key: tuple[str, ...]


class RateLimiter:
    """Counts attempts against budgets, in memory.

    Args:
        error: Makes the error for a budget that is used up, from the seconds until it is not.
    """

    def __init__(self, error: Callable[[int], ChatError]) -> None:
        self._error = error
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)

    async def check(self, budgets: Sequence[Budget]) -> None:
        """Raise the error when a budget is used up; reserve nothing."""
        for budget in budgets:
            if not await self._limiter.test(budget.rate, *budget.key):
                raise await self._exhausted(budget)

    @asynccontextmanager
    async def attempt(
        self, *budgets: Budget, release_on_success: bool = False
    ) -> AsyncIterator[None]:
        """Around one attempt, which is counted against every budget or none.

        Args:
            budgets: What it is counted against.
            release_on_success: Whether only failures count.
        """
        for position, budget in enumerate(budgets):
            if not await self._limiter.hit(budget.rate, *budget.key):
                await self._release(budgets[: position + 1])
                raise await self._exhausted(budget)
        async with releasing(lambda: self._release(budgets), on_success=release_on_success):
            yield

    async def _release(self, budgets: Sequence[Budget]) -> None:
        for budget in budgets:
            await self._storage.decr(budget.rate.key_for(*budget.key))

    async def _exhausted(self, budget: Budget) -> ChatError:
        # The library counts by the system's clock, so the rest is measured with it too.
        window = await self._limiter.get_window_stats(budget.rate, *budget.key)
        return self._error(max(1, math.ceil(window.reset_time - time.time())))


@asynccontextmanager
async def releasing(
    release: Callable[[], Awaitable[None]], *, on_success: bool = False
) -> AsyncIterator[None]:
    """Around an attempt that was reserved: release it when this server fails.

    A client error and a cancelled attempt stay counted.

    Args:
        release: Undoes the reservation.
        on_success: Whether a successful attempt is released too.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, ChatError) or error.status >= 500:
            await release()
        raise
    if on_success:
        await release()


class TokenBucket:
    """The rate limit of one connection: a burst, then a steady rate.

    Args:
        rate: Events per second in the long run.
        burst: Events at once.
        now: The current time in seconds, of a monotonic clock.
    """

    __slots__ = ("_burst", "_level", "_rate", "_updated")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._level = self._burst
        self._updated = now

    def take(self, now: float) -> bool:
        """Take one token; False when there is none."""
        self._level = min(self._burst, self._level + (now - self._updated) * self._rate)
        self._updated = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
