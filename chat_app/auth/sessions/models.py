"""What is said about sessions outside the database."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chat_app.auth.principal import Principal, UserProfile


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """A session's token, shown once, to be put into the cookie.

    Args:
        token: Printable ASCII without `;`, for a cookie.
        session_id: The session's row.
        expires_at: When it ends at the latest, used or not.
        max_age: How many seconds the browser keeps the cookie; None is until it is closed.
    """

    token: str
    session_id: UUID
    expires_at: datetime
    max_age: int | None

    @property
    def remember(self) -> bool:
        """Whether the cookie outlives the browser."""
        return self.max_age is not None


@dataclass(frozen=True, slots=True)
class ResolvedSession:
    """What a token proves.

    Args:
        principal: Who is asking.
        expires_at: When the session ends if it is not used again.
        authenticated_at: When the person last proved who they are.
        person: How the faces show them.
        method: How they proved it.
        renewed: What the browser's cookie should hold from now on, where that has changed.
    """

    principal: Principal
    expires_at: datetime
    authenticated_at: datetime
    person: UserProfile
    method: str = ""
    renewed: IssuedSession | None = None


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One line of the list of a person's sessions.

    Args:
        id: The session.
        device: For example `Firefox on Linux`.
        address: The network it was opened from.
        method: How the person signed in.
        created_at: When.
        last_seen_at: When it was last used, to within five minutes.
        expires_at: When it ends if it is not used again.
        is_current: Whether it is the one that asks.
    """

    id: UUID
    device: str
    address: str
    method: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool
