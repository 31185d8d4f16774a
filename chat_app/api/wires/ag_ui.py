"""Answers as the events of AG-UI, the Agent-User Interaction Protocol (version 1.0).

Text and reasoning come as the protocol's chunks: the first one of a message has its id, the others
only their text, which is half the bytes of a token. Clients make starts, contents and ends of them.

Sources: the schema at ag-ui.com/spec/1.0/schema.json, and how `@ag-ui/client` reads a stream
(`chunks/transform.ts`,
`verify/verify.ts`, `apply/default.ts`). The types of `ag-ui-protocol` are not used here: checking
each event against them costs a token more than all else. The tests check every event so.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from chat_app.api.wires.ai_sdk import INTERRUPTED, finish_reason, metadata
from chat_app.api.wires.ai_sdk_tools import DENIED
from chat_app.api.wires.sse import data_events
from chat_app.core.errors import InvalidInput, message_of
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
)
from chat_app.core.json_values import compact_json, json_value
from chat_app.core.parts import WholePart, notice_values, summary_values
from chat_app.runs.follow import EndEvent, PartEvent, RunMetrics

VERSION = "1.0"
"""The version of the protocol, which each stream names."""

_UUID_LENGTH = 36

AgUiEvent = dict[str, Any]
"""One event of the stream."""


class ContentPart(BaseModel):
    """A part of a message; of parts other than text only the type is read."""

    type: Annotated[str, Field(max_length=200)]
    text: str = ""


class AgUiUserMessage(BaseModel):
    """The message to answer."""

    id: str = ""
    role: Literal["user"]
    content: str | Annotated[list[ContentPart], Field(min_length=1, max_length=100)]

    @property
    def text(self) -> str:
        """The text of its content.

        Raises:
            InvalidInput: It has an image, a file or the like.
        """
        if isinstance(self.content, str):
            return self.content
        if any(part.type != "text" for part in self.content):
            raise InvalidInput("Files can't be sent here yet.")
        return "".join(part.text for part in self.content)


class AgUiEncoder:
    """Encodes one answer, followed from its start, as the events of one run.

    Text, reasoning and tool calls are messages of their own, in the order of the parts. The first
    text has the id of the answer, the others have that and the index of their part, so a client
    that reads the answer again has the same ids. It remembers which part is open, but no text.

    Args:
        message_id: The answer.
        thread_id: What the client calls the thread.
        run_id: What the client calls the run.
        server_ids: The ids of the thread and the run on the server, as metadata.
        knows_cancelled: Whether the client knows the outcome of a stopped run. Earlier clients than
            version 1.0, which declare no version, stop at it.
    """

    def __init__(
        self,
        message_id: UUID,
        *,
        thread_id: str,
        run_id: str,
        server_ids: Mapping[str, str],
        knows_cancelled: bool = True,
    ) -> None:
        self._message_id = str(message_id)
        self._names = {"threadId": thread_id, "runId": run_id}
        self._server_ids = server_ids
        self._knows_cancelled = knows_cancelled
        self._parts = 0
        self._texts: dict[int, str] = {}
        self._open = ""  # the kind of the open part
        self._opening: AgUiEvent = {}  # what the next chunk of it says of its message
        self._open_id = ""  # of its message
        self._calls: dict[str, _OpenCall] = {}

    def start(self, client_messages: Sequence[Mapping[str, Any]] = ()) -> list[AgUiEvent]:
        """The events before the first part.

        Args:
            client_messages: The messages that the client has. If it has some of this answer, they
                are emptied, because it appends what it reads to what it has.
        """
        server_ids = {**self._server_ids, "messageId": self._message_id}
        started = {
            "type": "RUN_STARTED",
            **self._names,
            "protocolVersion": VERSION,
            "metadata": {"chat-app": server_ids},
        }
        if not any(answer_of(message) == self._message_id for message in client_messages):
            return [started]
        emptied = map(self._without_answer, client_messages)
        # what a client sends may have numbers that no JSON has
        kept = [json_value(message) for message in emptied if message is not None]
        return [started, {"type": "MESSAGES_SNAPSHOT", "messages": kept}]

    def event(self, part_event: PartEvent) -> list[AgUiEvent]:
        """The events of an event."""
        part, event = part_event.part, part_event.event
        events: list[AgUiEvent] = []
        if begins := part == self._parts:
            events += self._end_open()
            self._parts += 1
        if isinstance(event, PART_DELTAS):
            if begins or not self._open:
                events += self._begin(event.kind, part)
            if event.text:
                events.append(self._chunk(delta=event.text))
        elif isinstance(event, TextResumed):
            events += [*self._end_open(), *self._begin("text", part)]
        elif isinstance(event, TextWasReasoning):
            # the role of a message that is sent cannot change
            events += self._end_open({"reasoning": True, "seconds": event.seconds})
        elif isinstance(event, ReasoningEnd):
            events += self._end_open({"seconds": event.seconds})
        elif isinstance(event, ToolEvent):
            events += self._tool_events(event, part)
            # between two chunks any other event ends their message, which the next one goes on with
            if events and self._open:
                self._opening = {"messageId": self._open_id}
        elif isinstance(event, PartAdded):
            name, value = _whole_part(event.part)
            events.append({"type": "CUSTOM", "name": name, "value": value})
        return events

    def end(self, event: EndEvent) -> list[AgUiEvent]:
        """The events after the last part."""
        events = self._end_open()
        for call in self._calls.values():
            events += call.end()
        reason = finish_reason(event.status, event.reason)
        found = metadata(event.metrics, reason)
        more = {
            **({"usage": usage} if (usage := _usage(event.metrics)) else {}),
            **({"metadata": {"chat-app": found}} if found else {}),
        }
        if event.status in ("failed", "interrupted"):
            message = event.error or INTERRUPTED
            error = {"type": "RUN_ERROR", "message": message, "code": event.status}
            return [*events, {**error, **more}]
        finished: AgUiEvent = {"type": "RUN_FINISHED", **self._names}
        outcome = "success" if event.status == "complete" else "cancelled"
        if outcome == "success" or self._knows_cancelled:
            finished["outcome"] = {"type": outcome}
        return [*events, {**finished, **more}]

    def _begin(self, kind: str, part: int) -> list[AgUiEvent]:
        id_ = f"{self._message_id}-{part}"
        if kind == "text":
            id_ = self._texts.setdefault(part, id_ if self._texts else self._message_id)
        self._open, self._open_id, self._opening = kind, id_, {"messageId": id_}
        return [] if kind == "text" else [{"type": "REASONING_START", "messageId": id_}]

    def _chunk(self, **more: Any) -> AgUiEvent:
        """A chunk of the open message; the first one says which message it is."""
        opening, self._opening = self._opening, {}
        return {"type": _CHUNK[self._open], **opening, **more}

    def _end_open(self, more: Mapping[str, Any] | None = None) -> list[AgUiEvent]:
        if not self._open:
            return []
        # a message without text has begun with its part too
        events = [self._chunk(metadata={"chat-app": more})] if more else []
        if self._opening:
            events.append(self._chunk())
        if self._open == "reasoning":
            events.append({"type": "REASONING_END", "messageId": self._open_id})
        self._open = ""
        return events

    def _tool_events(self, event: ToolEvent, part: int) -> list[AgUiEvent]:
        id_ = event.call_id
        if isinstance(event, ToolCallDelta) and id_ not in self._calls:
            # a provider's own ids may come again in the next answer
            call = self._calls[id_] = _OpenCall(f"{self._message_id}-{part}", event.name)
            return [call.start(), *call.delta(event.arguments)]
        call = self._calls[id_]
        match event:
            case ToolCallDelta(_, _, arguments):
                return call.delta(arguments)
            case ToolCallEnd():
                return call.end()
            case ToolApprovalRequest():
                return [*call.end(), *call.request_approval()]
            case ToolApprovalResponse():
                return call.approval(event)
            case ToolResult():
                return [*call.end(), *call.result(event)]

    def _without_answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """A message without what it has of this answer; None to leave it out.

        An emptied message keeps its place. Clients keep reasoning that is left out.
        """
        if answer_of(message) != self._message_id:
            return dict(message)
        if message.get("role") not in ("assistant", "reasoning"):
            return None
        emptied = {**message, **({"content": ""} if "content" in message else {})}
        if isinstance(calls := emptied.pop("toolCalls", None), list):
            emptied["toolCalls"] = [
                {**call, "function": {**call["function"], "arguments": ""}}
                for call in calls
                if isinstance(call, dict) and isinstance(call.get("function"), dict)
            ]
        return emptied


class _OpenCall:
    """A tool call of a running answer. Tools run on the server.

    Args:
        id_: Its id in the stream.
        name: The tool's.
    """

    def __init__(self, id_: str, name: str) -> None:
        self._id = id_
        self._name = name
        self._state = "streaming"
        self._approval = ""

    def start(self) -> AgUiEvent:
        return {"type": "TOOL_CALL_START", "toolCallId": self._id, "toolCallName": self._name}

    def delta(self, arguments: str) -> list[AgUiEvent]:
        if self._state != "streaming" or not arguments:
            return []
        return [{"type": "TOOL_CALL_ARGS", "toolCallId": self._id, "delta": arguments}]

    def end(self) -> list[AgUiEvent]:
        if self._state != "streaming":
            return []
        self._state = "called"
        return [{"type": "TOOL_CALL_END", "toolCallId": self._id}]

    def request_approval(self) -> list[AgUiEvent]:
        self._approval = self._approval or "requested"
        return []

    def approval(self, event: ToolApprovalResponse) -> list[AgUiEvent]:
        if self._approval != "requested" or self._state == "done":
            return []
        self._approval = "given"
        if event.approved:
            return []
        self._state = "done"
        return [self._result(DENIED, "denied")]

    def result(self, event: ToolResult) -> list[AgUiEvent]:
        if self._state == "done":
            return []
        self._state = "done"
        return [self._result(_result_text(event), event.error)]

    def _result(self, content: str, error: str) -> AgUiEvent:
        given: dict[str, Any] = {"content": content}
        if error:
            given["metadata"] = {"chat-app": {"error": error}}
        ids = {"messageId": f"{self._id}-result", "toolCallId": self._id}
        return {"type": "TOOL_CALL_RESULT", **ids, "role": "tool", **given}


def encode(events: Iterable[AgUiEvent]) -> bytes:
    """The events as server-sent events."""
    return data_events([_json(event) for event in events])


def _json(event: AgUiEvent) -> str:
    if len(event) != 2 or "delta" not in event:
        return compact_json(event)
    # an encoder of objects costs a token more than all of its text
    return f'{{"type":"{event["type"]}","delta":{compact_json(event["delta"])}}}'


async def encoded(
    events: AsyncGenerator[PartEvent | EndEvent],
    encoder: AgUiEncoder,
    client_messages: Sequence[Mapping[str, Any]] = (),
) -> AsyncGenerator[bytes]:
    """Encode a run from its start as the bytes of the stream.

    Args:
        events: The run, followed from 0.
        encoder: A new one.
        client_messages: The messages that the client has.
    """
    yield encode(encoder.start(client_messages))
    async with aclosing(events):
        async for event in events:
            made = encoder.end(event) if isinstance(event, EndEvent) else encoder.event(event)
            if made:
                yield encode(made)


def answer_of(message: Mapping[str, Any]) -> str | None:
    """The id of the answer that a message of a client may belong to; None for one of the user.

    Args:
        message: As the client sent it.
    """
    id_ = message.get("id")
    if not isinstance(id_, str) or message.get("role") == "user":
        return None
    return id_[:_UUID_LENGTH]


def _whole_part(part: WholePart) -> tuple[str, dict[str, Any]]:
    """The name and the value of a part that arrives at once."""
    match part["type"]:
        case "file":
            return "file", {key: part[key] for key in ("url", "name")} | {
                "mediaType": part["media_type"]
            }
        case "source":
            return "source", {key: part[key] for key in ("id", "url", "title")}
        case "data":
            return "data", {"name": part["name"], "data": part["data"]}
        case "notice":
            return "notice", notice_values(part)
        case "summary":
            return "summary", summary_values(part)


def _result_text(event: ToolResult) -> str:
    if event.error:
        return message_of(event.error, {})
    return event.result if isinstance(event.result, str) else compact_json(event.result)


def _usage(metrics: RunMetrics) -> list[dict[str, Any]]:
    usage = metrics.usage
    if usage is None:
        return []
    counts = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
    }
    known = {name: count for name, count in counts.items() if count is not None}
    return [{**({"model": metrics.model} if metrics.model else {}), **known}]


_CHUNK = {"text": "TEXT_MESSAGE_CHUNK", "reasoning": "REASONING_MESSAGE_CHUNK"}
