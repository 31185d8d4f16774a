"""The tables of organisations: members, invitations, and rules for models."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from chat_app.core.clock import utc_now
from chat_app.db.tables.base import Row, Table, partial_index


class Organisation(Row, table=True):
    """An organisation: its members have threads in it, which only they reach.

    `allows_admin_reading` is whether its admins may read a member's threads there, with a reason.
    """

    name: str = Field(max_length=100)
    created_at: datetime = Field(default_factory=utc_now)
    allows_admin_reading: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})


class Membership(Table, table=True):
    """That a user belongs to an organisation, and as what (`auth.principal.Role`).

    `is_chosen` is whether new tabs of the user begin in it: one of them at most; none for Personal.
    """

    user_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    org_id: UUID = Field(
        primary_key=True, foreign_key="organisation.id", ondelete="CASCADE", index=True
    )
    role: str = Field(max_length=10)
    created_at: datetime = Field(default_factory=utc_now)
    is_chosen: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})


class Invitation(Row, table=True):
    """An invitation of an email address to an organisation; the hash of its token is stored.

    It is open until it is accepted, revoked or expired.
    """

    __table_args__ = (
        partial_index(
            *("uq_invitation_org_id_email", "org_id", "email"),
            where="accepted_at IS NULL AND revoked_at IS NULL",
            unique=True,
        ),
    )

    token_hash: str = Field(max_length=64, unique=True)
    org_id: UUID = Field(foreign_key="organisation.id", ondelete="CASCADE")
    email: str = Field(max_length=254, index=True)
    role: str = Field(max_length=10)
    invited_by: UUID | None = Field(
        default=None, foreign_key="user.id", ondelete="SET NULL", index=True
    )
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None


class ModelRule(Table, table=True):
    """Whether a model is on for a role, in an organisation or in the installation.

    Args:
        model: Its id.
        org_id: The organisation; `PRIVATE` for the installation, so it is no foreign key.
        role: A role there; empty for everyone.
        allowed: Whether it is on.
    """

    model: str = Field(primary_key=True, max_length=200)
    org_id: UUID = Field(primary_key=True, index=True)
    role: str = Field(primary_key=True, max_length=10)
    allowed: bool
