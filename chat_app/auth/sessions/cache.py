"""The cache of resolved sessions: a few seconds, never past their expiry, dropped by a signal.

An entry is as old as the moment at which its lookup began. So a signal that arrives while the
database is being asked drops what it will answer, too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from cachetools import LRUCache, TTLCache

from chat_app.auth.sessions.models import ResolvedSession
from chat_app.core.crypto import hash_token

CACHE_SECONDS = 5
"""How long a session is cached at the most."""
_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class _Entry:
    resolved: ResolvedSession
    number: int
    since: datetime
    until: datetime


class SessionCache:
    """Resolved sessions by their token, of which only a hash is kept.

    Args:
        seconds: The current time, in seconds since the epoch.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._entries: LRUCache[str, _Entry] = LRUCache(_ENTRIES)
        self._dropped: TTLCache[UUID, int] = TTLCache(math.inf, 2 * CACHE_SECONDS, timer=seconds)
        self._numbers = count()

    def begin(self) -> int:
        """The number of a lookup that begins now, for `put`."""
        return next(self._numbers)

    def get(self, token: str, now: datetime) -> ResolvedSession | None:
        """The session of a token, if it is cached and nothing has dropped it."""
        entry = self._entries.get(hash_token(token))
        if entry is None or not entry.since <= now < entry.until:  # the clock may be set back
            return None
        session_id = entry.resolved.principal.credential_id
        return entry.resolved if self._dropped.get(session_id, -1) < entry.number else None

    def put(
        self, token: str, resolved: ResolvedSession, *, number: int, now: datetime, until: datetime
    ) -> None:
        """Cache a session.

        Args:
            token: Its token.
            resolved: What it proves.
            number: What `begin` returned before the database was asked.
            now: The time at which it was asked.
            until: When the entry must be looked up again at the latest.
        """
        until = min(until, resolved.expires_at, now + timedelta(seconds=CACHE_SECONDS))
        self._entries[hash_token(token)] = _Entry(resolved, number, now, until)

    def drop(self, session_id: UUID) -> None:
        """Forget a session, whatever its token."""
        self._dropped[session_id] = next(self._numbers)
