"""The view models that pages show, and the pure rules that make them from rows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chat_app.threads.views import MessageView, ThreadSummary


@dataclass(frozen=True)
class UserItem:
    """The signed-in user as pages show them; `picture` changes with their picture."""

    name: str = ""
    email: str = ""
    initial: str = ""
    id: str = ""
    picture: str = ""


@dataclass(frozen=True)
class ThreadItem:
    """A row of the thread list; `section` is set on the first row of a day group."""

    id: str
    title: str
    section: str = ""


@dataclass(frozen=True)
class MessageItem:
    """A bubble. One that arrived while the page was open has a stream id instead of a text:

    its text comes as stream chunks, once, so that changing the list costs nothing per character.
    """

    id: str
    role: str
    text: str
    stream_id: str
    status: str
    error: str


@dataclass(frozen=True)
class ModelItem:
    """A model that the user can choose."""

    id: str
    name: str


def thread_of_route(argument: object) -> str | None:
    """The thread id in a route, in its usual spelling.

    Args:
        argument: The route's argument, if it has one.

    Returns:
        Empty when the route has no argument; None when that cannot be an id.
    """
    if not argument:
        return ""
    try:
        return str(UUID(str(argument)))
    except ValueError:
        return None


def stream_id(of: UUID) -> str:
    """The short name under which the chunks of a run or a message travel."""
    return of.hex[:8]


def time_zone(name: str) -> tzinfo:
    """The time zone a browser named, or UTC when this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def section(at: datetime, now: datetime, zone: tzinfo) -> str:
    """The day group of a moment: Today, Yesterday or Earlier, by the reader's calendar."""
    today = now.astimezone(zone).date()
    day = at.astimezone(zone).date()
    if day >= today:
        return "Today"
    return "Yesterday" if day == today - timedelta(days=1) else "Earlier"


def thread_items(threads: Iterable[ThreadSummary], now: datetime, zone: tzinfo) -> list[ThreadItem]:
    """The rows of the list, newest first, with the day groups marked."""
    items: list[ThreadItem] = []
    last = ""
    for thread in threads:
        name = section(thread.updated_at, now, zone)
        items.append(ThreadItem(str(thread.id), thread.title, name if name != last else ""))
        last = name
    return items


def stored(message: MessageView) -> MessageItem:
    """A bubble whose text is known: it travels with the list."""
    stream = stream_id(message.run_id) if message.run_id else ""
    return MessageItem(
        id=str(message.id),
        role=message.role,
        text="" if stream else message.text,
        stream_id=stream,
        status=message.status,
        error=message.error,
    )


def arrived(message: MessageView) -> MessageItem:
    """A bubble that arrived while the page was open: its text travels as stream chunks."""
    return replace(stored(message), text="", stream_id=stream_id(message.run_id or message.id))
