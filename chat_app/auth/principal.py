"""The principal: the signed-in user of a request, with the credential that proved it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, cast
from uuid import UUID

Role = Literal["owner", "admin", "member"]
"""What a user is in an organisation."""

Scope = Literal["chat", "threads:read", "threads:write", "models", "mcp"]
"""What an API key may do: each HTTP route that takes keys has one."""

SiteRole = Literal["", "admin"]
"""What a user may do for the installation: an admin administers it, and reads no others' chats."""


def memberships_of(text: str | None) -> Mapping[UUID, Role]:
    """The memberships in a column of the prepared statements: `id:role,id:role`; None for none."""
    found: dict[UUID, Role] = {}
    for one in text.split(",") if text else ():
        org_id, _, role = one.partition(":")
        found[UUID(org_id)] = cast(Role, role)
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True)
class UserProfile:
    """What pages show of a user.

    Args:
        id: The user.
        email: Their normalised email.
        name: The display name; may be empty.
    """

    id: UUID
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user and the credential of the request.

    For a request only the session service and the key service create one.

    Args:
        user_id: The user.
        credential_id: The session or the API key.
        memberships: The user's role in each organisation to which they belong.
        claims: What the operator's hook returned (`AUTH_SESSION_HOOK`).
        scopes: What the API key or the cloud token may do; None for a session, which is not
            restricted.
        by_cloud_token: Whether the request has a cloud token, which stands for the credential.
        site_role: The user's role in the installation. An API key never carries it.

    Raises:
        TypeError: An id is not a UUID. There is no unknown principal.
    """

    user_id: UUID
    credential_id: UUID
    memberships: Mapping[UUID, Role] = field(default_factory=lambda: MappingProxyType({}))
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    scopes: frozenset[Scope] | None = None
    by_cloud_token: bool = False
    site_role: SiteRole = ""

    def __post_init__(self) -> None:
        for name in ("user_id", "credential_id"):
            if type(getattr(self, name)) is not UUID:
                raise TypeError(f"A principal needs a real UUID as {name}.")
