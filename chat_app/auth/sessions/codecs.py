"""What a sealed token says. A copy of it may be anywhere; each proves itself for some minutes."""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import not_
from sqlmodel import col, select

from chat_app.auth.hooks import SessionHook
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.auth.sessions.protocol import SessionProtocol
from chat_app.auth.sessions.revocation import JWT_PREFIX, deny, is_denied
from chat_app.auth.sessions.service import TOUCH_EVERY, SessionService
from chat_app.core.clock import Clock
from chat_app.core.errors import NotFound
from chat_app.core.keyring import DecryptionError, KeyRing
from chat_app.core.signals import Bus
from chat_app.db.engine import Database
from chat_app.db.tables import AuthSession, User
from chat_app.settings import Settings

_KIND = "session"


class InvalidSessionClaims(Exception):
    """It was sealed by us, but it is no session's token of this installation."""


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """One copy of a session's token.

    Args:
        session_id: The session.
        user_id: Whose it is.
        issued_at: When this copy was made.
        expires_at: Until when it is believed without its record.
        authenticated_at: When the person had last proved who they are.
        epoch: How often all the person's sessions had been ended at once.
        method: How they signed in.
        provider: Who vouched for them.
    """

    session_id: UUID
    user_id: UUID
    issued_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    epoch: int
    method: str
    provider: str

    def is_valid(self, now: datetime) -> bool:
        """Whether it is to be believed by itself."""
        return self.issued_at <= now < self.expires_at

    def content(self, audience: str) -> bytes:
        """The claims, as JWT names them (RFC 7519 §4.1) where it does.

        Args:
            audience: The installation.
        """
        claims = {
            "typ": _KIND,
            "aud": audience,
            "sid": str(self.session_id),
            "sub": str(self.user_id),
            "iat": self.issued_at.timestamp(),
            "exp": self.expires_at.timestamp(),
            "auth_time": self.authenticated_at.timestamp(),
            "epoch": self.epoch,
            "method": self.method,
            "provider": self.provider,
        }
        return json.dumps(claims, separators=(",", ":")).encode()

    @classmethod
    def read(cls, content: bytes, audience: str) -> "SessionClaims":
        """What a token said that was opened.

        Raises:
            WrongCopy: It is something else, for somebody else, or of another release.
        """
        try:
            claims = json.loads(content)
            if claims["typ"] != _KIND or claims["aud"] != audience:
                raise InvalidSessionClaims
            return cls(
                session_id=UUID(claims["sid"]),
                user_id=UUID(claims["sub"]),
                issued_at=_time(claims["iat"]),
                expires_at=_time(claims["exp"]),
                authenticated_at=_time(claims["auth_time"]),
                epoch=int(claims["epoch"]),
                method=claims["method"],
                provider=claims["provider"],
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            raise InvalidSessionClaims from None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class DatabaseSessions(SessionService):
    """The default strategy: every request looks at the session's row."""

    async def resolve(self, token: str) -> ResolvedSession | None:
        """Who a token belongs to, or None when it proves nothing (any more). Counts as use."""
        if not _TOKEN.fullmatch(token):
            return None
        return await self._undisturbed(partial(self._look, token))

    async def _look(self, token: str) -> ResolvedSession | None:
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


PURPOSE = "session"
"""What the key of these tokens is for."""

_LONGEST = 4_096  # characters; no browser keeps a longer cookie


class JwtSessions(SessionService):
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

    async def resolve(self, token: str) -> ResolvedSession | None:
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
            if session_id != principal.credential_id:
                raise
            async with self._db.system("auth", write=True) as session:
                await deny(session, {session_id: self._clock() + self._validity})
            self.tell([session_id], reason)

    @property
    def _validity(self) -> timedelta:
        return timedelta(minutes=self._settings.session_token_minutes)

    def _read(self, token: str) -> SessionClaims | None:
        """What a token says, if it is one of ours."""
        if len(token) > _LONGEST:
            return None
        try:
            return SessionClaims.read(self._keys.open(PURPOSE, token), self._settings.url)
        except (DecryptionError, InvalidSessionClaims):
            return None

    async def _look(self, copy: SessionClaims, token: str) -> ResolvedSession | None:
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
        row.token_hash = f"{JWT_PREFIX}{row.id}"
        return self._copy(row, user, now)

    def _mark(self, row: AuthSession) -> str:
        return _mark(row.id, row.authenticated_at)

    def _mark_of(self, token: str) -> str | None:
        copy = self._read(token)
        return None if copy is None else _mark(copy.session_id, copy.authenticated_at)

    def _copy(self, row: AuthSession, user: User, now: datetime) -> str:
        copy = SessionClaims(
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


def _agrees(row: AuthSession, copy: SessionClaims, now: datetime) -> bool:
    """Whether a record knows the copy: it lives, and nobody has proved anything since."""
    is_live = row.revoked_at is None and now < row.idle_expires_at
    return is_live and row.authenticated_at == copy.authenticated_at


def _stand_in(copy: SessionClaims) -> AuthSession:
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


def create_session_service(
    db: Database, bus: Bus, settings: Settings, clock: Clock, keys: KeyRing
) -> SessionProtocol:
    """Sessions of the kind that `AUTH_SESSION_STRATEGY` names.

    Args:
        db: Where they are kept.
        bus: Told of every end, after the commit.
        settings: Kind, lifetimes, the number per person, and the function that adds claims.
        clock: The time.
        keys: Seals the tokens that carry their own proof.

    Raises:
        ConfigError: The settings name a function that is not there.
    """
    if settings.auth_session_strategy == "jwt":
        return JwtSessions(db, bus, settings, clock, keys)
    return DatabaseSessions(db, bus, settings, clock)
