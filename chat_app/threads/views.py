"""View models of threads and messages: values for the interfaces, never rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, cast
from uuid import UUID

from chat_app.core.errors import message_of
from chat_app.core.parts import Part, text_of
from chat_app.db.tables import ACTIVE, PRIVATE, Message, ThreadStatus
from chat_app.threads.options import ChatOptions


class ThreadRow(Protocol):
    """The columns of a thread's row that a summary needs."""

    id: UUID
    title: str
    title_origin: str
    model: str
    created_at: datetime
    updated_at: datetime
    status: str
    external_id: str | None
    custom: dict[str, Any]
    org_id: UUID


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    """One thread in the list.

    Args:
        running: Whether it has an active run.
        status: `regular`, or `archived`: it is in no ordinary list.
        external_id: The name that a program gave it.
        custom: What programs keep with it.
        org_id: The organisation that it is in; `PRIVATE` for none.
        options: What is chosen for its next answers, within the caps; None in a list.
    """

    id: UUID
    title: str
    title_origin: str
    model: str
    created_at: datetime
    updated_at: datetime
    running: bool
    status: ThreadStatus = "regular"
    external_id: str | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)
    org_id: UUID = PRIVATE
    options: ChatOptions | None = None

    @property
    def is_archived(self) -> bool:
        """Whether it is in the archive."""
        return self.status == "archived"


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """A page of the list, newest first.

    Args:
        next: The cursor of the following page; None at the end.
    """

    threads: list[ThreadSummary]
    next: str | None


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message.

    Args:
        text: Its text parts joined; while the run is active, what there was before it.
        finish_reason: Why the answer ended: a code, or empty if that is unknown.
        error: The message for the user if it failed, else empty.
        run_id: Its active run, if it has one: one that writes it, or adds a summary to it.
        versions: The ids of all messages with the same parent, the oldest first; none if it is the
            only one.
        origin: `client` if a program appended it, else empty.
    """

    id: UUID
    parent_id: UUID | None
    role: str
    text: str
    parts: list[Part]
    status: str
    finish_reason: str
    error: str
    model: str
    created_at: datetime
    run_id: UUID | None
    versions: tuple[UUID, ...] = ()
    origin: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it is being written; it is not while only a summary is added to it."""
        return self.run_id is not None and self.status in ACTIVE

    @property
    def is_compacting(self) -> bool:
        """Whether its run adds a summary to it, and nothing else."""
        return self.run_id is not None and self.status not in ACTIVE


@dataclass(frozen=True, slots=True)
class RunRef:
    """An active run and its message: follow the run from 0 to see the text."""

    run_id: UUID
    message_id: UUID


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive messages of one branch, oldest first.

    Args:
        has_older: Whether the branch has messages above the first one.
        run: The thread's active run, if it has one.
    """

    thread: ThreadSummary
    messages: list[MessageView]
    has_older: bool
    run: RunRef | None


def summary(
    thread: ThreadRow, *, running: bool, options: ChatOptions | None = None
) -> ThreadSummary:
    """A thread's row as a view; for the arguments see `ThreadSummary`."""
    return ThreadSummary(
        id=thread.id,
        title=thread.title,
        title_origin=thread.title_origin,
        model=thread.model,
        created_at=in_utc(thread.created_at),
        updated_at=in_utc(thread.updated_at),
        running=running,
        status=cast(ThreadStatus, thread.status),
        external_id=thread.external_id,
        custom=thread.custom,
        org_id=thread.org_id,
        options=options,
    )


def message_view(
    message: Message, run: RunRef | None, versions: tuple[UUID, ...] = ()
) -> MessageView:
    """A message's row as a view.

    Args:
        message: The row.
        run: The active run of its thread, if there is one.
        versions: Those of the view.
    """
    return MessageView(
        id=message.id,
        parent_id=message.parent_id,
        role=message.role,
        text=text_of(message.parts),
        parts=message.parts,
        status=message.status,
        finish_reason=message.finish_reason,
        error=message_of(message.error, message.error_params),
        model=message.model,
        created_at=in_utc(message.created_at),
        run_id=run.run_id if run and run.message_id == message.id else None,
        versions=versions,
        origin=message.origin,
    )


def in_utc(time: datetime) -> datetime:
    """The time with its zone; SQLite returns it without one."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
