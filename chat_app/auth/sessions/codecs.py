"""Session token codecs: random tokens hashed in the database, or encrypted JWTs.

A codec issues the token of a session's row and decodes what a browser sends. The session service
has one; which one, `AUTH_SESSION_STRATEGY` decides.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from chat_app.auth.sessions.models import SessionUser, StoredSession
from chat_app.auth.sessions.revocation import JWT_PREFIX
from chat_app.core.crypto import DecryptionError, KeyRing, hash_token, new_token
from chat_app.db.prepared import Prepared
from chat_app.db.statements import SESSION_OF_JWT, SESSION_OF_TOKEN
from chat_app.db.tables import AuthSession, User
from chat_app.settings import Settings

TOUCH_EVERY = timedelta(minutes=5)
"""How often the use of a session is written to its row, and an encrypted JWT is reissued."""

PURPOSE = "session"
"""The purpose of the key that encrypts session JWTs."""

_JWT_TYPE = "session"
_RANDOM_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_JWT_MAX_LENGTH = 4_096  # characters; no browser keeps a longer cookie

SessionRow = AuthSession | StoredSession
UserRow = User | SessionUser


class InvalidSessionClaims(Exception):
    """The token decrypts, but it is not a session token of this installation."""


@dataclass(frozen=True, slots=True)
class DecodedToken:
    """What a token says, before the database is asked.

    Args:
        statement: Selects the user and the session's row. A user without a row is accepted only
            with `fallback`.
        parameters: The statement's.
        fingerprint: What the codec's `fingerprint` returned for the session's row.
        fallback: Stands in for the row while the token is valid without it; None when it is not.
        is_old: Whether the next request replaces the token.
    """

    statement: Prepared
    parameters: dict[str, Any]
    fingerprint: str
    fallback: StoredSession | None = None
    is_old: bool = False


class DatabaseTokenCodec:
    """Random tokens; the row holds their SHA-256. The default strategy."""

    stateless_lifetime = timedelta(0)
    """How long a token can be valid without its row."""

    def issue(self, row: SessionRow, user: UserRow, now: datetime) -> str:
        """Issue a token for a row, and set the row's `token_hash`."""
        token = new_token()
        row.token_hash = hash_token(token)
        return token

    def decode(self, token: str, now: datetime) -> DecodedToken | None:
        """Decode a token; None when this installation cannot have issued it."""
        if not _RANDOM_TOKEN.fullmatch(token):
            return None
        token_hash = hash_token(token)
        return DecodedToken(SESSION_OF_TOKEN, {"token_hash": token_hash}, token_hash)

    def fingerprint(self, row: SessionRow) -> str:
        """What the valid tokens of a session have in common; it changes with a step-up."""
        return row.token_hash


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """The claims of an encrypted session JWT.

    Args:
        row: The session, as far as the token knows it; `idle_expires_at` and `expires_at` are until
            when the token is valid without the stored row.
        user_id: The user.
        issued_at: When this token was issued.
        epoch: The user's, which changes when all their sessions are revoked at once.
    """

    row: StoredSession
    user_id: UUID
    issued_at: datetime
    epoch: int

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
            issued_at, expires_at = _time(claims["iat"]), _time(claims["exp"])
            row = StoredSession(
                id=UUID(claims["sid"]),
                token_hash="",
                last_seen_at=issued_at,
                authenticated_at=_time(claims["auth_time"]),
                idle_expires_at=expires_at,
                expires_at=expires_at,
                remember=False,
                method=claims["method"],
                provider=claims["provider"],
                claims={},
            )
            return cls(row, UUID(claims["sub"]), issued_at, int(claims["epoch"]))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            raise InvalidSessionClaims from None


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

    def issue(self, row: SessionRow, user: UserRow, now: datetime) -> str:
        """Issue a token for a row, and set the row's `token_hash`."""
        row.token_hash = f"{JWT_PREFIX}{row.id}"
        claims = {  # the registered names of RFC 7519 §4.1, and some of our own
            "typ": _JWT_TYPE,
            "aud": self._audience,
            "sid": str(row.id),
            "sub": str(user.id),
            "iat": now.timestamp(),
            "exp": min(now + self.stateless_lifetime, row.idle_expires_at).timestamp(),
            "auth_time": row.authenticated_at.timestamp(),
            "epoch": user.session_epoch,
            "method": row.method,
            "provider": row.provider,
        }
        content = json.dumps(claims, separators=(",", ":")).encode()
        return self._keys.encrypt(PURPOSE, content)

    def decode(self, token: str, now: datetime) -> DecodedToken | None:
        """Decode a token; None when this installation cannot have issued it."""
        if len(token) > _JWT_MAX_LENGTH:
            return None
        try:
            claims = SessionClaims.decode(self._keys.decrypt(PURPOSE, token), self._audience)
        except (DecryptionError, InvalidSessionClaims):
            return None
        known = claims.row
        parameters = {"session_id": known.id, "user_id": claims.user_id, "epoch": claims.epoch}
        return DecodedToken(
            SESSION_OF_JWT,
            parameters,
            self.fingerprint(known),
            known if claims.issued_at <= now < known.expires_at else None,
            claims.issued_at + TOUCH_EVERY <= now or self._keys.is_outdated(PURPOSE, token),
        )

    def fingerprint(self, row: SessionRow) -> str:
        """What the valid tokens of a session have in common; it changes with a step-up."""
        return f"{row.id} {row.authenticated_at.timestamp()}"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


TokenCodec = DatabaseTokenCodec | JwtTokenCodec
"""Issues and decodes the tokens of one strategy."""


def create_token_codec(settings: Settings, keys: KeyRing) -> TokenCodec:
    """The codec that `AUTH_SESSION_STRATEGY` names."""
    if settings.auth_session_strategy == "jwt":
        return JwtTokenCodec(keys, settings)
    return DatabaseTokenCodec()
