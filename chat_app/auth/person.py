"""A person as the faces show them."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is, without anything secret.

    Args:
        id: The person.
        email: Their normalised address.
        name: What they call themselves; may be empty.
    """

    id: UUID
    email: str
    name: str
