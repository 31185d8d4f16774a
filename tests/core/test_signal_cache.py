"""A cached value: when it is read, and by whom."""

import asyncio

import pytest

from chat_app.core.signal_cache import SignalCache
from chat_app.core.signals import ANNOUNCEMENTS, MODEL_RULES, Bus, Signal


class Source:
    """What is read: how often it was, each time when the test lets it go on."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.time = 100.0
        self.reads = 0
        self.fails = False
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.cache = SignalCache(self.bus, MODEL_RULES, self.read, seconds=5, now=lambda: self.time)

    async def read(self) -> int:
        self.reads += 1
        number = self.reads
        self.has_begun.set()
        await self.may_end.wait()
        if self.fails:
            raise OSError
        return number

    def tell(self, topic: str = MODEL_RULES) -> None:
        self.bus.publish(topic, Signal("model_rules"))

    async def ask(self, count: int) -> list[asyncio.Task[int]]:
        """Callers that all wait for a read that does not end yet."""
        self.may_end.clear()
        self.has_begun.clear()
        tasks = [asyncio.create_task(self.cache.get()) for _ in range(count)]
        await self.has_begun.wait()
        return tasks


async def test_it_is_read_when_it_has_expired_and_after_a_signal() -> None:
    source = Source()
    assert [await source.cache.get() for _ in range(3)] == [1, 1, 1]
    source.time += 4.9
    assert await source.cache.get() == 1
    source.time += 0.1
    assert await source.cache.get() == 2
    source.tell(ANNOUNCEMENTS)
    assert await source.cache.get() == 2
    source.tell()
    assert await source.cache.get() == 3
    source.time -= 1  # the clock is set back
    assert await source.cache.get() == 4


async def test_a_hundred_callers_at_once_read_it_once() -> None:
    source = Source()
    tasks = await source.ask(100)
    source.may_end.set()
    assert set(await asyncio.gather(*tasks)) == {1}
    assert source.reads == 1


async def test_what_was_read_before_a_signal_is_not_kept() -> None:
    source = Source()
    tasks = await source.ask(3)
    source.tell()
    source.may_end.set()
    assert sorted(await asyncio.gather(*tasks)) == [1, 2, 2]
    assert await source.cache.get() == 2


@pytest.mark.parametrize("end", ["error", "cancelled"])
async def test_a_read_that_fails_leaves_the_next_caller_to_read(end: str) -> None:
    source = Source()
    (task,) = await source.ask(1)
    source.fails = end == "error"
    if end == "cancelled":
        task.cancel()
    source.may_end.set()
    with pytest.raises((OSError, asyncio.CancelledError)):
        await task
    source.fails = False
    assert await source.cache.get() == 2
