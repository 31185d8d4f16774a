"""The view models that pages show, and the pure rules that make them from rows."""

import base64
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chat_app.core.parts import Part
from chat_app.core.text import utf16_length
from chat_app.runs.context_size import ContextUsage
from chat_app.runs.continuation import can_continue
from chat_app.runs.follow import RunMetrics
from chat_app.states.chunks import shown_part
from chat_app.threads.search import Hit
from chat_app.threads.views import MessageView, ThreadSummary

ROOT = "root"
"""The place of a thread's first message."""


@dataclass(frozen=True)
class UserItem:
    """The signed-in user as pages show them; `picture` changes with their picture."""

    name: str = ""
    email: str = ""
    initial: str = ""
    id: str = ""
    picture: str = ""


@dataclass(frozen=True)
class OrganisationItem:
    """An organisation of the user.

    Args:
        id: Its id; empty for Personal, which is none.
        allows_admin_reading: Whether its admins may read a member's chats in it, with a reason.
        is_reading_off: Whether the installation lets no one read, whatever an owner allows.
    """

    id: str = ""
    name: str = "Personal"
    allows_admin_reading: bool = False
    is_reading_off: bool = False


@dataclass(frozen=True)
class ThreadItem:
    """A row of the thread list; `section` is set on the first row of a day group."""

    id: str
    title: str
    section: str = ""
    archived: bool = False


@dataclass(frozen=True)
class SnippetItem:
    """A piece of the text around a hit; `is_hit` if it is what was searched for."""

    text: str
    is_hit: bool


@dataclass(frozen=True)
class HitItem:
    """A message that a search has found, with the URL that opens its thread there."""

    url: str
    thread: str
    title: str
    role: str
    day: str
    snippet: list[SnippetItem]


@dataclass(frozen=True)
class MessageItem:
    """One message of the conversation, as the page shows it.

    One that arrived while the page was open has a stream id instead of parts: they come as stream
    chunks, once, so that changing the list costs nothing per character.

    Args:
        parts: As `item_parts` makes them.
        stream_id: Under which chunks of it come; empty when nothing of it travels as chunks.
        reason: Why it ended, if that is known: a `FinishReason` or a `StopReason`.
        place: The message above, or `root`: all versions of a message have the same.
        versions: The ids of all its versions, the oldest first; none if it is the only one.
        length: That of its text, which grows when an answer is continued.
        count: How many parts it has: a summary is added to an answer that has ended.
        goes_on: Whether it is an answer that can be continued while it is the last one.
    """

    id: str
    role: str
    parts: list[dict[str, Any]]
    stream_id: str
    status: str
    error: str
    reason: str = ""
    place: str = ROOT
    versions: list[str] = field(default_factory=list)
    length: int = 0
    count: int = 0
    goes_on: bool = False


@dataclass(frozen=True)
class MetricItem:
    """A line of what an answer took."""

    name: str
    value: str


@dataclass(frozen=True)
class ContextItem:
    """How much of the context window the open branch uses.

    Args:
        percent: Of the window, or of what is sent at most where the window does not decide.
        used: In tokens, as text.
        whole: What that is a share of.
        limit: From how many tokens on older messages are summarized.
        is_window: Whether `whole` is the window of the model.
        is_estimate: Whether the provider has not counted it.
        level: `near` or `full` when older messages are about to be summarized, else empty.
    """

    percent: int
    used: str
    whole: str
    limit: str
    is_window: bool = True
    is_estimate: bool = False
    level: str = ""


@dataclass(frozen=True)
class OutlookItem:
    """What is summarized of the open branch, and whether more can be."""

    summarized: int
    can_summarize: bool


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


def message_of_route(argument: object) -> str:
    """The message in a URL that a search has found, in its usual spelling; empty for none."""
    return thread_of_route(argument) or ""


def stream_id(of: UUID) -> str:
    """The short name under which the chunks of a message travel: 36 of its id's bits."""
    return base64.urlsafe_b64encode(of.bytes[:5]).decode()[:6]


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
        first = name if name != last else ""
        items.append(ThreadItem(str(thread.id), thread.title, first, thread.is_archived))
        last = name
    return items


