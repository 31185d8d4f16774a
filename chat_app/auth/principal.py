"""Who is asking, as a value that cannot be half known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person, known by one session.

    Only `Sessions.resolve` makes one for a request; system work (the command line, tests) makes
    its own with a named session.

    Args:
        user_id: The person.
        session_id: The session that proved it.
        roles: The person's role in each organisation.
        claims: What the operator's function says of them at this moment (`AUTH_SESSION_HOOK`).

    Raises:
        TypeError: An id is not a UUID. There is no unknown principal.
    """

    user_id: UUID
    session_id: UUID
    roles: Mapping[UUID, str] = field(default_factory=lambda: MappingProxyType({}))
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False)

    def __post_init__(self) -> None:
        for name in ("user_id", "session_id"):
            if type(getattr(self, name)) is not UUID:
                raise TypeError(f"A principal needs a real UUID as {name}.")
