"""Run events: what the stream of a model decodes to, and what the log of a run stores. Pure.

`fold` makes the parts of a message from events, and `events_of` makes events from parts; so a
reader of a stored answer gets the same events as one that followed it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from chat_app.core.json_values import compact_json, json_value
from chat_app.core.parts import NativeItem, Part, ToolCallPart, WholePart
from chat_app.core.text import utf16_length

FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "size", "other"]
"""Why an answer ended: it was complete, reached the limit of tokens, was withheld, calls tools, or
reached our own limit of bytes (`ANSWER_BYTES`), at which its model is cut off."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of text. Never ends inside a surrogate pair."""

    kind: ClassVar = "text"
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of reasoning. Never ends inside a surrogate pair."""

    kind: ClassVar = "reasoning"
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningEnd:
    """The reasoning is complete.

    Args:
        seconds: How long it took.
    """

    kind: ClassVar = "reasoning-end"
    seconds: float


@dataclass(frozen=True, slots=True)
class TextWasReasoning:
    """The text part that is open is reasoning, and complete; only its closing tag told so.

    Args:
        seconds: How long it took; a model leaves that to the run.
    """

    kind: ClassVar = "text-was-reasoning"
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TextResumed:
    """The text that follows goes on in the last text part, also where other parts stand behind it.

    An answer that is continued has it: a notice or reasoning does not divide a sentence.
    """

    kind: ClassVar = "text-resumed"


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """The next piece of the arguments of a tool call; the first one begins the call.

    Args:
        arguments: A piece of JSON text; may be empty.
    """

    kind: ClassVar = "tool-call-delta"
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCallEnd:
    """The arguments of a tool call are complete."""

    kind: ClassVar = "tool-call-end"
    call_id: str


@dataclass(frozen=True, slots=True)
class ToolApprovalRequest:
    """A tool call waits until the user allows it; its arguments are complete.

    Args:
        approval_id: By which the response names it.
    """

    kind: ClassVar = "tool-approval-request"
    call_id: str
    approval_id: str


@dataclass(frozen=True, slots=True)
class ToolApprovalResponse:
    """The user has allowed a tool call, or has not, which ends it.

    Args:
        reason: Why, in the user's words; may be empty.
    """

    kind: ClassVar = "tool-approval-response"
    call_id: str
    approved: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool has returned or failed.

    Args:
        result: A JSON value.
        error: A message code when it failed, else empty.
    """

    kind: ClassVar = "tool-result"
    call_id: str
    result: Any = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class PartAdded:
    """A part that arrives at once: a file, a source, data, a notice or a summary."""

    kind: ClassVar = "part"
    part: WholePart


@dataclass(frozen=True, slots=True)
class NativeItemAdded:
    """What a provider needs back, word for word; see `core.parts.NativeItem`. It is no part.

    Args:
        made_by: The provider and the model.
        item: The item.
    """

    kind: ClassVar = "native"
    made_by: str
    item: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """The token counts that a provider reports.

    Args:
        output_tokens: With those of the reasoning.
        reasoning_tokens: None when the provider does not say.
        cached_input_tokens: Of the input; None when the provider does not say.
        cache_write_tokens: Of the input, written to the provider's cache at a price of their own; 0
            when there is no such price. Only the cost needs it: it is not stored with the run.
    """

    kind: ClassVar = "usage"
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Finish:
    """The provider reported that the answer has ended."""

    kind: ClassVar = "finish"
    reason: FinishReason


PartDelta = TextDelta | ReasoningDelta
"""An event whose text makes a part longer."""
PART_DELTAS = (TextDelta, ReasoningDelta)
"""The types of `PartDelta`; `isinstance` is faster with a tuple than with a union."""
ToolEvent = ToolCallDelta | ToolCallEnd | ToolApprovalRequest | ToolApprovalResponse | ToolResult
PartEnd = ReasoningEnd | TextWasReasoning
Event = PartDelta | PartEnd | TextResumed | ToolEvent | PartAdded | NativeItemAdded | Usage | Finish

_BY_KIND: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        TextDelta,
        ReasoningDelta,
        ReasoningEnd,
        TextWasReasoning,
        TextResumed,
        ToolCallDelta,
        ToolCallEnd,
        ToolApprovalRequest,
        ToolApprovalResponse,
        ToolResult,
        PartAdded,
        NativeItemAdded,
        Usage,
        Finish,
    )
}


def encode_payload(event: Event) -> str:
    """What the log stores beside the event's kind: a text as it is, anything else as JSON.

    Values of tools and programs are made safe here; see `json_value`.
    """
    if isinstance(event, PART_DELTAS):
        return event.text
    values = {each.name: getattr(event, each.name) for each in fields(event)}
    if isinstance(event, Usage) and not event.cache_write_tokens:
        del values["cache_write_tokens"]  # an earlier version does not know it
    return compact_json(json_value(values))


def is_known(kind: str) -> bool:
    """Whether an event has this kind; a later version may have logged others."""
    return kind in _BY_KIND


def decode_event(kind: str, payload: str) -> Event:
    """The event of a log entry.

    Raises:
        KeyError: No event has this kind.
    """
    event = _BY_KIND[kind]
    return event(payload) if event in PART_DELTAS else event(**json.loads(payload))


