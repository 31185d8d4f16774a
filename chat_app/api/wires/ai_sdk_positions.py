"""How far a client has read an answer: the `id` of an event of its stream, and what is left. Pure.

A browser's `EventSource` sends the last `id` when it reconnects (HTML Standard, 9.2.3), maybe after
the answer has ended and its log is folded into parts. So a position counts what the client has of
each part, which is the same in both, and not the entries of the log.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import UUID

from chat_app.core.events import (
    PART_DELTAS,
    PartDelta,
    ReasoningEnd,
    TextDelta,
    TextResumed,
    TextWasReasoning,
    ToolCallDelta,
)
from chat_app.core.text import utf16_length, utf16_tail
from chat_app.runs.follow import PartEvent

POSITION_HEADER = "last-event-id"
"""The header in which a client sends the last `id` that it has."""

STREAMING, CALLED, ASKED, ANSWERED, DONE_CALL = range(5)
"""How far a tool call is: its arguments come; it is complete; the user is asked; has answered; it
has its result, or has none because the user did not allow it."""

Chunk = dict[str, Any]
"""One event of the stream."""

_MAX_ID = 4_000
"""Characters of an `id`; what many calls run at once in would be longer, and gets none."""
_ID = re.compile(r"([0-9a-f]{32})\.([0-2])\.(\d{1,9})\.(\d|end)((?:\.[^.]+)*)", re.ASCII)
_MARK = re.compile(
    r"(?P<place>[ox])(?P<id>[tr]\d{1,9}(?:-\d{1,9})?):(?P<length>\d{1,9})"
    r"|c(?P<call>\d{1,9}):(?P<call_length>\d{1,9}):(?P<state>[0-3])",
    re.ASCII,
)
_END = "end"


@dataclass(frozen=True, slots=True)
class TextPosition:
    """How far a client has a text or reasoning.

    Args:
        id: Under which its chunks come.
        length: In UTF-16 code units; of a text that was resumed, with what was before.
    """

    id: str
    length: int

    @property
    def is_text(self) -> bool:
        """Whether its chunks are of text."""
        return self.id.startswith("t")

    @property
    def part(self) -> int:
        """The index of the part."""
        return int(self.id[1:].partition("-")[0])


@dataclass(frozen=True, slots=True)
class OpenCallPosition:
    """How far a client has a tool call that is not done.

    Args:
        length: The characters of its arguments.
        state: One of `STREAMING` to `ANSWERED`.
    """

    length: int
    state: int


@dataclass(frozen=True, slots=True)
class Position:
    """What a client has of an answer.

    Args:
        run_id: The run.
        started: How many chunks of the start.
        parts: How many parts have begun. It has all of them but what is named here.
        ended: How many chunks of the end.
        is_end: Whether it has everything.
        open: The text or reasoning that is open.
        closed: The last text, when it is not the open one: it may be resumed.
        calls: The tool calls that are not done, by the index of their part.
    """

    run_id: UUID
    started: int = 0
    parts: int = 0
    ended: int = 0
    is_end: bool = False
    open: TextPosition | None = None
    closed: TextPosition | None = None
    calls: dict[int, OpenCallPosition] = field(default_factory=dict)

    def length(self, part: int) -> int | None:
        """The length of a text or reasoning that may go on; None if the client has all of it."""
        lengths = [text.length for text in (self.open, self.closed) if text and text.part == part]
        return lengths[0] if lengths else None


def position_of(event_id: str | None) -> Position | None:
    """The position that an `id` says; None if it is none of ours."""
    matched = _ID.fullmatch(event_id) if event_id and len(event_id) <= _MAX_ID else None
    if matched is None:
        return None
    run_id, started, parts, ended, marks = matched.groups()
    texts, calls = dict[str, TextPosition](), dict[int, OpenCallPosition]()
    for mark in marks.split(".")[1:]:
        found = _MARK.fullmatch(mark)
        if found is None:
            return None
        if place := found["place"]:
            texts[place] = TextPosition(found["id"], int(found["length"]))
        else:
            call = OpenCallPosition(int(found["call_length"]), int(found["state"]))
            calls[int(found["call"])] = call
    is_end = ended == _END
    return Position(
        UUID(run_id),
        int(started),
        int(parts),
        0 if is_end else int(ended),
        is_end,
        texts.get("o"),
        texts.get("x"),
        calls,
    )


class PositionTracker:
    """Follows what a client has, chunk by chunk.

    Args:
        run_id: The run.
        position: What it has from the beginning.

    Attributes:
        started: How many chunks of the start it has.
        ended: How many chunks of the end.
    """

    def __init__(self, run_id: UUID, position: Position | None) -> None:
        at = position or Position(run_id)
        self.started = at.started
        self.ended = at.ended
        self._run = run_id.hex
        self._parts = at.parts
        self._open = at.open and at.open.id
        self._length = at.open.length if at.open else 0
        self._closed = at.closed
        self._calls = dict(at.calls)

    @property
    def id_line(self) -> bytes:
        """The line with the `id` of the chunk that was added last."""
        marks = [f"o{self._open}:{self._length}"] if self._open else []
        if self._closed:
            marks.append(f"x{self._closed.id}:{self._closed.length}")
        marks += [f"c{part}:{call.length}:{call.state}" for part, call in self._calls.items()]
        return self._line(".".join([str(self.ended), *marks]))

    @property
    def end_line(self) -> bytes:
        """The line with the `id` of the end of the stream."""
        return self._line(_END)

    def add(self, chunk: Chunk, part: int = -1) -> None:
        """Add a chunk that the client gets.

        Args:
            chunk: The chunk.
            part: The part that its event is about.
        """
        match chunk["type"]:
            case "text-delta" | "reasoning-delta":
                self._length += utf16_length(chunk["delta"])
            case "text-start" | "reasoning-start":
                self._parts = max(self._parts, part + 1)
                self._open, self._length = chunk["id"], 0
                if chunk["type"] == "text-start":
                    if self._closed and self._closed.part == part:
                        self._length = self._closed.length
                    self._closed = None
            case "text-end" | "reasoning-end":
                if chunk["type"] == "text-end":
                    self._closed = TextPosition(chunk["id"], self._length)
                self._open = None
            case "tool-input-start":
                self._parts = max(self._parts, part + 1)
                self._calls[part] = OpenCallPosition(0, STREAMING)
            case "tool-input-delta":
                length = self._calls[part].length + len(chunk["inputTextDelta"])
                self._calls[part] = OpenCallPosition(length, STREAMING)
            case "tool-input-available" | "tool-input-error":
                self._call(part, CALLED)
            case "tool-approval-request":
                self._call(part, ASKED)
            case "tool-approval-response":
                self._call(part, ANSWERED)
            case "data-approval" if part in self._calls:
                self._call(part, ANSWERED if "approved" in chunk["data"] else ASKED)
            case "tool-output-available" | "tool-output-error" | "tool-output-denied":
                self._calls.pop(part, None)
            case "start" | "start-step":
                self.started += 1
            case "finish-step" | "message-metadata" | "error" | "abort" | "finish":
                self.ended += 1
            case _:
                self._parts = max(self._parts, part + 1)

    def _call(self, part: int, state: int) -> None:
        self._calls[part] = replace(self._calls[part], state=state)

    def _line(self, rest: str) -> bytes:
        id_ = f"{self._run}.{self.started}.{self._parts}.{rest}"
        return f"id: {id_}\n".encode() if len(id_) <= _MAX_ID else b""


class Calls(Protocol):
    """What is told what a client has of tool calls; the encoder."""

    def skip_arguments(self, event: ToolCallDelta, state: int) -> None:
        """Take a piece of the arguments of a call."""
        ...


class Remainder:
    """What is left of events for a client that has some of them.

    Args:
        position: What it has.
        calls: Is told the beginning of the tool calls that are not done.
    """

    def __init__(self, position: Position, calls: Calls) -> None:
        self._position = position
        self._calls = calls
        self._begun = 0
        self._arguments: dict[int, int] = {}

    def of(self, part_event: PartEvent) -> PartEvent | None:
        """What is left of the next event; None if the client has all of it."""
        at, part, event = self._position, part_event.part, part_event.event
        begun, self._begun = self._begun, max(self._begun, part + 1)
        if part >= at.parts:
            return part_event
        if isinstance(event, PART_DELTAS):
            return self._text(part_event, event)
        if isinstance(event, ReasoningEnd | TextWasReasoning):
            if at.open is None or part != at.open.part:
                return None
            # that a text was reasoning may have come meanwhile
            end = TextWasReasoning if at.open.is_text else ReasoningEnd
            return replace(part_event, event=end(event.seconds))
        if isinstance(event, TextResumed):
            ids = [text.id for text in (at.open, at.closed) if text]
            return None if begun < at.parts or f"t{part}-{begun}" in ids else part_event
        if isinstance(event, ToolCallDelta):
            return self._call(part_event, event)
        return part_event if part in at.calls else None

    def _text(self, part_event: PartEvent, event: PartDelta) -> PartEvent | None:
        at, part = self._position, part_event.part
        length = at.length(part)
        if length is None:
            return None
        text = utf16_tail(event.text, max(0, length - part_event.offset))
        is_text = at.open is not None and at.open.part == part and at.open.is_text
        left = TextDelta(text) if is_text else type(event)(text)
        return replace(part_event, event=left) if text else None

    def _call(self, part_event: PartEvent, event: ToolCallDelta) -> PartEvent | None:
        part, known = part_event.part, self._position.calls.get(part_event.part)
        if known is None:
            return None
        before = self._arguments.get(part, 0)
        self._arguments[part] = before + len(event.arguments)
        cut = max(0, known.length - before)
        if cut or not before:
            skipped = replace(event, arguments=event.arguments[:cut])
            self._calls.skip_arguments(skipped, known.state)
        left = replace(event, arguments=event.arguments[cut:])
        return replace(part_event, event=left) if left.arguments else None
