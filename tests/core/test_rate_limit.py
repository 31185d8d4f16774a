"""The counters of rate limits, by the clock of the program."""

from limits import parse

from chat_app.auth.errors import TooManyAttempts
from chat_app.core.rate_limit import Budget, MemoryCounters, RateLimiter
from testing.auth_services import Time


async def test_a_window_begins_with_its_first_attempt_and_ends_by_the_clock() -> None:
    time = Time()
    limiter = RateLimiter(TooManyAttempts, time)
    budget = Budget(parse("2/15 minutes"), ("who",))
    assert await limiter.reserve(budget) is None
    time.passes(minutes=14)
    assert [await limiter.reserve(budget) for _ in range(2)] == [None, budget]
    time.passes(minutes=1)
    assert await limiter.count(budget) == 0
    assert await limiter.reserve(budget) is None


async def test_a_budget_that_only_counts_refuses_nothing_and_knows_by_how_much() -> None:
    limiter = RateLimiter(TooManyAttempts, Time())
    counted = Budget(parse("2/hour"), ("client",), refuses=False)
    refusing = Budget(parse("3/hour"), ("account",))
    answers = [await limiter.reserve(counted, refusing) for _ in range(5)]
    assert answers == [None] * 3 + [refusing] * 2
    assert await limiter.count(counted) == 3


async def test_counters_that_expired_take_no_memory_and_no_time() -> None:
    time = Time()
    counters = MemoryCounters(time)
    for number in range(5_000):
        await counters.incr(f"invented {number}", 3_600)
    time.passes(hours=1)
    await counters.incr("one more", 3_600)
    for number in range(5_000):
        assert await counters.get(f"invented {number}") == 0
        await counters.incr(f"later {number}", 3_600)
    assert await counters.reset() == 5_001


async def test_what_is_released_is_not_kept() -> None:
    counters = MemoryCounters(Time())
    await counters.incr("who", 3_600)
    assert await counters.decr("who") == 0
    assert await counters.decr("nobody") == 0
    assert await counters.reset() == 0
