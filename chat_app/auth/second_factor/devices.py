"""Browsers that need not show the second factor for a while."""

import secrets
from datetime import timedelta
from uuid import UUID

from sqlmodel import col, delete, select

from chat_app.auth.admission import device_hash
from chat_app.auth.device import clean
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.system import SystemSession
from chat_app.db.tables import RememberedDevice
from chat_app.settings import Settings


class Devices:
    """Remembers and forgets browsers.

    Args:
        db: Where the hashes of their tokens are kept.
        settings: For how long, or not at all.
        clock: The time.
    """

    def __init__(self, db: Database, settings: Settings, clock: Clock) -> None:
        self._db = db
        self._lasts = timedelta(days=settings.remember_device_days)
        self._clock = clock

    @property
    def max_age(self) -> int:
        """For how many seconds a browser is remembered; 0 is not at all."""
        return int(self._lasts.total_seconds())

    async def remember(self, user_id: UUID, user_agent: str) -> str:
        """A token for a browser in which somebody has just shown the second factor.

        Args:
            user_id: The person.
            user_agent: The browser's own name.
        """
        token, now = secrets.token_urlsafe(32), self._clock()
        row = RememberedDevice(
            user_id=user_id,
            token_hash=device_hash(token),
            user_agent=clean(user_agent),
            created_at=now,
            expires_at=now + self._lasts,
        )
        async with self._db.system("auth", write=True) as session:
            session.add(row)
        return token

    async def purge(self) -> None:
        """Remove those whose time is over."""
        over = col(RememberedDevice.expires_at) <= self._clock()
        async with self._db.system("sweep") as session:
            some = await session.exec(select(RememberedDevice.id).where(over).limit(1))
            if some.first() is None:
                return
        async with self._db.system("sweep", write=True) as session:
            await session.exec(delete(RememberedDevice).where(over))


async def forget_devices(session: SystemSession, user_id: UUID) -> None:
    """Make every browser of a person show the second factor again, in the caller's transaction."""
    await session.exec(delete(RememberedDevice).where(col(RememberedDevice.user_id) == user_id))
