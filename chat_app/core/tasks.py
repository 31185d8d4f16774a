"""Retry with back-off, and periodic tasks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from chat_app.core.errors import ChatError
from chat_app.core.logging import log_unexpected_error

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[object]]

logger = logging.getLogger(__name__)


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
    waits = iter(delays)
    while True:
        try:
            return await work()
        except Exception as error:
            if not should_retry(error):
                raise
            delay = next(waits, None)
            if delay is None:
                raise
        await sleep(delay)


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
