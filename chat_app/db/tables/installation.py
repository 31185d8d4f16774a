"""The tables of the installation: its sign-up policy, announcements, and signals of commands."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import JSON, Column, Identity, Index
from sqlmodel import Field

from chat_app.core.clock import utc_now
from chat_app.db.tables.base import LARGE, Owned, Row, Table


class SignUpChoice(Table, table=True):
    """Who may create an account, as a site admin chose; one row, which sign-ups lock.

    `mode` is an `auth.sign_in.policy.SignUpMode`, empty until one has chosen.
    """

    ONLY: ClassVar[int] = 1

    id: int = Field(default=ONLY, primary_key=True)
    mode: str = Field(default="", max_length=10)
    domains: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))


class Announcement(Row, table=True):
    """What a site admin tells every user, from one time until another; see `orgs.announcements`.

    `version` is that of the text: a user who has dismissed an earlier one sees it again.
    """

    __table_args__ = (
        Index("ix_announcement_created_at_id", "created_at", "id"),
        Index("ix_announcement_ends_at", "ends_at"),
    )

    text: str = Field(max_length=500)
    version: int = 1
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    created_at: datetime = Field(default_factory=utc_now)


class AnnouncementDismissal(Owned, table=True):
    """That a user has dismissed an announcement, and which version of its text."""

    owner_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    announcement_id: UUID = Field(
        primary_key=True, foreign_key="announcement.id", ondelete="CASCADE", index=True
    )
    version: int


class OutboxSignal(Table, table=True):
    """A signal that a command has stored for the server, which takes it out; see `db.outbox`.

    `signal` is a `core.signals.Signal` without its defaults.
    """

    id: int | None = Field(
        default=None,
        sa_column=Column(LARGE, Identity(), primary_key=True),
    )
    topic: str = Field(max_length=100)
    signal: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utc_now)
