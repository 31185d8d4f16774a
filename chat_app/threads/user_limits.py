"""What one user may store, and how often: messages and threads per minute, bytes in total."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

from limits import parse

from chat_app.core.errors import ChatError, RateLimited, TooLarge, wait_phrase
from chat_app.core.rate_limit import Budget, RateLimiter
from chat_app.db.prepared import Transaction
from chat_app.db.scoped_session import ScopedSession
from chat_app.db.statements import STORED_BYTES
from chat_app.settings import Settings

ROW_BYTES = 1_000
"""What a thread or a message counts besides its text: its rows and their indexes."""


class StorageFull(TooLarge):
    """The user stores as much as one user may."""

    code = "storage_full"


def stored_bytes(transaction: Transaction) -> int:
    """The size of everything that a user stores.

    Deleted threads are included, and those in organisations that the user has left.

    Args:
        transaction: A transaction restricted to the user.
    """
    row = transaction.first(STORED_BYTES, row_bytes=ROW_BYTES)
    assert row is not None
    return row[0]


class MessageAdmission:
    """Admits one message of a user within its transaction.

    Args:
        admit: Checks the bytes.
        error: Why it is refused, if too many were sent.

    Attributes:
        is_counted: Whether nothing has refused the message.
    """

    def __init__(self, admit: Callable[[Transaction, int], None], error: ChatError | None) -> None:
        self.is_counted = False
        self._admit = admit
        self._error = error

    def admit(self, transaction: Transaction, size: int) -> None:
        """Admit the message and its answer.

        Args:
            transaction: The transaction, restricted to the user.
            size: The message, in bytes; 0 when only an answer is added.

        Raises:
            RateLimited: The user has sent too many.
            StorageFull: The message does not fit.
        """
        if self._error is not None:
            raise self._error
        self._admit(transaction, size)
        self.is_counted = True


class UserLimits:
    """Admits what users store, within the transaction that stores it.

    The stored bytes are counted again only when a user may have used up what was left the last
    time. An answer is admitted with its message, so a user can exceed the limit by the answers that
    are running.

    Args:
        settings: The limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._messages = parse(settings.limit_messages)
        self._threads = parse(settings.limit_threads)
        self._message_rate = RateLimiter(partial(_too_many, "messages"))
        self._thread_rate = RateLimiter(partial(_too_many, "new chats"))
        self._left: dict[UUID, int] = {}

    @asynccontextmanager
    async def message(self, user_id: UUID) -> AsyncIterator["MessageAdmission"]:
        """Around the transaction that stores a message of a user and its answer.

        The message is counted before the transaction begins, since its rows are written in another
        thread; the count is undone when the message is refused or was sent before.

        Args:
            user_id: The user.
        """
        budget = Budget(self._messages, (str(user_id),))
        exhausted = await self._message_rate.reserve(budget)
        error = None if exhausted is None else await self._message_rate.error_of(exhausted)
        admission = MessageAdmission(partial(self._admit_message, user_id), error)
        try:
            yield admission
        finally:
            if error is None and not admission.is_counted:
                await self._message_rate.release(budget)

    def _admit_message(self, user_id: UUID, transaction: Transaction, size: int) -> None:
        size += ROW_BYTES * 3
        most = size + self._settings.answer_bytes
        if self._left.get(user_id, 0) < most:
            self._count_left(user_id, stored_bytes(transaction), size)
        self._left[user_id] -= most

    @asynccontextmanager
    async def call(self, user_id: UUID) -> AsyncIterator[None]:
        """Around a call of a model that stores no message; it counts like a message.

        Raises:
            RateLimited: The user has sent too many.
        """
        async with self._message_rate.attempt(Budget(self._messages, (str(user_id),))):
            yield

    async def admit_thread(self, session: ScopedSession, user_id: UUID) -> None:
        """Admit an empty thread of a user.

        Raises:
            RateLimited: The user has created too many.
            StorageFull: It does not fit.
        """
        async with _counted(self._thread_rate, Budget(self._threads, (str(user_id),))):
            if self._left.get(user_id, 0) < ROW_BYTES:
                self._count_left(user_id, await session.execute_prepared(stored_bytes), ROW_BYTES)
            self._left[user_id] -= ROW_BYTES

    async def admit_message(self, session: ScopedSession, user_id: UUID, size: int) -> None:
        """Admit a message that a client appends, in bytes.

        Raises:
            RateLimited: The user has sent too many.
            StorageFull: It does not fit.
        """
        size += ROW_BYTES
        async with _counted(self._message_rate, Budget(self._messages, (str(user_id),))):
            if self._left.get(user_id, 0) < size:
                self._count_left(user_id, await session.execute_prepared(stored_bytes), size)
            self._left[user_id] -= size

    def _count_left(self, user_id: UUID, stored: int, size: int) -> None:
        left = self._settings.stored_bytes_per_user - stored
        if left < size:
            raise StorageFull(self._full)
        self._left[user_id] = left

    @property
    def _full(self) -> str:
        megabytes = self._settings.stored_bytes_per_user / 1e6
        days = self._settings.deleted_days
        return (
            f"Your chats fill the {megabytes:,.0f} MB that this server keeps for each user. Delete "
            f"chats to make room; it is free when they are removed for good, after {days} days."
        )


@asynccontextmanager
async def _counted(limiter: RateLimiter, budget: Budget) -> AsyncIterator[None]:
    """Around storing something, which counts unless it does not fit."""
    async with limiter.attempt(budget):
        try:
            yield
        except StorageFull:
            await limiter.release(budget)
            raise


def _too_many(what: str, seconds: int) -> RateLimited:
    return RateLimited(f"Too many {what}. Try again {wait_phrase(seconds)}.", seconds)
