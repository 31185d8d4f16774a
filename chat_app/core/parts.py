"""Message parts: the typed JSON that a message stores, in the order in which it is read. Pure.

The names of types and states are stored in rows and sent to programs; they do not change.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from chat_app.core.errors import message_of


class TextPart(TypedDict):
    """Text of a user or a model; a model's is Markdown."""

    type: Literal["text"]
    text: str


class ReasoningPart(TypedDict):
    """What a model thought before it answered.

    Args:
        seconds: How long that took; missing when it was cut off.
    """

    type: Literal["reasoning"]
    text: str
    seconds: NotRequired[float]


class ToolApproval(TypedDict):
    """The question whether a tool call may run.

    Args:
        id: The question's own id.
        approved: What the user has answered; missing until then.
        reason: Why, in the user's words.
    """

    id: str
    approved: NotRequired[bool]
    reason: NotRequired[str]


class ToolCallPart(TypedDict):
    """A call of a tool by a model.

    Args:
        arguments: The arguments as JSON text, as far as they have arrived.
        state: `streaming` while arguments arrive, then `called`, then `done`, `failed`, or `denied`
            if the user did not allow it.
        approval: The user's approval; missing when the tool needs none.
        result: What the tool returned, a JSON value; only when `done`.
        error: A message code; only when `failed`.
    """

    type: Literal["tool-call"]
    call_id: str
    name: str
    arguments: str
    state: Literal["streaming", "called", "done", "failed", "denied"]
    approval: NotRequired[ToolApproval]
    result: NotRequired[Any]
    error: NotRequired[str]


class FilePart(TypedDict):
    """A file of a user or a model."""

    type: Literal["file"]
    url: str
    media_type: str
    name: str


class SourcePart(TypedDict):
    """A page that an answer refers to."""

    type: Literal["source"]
    id: str
    url: str
    title: str


class DataPart(TypedDict):
    """A JSON value that a program shows in its own way.

    Args:
        name: The kind of value: lower-case letters, digits and hyphens.
    """

    type: Literal["data"]
    name: str
    data: Any


class NoticePart(TypedDict):
    """What the system says inside a thread.

    Args:
        code: A key of `core.errors.MESSAGES`.
        params: The parameters of its message; JSON values.
    """

    type: Literal["notice"]
    code: str
    params: dict[str, Any]


class SummaryPart(TypedDict):
    """A summary that takes the place of older messages in the prompts of models.

    Args:
        until: The id of the last message of the branch that it covers; all above it are covered.
        count: How many messages those are.
        origin: `model` if a model wrote it, `excerpt` if it is the messages' beginnings.
    """

    type: Literal["summary"]
    text: str
    until: str
    count: int
    origin: Literal["model", "excerpt"]


class NativeItem(TypedDict):
    """What a provider needs back, word for word, when the conversation goes on: a signature, an id.

    It stands beside the parts of an answer, and is never shown.

    Args:
        at: How many parts stand before it.
        made_by: The provider and the model; no other one is sent it.
        item: The item, in the form of the dialect.
    """

    at: int
    made_by: str
    item: dict[str, Any]


WholePart = FilePart | SourcePart | DataPart | NoticePart | SummaryPart
"""A part that arrives at once."""
Part = TextPart | ReasoningPart | ToolCallPart | WholePart


PART_BYTES = 64
"""What each part counts besides its content, so that many small ones are not free."""


def text_part(text: str) -> TextPart:
    """A text part."""
    return {"type": "text", "text": text}


def notice_part(code: str, **params: Any) -> NoticePart:
    """A notice."""
    return {"type": "notice", "code": code, "params": params}


def notice_values(part: NoticePart) -> dict[str, Any]:
    """A notice as programs get it, with its message."""
    code, params = part["code"], part["params"]
    return {"code": code, "params": params, "text": message_of(code, params)}


def summary_values(part: SummaryPart) -> dict[str, Any]:
    """A summary as programs get it: without the id of the last message that it covers."""
    return {key: part[key] for key in ("text", "count", "origin")}


def text_of(parts: Iterable[Part]) -> str:
    """The visible text: the text parts joined, without reasoning and other parts."""
    return "".join(part["text"] for part in parts if part["type"] == "text")


def size_of(parts: Sequence[Part]) -> int:
    """What parts count of a limit, in bytes: their content, and `PART_BYTES` for each after the
    first, which counts with the row of its message.
    """
    return content_size(parts) + PART_BYTES * max(0, len(parts) - 1)


def content_size(parts: Iterable[Part]) -> int:
    """The size of the parts in bytes: their text as UTF-8, everything else as JSON."""
    return sum(
        len(part["text"].encode("utf-8", "surrogatepass"))
        if part["type"] == "text" or part["type"] == "reasoning"
        else len(json.dumps(part))
        for part in parts
    )


def native_size(items: Sequence[NativeItem] | None) -> int:
    """The size of native items in bytes, as JSON."""
    return len(json.dumps(items)) if items else 0


def has_content(parts: Iterable[Part]) -> bool:
    """Whether there is an answer among the parts, and not only what surrounds one."""
    return any(part["type"] not in ("reasoning", "source", "notice", "summary") for part in parts)


def summary_of(parts: Iterable[Part]) -> SummaryPart | None:
    """The last summary among the parts."""
    summaries = [part for part in parts if part["type"] == "summary"]
    return summaries[-1] if summaries else None
