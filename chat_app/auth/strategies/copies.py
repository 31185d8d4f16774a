"""What a sealed token says. A copy of it may be anywhere; each proves itself for some minutes."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

_KIND = "session"


class WrongCopy(Exception):
    """It was sealed by us, but it is no session's token of this installation."""


@dataclass(frozen=True, slots=True)
class Copy:
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
    def read(cls, content: bytes, audience: str) -> "Copy":
        """What a token said that was opened.

        Raises:
            WrongCopy: It is something else, for somebody else, or of another release.
        """
        try:
            claims = json.loads(content)
            if claims["typ"] != _KIND or claims["aud"] != audience:
                raise WrongCopy
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
            raise WrongCopy from None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
