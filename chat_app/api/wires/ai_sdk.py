"""Answers as the AI SDK's UI message stream, and stored messages as its UI messages.

Versions 5, 6 and 7 read them. Only chunk types and keys that version 5 knows are sent: strict
clients reject a chunk with any other.
"""

import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from functools import reduce
from itertools import cycle, repeat
from typing import Any
from uuid import UUID

from chat_app.core.errors import message_of
from chat_app.core.events import (
    PART_DELTAS,
    PartAdded,
    ReasoningEnd,
    TextResumed,
    TextWasReasoning,
    ToolCallDelta,
    ToolCallEnd,
    ToolEvent,
    ToolResult,
    Usage,
)
from chat_app.core.parts import Part, ToolCallPart, WholePart
from chat_app.runs.follow import EndEvent, PartEvent, RunMetrics

HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "connection": "keep-alive",
    "x-vercel-ai-ui-message-stream": "v1",
    "x-accel-buffering": "no",
}
"""`packages/ai/src/ui-message-stream/ui-message-stream-headers.ts`"""
KEEPALIVE = b": keepalive\n\n"
"""A comment that clients ignore; it keeps proxies from closing the connection."""
DONE = b"data: [DONE]\n\n"
ID_EVERY = 32
"""How many pushes have one `id:` line; one in each would add a sixth to the bytes of a token."""

INTERRUPTED = "The answer was interrupted. Try again."
INVALID_ARGUMENTS = "The arguments of this tool call are not valid JSON."

Chunk = dict[str, Any]
"""One event of the stream: `packages/ai/src/ui-message-stream/ui-message-chunks.ts`."""


class MessageStreamEncoder:
    """Encodes one answer, followed from its start, as the chunks of the stream.

    It keeps which part is open and the arguments of unfinished tool calls, no text.

    Args:
        message_id: The answer. A client that has it already replaces what it has.
        thread_id: Sent as metadata, for a client that does not know it.
    """

    def __init__(self, message_id: UUID, thread_id: UUID) -> None:
        self._message_id = message_id
        self._thread_id = thread_id
        self._parts = 0
        self._open: tuple[str, str] | None = None  # the kind and the id of the open part
        self._calls: dict[str, _OpenCall] = {}

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
            id_ = f"{kind[0]}{part}"
            if begins:
                chunks.append(self._start(kind, id_))
            if event.text:
                id_ = self._open[1] if self._open else id_
                chunks.append({"type": f"{kind}-delta", "id": id_, "delta": event.text})
        elif isinstance(event, TextResumed):
            # a part that has ended cannot go on: the rest is another one
            chunks += [*self._end_open(), self._start("text", f"t{part}-{self._parts}")]
        elif isinstance(event, TextWasReasoning):
            # the type of a part that is sent cannot change
            chunks += self._end_open(_provider_metadata(reasoning=True, seconds=event.seconds))
        elif isinstance(event, ReasoningEnd):
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

    def _start(self, kind: str, id_: str) -> Chunk:
        self._open = kind, id_
        return {"type": f"{kind}-start", "id": id_}

    def _end_open(self, more: Mapping[str, Any] | None = None) -> list[Chunk]:
        if self._open is None:
            return []
        (kind, id_), self._open = self._open, None
        return [{"type": f"{kind}-end", "id": id_, **(more or {})}]

    def _tool_chunks(self, event: ToolEvent) -> list[Chunk]:
        id_ = event.call_id
        if isinstance(event, ToolCallDelta) and id_ not in self._calls:
            self._calls[id_] = _OpenCall(id_, event.name)
            return [*self._calls[id_].start(), *self._calls[id_].delta(event.arguments)]
        call = self._calls[id_]
        match event:
            case ToolCallDelta(_, _, arguments):
                return call.delta(arguments)
            case ToolCallEnd():
                return call.end()
            case ToolResult():
                return [*call.end(), *call.result(event)]


class _OpenCall:
    """A tool call of a running answer.

    Tools run on the server and are not known to the client, so each call is `providerExecuted` and
    `dynamic`.
    """

    def __init__(self, id_: str, name: str) -> None:
        self._id = id_
        self._name = name
        self._arguments: list[str] = []
        self._state = "streaming"

    def start(self) -> list[Chunk]:
        return [self._chunk("tool-input-start", toolName=self._name)]

    def delta(self, arguments: str) -> list[Chunk]:
        if self._state != "streaming" or not arguments:
            return []
        self._arguments.append(arguments)
        return [{"type": "tool-input-delta", "toolCallId": self._id, "inputTextDelta": arguments}]

    def end(self) -> list[Chunk]:
        if self._state != "streaming":
            return []
        self._state = "called"
        return [self._chunk(**_input("".join(self._arguments)), toolName=self._name)]

    def result(self, event: ToolResult) -> list[Chunk]:
        if self._state == "done":
            return []
        self._state = "done"
        if event.error:
            return [self._chunk("tool-output-error", errorText=message_of(event.error, {}))]
        return [self._chunk("tool-output-available", output=_without_prototype_keys(event.result))]

    def _chunk(self, type: str, **more: Any) -> Chunk:
        flags = {"providerExecuted": True, "dynamic": True}
        return {"type": type, "toolCallId": self._id, **more, **flags}


