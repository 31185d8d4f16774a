"""What the session service returns: issued sessions, resolved sessions, summaries."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chat_app.auth.principal import Principal, UserProfile


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """A session's token, returned once, for the cookie.

    Args:
        token: Printable ASCII without `;`.
        session_id: The session.
        expires_at: When the session expires at the latest.
        max_age: How many seconds the browser keeps the cookie; None keeps it until it is closed.
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
    """The session and the user that a token proves.

    Args:
        principal: The user and the session.
        expires_at: When the session expires unless it is used again.
        authenticated_at: When the user last authenticated.
        user: The user's profile.
        method: The login method.
        renewed: The token that replaces the browser's, where there is one.
    """

    principal: Principal
    expires_at: datetime
    authenticated_at: datetime
    user: UserProfile
    method: str = ""
    renewed: IssuedSession | None = None


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session as the list of a user's sessions shows it.

    Args:
        id: The session.
        device: For example `Firefox on Linux`.
        network: The network it started on.
        method: The login method.
        created_at: When it started.
        last_seen_at: When it was last used, to within five minutes.
        expires_at: When it expires unless it is used again.
        is_current: Whether it is the session of the request.
    """

    id: UUID
    device: str
    network: str
    method: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool
