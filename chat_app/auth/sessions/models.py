"""Sessions as they are stored, and what the session service returns of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chat_app.auth.principal import Principal, Role, SiteRole, UserProfile, memberships_of


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


@dataclass(frozen=True, slots=True)
class SessionUser:
    """What a session needs of its user's row."""

    id: UUID
    email: str
    name: str
    session_epoch: int
    role: SiteRole
    memberships: Mapping[UUID, Role]


@dataclass(slots=True)
class StoredSession:
    """What a request needs of a session's row (`db.tables.AuthSession`)."""

    id: UUID
    token_hash: str
    last_seen_at: datetime
    authenticated_at: datetime
    idle_expires_at: datetime
    expires_at: datetime
    remember: bool
    method: str
    provider: str
    claims: dict[str, Any]
    revoked_at: datetime | None = None


def stored_session(row: Sequence[Any]) -> tuple[SessionUser, StoredSession | None]:
    """The user and the session in a row of a prepared statement; None where it is not stored."""
    user = SessionUser(row[0], row[1], row[2], row[3], row[4], memberships_of(row[5]))
    session = row[6:]
    return user, None if session[0] is None else StoredSession(*session)
