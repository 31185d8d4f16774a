"""What the page is told: small view models, and the pure rules that make them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chat_app.threads.views import MessageView, ThreadSummary, Window


@dataclass(frozen=True)
class PersonItem:
    """The signed-in person, as the page shows them; `picture` changes with theirs, if any."""

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
    """A bubble. A row that arrived while the page was open has a handle instead of text:

    its text comes as frames, once, so that changing the list costs nothing per character.
    """

    id: str
    role: str
    text: str
    stream_id: str
    status: str
    error: str


@dataclass(frozen=True)
class ModelItem:
    """A model the person can pick."""

    id: str
    name: str


def address(named: object) -> str | None:
    """The thread that an address names in its usual spelling, nothing where it names none.

    Args:
        named: What stands in the address.

    Returns:
        None when it names something that cannot be a thread.
    """
    if not named:
        return ""
    try:
        return str(UUID(str(named)))
    except ValueError:
        return None


def stream_id(of: UUID) -> str:
    """The short name under which frames of a run or a message travel."""
    return of.hex[:8]


def zone(name: str) -> tzinfo:
    """The time zone a browser named, or UTC when this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def section(at: datetime, now: datetime, where: tzinfo) -> str:
    """The day group of a moment: Today, Yesterday or Earlier, by the reader's calendar."""
    today = now.astimezone(where).date()
    day = at.astimezone(where).date()
    if day >= today:
        return "Today"
    return "Yesterday" if day == today - timedelta(days=1) else "Earlier"


def thread_items(
    threads: Iterable[ThreadSummary], now: datetime, where: tzinfo
) -> list[ThreadItem]:
    """The rows of the list, newest first, with the day groups marked."""
    items: list[ThreadItem] = []
    last = ""
    for thread in threads:
        name = section(thread.updated_at, now, where)
        items.append(ThreadItem(str(thread.id), thread.title, name if name != last else ""))
        last = name
    return items


def stored(message: MessageView) -> MessageItem:
    """A bubble whose text is known: it travels with the list."""
    live = stream_id(message.run_id) if message.run_id else ""
    return MessageItem(
        id=str(message.id),
        role=message.role,
        text="" if live else message.text,
        stream_id=live,
        status=message.status,
        error=message.error,
    )


def arrived(message: MessageView) -> MessageItem:
    """A bubble that came while the page was open: its text travels as frames."""
    return replace(stored(message), text="", stream_id=stream_id(message.run_id or message.id))


@dataclass(frozen=True)
class WindowUpdate:
    """What changed at the end of the open thread.

    Args:
        recent: The rows that arrived while the page was open, oldest first.
        texts: Messages whose text the page has not seen, to be sent as frames.
        reload: The change reaches into rows that are not recent: load the window again.
    """

    recent: list[MessageItem]
    texts: list[MessageView]
    reload: bool = False


def advance(
    history: Sequence[MessageItem], recent: Sequence[MessageItem], window: Window, most: int = 24
) -> WindowUpdate:
    """Fold the newest messages of a thread into the rows a page shows.

    Args:
        history: The newest of the rows that were there when the thread was opened.
        recent: The rows that arrived since.
        window: The newest few messages of the chosen branch, as the database has them now.
        most: The most recent rows kept before the window is loaded again.
    """
    reload = WindowUpdate(list(recent), [], reload=True)
    old = {row.id: row for row in history}
    messages = list(window.messages)
    settled = [message for message in messages if str(message.id) in old]
    if any(_differs(old[str(message.id)], message) for message in settled):
        return reload
    if settled and str(settled[-1].id) != history[-1].id:
        return reload
    fresh = messages[len(settled) :]
    kept = [] if settled else _before(fresh, history, recent)
    if kept is None:
        return reload
    known = {row.id: row for row in recent}
    texts = [m for m in fresh if str(m.id) not in known and m.run_id is None]
    rows = [
        replace(known.get(str(m.id)) or arrived(m), status=m.status, error=m.error) for m in fresh
    ]
    merged = [*kept, *rows]
    return reload if len(merged) > most else WindowUpdate(merged, texts)


def _differs(row: MessageItem, message: MessageView) -> bool:
    return row.status != message.status or row.error != message.error


def _before(
    fresh: Sequence[MessageView], history: Sequence[MessageItem], recent: Sequence[MessageItem]
) -> list[MessageItem] | None:
    """The recent rows that come before the window, or None when the two do not join."""
    if not fresh:
        return []
    first = str(fresh[0].id)
    for position, row in enumerate(recent):
        if row.id == first:
            return list(recent[:position])
    last = recent[-1] if recent else history[-1] if history else None
    joins = (last.id if last else "None") == str(fresh[0].parent_id)
    return list(recent) if joins else None
