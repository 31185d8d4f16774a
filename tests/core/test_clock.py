"""Retries with back-off, and periodic jobs."""

import asyncio
import logging

import pytest

from chat_app.core.clock import every, retry
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
