"""The clock, retries with back-off, limits of waits, and periodic jobs.

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


class WaitLimit:
    """Limits many short waits of a task, as `asyncio.timeout_at` does, with one timer for them.

    A timer for each token of an answer would cost a tenth of the token. Only one wait at a time.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._deadline = 0.0
        self._cancelling = 0
        self._is_expired = False

    def until(self, deadline: float) -> "WaitLimit":
        """A context manager around one wait.

        Args:
            deadline: The time of the event loop at which the wait raises `TimeoutError`.
        """
        self._deadline = deadline
        return self

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task()
        assert task is not None, "a wait belongs to a task"
        self._cancelling = task.cancelling()
        self._is_expired = False
        if self._timer is None or self._timer.when() > self._deadline:
            self.close()
            self._timer = self._loop.call_at(self._deadline, self._check)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object
    ) -> None:
        task, self._task = self._task, None
        assert task is not None
        if (
            self._is_expired
            and task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    def _check(self) -> None:
        self._timer = None
        if self._task is None:
            return  # the next wait sets a timer
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check)
        else:
            self._is_expired = True
            self._task.cancel()


async def every(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    """Run a job at once, then periodically. A failure is logged; the next round tries again."""
    while True:
        await attempt(job)
        await asyncio.sleep(seconds)


async def attempt(job: Callable[[], Awaitable[object]]) -> None:
    """Run a job of which the next round tries again what fails. A failure is logged."""
    try:
        await job()
    except ChatError as error:
        logger.warning("A background job failed and will be retried: %s", error.message)
    except Exception as error:  # what comes after it must survive any failure
        log_unexpected_error(error, "background job")
