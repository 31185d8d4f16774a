"""The tables of grants by which an admin of an organisation reads a member's threads there."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field

from chat_app.db.tables.base import Owned, partial_index


class ReadingGrant(Owned, table=True):
    """That an admin of an organisation may read its owner's threads there; see `orgs.reading`.

    `reader_id` is the admin, `role` what they are in the organisation, and `session_id` the session
    in which they asked, outside of which it is worth nothing. `reader_name` and `reader_email` are
    what the owner is told, as they were then: the reader can change both later. `listed_at` is when
    the list of the threads was first shown. It is over when it has `ended_at` or when `until` has
    passed. The owner keeps it when the reader or the organisation is deleted.
    """

    __table_args__ = (
        UniqueConstraint("id", "owner_id"),
        Index("ix_reading_grant_owner_id_created_at_id", "owner_id", "created_at", "id"),
        partial_index("ix_reading_grant_until", "until", where="ended_at IS NULL"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    reader_id: UUID | None = Field(
        default=None, foreign_key="user.id", ondelete="SET NULL", index=True
    )
    org_id: UUID | None = Field(
        default=None, foreign_key="organisation.id", ondelete="SET NULL", index=True
    )
    reader_name: str = Field(max_length=100)
    reader_email: str = Field(max_length=254)
    role: str = Field(max_length=10)
    session_id: UUID = Field(index=True)
    reason: str = Field(max_length=500)
    created_at: datetime
    until: datetime
    listed_at: datetime | None = None
    ended_at: datetime | None = None


class ThreadReading(Owned, table=True):
    """That a thread was read by a grant, first and last when. It outlives the thread."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["grant_id", "owner_id"],
            ["reading_grant.id", "reading_grant.owner_id"],
            ondelete="CASCADE",
        ),
        Index("ix_thread_reading_owner_id_thread_id", "owner_id", "thread_id"),
    )

    grant_id: UUID = Field(primary_key=True)
    thread_id: UUID = Field(primary_key=True)
    owner_id: UUID
    first_read_at: datetime
    last_read_at: datetime
