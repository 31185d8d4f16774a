"""Devices: their names from the User-Agent header, and those remembered after two factors."""

import re
from datetime import timedelta
from uuid import UUID

from sqlmodel import col, delete

from chat_app.core.clock import Clock
from chat_app.core.crypto import hash_token, new_token
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import RememberedDevice
from chat_app.settings import Settings

USER_AGENT_MAX_LENGTH = 200

# Order matters: each of these also claims to be one of the later ones.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def device_label(user_agent: str) -> str:
    """For example `Firefox on Linux`; `Unknown device` when nothing is recognised."""
    browser = next((name for product, name in _BROWSERS if product in user_agent), "")
    system = next((name for token, name in _SYSTEMS if token in user_agent), "")
    return " on ".join(part for part in (browser, system) if part) or "Unknown device"


def clean_user_agent(user_agent: str) -> str:
    """A User-Agent to store: printable ASCII, at most 200 characters."""
    return re.sub(r"[^ -~]", "", user_agent)[:USER_AGENT_MAX_LENGTH]


class RememberedDevices:
    """Remembers devices that need no second factor.

    Args:
        db: Stores the hashes of their tokens.
        settings: For how long.
        clock: The time.
    """

    def __init__(self, db: Database, settings: Settings, clock: Clock) -> None:
        self._db = db
        self._lifetime = timedelta(days=settings.remember_device_days)
        self._clock = clock

    @property
    def max_age(self) -> int:
        """For how many seconds a device is remembered; 0 disables it."""
        return int(self._lifetime.total_seconds())

    async def remember(self, user_id: UUID, user_agent: str) -> str:
        """Create the token of a device on which the second factor was just checked."""
        token, now = new_token(), self._clock()
        row = RememberedDevice(
            user_id=user_id,
            token_hash=hash_token(token),
            user_agent=clean_user_agent(user_agent),
            created_at=now,
            expires_at=now + self._lifetime,
        )
        async with self._db.system("auth", write=True) as session:
            session.add(row)
        return token


async def forget_devices(session: SystemSession, user_id: UUID) -> None:
    """Delete a user's remembered devices in the caller's transaction."""
    await session.exec(delete(RememberedDevice).where(col(RememberedDevice.user_id) == user_id))
