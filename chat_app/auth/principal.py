"""The principal: the signed-in user of a request, with the credential that proved it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID


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

    For a request only the session service creates one.

    Args:
        user_id: The user.
        credential_id: The session; later also an API key or an OAuth grant.
        roles: The user's role in each organisation.
        claims: What the operator's hook returned (`AUTH_SESSION_HOOK`).

    Raises:
        TypeError: An id is not a UUID. There is no unknown principal.
    """

    user_id: UUID
    credential_id: UUID
    roles: Mapping[UUID, str] = field(default_factory=lambda: MappingProxyType({}))
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False)

    def __post_init__(self) -> None:
        for name in ("user_id", "credential_id"):
            if type(getattr(self, name)) is not UUID:
                raise TypeError(f"A principal needs a real UUID as {name}.")
