"""Who a session belonged to a moment ago: a tab that streams sends many events a second."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chat_app.auth.principal import Principal

CACHED_FOR = timedelta(seconds=5)
"""How long an answer may be given again; the bus cuts it short."""

_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class _Seen:
    principal: Principal
    at: datetime
    expires_at: datetime


class Recent:
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
        if len(self._seen) >= _SIZE:
            self._seen.clear()
        self._seen[principal.session_id] = _Seen(principal, now, expires_at)

    def drop(self, session_id: UUID | None) -> None:
        """Forget a session's."""
        if session_id is not None:
            self._seen.pop(session_id, None)
