"""What every table is made of: a row with an id, a row of one user, a row in an organisation.

The modules of tables must not postpone annotations: SQLModel reads them.
"""

import re
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Index, Integer, MetaData, text
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: MetaData = SQLModel.metadata

# SQLite: its integers have 64 bits, and only an INTEGER can be its rowid
LARGE = BigInteger().with_variant(Integer(), "sqlite")
EMPTY: dict[str, Any] = {"server_default": ""}  # rows of an older revision have no value

PRIVATE = UUID(int=0)
"""The `org_id` of what is in no organisation. It is no NULL: that would disable a composite key."""


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows that meet a condition."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


class Table(SQLModel):
    """A table named after its class, in snake case."""

    @declared_attr.directive
    def __tablename__(cls) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class Row(Table):
    """A row whose key is a random id."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)


class Owned(Table):
    """A row of one user: reached only through a session scoped to that user."""

    owner_id: UUID


class InOrganisation(Owned):
    """A row of one user that may be in an organisation; it is reached by its members only.

    The rows below a thread repeat its organisation: a composite key keeps them equal, also when the
    thread moves.
    """

    org_id: UUID = Field(default=PRIVATE, sa_column_kwargs={"server_default": PRIVATE.hex})
