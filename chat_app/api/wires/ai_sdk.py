"""Answers as the AI SDK's UI message stream, and stored messages as its UI messages.

Versions 5, 6 and 7 read them. Strict clients reject a chunk with a type or a key that they do not
know, so only those of version 5 are sent. Approvals are the exception: version 5 has none and gets
them as data, if it says who it is.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any
from uuid import UUID

from chat_app.api.wires import sse
from chat_app.api.wires.ai_sdk_positions import Chunk, Position, PositionTracker, Remainder
from chat_app.api.wires.ai_sdk_tools import (
    ClientVersion,
    OpenCall,
    ui_tool_call,
    without_prototype_keys,
)
from chat_app.core.events import (
    PART_DELTAS,
    PartAdded,
    ReasoningEnd,
    TextResumed,
    TextWasReasoning,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolCallEnd,
    ToolEvent,
    ToolResult,
    Usage,
)
from chat_app.core.json_values import compact_json
from chat_app.core.parts import (
    Part,
    ReasoningPart,
    TextPart,
    WholePart,
    notice_values,
    summary_values,
)
from chat_app.runs.follow import EndEvent, PartEvent, RunMetrics

HEADERS = {**sse.HEADERS, "x-vercel-ai-ui-message-stream": "v1"}
"""`packages/ai/src/ui-message-stream/ui-message-stream-headers.ts`"""
VERSION_HEADER = "x-ai-sdk"
"""The header in which a client says its version; see `client_version`."""
ID_EVERY = 64
"""How many pushes of a POST have one `id:` line; one in each would double the bytes of a token."""

INTERRUPTED = "The answer was interrupted. Try again."


class MessageStreamEncoder:
    """Encodes one answer, followed from its start, as the chunks of the stream.

    It keeps which part is open and the arguments of unfinished tool calls, no text.

    Args:
        message_id: The answer. A client that has it already replaces what it has.
        thread_id: Sent as metadata, for a client that does not know it.
        version: The client's.
        position: How far the client has read the answer already; only the rest is given then.
    """

    def __init__(
        self,
        message_id: UUID,
        thread_id: UUID,
        version: ClientVersion = 6,
        position: Position | None = None,
    ) -> None:
        self._message_id = message_id
        self._thread_id = thread_id
        self._version: ClientVersion = version
        self._parts = position.parts if position else 0
        text = position and position.open
        self._open = text.id if text else ""
        self._open_part = text.part if text else None
        self._calls: dict[str, OpenCall] = {}

    def start(self) -> list[Chunk]:
        """The chunks before the first part."""
        metadata = {"threadId": str(self._thread_id)}
        start = {"type": "start", "messageId": str(self._message_id), "messageMetadata": metadata}
        return [start, {"type": "start-step"}]

    def event(self, part_event: PartEvent) -> list[Chunk]:
        """The chunks of an event."""
        part, event = part_event.part, part_event.event
        chunks: list[Chunk] = []
        if begins := part == self._parts:
            chunks += self._end_open()
            self._parts += 1
        if isinstance(event, PART_DELTAS):
            kind = event.kind
            if begins:
                chunks.append(self._start(kind, f"{kind[0]}{part}", part))
            elif part != self._open_part:
                chunks += self._resumed(kind, part)
            if event.text:
                chunks.append({"type": f"{kind}-delta", "id": self._open, "delta": event.text})
        elif isinstance(event, TextResumed):
            chunks += self._resumed("text", part)
        elif isinstance(event, TextWasReasoning):
            # the type of a part that is sent cannot change
            chunks += self._end_open(_provider_metadata(reasoning=True, seconds=event.seconds))
        elif isinstance(event, ReasoningEnd):
            if part == self._open_part:  # a resumed text may have ended it
                chunks += self._end_open(_provider_metadata(seconds=event.seconds))
        elif isinstance(event, ToolEvent):
            chunks += self._tool_chunks(event)
        elif isinstance(event, PartAdded):
            chunks.append(_whole_part(event.part, part))
        return chunks

    def end(self, event: EndEvent) -> list[Chunk]:
        """The chunks after the last part."""
        chunks = [*self._end_open(), {"type": "finish-step"}]
        reason = finish_reason(event.status, event.reason)
        found = metadata(event.metrics, reason)
        if event.status == "complete":
            return [*chunks, {**_finish(reason), "messageMetadata": found}]
        # clients stop reading at an error or an abort, so what they shall keep comes before it
        if found:
            chunks.append({"type": "message-metadata", "messageMetadata": found})
        if reason is None:
            return [*chunks, {"type": "abort"}]
        error = {"type": "error", "errorText": event.error or INTERRUPTED}
        return [*chunks, error, _finish(reason)]

    def skip_arguments(self, event: ToolCallDelta, state: int) -> None:
        """Take what a client has of the arguments of a call that is not done.

        Args:
            event: A piece of them.
            state: How far the client has the call; see `OpenCallPosition`.
        """
        call = self._calls.setdefault(
            event.call_id, OpenCall(event.call_id, event.name, self._version, state)
        )
        call.arguments.append(event.arguments)

    def _start(self, kind: str, id_: str, part: int) -> Chunk:
        self._open, self._open_part = id_, part
        return {"type": f"{kind}-start", "id": id_}

    def _resumed(self, kind: str, part: int) -> list[Chunk]:
        """A part that has ended cannot go on: the rest is another one."""
        return [*self._end_open(), self._start(kind, f"{kind[0]}{part}-{self._parts}", part)]

    def _end_open(self, more: Mapping[str, Any] | None = None) -> list[Chunk]:
        if not self._open:
            return []
        id_, self._open, self._open_part = self._open, "", None
        kind = "text" if id_.startswith("t") else "reasoning"
        return [{"type": f"{kind}-end", "id": id_, **(more or {})}]

    def _tool_chunks(self, event: ToolEvent) -> list[Chunk]:
        id_ = event.call_id
        if isinstance(event, ToolCallDelta) and id_ not in self._calls:
            self._calls[id_] = OpenCall(id_, event.name, self._version)
            return [*self._calls[id_].start(), *self._calls[id_].delta(event.arguments)]
        call = self._calls[id_]
        match event:
            case ToolCallDelta(_, _, arguments):
                return call.delta(arguments)
            case ToolCallEnd():
                return call.end()
            case ToolApprovalRequest():
                return [*call.end(), *call.request_approval(event)]
            case ToolApprovalResponse():
                return call.approval(event)
            case ToolResult():
                return [*call.end(), *call.result(event)]


def encode(chunks: Iterable[Chunk]) -> bytes:
    """The chunks as server-sent events."""
    return sse.data_events([_json(chunk) for chunk in chunks])


def _json(chunk: Chunk) -> str:
    if "delta" not in chunk:
        return compact_json(chunk)
    # an encoder of objects costs a token more than all of its text
    delta = compact_json(chunk["delta"])
    return f'{{"type":"{chunk["type"]}","id":"{chunk["id"]}","delta":{delta}}}'


async def encoded(
    events: AsyncGenerator[PartEvent | EndEvent],
    *,
    run_id: UUID,
    message_id: UUID,
    thread_id: UUID,
    version: ClientVersion = 6,
    after: Position | None = None,
    id_every: int | None = None,
) -> AsyncGenerator[bytes]:
    """Encode a run as the bytes of the stream.

    Args:
        events: The run, followed from 0.
        run_id: The run.
        message_id: The answer.
        thread_id: Its thread.
        version: The client's.
        after: What the client has of it already.
        id_every: How many pushes have one `id`; None gives each event its own, for a client that
            reconnects by itself and must get no event twice.
    """
    encoder = MessageStreamEncoder(message_id, thread_id, version, after)
    tracker, rest = PositionTracker(run_id, after), after and Remainder(after, encoder)
    blocks = _Blocks(tracker, id_every)
    yield blocks.of(encoder.start()[tracker.started :], -1)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, EndEvent):
                yield blocks.ending(encoder.end(event), is_end=event.status != "revoked")
            elif (left := rest.of(event) if rest else event) and (chunks := encoder.event(left)):
                yield blocks.of(chunks, event.part)


class _Blocks:
    """Chunks as server-sent events, with the `id`s of their positions.

    Args:
        tracker: The position of the client.
        every: How many pushes have one `id`, in an event without data, which simple parsers skip;
            None gives each event its own.
    """

    def __init__(self, tracker: PositionTracker, every: int | None) -> None:
        self._tracker = tracker
        self._every = every
        self._pushes = -1  # the start is none

    def of(self, chunks: Iterable[Chunk], part: int) -> bytes:
        """The events of a push.

        Args:
            chunks: The chunks.
            part: The part that they are about.
        """
        if self._every is None:
            return b"".join([self._with_id(chunk, part) for chunk in chunks])
        for chunk in chunks:
            self._tracker.add(chunk, part)
        self._pushes += 1
        if self._pushes == 0 or self._pushes % self._every:
            return encode(chunks)
        return encode(chunks) + self._tracker.id_line + b"\n"

    def ending(self, chunks: list[Chunk], *, is_end: bool) -> bytes:
        """The last events, of which the client may have some.

        Args:
            chunks: All of them.
            is_end: Whether this is how the answer ended. A client whose session has ended has not
                seen that, and its last `id` is one before.
        """
        left = chunks[self._tracker.ended :]
        if not is_end:
            return encode(left) + sse.DONE
        if self._every is not None:
            return encode(left) + self._tracker.end_line + b"\n" + sse.DONE
        body = b"".join([self._with_id(chunk, -1) for chunk in left])
        return body + self._tracker.end_line + sse.DONE

    def _with_id(self, chunk: Chunk, part: int) -> bytes:
        self._tracker.add(chunk, part)
        return self._tracker.id_line + encode([chunk])


def client_version(said: str | None) -> ClientVersion:
    """The version of a client, as its header says; 6 if it does not say.

    Versions 6 and 7 send no such header, and both know what version 6 does.
    """
    major = re.match(r"\s*([0-9]{1,3})(\.|\s*$)", said or "")
    if major is None:
        return 6
    return 5 if int(major[1]) <= 5 else 6 if int(major[1]) == 6 else 7


def finish_reason(status: str, reason: str) -> str | None:
    """Why an answer ended; None while it runs or if it was stopped.

    In the words of the AI SDK, and `size`: it reached our own limit of bytes.

    Args:
        status: The status of the message or of the end event.
        reason: Its stored reason.
    """
    if status == "complete":
        return reason or "stop"
    if status not in ("failed", "interrupted"):
        return None
    return reason if reason in ("length", "size", "content-filter") else "error"


def _finish(reason: str | None) -> Chunk:
    """The last chunk. Clients know no `size`; the metadata has it."""
    return {"type": "finish", "finishReason": "length" if reason == "size" else reason}


def metadata(metrics: RunMetrics, reason: str | None) -> dict[str, Any]:
    """The metadata of an answer, without what is not known.

    Args:
        metrics: What the answer took.
        reason: Its `finish_reason`.
    """
    model = metrics.model or None
    found = {"model": model, "modelId": model, "finishReason": reason}
    timings = _without_none(
        firstTokenMs=_milliseconds(metrics.first_token_seconds),
        totalMs=_milliseconds(metrics.total_seconds),
    )
    cost = None if metrics.cost is None else metrics.cost / 1_000_000_000
    return _without_none(**found, usage=_usage(metrics.usage), cost=cost, timings=timings or None)


def ui_parts(parts: Iterable[Part], version: ClientVersion = 6) -> list[dict[str, Any]]:
    """The parts of a stored message as those of a UI message.

    They are what a client has after it has read the stream of the answer, but that reasoning which
    was sent as text is reasoning here, and that files have names.

    Args:
        parts: The message's.
        version: The client's.
    """
    return [
        ui_part for index, part in enumerate(parts) for ui_part in _ui_parts(part, index, version)
    ]


def _ui_parts(part: Part, index: int, version: ClientVersion) -> list[dict[str, Any]]:
    if part["type"] == "tool-call":
        return ui_tool_call(part, version)
    return [_ui_part(part, index)]


def _ui_part(part: TextPart | ReasoningPart | WholePart, index: int) -> dict[str, Any]:
    match part["type"]:
        case "text":
            return {"type": "text", "text": part["text"]}
        case "reasoning":
            more = _provider_metadata(seconds=part["seconds"]) if "seconds" in part else {}
            return {"type": "reasoning", "text": part["text"], "state": "done", **more}
        case "file":
            return {**_whole_part(part, index), "filename": part["name"]}
        case _:
            return _whole_part(part, index)


def _whole_part(part: WholePart, index: int) -> Chunk:
    """A part that arrives at once: the same as a chunk and as a part, but for a file's name."""
    match part["type"]:
        case "file":
            return {"type": "file", "url": part["url"], "mediaType": part["media_type"]}
        case "source":
            title = {"title": part["title"]} if part["title"] else {}
            return {"type": "source-url", "sourceId": part["id"], "url": part["url"], **title}
        case "data":
            return {
                "type": f"data-{part['name']}",
                "id": f"d{index}",
                "data": without_prototype_keys(part["data"]),
            }
        case "notice":
            return {"type": "data-notice", "id": f"d{index}", "data": notice_values(part)}
        case "summary":
            return {"type": "data-summary", "id": f"d{index}", "data": summary_values(part)}


def _provider_metadata(**values: Any) -> dict[str, Any]:
    return {"providerMetadata": {"chat-app": values}}


def _usage(usage: Usage | None) -> dict[str, int] | None:
    if usage is None:
        return None
    return _without_none(
        inputTokens=usage.input_tokens,
        outputTokens=usage.output_tokens,
        totalTokens=usage.input_tokens + usage.output_tokens,
        reasoningTokens=usage.reasoning_tokens,
        cachedInputTokens=usage.cached_input_tokens,
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
