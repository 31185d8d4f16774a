"""Session token codecs: random tokens hashed in the database, or encrypted JWTs.

A codec issues the token of a session's row and decodes what a browser sends. The session service
has one; which one, `AUTH_SESSION_STRATEGY` decides.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy import not_
from sqlmodel import col, select
from sqlmodel.sql.expression import Select

from chat_app.auth.sessions.revocation import JWT_PREFIX, is_denied
from chat_app.core.keyring import DecryptionError, KeyRing
from chat_app.core.tokens import hash_token, new_token
from chat_app.db.tables import AuthSession, User
from chat_app.settings import Settings

TOUCH_EVERY = timedelta(minutes=5)
"""How often the use of a session is written to its row, and an encrypted JWT is reissued."""

PURPOSE = "session"
"""The purpose of the key that encrypts session JWTs."""

_JWT_TYPE = "session"
_RANDOM_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_JWT_MAX_LENGTH = 4_096  # characters; no browser keeps a longer cookie

SessionQuery = Select[User, AuthSession]


class InvalidSessionClaims(Exception):
    """The token decrypts, but it is not a session token of this installation."""


@dataclass(frozen=True, slots=True)
class DecodedToken:
    """What a token says, before the database is asked.

    Args:
        query: Selects the user and the session's row. A user without a row is accepted only with
            `fallback`.
        fingerprint: See `TokenCodec.fingerprint`.
        fallback: Stands in for the row while the token is valid without it; None when it is not.
        is_old: Whether the next request replaces the token.
    """

    query: SessionQuery
    fingerprint: str
    fallback: AuthSession | None = None
    is_old: bool = False


class TokenCodec(Protocol):
    """Issues and decodes the tokens of one strategy."""

    @property
    def stateless_lifetime(self) -> timedelta:
        """How long a token can be valid without its row."""
        ...

    def issue(self, row: AuthSession, user: User, now: datetime) -> str:
        """Issue a token for a row, and set the row's `token_hash`."""
        ...

    def decode(self, token: str, now: datetime) -> DecodedToken | None:
        """Decode a token; None when this installation cannot have issued it."""
        ...

    def fingerprint(self, row: AuthSession) -> str:
        """What the valid tokens of a session have in common; it changes with a step-up."""
        ...


class DatabaseTokenCodec:
    """Random tokens; the row holds their SHA-256. The default strategy."""

    stateless_lifetime = timedelta(0)

    def issue(self, row: AuthSession, user: User, now: datetime) -> str:
        """Issue a token for a row, and set the row's `token_hash`."""
        token = new_token()
        row.token_hash = hash_token(token)
        return token

    def decode(self, token: str, now: datetime) -> DecodedToken | None:
        """Decode a token; None when this installation cannot have issued it."""
        if not _RANDOM_TOKEN.fullmatch(token):
            return None
        token_hash = hash_token(token)
        query = select(User, AuthSession).join(AuthSession, col(User.id) == AuthSession.user_id)
        return DecodedToken(
            query.where(col(AuthSession.token_hash) == token_hash, col(User.disabled_at).is_(None)),
            token_hash,
        )

    def fingerprint(self, row: AuthSession) -> str:
        """What the valid tokens of a session have in common; it changes with a step-up."""
        return row.token_hash


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """The claims of an encrypted session JWT.

    Args:
        session_id: The session.
        user_id: The session's user.
        issued_at: When this token was issued.
        expires_at: Until when the token is valid without its row.
        authenticated_at: When the user last authenticated.
        epoch: How many times all the user's sessions had been revoked at once.
        method: The sign-in method.
        provider: The identity provider's id; empty for other methods.
    """

    session_id: UUID
    user_id: UUID
    issued_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    epoch: int
    method: str
    provider: str

    @property
    def fingerprint(self) -> str:
        """What the tokens of a session have in common between two authentications."""
        return _fingerprint(self.session_id, self.authenticated_at)

    def encode(self, audience: str) -> bytes:
        """The claims as JSON, with the registered names of RFC 7519 §4.1.

        Args:
            audience: The URL of the installation.
        """
        claims = {
            "typ": _JWT_TYPE,
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
    def decode(cls, content: bytes, audience: str) -> "SessionClaims":
        """Read the claims of a decrypted token.

        Raises:
            InvalidSessionClaims: The type or the audience differs, or a claim is missing.
        """
        try:
            claims = json.loads(content)
            if claims["typ"] != _JWT_TYPE or claims["aud"] != audience:
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

    def as_row(self) -> AuthSession:
        """A row, not stored, that holds what the token knows of the session."""
        return AuthSession(
            id=self.session_id,
            token_hash="",
            user_id=self.user_id,
            created_at=self.issued_at,
            last_seen_at=self.issued_at,
            authenticated_at=self.authenticated_at,
            idle_expires_at=self.expires_at,
            expires_at=self.expires_at,
            method=self.method,
            provider=self.provider,
        )


class JwtTokenCodec:
    """Encrypted JWTs, each valid for some minutes without the session's row.

    Args:
        keys: Encrypts and decrypts.
        settings: The audience and the minutes.
    """

    def __init__(self, keys: KeyRing, settings: Settings) -> None:
        self._keys = keys
        self._audience = settings.url
        self.stateless_lifetime = timedelta(minutes=settings.session_token_minutes)

    def issue(self, row: AuthSession, user: User, now: datetime) -> str:
        """Issue a token for a row, and set the row's `token_hash`."""
        row.token_hash = f"{JWT_PREFIX}{row.id}"
        claims = SessionClaims(
            session_id=row.id,
            user_id=user.id,
            issued_at=now,
            expires_at=min(now + self.stateless_lifetime, row.idle_expires_at),
            authenticated_at=row.authenticated_at,
            epoch=user.session_epoch,
            method=row.method,
            provider=row.provider,
        )
        return self._keys.encrypt(PURPOSE, claims.encode(self._audience))

    def decode(self, token: str, now: datetime) -> DecodedToken | None:
        """Decode a token; None when this installation cannot have issued it."""
        if len(token) > _JWT_MAX_LENGTH:
            return None
        try:
            claims = SessionClaims.decode(self._keys.decrypt(PURPOSE, token), self._audience)
        except (DecryptionError, InvalidSessionClaims):
            return None
        query = (
            select(User, AuthSession)
            .outerjoin(AuthSession, col(AuthSession.id) == claims.session_id)
            .where(
                col(User.id) == claims.user_id,
                col(User.disabled_at).is_(None),
                col(User.session_epoch) == claims.epoch,
                not_(is_denied(claims.session_id)),
            )
        )
        return DecodedToken(
            query,
            claims.fingerprint,
            claims.as_row() if claims.issued_at <= now < claims.expires_at else None,
            claims.issued_at + TOUCH_EVERY <= now or self._keys.is_outdated(PURPOSE, token),
        )

    def fingerprint(self, row: AuthSession) -> str:
        """What the valid tokens of a session have in common; it changes with a step-up."""
        return _fingerprint(row.id, row.authenticated_at)


def _fingerprint(session_id: UUID, authenticated_at: datetime) -> str:
    return f"{session_id} {authenticated_at.timestamp()}"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def create_token_codec(settings: Settings, keys: KeyRing) -> TokenCodec:
    """The codec that `AUTH_SESSION_STRATEGY` names."""
    if settings.auth_session_strategy == "jwt":
        return JwtTokenCodec(keys, settings)
    return DatabaseTokenCodec()
