"""Sessions whose token is 256 random bits: the row that has their SHA-256 says the rest."""

import hashlib
import re
import secrets
from datetime import datetime
from functools import partial

from sqlmodel import col

from chat_app.auth.session_views import Resolved
from chat_app.auth.strategies.records import Records
from chat_app.db.tables import AuthSession, User

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class RowSessions(Records):
    """The default strategy: every request looks at the session's row."""

    async def resolve(self, token: str) -> Resolved | None:
        """Who a token belongs to, or None when it proves nothing (any more). Counts as use."""
        if not _TOKEN.fullmatch(token):
            return None
        return await self._undisturbed(partial(self._look, token))

    async def _look(self, token: str) -> Resolved | None:
        found = await self._find(col(AuthSession.token_hash) == _digest(token))
        return None if found is None else await self._resolved(*found)

    def _stamp(self, row: AuthSession, user: User, now: datetime) -> str:
        token = secrets.token_urlsafe(32)
        row.token_hash = _digest(token)
        return token

    def _mark(self, row: AuthSession) -> str:
        return row.token_hash

    def _mark_of(self, token: str) -> str | None:
        return _digest(token) if _TOKEN.fullmatch(token) else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