class PartLocator:
    """Finds the part that each event is about. The events are given in order.

    A piece of text continues the last part when that has the same kind and is not ended.
    """

    def __init__(self) -> None:
        self._count = 0
        self._open = ""
        self._at = 0
        self._text: int | None = None
        self._calls: dict[str, int] = {}

    def locate(self, event: Event) -> int | None:
        """The index of the part that an event begins or changes; None when it does neither."""
        if event.kind == self._open:  # nearly every event
            return self._at
        match event:
            case TextDelta() | ReasoningDelta():
                return self._new(event.kind)
            case ReasoningEnd():
                if self._open != ReasoningDelta.kind:
                    return None
                self._open = ""
                return self._at
            case TextWasReasoning():
                if self._open != TextDelta.kind:
                    return None
                self._open, self._text = "", None
                return self._at
            case TextResumed():
                if self._text is None or (self._open, self._at) == (TextDelta.kind, self._text):
                    return None
                self._open, self._at = TextDelta.kind, self._text
                return self._at
            case ToolCallDelta():
                if event.call_id not in self._calls:
                    self._calls[event.call_id] = self._new("")
                return self._calls[event.call_id]
            case ToolCallEnd() | ToolApprovalRequest() | ToolApprovalResponse() | ToolResult():
                return self._calls.get(event.call_id)
            case PartAdded():
                return self._new("")
            case NativeItemAdded() | Usage() | Finish():
                return None

    def _new(self, kind: str) -> int:
        self._open, self._at = kind, self._count
        self._count += 1
        if kind == TextDelta.kind:
            self._text = self._at
        return self._at


@dataclass(slots=True)
class FoldedRun:
    """What the events of a run add up to."""

    parts: list[Part] = field(default_factory=list)
    native: list[NativeItem] = field(default_factory=list)
    usage: Usage | None = None
    finish: Finish | None = None


def fold(events: Iterable[Event]) -> FoldedRun:
    """Make the parts of a message from the events of a run, in time linear in their length."""
    folded, locator = FoldedRun(), PartLocator()
    texts: list[list[str]] = []
    for event in events:
        if isinstance(event, Usage):
            folded.usage = event
        elif isinstance(event, Finish):
            folded.finish = event
        elif isinstance(event, NativeItemAdded):
            at = len(folded.parts)
            folded.native.append({"at": at, "made_by": event.made_by, "item": event.item})
        index = locator.locate(event)
        if index is None:
            continue
        if index == len(folded.parts):
            folded.parts.append(_new_part(event))
            texts.append([])
        part = folded.parts[index]
        match event:
            case TextDelta(text) | ReasoningDelta(text):
                texts[index].append(text)
            case ReasoningEnd(seconds) if part["type"] == "reasoning":
                part["seconds"] = seconds
            case TextWasReasoning(seconds) if part["type"] == "text":
                folded.parts[index] = {"type": "reasoning", "text": "", "seconds": seconds}
            case ToolCallDelta() if part["type"] == "tool-call" and part["state"] == "streaming":
                texts[index].append(event.arguments)
            case ToolCallEnd() | ToolApprovalRequest() | ToolApprovalResponse() | ToolResult() if (
                part["type"] == "tool-call"
            ):
                _change_call(part, event)
            case _:
                pass
    for part, pieces in zip(folded.parts, texts, strict=True):
        if part["type"] == "text" or part["type"] == "reasoning":
            part["text"] = "".join(pieces)
        elif part["type"] == "tool-call":
            part["arguments"] = "".join(pieces)
    return folded


def events_of(parts: Iterable[Part]) -> Iterator[tuple[int, Event]]:
    """The events that fold to the parts, each with the index of its part."""
    for index, part in enumerate(parts):
        match part["type"]:
            case "text":
                yield index, TextDelta(part["text"])
            case "reasoning":
                yield index, ReasoningDelta(part["text"])
                if "seconds" in part:
                    yield index, ReasoningEnd(part["seconds"])
            case "tool-call":
                yield from ((index, event) for event in _events_of_call(part))
            case _:
                yield index, PartAdded(part)


def text_length(parts: Iterable[Part]) -> int:
    """The length of all text and reasoning, in UTF-16 code units."""
    return sum(
        utf16_length(part["text"])
        for part in parts
        if part["type"] == "text" or part["type"] == "reasoning"
    )


def _new_part(event: Event) -> Part:
    match event:
        case TextDelta():
            return {"type": "text", "text": ""}
        case ReasoningDelta():
            return {"type": "reasoning", "text": ""}
        case ToolCallDelta():
            return {
                "type": "tool-call",
                "call_id": event.call_id,
                "name": event.name,
                "arguments": "",
                "state": "streaming",
            }
        case PartAdded():
            return event.part
        case _:
            raise AssertionError(f"The event {event.kind} begins no part.")


def _change_call(
    part: ToolCallPart,
    event: ToolCallEnd | ToolApprovalRequest | ToolApprovalResponse | ToolResult,
) -> None:
    if part["state"] in ("done", "failed", "denied"):
        return
    match event:
        case ToolCallEnd():
            part["state"] = "called"
        case ToolApprovalRequest(_, approval_id) if "approval" not in part:
            part["state"], part["approval"] = "called", {"id": approval_id}
        case ToolApprovalResponse() if "approval" in part and "approved" not in part["approval"]:
            part["approval"]["approved"] = event.approved
            if event.reason:
                part["approval"]["reason"] = event.reason
            if not event.approved:
                part["state"] = "denied"
        case ToolResult(_, result, error):
            if error:
                part["state"], part["error"] = "failed", error
            else:
                part["state"], part["result"] = "done", result
        case _:
            pass


def _events_of_call(part: ToolCallPart) -> Iterator[Event]:
    call_id, approval = part["call_id"], part.get("approval")
    yield ToolCallDelta(call_id, part["name"], part["arguments"])
    if part["state"] != "streaming":
        yield ToolCallEnd(call_id)
    if approval is not None:
        yield ToolApprovalRequest(call_id, approval["id"])
        if "approved" in approval:
            yield ToolApprovalResponse(call_id, approval["approved"], approval.get("reason", ""))
    if part["state"] in ("done", "failed"):
        yield ToolResult(call_id, part.get("result"), part.get("error", ""))
