"""Stream chunks: what a tab is sent of an answer, encoded from the events of its run. Pure.

    [stream_id, part, offset, text]      the text of a part goes on, at its offset
    [stream_id, part, patch]             an object, merged into the part
    [stream_id, -1, length, "", status, count]  the end; then `reason, error` where they say more

Offsets and lengths are UTF-16 code units, the browser's own; `count` is how many parts there are. A
part of which no patch came is text.
"""

from collections.abc import Iterable
from typing import Any

from chat_app.core.errors import message_of
from chat_app.core.events import (
    PART_DELTAS,
    PartAdded,
    ReasoningDelta,
    ReasoningEnd,
    TextWasReasoning,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolCallEnd,
    ToolResult,
    events_of,
    text_length,
)
from chat_app.core.parts import Part, WholePart
from chat_app.runs.follow import EndEvent, PartEvent

Chunk = list[Any]
END = -1
"""In place of a part, in the chunk that ends a stream."""
_DEFERRED = (ReasoningEnd, TextWasReasoning)
_EXPECTED = ("", "stop", "user")
"""Reasons that the status says already."""


class ChunkEncoder:
    """Encodes the events of one run, given in order.

    Args:
        stream_id: The short name under which the chunks travel.
    """

    def __init__(self, stream_id: str) -> None:
        self._stream_id = stream_id
        self._deferred: list[Chunk] = []
        self._calls: set[str] = set()
        self._parts = 0

    def encode(self, event: PartEvent | EndEvent) -> list[Chunk]:
        """The chunks of an event, to be sent together.

        A page may drop one of two values that come at once. A gap in a text shows; a missing
        duration or type would not, so these wait for what follows them at once.
        """
        if isinstance(event, EndEvent):
            return self.end(event.length, event.status, event.reason, event.error)
        self._parts = max(self._parts, event.part + 1)
        chunk = self._part_chunk(event)
        if chunk is None:
            return []
        if isinstance(event.event, _DEFERRED):
            self._deferred.append(chunk)
            return []
        return self._release(chunk)

    def end(self, length: int, status: str, reason: str = "", error: str = "") -> list[Chunk]:
        """The chunks that end the stream.

        Args:
            length: Of all text and reasoning, in UTF-16 code units.
            status: How it ended.
            reason: Why.
            error: What is said of one that failed.
        """
        why = [reason, error] if error or reason not in _EXPECTED else []
        return self._release([self._stream_id, END, length, "", status, self._parts, *why])

    def _release(self, chunk: Chunk) -> list[Chunk]:
        released, self._deferred = [*self._deferred, chunk], []
        return released

    def _part_chunk(self, event: PartEvent) -> Chunk | None:
        if isinstance(event.event, PART_DELTAS):
            text = event.event.text
            if isinstance(event.event, ReasoningDelta) and event.offset == 0:
                return [self._stream_id, event.part, {"type": "reasoning", "text": text}]
            return [self._stream_id, event.part, event.offset, text]
        patch = self._patch(event)
        return None if patch is None else [self._stream_id, event.part, patch]

    def _patch(self, event: PartEvent) -> dict[str, Any] | None:
        match event.event:
            case ReasoningEnd(seconds):
                return {"seconds": round(seconds, 1)}
            case TextWasReasoning(seconds):
                return {"type": "reasoning", "seconds": round(seconds, 1)}
            case ToolCallDelta(call_id, name) if call_id not in self._calls:
                self._calls.add(call_id)
                return {"type": "tool-call", "name": name, "state": "streaming"}
            case ToolCallEnd() | ToolApprovalRequest():
                return {"state": "called"}
            case ToolApprovalResponse(approved=False):
                return {"state": "denied"}
            case ToolResult(error=error):
                return {"state": "failed" if error else "done"}
            case PartAdded(part):
                return shown_part(part)
            case _:
                return None


def stored_chunks(
    stream_id: str,
    parts: Iterable[Part],
    status: str,
    only: int | None = None,
    *,
    reason: str = "",
    error: str = "",
) -> list[Chunk]:
    """The chunks of a stored message.

    Args:
        stream_id: The short name under which they travel.
        parts: The message's.
        status: The message's.
        only: The index of the one part to send, without an end; None for all.
        reason: Why the message ended.
        error: What is said of one that failed.
    """
    parts = list(parts)
    encoder, chunks = ChunkEncoder(stream_id), list[Chunk]()
    for index, event in events_of(parts):
        chunks += encoder.encode(PartEvent(0, index, 0, event))
    chunks += encoder.end(text_length(parts), status, reason, error)
    return chunks if only is None else [chunk for chunk in chunks if chunk[1] == only]


def shown_part(part: WholePart) -> dict[str, Any]:
    """A part that arrives at once, as the page shows it: a notice as its sentence."""
    if part["type"] == "notice":
        return {"type": "notice", "text": message_of(part["code"], part["params"])}
    if part["type"] == "summary":
        return {key: part[key] for key in ("type", "text", "count", "origin")}
    return dict(part)
