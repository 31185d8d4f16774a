"""What one user may store, and how often: messages and threads per minute, bytes in total."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

from limits import parse
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import RateLimited, TooLarge, wait_phrase
from chat_app.core.rate_limit import Budget, RateLimiter
from chat_app.db.tables import Message, Thread
from chat_app.settings import Settings

ROW_BYTES = 1_000
"""What a thread or a message counts besides its text: its rows and their indexes."""


class StorageFull(TooLarge):
    """The user stores as much as one user may."""

    code = "storage_full"


async def stored_bytes(session: AsyncSession) -> int:
    """The size of everything that a user stores, deleted threads included.

    Args:
        session: A session scoped to the user.
    """
    sizes = select(func.count(), func.coalesce(func.sum(col(Message.size)), 0))
    messages, size = (await session.exec(sizes.select_from(Message))).one()
    threads = (await session.exec(select(func.count()).select_from(Thread))).one()
    return size + ROW_BYTES * (messages + threads)


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

    async def admit_message(self, session: AsyncSession, user_id: UUID, size: int) -> None:
        """Admit a message of a user and its answer.

        Args:
            session: The transaction, scoped to the user.
            user_id: The user.
            size: The message, in bytes; 0 when only an answer is added.

        Raises:
            RateLimited: The user has sent too many.
            StorageFull: The message does not fit.
        """
        size += ROW_BYTES * 3
        async with _counted(self._message_rate, Budget(self._messages, (str(user_id),))):
            await self._admit(session, user_id, size, size + self._settings.answer_bytes)

    async def admit_thread(self, session: AsyncSession, user_id: UUID) -> None:
        """Admit an empty thread of a user.

        Raises:
            RateLimited: The user has created too many.
            StorageFull: It does not fit.
        """
        async with _counted(self._thread_rate, Budget(self._threads, (str(user_id),))):
            await self._admit(session, user_id, ROW_BYTES, ROW_BYTES)

    async def _admit(self, session: AsyncSession, user_id: UUID, size: int, most: int) -> None:
        left = self._left.get(user_id, 0)
        if left < most:
            left = self._settings.stored_bytes_per_user - await stored_bytes(session)
            if left < size:
                raise StorageFull(self._full)
        self._left[user_id] = left - most

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
