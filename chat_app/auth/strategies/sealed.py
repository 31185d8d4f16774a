"""Sessions whose token carries its own proof: an encrypted JWT (JWE, `dir` + `A256CBC-HS512`).

A copy proves itself for some minutes; one look at the person (enabled, same epoch) and at the
denied sessions is all it takes. The record is believed too wherever there is one: it can end a
copy early, and only it can renew one. So a copy taken before a sign-out is worth nothing after it.
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import not_
from sqlmodel import col, select

from chat_app.auth.hooks import SessionHook
from chat_app.auth.keyring import KeyRing, NotSealed
from chat_app.auth.principal import Principal
from chat_app.auth.session_views import Resolved
from chat_app.auth.strategies.copies import Copy, WrongCopy
from chat_app.auth.strategies.denied import SEALED, deny, is_denied
from chat_app.auth.strategies.records import TOUCH_EVERY, Records
from chat_app.bus import Bus
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.tables import AuthSession, User
from chat_app.errors import NotFound
from chat_app.settings import Settings

PURPOSE = "session"
"""What the key of these tokens is for."""

_LONGEST = 4_096  # characters; no browser keeps a longer cookie


class SealedSessions(Records):
    """The strategy of `AUTH_SESSION_STRATEGY=jwt`.

    Args:
        db: Where sessions are kept.
        bus: Told of every end, after the commit.
        settings: Lifetimes, the number per person, and the function that adds claims.
        clock: The time.
        keys: Seals and opens.
        hook: Adds claims; None for the one that the settings name.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        settings: Settings,
        clock: Clock,
        keys: KeyRing,
        hook: SessionHook | None = None,
    ) -> None:
        super().__init__(db, bus, settings, clock, hook)
        self._keys = keys

    async def resolve(self, token: str) -> Resolved | None:
        """Who a token belongs to, or None when it proves nothing (any more). Counts as use."""
        copy = self._read(token)
        if copy is None:
            return None
        return await self._undisturbed(partial(self._look, copy, token))

    async def revoke(
        self, principal: Principal, session_id: UUID, reason: str = "signed_out"
    ) -> None:
        """End one of the person's own sessions, even their own whose record is lost."""
        try:
            await super().revoke(principal, session_id, reason)
        except NotFound:
            if session_id != principal.session_id:
                raise
            async with self._db.system("auth", write=True) as session:
                await deny(session, {session_id: self._clock() + self._validity})
            self.tell([session_id], reason)

    @property
    def _validity(self) -> timedelta:
        return timedelta(minutes=self._settings.session_token_minutes)

    def _read(self, token: str) -> Copy | None:
        """What a token says, if it is one of ours."""
        if len(token) > _LONGEST:
            return None
        try:
            return Copy.read(self._keys.open(PURPOSE, token), self._settings.url)
        except (NotSealed, WrongCopy):
            return None

    async def _look(self, copy: Copy, token: str) -> Resolved | None:
        now = self._clock()
        async with self._db.system("auth") as session:
            found = await session.exec(
                select(User, AuthSession)
                .outerjoin(AuthSession, col(AuthSession.id) == copy.session_id)
                .where(
                    col(User.id) == copy.user_id,
                    col(User.disabled_at).is_(None),
                    col(User.session_epoch) == copy.epoch,
                    not_(is_denied(copy.session_id)),
                )
            )
            pair = found.first()
        if pair is None:
            return None
        user: User = pair[0]
        row: AuthSession | None = pair[1]
        if row is None:
            return await self._resolved(_stand_in(copy), user) if copy.is_valid(now) else None
        if not _agrees(row, copy, now):
            return None
        await self._touch(row, now)
        is_due = copy.issued_at + TOUCH_EVERY <= now or self._keys.is_old(PURPOSE, token)
        renewed = self._issued(self._copy(row, user, now), row, now) if is_due else None
        return await self._resolved(row, user, renewed)

    def _stamp(self, row: AuthSession, user: User, now: datetime) -> str:
        row.token_hash = f"{SEALED}{row.id}"
        return self._copy(row, user, now)

    def _mark(self, row: AuthSession) -> str:
        return _mark(row.id, row.authenticated_at)

    def _mark_of(self, token: str) -> str | None:
        copy = self._read(token)
        return None if copy is None else _mark(copy.session_id, copy.authenticated_at)

    def _copy(self, row: AuthSession, user: User, now: datetime) -> str:
        copy = Copy(
            session_id=row.id,
            user_id=user.id,
            issued_at=now,
            expires_at=min(now + self._validity, row.idle_expires_at),
            authenticated_at=row.authenticated_at,
            epoch=user.session_epoch,
            method=row.method,
            provider=row.provider,
        )
        return self._keys.seal(PURPOSE, copy.content(self._settings.url))


def _mark(session_id: UUID, authenticated_at: datetime) -> str:
    """All copies from one proof to the next: they are worth nothing together."""
    return f"{session_id} {authenticated_at.timestamp()}"


def _agrees(row: AuthSession, copy: Copy, now: datetime) -> bool:
    """Whether a record knows the copy: it lives, and nobody has proved anything since."""
    is_live = row.revoked_at is None and now < row.idle_expires_at
    return is_live and row.authenticated_at == copy.authenticated_at


def _stand_in(copy: Copy) -> AuthSession:
    """What a copy knows of a record that is lost."""
    return AuthSession(
        id=copy.session_id,
        token_hash="",
        user_id=copy.user_id,
        created_at=copy.issued_at,
        last_seen_at=copy.issued_at,
        authenticated_at=copy.authenticated_at,
        idle_expires_at=copy.expires_at,
        expires_at=copy.expires_at,
        method=copy.method,
        provider=copy.provider,
    )
