"""The clock, retries with back-off, and periodic jobs.

Time and sleep are arguments, so that tests need neither sleeping nor patching.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import TypeVar

from chat_app.core.errors import ChatError
from chat_app.core.logging import log_unexpected_error

T = TypeVar("T")
Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[object]]

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


async def retry(
    work: Callable[[], Awaitable[T]],
    delays: Iterable[float],
    *,
    should_retry: Callable[[Exception], bool],
    sleep: Sleep = asyncio.sleep,
) -> T:
    """Await `work()` until it succeeds.

    Args:
        work: Called once per attempt.
        delays: Seconds before each further attempt; when they run out, the last error is raised.
        should_retry: Called with every error; False raises it at once.
        sleep: Waits so many seconds; tests pass one that does not.
    """
    for delay in chain(delays, [None]):
        try:
            return await work()
        except Exception as error:
            if delay is None or not should_retry(error):
                raise
        await sleep(delay)
    raise AssertionError("unreachable: the last attempt returns or raises")


async def every(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    """Run a job at once, then periodically. A failure is logged; the next round tries again."""
    while True:
        try:
            await job()
        except ChatError as error:
            logger.warning("A background job failed and will be retried: %s", error.message)
        except Exception as error:  # the loop must survive any failure of a job
            log_unexpected_error(error, "background job")
        await asyncio.sleep(seconds)