def hit_item(hit: Hit, now: datetime, zone: tzinfo) -> HitItem:
    """The row of a message that a search has found."""
    at = hit.created_at.astimezone(zone)
    day = section(hit.created_at, now, zone)
    if day == "Earlier":
        year = "" if at.year == now.astimezone(zone).year else f" {at.year}"
        day = f"{at.day} {at:%b}{year}"
    return HitItem(
        url=f"/c/{hit.thread_id}?message={hit.message_id}",
        thread=str(hit.thread_id),
        title=hit.title,
        role=hit.role,
        day=day,
        snippet=[SnippetItem(part.text, part.is_hit) for part in hit.snippet],
    )


def item_parts(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """The parts of a stored message as they travel with the list of messages.

    Reasoning is seldom read again and often longer than its answer: only its duration and its
    length travel. A tab asks for its text when the user opens it.
    """
    return [_item_part(part) for part in parts]


def _item_part(part: Part) -> dict[str, Any]:
    match part["type"]:
        case "text":
            return {"type": "text", "text": part["text"]}
        case "reasoning":
            item: dict[str, Any] = {"type": "reasoning", "length": utf16_length(part["text"])}
            return item | ({"seconds": round(part["seconds"], 1)} if "seconds" in part else {})
        case "tool-call":
            return {"type": "tool-call", "name": part["name"], "state": part["state"]}
        case _:
            return shown_part(part)


def stored(message: MessageView) -> MessageItem:
    """A bubble whose parts are known: they travel with the list."""
    parts = item_parts(message.parts)
    streams = message.is_running or any(part["type"] == "reasoning" for part in parts)
    return MessageItem(
        id=str(message.id),
        role=message.role,
        parts=parts,
        stream_id=stream_id(message.id) if streams else "",
        status=message.status,
        error=message.error,
        reason=message.finish_reason,
        place=str(message.parent_id) if message.parent_id else ROOT,
        versions=[str(version) for version in message.versions],
        length=len(message.text),
        count=len(parts),
        goes_on=can_continue(message.role, message.status, message.finish_reason, message.parts),
    )


def arrived(message: MessageView) -> MessageItem:
    """A bubble that arrived while the page was open: its parts travel as stream chunks.

    What an answer had before it was continued is shown until they are there.
    """
    row = stored(message)
    parts = row.parts if message.is_running and message.text else []
    return replace(row, parts=parts, stream_id=stream_id(message.id))


def metric_items(metrics: RunMetrics, model: str, window: int | None = None) -> list[MetricItem]:
    """What an answer took, line by line; what is not known has no line.

    Args:
        metrics: Of its run.
        model: The model's display name.
        window: Its context window, in tokens; None if it is not known.
    """
    usage, first, total = metrics.usage, metrics.first_token_seconds, metrics.total_seconds
    lines = {"Model": model}
    if total is not None:
        lines["Time"] = _duration(total)
    if first is not None:
        lines["Time to first token"] = _duration(first)
    if usage is not None:
        cached, thinking = usage.cached_input_tokens, usage.reasoning_tokens
        lines["Input"] = _tokens(usage.input_tokens, cached, "cached")
        lines["Output"] = _tokens(usage.output_tokens, thinking, "thinking")
        if window:
            used = (usage.input_tokens + usage.output_tokens) / window
            lines["Context"] = f"{used:.0%} of {window:,} tokens"
        writing = None if total is None else total - (first or 0.0)
        if writing and writing > 0 and usage.output_tokens:
            lines["Speed"] = f"{usage.output_tokens / writing:,.0f} tokens per second"
    if metrics.cost is not None:
        lines["Cost"] = _dollars(metrics.cost)
    return [MetricItem(name, value) for name, value in lines.items() if value]


def context_item(usage: ContextUsage) -> ContextItem:
    """What the context meter shows."""
    return ContextItem(
        percent=min(100, round(100 * usage.used / usage.whole)) if usage.whole > 0 else 100,
        used=f"{usage.used:,}",
        whole=f"{usage.whole:,}",
        limit=f"{usage.limit:,}",
        is_window=usage.is_window,
        is_estimate=usage.is_estimate,
        level=usage.level,
    )


def _duration(seconds: float) -> str:
    if seconds < 0.995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _dollars(nanodollars: int) -> str:
    """An amount with at least two digits that are not zeros."""
    dollars = nanodollars / 1_000_000_000
    decimals = 2 if dollars == 0 else max(2, 1 - math.floor(math.log10(dollars)))
    return f"${dollars:,.{decimals}f}"


def _tokens(count: int, among: int | None, word: str) -> str:
    unit = "token" if count == 1 else "tokens"
    of_these = f", {among:,} of them {word}" if among else ""
    return f"{count:,} {unit}{of_these}"
