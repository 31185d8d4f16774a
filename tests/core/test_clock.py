"""Retries with back-off, limits of many waits, and periodic jobs."""

import asyncio
import logging
from typing import Any

import pytest

from chat_app.core.clock import WaitLimit, every, retry
from chat_app.core.errors import Unavailable


class Job:
    """Raises the given errors, then succeeds; records the waits between attempts."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.waits: list[float] = []

    async def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


async def test_a_retry_waits_before_each_further_attempt() -> None:
    job = Job(OSError(), OSError())
    assert await retry(job, (1, 2, 3), should_retry=lambda _: True, sleep=job.sleep) == "done"
    assert job.waits == [1, 2]


async def test_the_last_error_is_raised_when_the_delays_run_out() -> None:
    job = Job(OSError("first"), OSError("last"), OSError("never"))
    with pytest.raises(OSError, match="last"):
        await retry(job, (1,), should_retry=lambda _: True, sleep=job.sleep)


async def test_an_error_that_should_not_be_retried_is_raised_at_once() -> None:
    job = Job(LookupError(), OSError())
    with pytest.raises(LookupError):
        await retry(
            job, (1,), should_retry=lambda error: isinstance(error, OSError), sleep=job.sleep
        )
    assert job.waits == []


async def test_a_periodic_job_survives_its_errors(caplog: pytest.LogCaptureFixture) -> None:
    job, finished = Job(Unavailable("Not now."), LookupError("secret")), asyncio.Event()

    async def run() -> None:
        await job()
        finished.set()

    with caplog.at_level(logging.WARNING):
        task = asyncio.create_task(every(0, run))
        await asyncio.wait_for(finished.wait(), 15)
    task.cancel()
    assert "Not now." in caplog.text
    assert "secret" not in caplog.text


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_wait_beyond_its_deadline_times_out() -> None:
    limit = WaitLimit()
    now = asyncio.get_running_loop().time
    for _ in range(2):
        with pytest.raises(TimeoutError), limit.until(now()):
            await _for_ever()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    limit.close()


async def test_many_waits_share_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    call_at, timers = loop.call_at, list[float]()

    def counted(when: float, *rest: Any, **more: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *rest, **more)

    monkeypatch.setattr(loop, "call_at", counted)
    limit, start = WaitLimit(), loop.time()
    for second in range(100):
        with limit.until(start + 3_600 + second):
            pass
    assert timers == [start + 3_600]
    with limit.until(start + 1_800):
        pass
    assert timers == [start + 3_600, start + 1_800], "a nearer deadline needs a nearer timer"
    limit.close()


async def test_a_later_deadline_is_waited_for_though_the_timer_was_set_for_an_earlier() -> None:
    loop = asyncio.get_running_loop()
    limit, done = WaitLimit(), asyncio.Event()
    with limit.until(loop.time()):
        pass  # its timer goes off during the next wait
    loop.call_later(0.01, done.set)
    with limit.until(loop.time() + 3_600):
        await done.wait()
    limit.close()


async def test_a_cancellation_from_outside_is_no_timeout() -> None:
    limit = WaitLimit()

    async def wait() -> None:
        with limit.until(asyncio.get_running_loop().time() + 3_600):
            await _for_ever()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    limit.close()
