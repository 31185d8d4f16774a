"""Rate limits that reserve an attempt before it is made and release it when it shall not count.

Reserving first means that concurrent attempts get no further than sequential ones. The limit of
one socket, which is checked for every event, is a `TokenBucket`.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from limits import RateLimitItem
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter

from chat_app.core.clock import Clock, utc_now
from chat_app.core.errors import ChatError

_FIRST_PURGE = 1_024
"""Counters that are kept before the expired ones are looked for."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one attempt is counted against.

    Args:
        rate: How many attempts per period.
        key: Whose attempts, for example a kind and a client network.
        error: Makes the error when it is used up, from the seconds until it is not; None for the
            limiter's.
        refuses: Whether an attempt beyond it is refused; if not, it is only counted.
    """

    rate: RateLimitItem
    key: tuple[str, ...]
    error: Callable[[int], ChatError] | None = None
    refuses: bool = True


class MemoryCounters(Storage):
    """Counters in memory that expire by the clock of the program.

    The memory storage of `limits` reads the system's clock, and goes through all of its counters at
    every attempt, so that many of them would slow everything down.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._counters: dict[str, tuple[int, float]] = {}
        self._purge_at = _FIRST_PURGE

    @property
    def base_exceptions(self) -> type[Exception]:
        """The errors of this storage: there are none."""
        return ValueError

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, and return the count; the first one starts the window."""
        now = self._clock().timestamp()
        count, expires_at = self._counters.get(key, (0, 0.0))
        if expires_at <= now:
            self._purge(now)
            count, expires_at = 0, now + expiry
        self._counters[key] = count + amount, expires_at
        return count + amount

    async def decr(self, key: str, amount: int = 1) -> int:
        """Undo counting, and return the count; the window ends with the last one."""
        count, expires_at = self._counters.pop(key, (0, 0.0))
        if count > amount and expires_at > self._clock().timestamp():
            self._counters[key] = count - amount, expires_at
        return await self.get(key)

    async def get(self, key: str) -> int:
        """The count in the current window."""
        count, expires_at = self._counters.get(key, (0, 0.0))
        return count if expires_at > self._clock().timestamp() else 0

    async def get_expiry(self, key: str) -> float:
        """The end of the current window, in seconds since the epoch."""
        now = self._clock().timestamp()
        return max(now, self._counters.get(key, (0, now))[1])

    async def check(self) -> bool:
        """Memory is always there."""
        return True

    async def reset(self) -> int:
        """Forget everything; returns how many counters there were."""
        count = len(self._counters)
        self._counters.clear()
        return count

    async def clear(self, key: str) -> None:
        """Forget one counter."""
        self._counters.pop(key, None)

    def _purge(self, now: float) -> None:
        # Only when their number has doubled, so that an attempt costs the same however many there
        # are.
        if len(self._counters) >= self._purge_at:
            self._counters = {k: v for k, v in self._counters.items() if v[1] > now}
            self._purge_at = max(_FIRST_PURGE, 2 * len(self._counters))


class RateLimiter:
    """Counts attempts against budgets, in memory.

    Args:
        error: Makes the error for a budget that is used up, from the seconds until it is not.
        clock: The time.
    """

    def __init__(self, error: Callable[[int], ChatError], clock: Clock = utc_now) -> None:
        self._error = error
        self._clock = clock
        self._storage = MemoryCounters(clock)
        self._limiter = FixedWindowRateLimiter(self._storage)

    async def count(self, budget: Budget) -> int:
        """How many attempts are counted in the current window."""
        return await self._storage.get(budget.rate.key_for(*budget.key))

    async def check(self, budgets: Sequence[Budget]) -> None:
        """Raise the error when a budget is used up; reserve nothing."""
        for budget in budgets:
            if budget.refuses and not await self._limiter.test(budget.rate, *budget.key):
                raise await self.error_of(budget)

    async def reserve(self, *budgets: Budget) -> Budget | None:
        """Count one attempt against every budget, or against none; returns the one used up."""
        for position, budget in enumerate(budgets):
            if not await self._limiter.hit(budget.rate, *budget.key) and budget.refuses:
                await self.release(*budgets[: position + 1])
                return budget
        return None

    async def release(self, *budgets: Budget) -> None:
        """Undo `reserve`."""
        for budget in budgets:
            await self._storage.decr(budget.rate.key_for(*budget.key))

    @asynccontextmanager
    async def attempt(
        self, *budgets: Budget, release_on_success: bool = False
    ) -> AsyncIterator[None]:
        """Around one attempt, which is counted against every budget or none.

        Args:
            budgets: What it is counted against.
            release_on_success: Whether only failures count.
        """
        if exhausted := await self.reserve(*budgets):
            raise await self.error_of(exhausted)
        async with releasing(lambda: self.release(*budgets), on_success=release_on_success):
            yield

    async def error_of(self, budget: Budget) -> ChatError:
        """The error of a budget that is used up."""
        window = await self._limiter.get_window_stats(budget.rate, *budget.key)
        seconds = max(1, math.ceil(window.reset_time - self._clock().timestamp()))
        return (budget.error or self._error)(seconds)


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