def encode(chunks: Iterable[Chunk]) -> bytes:
    """The chunks as server-sent events."""
    return "".join([f"data: {_json(chunk)}\n\n" for chunk in chunks]).encode()


def _position(seq: int) -> bytes:
    """The last log entry that was sent, as an event without data, which clients do not see."""
    return f"id: {seq}\n\n".encode()


def _json(chunk: Chunk) -> str:
    if "delta" not in chunk:
        return _dump(chunk)
    # an encoder of objects costs a token more than all of its text
    return f'{{"type":"{chunk["type"]}","id":"{chunk["id"]}","delta":{_dump(chunk["delta"])}}}'


async def encoded(
    events: AsyncGenerator[PartEvent | EndEvent], *, message_id: UUID, thread_id: UUID
) -> AsyncGenerator[bytes]:
    """Encode a run from its start as the bytes of the stream.

    Args:
        events: The run, followed from 0.
        message_id: The answer.
        thread_id: Its thread.
    """
    encoder = MessageStreamEncoder(message_id, thread_id)
    yield encode(encoder.start())
    numbers = cycle([*repeat(False, ID_EVERY - 1), True])
    async with aclosing(events):
        async for event in events:
            if isinstance(event, EndEvent):
                yield encode(encoder.end(event)) + DONE
            elif chunks := encoder.event(event):
                yield encode(chunks) + (_position(event.seq) if next(numbers) else b"")


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


def ui_parts(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """The parts of a stored message as those of a UI message.

    They are what a client has after it has read the stream of the answer, but that reasoning which
    was sent as text is reasoning here, and that files have names.
    """
    return [_ui_part(part, index) for index, part in enumerate(parts)]


def _ui_part(part: Part, index: int) -> dict[str, Any]:
    match part["type"]:
        case "text":
            return {"type": "text", "text": part["text"]}
        case "reasoning":
            more = _provider_metadata(seconds=part["seconds"]) if "seconds" in part else {}
            return {"type": "reasoning", "text": part["text"], "state": "done", **more}
        case "tool-call":
            return _ui_tool_call(part)
        case "file":
            return {**_whole_part(part, index), "filename": part["name"]}
        case _:
            return _whole_part(part, index)


def _ui_tool_call(part: ToolCallPart) -> dict[str, Any]:
    call: dict[str, Any] = {
        "type": "dynamic-tool",
        "toolName": part["name"],
        "toolCallId": part["call_id"],
        "providerExecuted": True,
    }
    if part["state"] == "streaming":
        return {**call, "state": "input-streaming"}
    arguments = _input(part["arguments"])
    call["input"] = arguments["input"]
    if part["state"] == "done":
        return {
            **call,
            "state": "output-available",
            "output": _without_prototype_keys(part.get("result")),
        }
    if part["state"] == "failed":
        error = message_of(part.get("error", ""), {})
        return {**call, "state": "output-error", "errorText": error}
    if "errorText" in arguments:
        return {**call, "state": "output-error", "errorText": arguments["errorText"]}
    return {**call, "state": "input-available"}


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
                "data": _without_prototype_keys(part["data"]),
            }
        case "notice":
            code, params = part["code"], part["params"]
            data = {"code": code, "params": params, "text": message_of(code, params)}
            return {"type": "data-notice", "id": f"d{index}", "data": data}
        case "summary":
            shown = {key: part[key] for key in ("text", "count", "origin")}
            return {"type": "data-summary", "id": f"d{index}", "data": shown}


def _input(arguments: str) -> dict[str, Any]:
    """The arguments of a tool call; with an error if they are not JSON that can be sent on."""
    try:
        value = _without_prototype_keys(json.loads(arguments or "{}"))
        _dump(reduce(lambda nested, _: [nested], range(_MAX_ADDED_DEPTH), value)).encode()
    except (ValueError, RecursionError):
        return {"type": "tool-input-error", "input": arguments, "errorText": INVALID_ARGUMENTS}
    return {"type": "tool-input-available", "input": value}


def _without_prototype_keys(value: Any) -> Any:
    """A JSON value without the keys of prototypes, at which clients stop reading the stream.

    They are those of `packages/provider-utils/src/secure-json-parse.ts`.
    """
    text = _dump(value)
    if "__proto__" not in text and '"constructor"' not in text:
        return value
    return json.loads(text, object_pairs_hook=_object_without_prototype_keys)


def _object_without_prototype_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    found.pop("__proto__", None)
    constructor = found.get("constructor", "")
    if constructor is None or (isinstance(constructor, dict) and "prototype" in constructor):
        del found["constructor"]
    return found


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


_MAX_ADDED_DEPTH = 100
"""How much deeper JSON may be nested where it is sent than where it is read."""
_dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
