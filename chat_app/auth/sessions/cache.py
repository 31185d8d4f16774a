"""Who a session belonged to a moment ago: a tab that streams sends many events a second."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chat_app.auth.principal import Principal

CACHED_FOR = timedelta(seconds=5)
"""How long an answer may be given again; the bus cuts it short."""

_CACHE_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class _Seen:
    principal: Principal
    at: datetime
    expires_at: datetime


class PrincipalCache:
    """The last answers, by session."""

    def __init__(self) -> None:
        self._seen: dict[UUID, _Seen] = {}

    def get(self, session_id: UUID, now: datetime) -> Principal | None:
        """The answer, if it is young enough, and no younger than the clock says it can be."""
        seen = self._seen.get(session_id)
        if seen and seen.at <= now < min(seen.at + CACHED_FOR, seen.expires_at):
            return seen.principal
        return None

    def keep(self, principal: Principal, now: datetime, expires_at: datetime) -> None:
        """Remember an answer."""
        if len(self._seen) >= _CACHE_SIZE:
            self._seen.clear()
        self._seen[principal.credential_id] = _Seen(principal, now, expires_at)

    def drop(self, session_id: UUID | None) -> None:
        """Forget a session's."""
        if session_id is not None:
            self._seen.pop(session_id, None)


_REMEMBERED = timedelta(minutes=1)
"""Longer than an answer that says who is signed in can be under way."""


class ReplacedTokens:
    """Marks of the tokens that were replaced within the last minute."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}

    def note(self, mark: str, now: datetime) -> None:
        """Remember one. Call before the replacement is committed."""
        young = now - _REMEMBERED
        self._at = {one: at for one, at in self._at.items() if at > young}
        self._at[mark] = now

    def has(self, mark: str, now: datetime) -> bool:
        """Whether it is one of them."""
        at = self._at.get(mark)
        return at is not None and at > now - _REMEMBERED
