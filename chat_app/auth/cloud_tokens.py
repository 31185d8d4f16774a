"""Tokens for AssistantCloud's client: signed JWTs that stand for a session or an API key.

The client reads `exp` of its token and asks for the next one in time, so the token is a JWT that
it can decode. It proves nothing by itself: each request looks up the session or the key that it
names, so it ends with that, and it is accepted on AssistantCloud's routes alone.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from chat_app.auth.keys.models import ResolvedKey
from chat_app.auth.keys.service import ApiKeys
from chat_app.auth.principal import Principal, Scope
from chat_app.auth.sessions.service import SessionService
from chat_app.core.clock import Clock
from chat_app.core.crypto import InvalidSignature, KeyRing

LIFETIME = timedelta(minutes=5)
"""How long a token is valid."""
AUDIENCE = "cloud"
"""The `aud` of every token."""
SCOPES: frozenset[Scope] = frozenset({"chat", "threads:read", "threads:write"})
"""What a token may do at the most; `chat` lets a model name a thread."""

_PURPOSE = "cloud token"
_MAX_LENGTH = 1_024  # characters


@dataclass(frozen=True, slots=True)
class CloudToken:
    """A token that was just issued.

    Args:
        token: The token itself.
        expires_at: When it expires.
    """

    token: str
    expires_at: datetime


def is_cloud_token(text: str) -> bool:
    """Whether a bearer token has the form of a JWT; no API key has."""
    return text.count(".") == 2


class CloudTokens:
    """Issues and resolves tokens.

    Args:
        keyring: Signs them.
        sessions: Resolves sessions.
        keys: Resolves API keys.
        clock: The current time.
    """

    def __init__(
        self, keyring: KeyRing, sessions: SessionService, keys: ApiKeys, clock: Clock
    ) -> None:
        self._keyring = keyring
        self._sessions = sessions
        self._keys = keys
        self._clock = clock

    def issue(self, principal: Principal) -> CloudToken:
        """A token that stands for the credential of a request."""
        now = self._clock()
        expires_at = (now + LIFETIME).replace(microsecond=0)
        claims = {  # the registered names of RFC 7519 §4.1, and the credential
            "aud": AUDIENCE,
            "sub": str(principal.user_id),
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "sid" if principal.scopes is None else "key": str(principal.credential_id),
        }
        content = json.dumps(claims, separators=(",", ":")).encode()
        return CloudToken(self._keyring.sign(_PURPOSE, content), expires_at)

    async def resolve(self, token: str) -> ResolvedKey | None:
        """The user of a token with what it may do, or None when it is not valid. Counts as use.

        Args:
            token: What the client sent.

        Raises:
            ClaimsUnavailable: The operator's function failed.
        """
        claims = self._claims(token)
        if claims is None:
            return None
        try:
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
            is_session = "sid" in claims
            credential_id = UUID(claims["sid" if is_session else "key"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return None
        if claims.get("aud") != AUDIENCE or expires_at <= self._clock():
            return None
        credentials = self._sessions if is_session else self._keys
        found = await credentials.principal(credential_id)
        if found is None or str(found.user_id) != claims.get("sub"):
            return None
        scopes = SCOPES if found.scopes is None else SCOPES & found.scopes
        principal = replace(found, scopes=scopes, by_cloud_token=True, site_role="")
        return ResolvedKey(principal, expires_at)

    def _claims(self, token: str) -> dict[str, Any] | None:
        if len(token) > _MAX_LENGTH:
            return None
        try:
            claims = json.loads(self._keyring.verify(_PURPOSE, token))
        except (InvalidSignature, ValueError):
            return None
        return claims if isinstance(claims, dict) else None
