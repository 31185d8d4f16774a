"""An answer that is being read: its stream decoded, and how it goes on after a cut. Pure.

The server sends the AI SDK's UI message stream. A resumed stream begins at the beginning of the
answer, with the same parts; what has been read already is left out here, by the index of a part
and the length of its text. An answer that ended meanwhile comes in its stored form, in which a
text that turned out to be reasoning is a reasoning part.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chat_app.client.errors import (
    ANSWER_FAILED,
    CONNECTION_LOST,
    UNEXPECTED_RESPONSE,
    UNREACHABLE,
    ApiError,
)
from chat_app.client.events import (
    AnswerEvent,
    ErrorEvent,
    FinishEvent,
    NoticeEvent,
    ReasoningEvent,
    TextEvent,
    TextWasReasoningEvent,
    ToolApprovalEvent,
    ToolCallEvent,
    ToolResultEvent,
    WholePartEvent,
)
from chat_app.client.models import AnswerMetadata
from chat_app.client.operations import ApiRequest, resume
from chat_app.client.sse import SseDecoder

STREAM_HEADER = "x-resumable-stream-id"
"""Every stream of an answer has it, and no other response."""
THREAD_HEADER = "x-thread-id"

_UNAVAILABLE = (429, 502, 503, 504)
"""Statuses with which a server, or a proxy before it, says that it will be there again."""


@dataclass(slots=True)
class _ReadPart:
    """A part of the message, and how much of it has been read.

    Args:
        kind: `text` or `reasoning`; empty for any other.
    """

    kind: str
    pieces: list[str] = field(default_factory=list[str])
    length: int = 0


class AnswerReader:
    """The state of an answer, which its events have built so far.

    Args:
        request: Begins the stream.
        waits: The seconds before each attempt to connect again, in their order; an event that is
            new begins them anew.

    Attributes:
        thread_id: The thread; None until the server has said it.
        message_id: The answer; None until the stream has begun.
        stream_id: What `ChatClient.resume` takes; None until the server has said it.
        finish: The end of the answer; None while it is written, or when it was not read so far.
        error: The sentence about an answer that failed, else empty.
    """

    def __init__(self, request: ApiRequest[None], waits: Sequence[float]) -> None:
        self.thread_id: UUID | None = None
        self.message_id: UUID | None = None
        self.stream_id: UUID | None = None
        self.finish: FinishEvent | None = None
        self.error = ""
        self._request = request
        self._waits = waits
        self._cuts = 0
        self._metadata: dict[str, Any] = {}
        self._parts: list[_ReadPart] = []
        self._called: set[str] = set()
        self._asked: set[str] = set()
        self._returned: set[str] = set()
        self._begin()

    @property
    def text(self) -> str:
        """The text so far, without reasoning and other parts."""
        return self._joined("text")

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return self._joined("reasoning")

    def _joined(self, kind: str) -> str:
        return "".join(piece for part in self._parts if part.kind == kind for piece in part.pieces)

    def whole(self) -> str:
        """The text of an answer that has been read to its end.

        Raises:
            ApiError: The answer failed.
        """
        if self.error:
            raise ApiError(self.error, code=ANSWER_FAILED)
        return self.text

    def next_request(self) -> ApiRequest[None]:
        """What opens the stream: the request, and after a cut the one that resumes it."""
        return self._request if self.stream_id is None else resume(self.stream_id)

    @staticmethod
    def cut() -> ApiError:
        """Why a stream has ended before its answer, when its bytes just end."""
        message = "The connection was cut in the middle of the answer."
        return ApiError(message, code=CONNECTION_LOST)

    def opened(self, headers: Mapping[str, str]) -> None:
        """Take a response that is a stream; its bytes go to `feed`.

        Args:
            headers: Its headers, whose names are compared without case.
        """
        self.stream_id = UUID(headers[STREAM_HEADER])
        self.thread_id = UUID(headers[THREAD_HEADER])
        self._begin()

    def wait_after(self, problem: ApiError) -> float:
        """The seconds to wait before the stream is opened again.

        Args:
            problem: Why it could not be opened, or was cut.

        Raises:
            ApiError: It is not opened again: that could send a message twice, would not help, or
                was tried often enough.
        """
        if self.stream_id is not None:
            goes_on = problem.status is None or problem.status in _UNAVAILABLE
        else:
            may_repeat = self._request.may_repeat or problem.code == UNREACHABLE
            goes_on = problem.status is None and may_repeat
        if not goes_on or self._cuts >= len(self._waits):
            raise problem
        self._cuts += 1
        return self._waits[self._cuts - 1]

    def feed(self, piece: bytes) -> list[AnswerEvent]:
        """The events that the next bytes of the stream complete.

        Raises:
            ApiError: They are not of this API's stream.
        """
        events: list[AnswerEvent] = []
        try:
            for data in self._decoder.feed(piece):
                if self.finish is None and data != "[DONE]":
                    events += self._take(json.loads(data))
        except (ValueError, LookupError, TypeError, AttributeError):
            message = "The server sent an event that is not of this API's stream."
            raise ApiError(message, code=UNEXPECTED_RESPONSE) from None
        if events:
            self._cuts = 0
        return events

    def _begin(self) -> None:
        """Expect the stream from its beginning."""
        self._decoder = SseDecoder()
        self._count = 0  # parts that this connection has begun
        self._offsets: dict[int, int] = {}  # of the text of each, in this connection
        self._part_of: dict[str, int] = {}  # the parts by their ids in the stream

    def _take(self, chunk: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        """The events of a chunk (`packages/ai/src/ui-message-stream/ui-message-chunks.ts`)."""
        self._metadata |= chunk.get("messageMetadata") or {}
        match chunk["type"]:
            case "text-delta" | "reasoning-delta":
                yield from self._delta(chunk["id"], chunk["delta"])
            case "text-start" | "reasoning-start" as kind:
                yield from self._start(kind.removesuffix("-start"), chunk["id"])
            case "text-end":
                ours = (chunk.get("providerMetadata") or {}).get("chat-app") or {}
                if ours.get("reasoning"):
                    yield from self._was_reasoning(self._part_of[chunk["id"]])
            case "start":
                self.message_id = UUID(chunk["messageId"])
            case "tool-input-start":
                self._next_part("")
            case "tool-input-available" | "tool-input-error":
                yield from self._call(chunk)
            case "tool-approval-request":
                yield from self._approval(chunk)
            case "tool-output-available" | "tool-output-error" | "tool-output-denied":
                yield from self._result(chunk)
            case "error":
                if not self.error:
                    self.error = chunk["errorText"]
                    yield ErrorEvent(self.error)
            case "abort":
                yield self._finish("stopped")
            case "finish":
                yield self._finish(chunk.get("finishReason") or "other")
            case str() as kind if kind in ("file", "source-url") or kind.startswith("data-"):
                yield from self._whole_part(chunk)
            case _:
                pass

    def _next_part(self, kind: str) -> tuple[int, bool]:
        """The index of the part that begins here, and whether it is new."""
        index, self._count = self._count, self._count + 1
        is_new = index == len(self._parts)
        if is_new:
            self._parts.append(_ReadPart(kind))
        return index, is_new

    def _start(self, kind: str, id_: str) -> Iterator[AnswerEvent]:
        if "-" in id_:  # a text that goes on, behind which other parts stand
            self._part_of[id_] = int(id_[1 : id_.index("-")])
            return
        index, _ = self._next_part(kind)
        self._part_of[id_] = index
        if kind == "reasoning":
            yield from self._was_reasoning(index)

    def _delta(self, id_: str, text: str) -> Iterator[AnswerEvent]:
        index = self._part_of[id_]
        part, offset = self._parts[index], self._offsets.get(index, 0)
        self._offsets[index] = offset + len(text)
        new = text[max(0, part.length - offset) :]
        if not new:
            return
        part.pieces.append(new)
        part.length += len(new)
        yield (TextEvent if part.kind == "text" else ReasoningEvent)(new, index)

    def _was_reasoning(self, index: int) -> Iterator[AnswerEvent]:
        part = self._parts[index]
        if part.kind == "text":
            part.kind = "reasoning"
            if part.length:
                yield TextWasReasoningEvent(index)

    def _call(self, chunk: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        call_id = chunk["toolCallId"]
        if call_id not in self._called:
            self._called.add(call_id)
            error = chunk.get("errorText", "")
            yield ToolCallEvent(call_id, chunk["toolName"], chunk["input"], error)

    def _approval(self, chunk: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        approval_id = chunk["approvalId"]
        if approval_id not in self._asked:
            self._asked.add(approval_id)
            yield ToolApprovalEvent(chunk["toolCallId"], approval_id)

    def _result(self, chunk: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        call_id = chunk["toolCallId"]
        if call_id not in self._returned:
            self._returned.add(call_id)
            denied = chunk["type"] == "tool-output-denied"
            error = chunk.get("errorText", "")
            yield ToolResultEvent(call_id, chunk.get("output"), error, denied)

    def _whole_part(self, chunk: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        index, is_new = self._next_part("")
        if not is_new:
            return
        if chunk["type"] == "data-notice":
            notice = chunk["data"]
            yield NoticeEvent(notice["code"], notice["params"], notice["text"], index)
        else:
            yield WholePartEvent(index, dict(chunk))

    def _finish(self, reason: str) -> FinishEvent:
        metadata = AnswerMetadata.model_validate(self._metadata)
        # the stream calls the server's own limit `length`, which every client knows
        self.finish = FinishEvent("size" if metadata.finish_reason == "size" else reason, metadata)
        return self.finish
