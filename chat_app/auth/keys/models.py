"""API keys as they are stored, and what the key service returns of them."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from chat_app.auth.principal import Principal, Scope


@dataclass(frozen=True, slots=True)
class ResolvedKey:
    """The user that a key proves, with the key's scopes.

    Args:
        principal: The user; its `credential_id` is the key.
        expires_at: When the key expires; None for never.
    """

    principal: Principal
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just created.

    Args:
        id: The key's id.
        token: The key itself. It is returned once, and only its hash is stored.
        expires_at: When it expires; None for never.
    """

    id: UUID
    token: str = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeySummary:
    """A key as the list of a user's keys shows it.

    Args:
        id: The key's id.
        name: The user's name for it.
        scopes: What it may do.
        created_at: When it was created.
        last_used_at: When it was last used, to within a minute; None for never.
        expires_at: When it expires; None for never.
        is_expired: Whether it has expired. It is listed until it is removed.
    """

    id: UUID
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    is_expired: bool


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What a request needs of a key and its user: the columns of `db.statements.KEY_OF_TOKEN`."""

    user_id: UUID
    email: str
    name: str
    memberships: str | None
    id: UUID
    scopes: list[Scope]
    expires_at: datetime | None
    last_used_at: datetime | None
