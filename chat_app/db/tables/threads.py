"""The tables of what a user owns: threads, their messages, runs and what is kept with them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    event,
)
from sqlmodel import Field

from chat_app.core.clock import utc_now
from chat_app.core.parts import native_size, size_of
from chat_app.db.tables.base import EMPTY, LARGE, InOrganisation, Owned, partial_index

MessageStatus = Literal["running", "complete", "stopped", "failed", "interrupted", "revoked"]
RunStatus = Literal["queued", "running", "complete", "stopped", "failed", "interrupted", "revoked"]
ThreadStatus = Literal["regular", "archived"]
ACTIVE: tuple[RunStatus, ...] = ("queued", "running")
"""The statuses of an active run."""


def _of_thread() -> ForeignKeyConstraint:
    """The key of a row below a thread."""
    return ForeignKeyConstraint(
        ["thread_id", "owner_id", "org_id"],
        ["thread.id", "thread.owner_id", "thread.org_id"],
        ondelete="CASCADE",
        onupdate="CASCADE",
    )


class Thread(InOrganisation, table=True):
    """A conversation. `head_id` is the chosen leaf of its message tree.

    `options` are `threads.options.ChatOptions` as a row; `status` is a `ThreadStatus`;
    `external_id` is the name that a program gave it, which no other of its owner's threads has
    unless it is deleted; `custom` is what programs keep with it, a JSON object.
    """

    __table_args__ = (
        UniqueConstraint("id", "owner_id"),
        # the key of a thread with its organisation, which its rows refer to
        Index("uq_thread_id_owner_id_org_id", "id", "owner_id", "org_id", unique=True),
        Index("ix_thread_owner_id_updated_at_id", "owner_id", "updated_at", "id"),
        Index("ix_thread_owner_id_status_updated_at_id", "owner_id", "status", "updated_at", "id"),
        Index("ix_thread_org_id", "org_id"),
        Index("ix_thread_list", *("owner_id", "org_id", "status", "updated_at", "id")),
        partial_index(
            *("uq_thread_owner_id_external_id", "owner_id", "external_id"),
            where="deleted_at IS NULL",
            unique=True,
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    title: str = Field(default="", max_length=200)
    title_origin: str = Field(default="start", max_length=10)
    model: str = Field(default="", max_length=200)
    head_id: UUID | None = None
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    deleted_at: datetime | None = None
    options: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )
    status: str = Field(
        default="regular", max_length=10, sa_column_kwargs={"server_default": "regular"}
    )
    external_id: str | None = Field(default=None, max_length=64)
    custom: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )


class Message(InOrganisation, table=True):
    """A node of a thread's message tree.

    `parts` is a list of `core.parts.Part`; `error` is a key of `core.errors.MESSAGES`, and
    `error_params` are the parameters of its message; `finish_reason` is why an answer ended: a
    `runs.follow.StopReason` if it was stopped, else the model's reason, or empty if unknown;
    `native` is a list of `core.parts.NativeItem`; `size` is that of both lists in bytes, measured
    whenever the row is written; `chosen_at` is when its thread got it as the head again, if it did;
    `origin` is `client` if a program appended it, else empty: it was sent, or a model wrote it.
    """

    __table_args__ = (
        UniqueConstraint("id", "owner_id"),
        UniqueConstraint("id", "thread_id"),
        UniqueConstraint("owner_id", "client_id"),
        _of_thread(),
        ForeignKeyConstraint(
            # no cascade here: SQLite would recurse once per level of a long thread
            ["parent_id", "thread_id"],
            ["message.id", "message.thread_id"],
        ),
        Index("ix_message_thread_id_created_at", "thread_id", "created_at"),
        Index("ix_message_parent_id", "parent_id"),
        Index("ix_message_stored", "owner_id", "org_id", "size"),
        Index(  # all that a tree without its texts, its size and its version are read from
            "ix_message_tree",
            *("thread_id", "owner_id", "org_id", "deleted_at", "created_at", "size"),
            *("chosen_at", "id", "parent_id"),
        ),
        partial_index("ix_message_root", "thread_id", where="parent_id IS NULL"),
        partial_index("ix_message_deleted_at", "deleted_at", where="deleted_at IS NOT NULL"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID
    thread_id: UUID
    parent_id: UUID | None = None
    role: str = Field(max_length=10)
    parts: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    native: list[Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True), nullable=True)
    )
    size: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    status: str = Field(default="complete", max_length=12)
    finish_reason: str = Field(default="", max_length=20, sa_column_kwargs=EMPTY)
    error: str = Field(default="", max_length=300)
    error_params: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )
    model: str = Field(default="", max_length=200)
    client_id: str | None = Field(default=None, max_length=64)
    created_at: datetime = Field(default_factory=utc_now)
    chosen_at: datetime | None = None
    deleted_at: datetime | None = None
    origin: str = Field(default="", max_length=10, sa_column_kwargs=EMPTY)


@event.listens_for(Message, "before_insert")
@event.listens_for(Message, "before_update")
def _measure(_mapper: object, _connection: object, message: Message) -> None:
    message.size = size_of(message.parts) + native_size(message.native)


class Run(InOrganisation, table=True):
    """The generation of one answer.

    `finish_reason`, `error` and `error_params` are those of its message row, but for a run that
    only adds a summary to an answer: its `finish_reason` is `compaction`, from its beginning;
    `cost_nanodollars` is in billionths of a US dollar, by the prices at its end.
    """

    __table_args__ = (
        UniqueConstraint("id", "owner_id"),
        _of_thread(),
        ForeignKeyConstraint(
            ["message_id", "owner_id"], ["message.id", "message.owner_id"], ondelete="CASCADE"
        ),
        # the key of a run with its organisation, which its log refers to
        Index("uq_run_id_owner_id_org_id", "id", "owner_id", "org_id", unique=True),
        Index("ix_run_owner_id_status", "owner_id", "status"),
        Index("ix_run_thread_id_status", "thread_id", "status"),
        Index("ix_run_message_id", "message_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID
    thread_id: UUID
    message_id: UUID
    session_id: UUID
    """The session or API key that started it (a `credential_id`)."""
    model: str = Field(max_length=200)
    status: str = Field(default="queued", max_length=12)
    finish_reason: str = Field(default="", max_length=20, sa_column_kwargs=EMPTY)
    error: str = Field(default="", max_length=300)
    error_params: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )
    last_seq: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    cost_nanodollars: int | None = Field(default=None, sa_type=BigInteger)
    created_at: datetime = Field(default_factory=utc_now)
    first_event_at: datetime | None = None
    finished_at: datetime | None = None


class RunEvent(InOrganisation, table=True):
    """An entry of an active run's log; folded into the message when the run ends.

    `kind` and `payload` are those of a `core.events.Event`.
    """

    __table_args__ = (
        ForeignKeyConstraint(
            ["run_id", "owner_id", "org_id"],
            ["run.id", "run.owner_id", "run.org_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )

    run_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    owner_id: UUID
    kind: str = Field(max_length=20)
    payload: str = ""


class ChatDefaults(Owned, table=True):
    """What new chats of a user begin with: `threads.options.ChatOptions` as a row."""

    owner_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    options: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )


class ClientReport(InOrganisation, table=True):
    """What a client reports of its user's chats, for `CLIENT_REPORTS_DAYS`.

    `kind` is a `threads.client_reports.ReportKind`; `content` is what the client sent, a JSON
    object, and `size` that of it in bytes. `thread_id` and `message_id` are None where it names
    none, or an event none that is there. A message has one feedback.
    """

    __table_args__ = (
        _of_thread(),
        ForeignKeyConstraint(
            ["message_id", "owner_id"], ["message.id", "message.owner_id"], ondelete="CASCADE"
        ),
        Index("ix_client_report_stored", "owner_id", "org_id", "size"),
        Index("ix_client_report_thread_id", "thread_id"),
        Index("ix_client_report_message_id", "message_id"),
        Index("ix_client_report_created_at", "created_at"),
        partial_index(
            *("uq_client_report_feedback", "owner_id", "message_id"),
            where="kind = 'feedback'",
            unique=True,
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    kind: str = Field(max_length=10)
    thread_id: UUID | None = None
    message_id: UUID | None = None
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    size: int
    created_at: datetime = Field(default_factory=utc_now)


class SearchEntry(InOrganisation, table=True):
    """What full-text search finds a title or a message by; see `db.full_text`.

    Args:
        message_id: The message; None for the title of the thread.
        role: That of the message, or `title`.
        tokens: Those of the text (`core.search_tokens`), separated by spaces.
        created_at: When the message or the thread was created.
    """

    __table_args__ = (
        _of_thread(),
        ForeignKeyConstraint(
            ["message_id", "owner_id"], ["message.id", "message.owner_id"], ondelete="CASCADE"
        ),
        Index("ix_search_entry_thread_id", "thread_id"),
        Index("ix_search_entry_message_id", "message_id"),
    )

    # SQLite: its rowid, which the index refers to; without a name, a VACUUM would change it
    id: int | None = Field(
        default=None,
        sa_column=Column(LARGE, Identity(), primary_key=True),
    )
    owner_id: UUID
    thread_id: UUID
    message_id: UUID | None = None
    role: str = Field(max_length=10)
    created_at: datetime
    tokens: str = ""
