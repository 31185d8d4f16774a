"""The cache of resolved sessions and API keys: a few seconds, dropped by a signal.

A credential is dropped when it ends, and all those of a user when the user's roles change.

An entry is as old as the moment at which its lookup began. So a signal that arrives while the
database is being asked drops what it will answer, too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from cachetools import LRUCache, TTLCache

from chat_app.auth.principal import Principal
from chat_app.core.crypto import hash_token

CACHE_SECONDS = 5
"""How long a credential is cached at the most."""
_ENTRIES = 10_000


class Resolved(Protocol):
    """What a credential proves."""

    @property
    def principal(self) -> Principal:
        """The user and the credential."""
        ...


_ResolvedT = TypeVar("_ResolvedT", bound=Resolved)


@dataclass(frozen=True, slots=True)
class _Entry(Generic[_ResolvedT]):
    resolved: _ResolvedT
    number: int
    since: datetime
    until: datetime


class CredentialCache(Generic[_ResolvedT]):
    """Resolved credentials by their token, of which only a hash is kept.

    Args:
        seconds: The current time, in seconds since the epoch.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._entries: LRUCache[str, _Entry[_ResolvedT]] = LRUCache(_ENTRIES)
        self._dropped: TTLCache[UUID, int] = TTLCache(math.inf, 2 * CACHE_SECONDS, timer=seconds)
        self._numbers = count()

    def begin(self) -> int:
        """The number of a lookup that begins now, for `put`."""
        return next(self._numbers)

    def get(self, token: str, now: datetime) -> _ResolvedT | None:
        """What a token proves, if it is cached and nothing has dropped it."""
        entry = self._entries.get(hash_token(token))
        if entry is None or not entry.since <= now < entry.until:  # the clock may be set back
            return None
        principal = entry.resolved.principal
        ids = principal.credential_id, principal.user_id
        dropped = any(self.was_dropped(one, entry.number) for one in ids)
        return None if dropped else entry.resolved

    def put(
        self, token: str, resolved: _ResolvedT, *, number: int, now: datetime, until: datetime
    ) -> None:
        """Cache a credential.

        Args:
            token: Its token.
            resolved: What it proves.
            number: What `begin` returned before the database was asked.
            now: The time at which it was asked.
            until: When the entry must be looked up again at the latest; its expiry or earlier.
        """
        until = min(until, now + timedelta(seconds=CACHE_SECONDS))
        self._entries[hash_token(token)] = _Entry(resolved, number, now, until)

    def drop(self, id: UUID) -> None:
        """Forget a credential, whatever its token, or all of a user.

        Args:
            id: The credential or the user.
        """
        self._dropped[id] = next(self._numbers)

    def was_dropped(self, id: UUID, number: int) -> bool:
        """Whether a credential or a user was dropped after the lookup with this number began."""
        return self._dropped.get(id, -1) >= number
