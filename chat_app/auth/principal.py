"""A person as the faces show them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class UserProfile:
    """Who somebody is, without anything secret.

    Args:
        id: The person.
        email: Their normalised email.
        name: What they call themselves; may be empty.
    """

    id: UUID
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person, known by one session.

    Only `Sessions.resolve` makes one for a request; system work (the command line, tests) makes
    its own with a named session.

    Args:
        user_id: The person.
        credential_id: What proved it: a session, later an API key or an OAuth grant.
        roles: The person's role in each organisation.
        claims: What the operator's function says of them at this moment (`AUTH_SESSION_HOOK`).

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
