"""Agents that speak AG-UI, the Agent-User Interaction Protocol (version 1.0), as models.

An agent is a program behind a URL: it gets a conversation, and streams the events of one run. Each
call is a thread of its own there, with all that was said: a branch that is edited or regenerated
would not fit what the agent keeps of an earlier one. No tools are offered; those that an agent
calls itself are calls in its answer.

Sources: the schema at ag-ui.com/spec/1.0/schema.json, as the models of `ag-ui-protocol`.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

from ag_ui.core import (
    PROTOCOL_VERSION,
    AssistantMessage,
    BaseEvent,
    FunctionCall,
    Message,
    MessagesSnapshotEvent,
    ReasoningMessageChunkEvent,
    ReasoningMessageContentEvent,
    RunAgentInput,
    RunErrorEvent,
    RunFinishedEvent,
    RunStartedEvent,
    SystemMessage,
    TextMessageChunkEvent,
    TextMessageContentEvent,
    TextMessageStartEvent,
    TextPart,
    TokenUsage,
    ToolCall,
    ToolCallArgsEvent,
    ToolCallChunkEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
    UserMessage,
)
from ag_ui.core.events import (
    RunFinishedCancelledOutcome,
    RunFinishedInterruptOutcome,
)
from pydantic import ValidationError

from chat_app.core.events import (
    Event,
    Finish,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolResult,
    Usage,
)
from chat_app.core.text import repair_surrogates
from chat_app.llm.base import CallOptions, ModelInfo, ModelTimeouts, PromptMessage
from chat_app.llm.dialects.stream import TypedStreamDecoder, clamped, count_of, word_of
from chat_app.llm.dialects.turns import CallBlock, Turn, conversation_of, rounds_of, text_of_blocks
from chat_app.llm.endpoint import Endpoint
from chat_app.llm.errors import Failure
from chat_app.llm.profiles import ModelProfile
from chat_app.llm.provider import Dialect, ProviderModel

PREFIX = "ag-ui/"
"""Stands before the name of an agent, in its id."""
INFO = ModelInfo(temperature=False, summarizes=False, acts=True)
"""What an agent can do."""

_READ: dict[str, type[BaseEvent]] = {
    str(event.model_fields["type"].default.value): event
    for event in (
        *(RunStartedEvent, RunFinishedEvent, RunErrorEvent, MessagesSnapshotEvent),
        *(TextMessageStartEvent, TextMessageContentEvent, TextMessageChunkEvent),
        *(ReasoningMessageContentEvent, ReasoningMessageChunkEvent),
        *(ToolCallStartEvent, ToolCallArgsEvent, ToolCallEndEvent, ToolCallChunkEvent),
        ToolCallResultEvent,
    )
}
"""The events that are read, by their types. State, steps, activities and what is new are not."""
_THINKING = "THINKING_TEXT_MESSAGE_CONTENT"
"""What a piece of reasoning was called before version 1.0."""
_PARAGRAPH = "\n\n"


def agent_model(
    name: str, url: str, headers: dict[str, str], timeouts: ModelTimeouts
) -> tuple[ProviderModel, Endpoint]:
    """An agent as a model, and its server.

    Args:
        name: The name of the agent.
        url: Where runs are posted.
        headers: Further headers of each request, such as a token.
        timeouts: How long it may send nothing.
    """
    endpoint = Endpoint(url.partition("?")[0], headers={"accept": "text/event-stream", **headers})
    model = ProviderModel(
        endpoint,
        name,
        timeouts,
        model_id=f"{PREFIX}{name}",
        info=INFO,
        dialect=Dialect(url, project, AgUiDecoder),
    )
    return model, endpoint


def project(
    prompt: Sequence[PromptMessage],
    options: CallOptions,
    model: str,
    profile: ModelProfile,
    made_by: str,
) -> dict[str, Any]:
    """The body of a request: a `RunAgentInput`.

    Args:
        prompt: The branch, oldest message first.
        options: How to answer; the protocol has no place for it.
        model: The name of the agent.
        profile: What it accepts, as far as its refusals have told.
        made_by: Its id here.
    """
    conversation = conversation_of(prompt, tools=True, images=False, made_by=made_by)
    turns: list[Message] = [message for turn in conversation.turns for message in _messages(turn)]
    if conversation.system and profile.system:
        turns.insert(0, SystemMessage(id="", content=conversation.system))
    elif conversation.system:
        first = turns[0]
        assert isinstance(first, UserMessage)
        turns[0] = UserMessage(id="", content=f"{conversation.system}{_PARAGRAPH}{first.content}")
    for number, message in enumerate(turns):
        message.id = f"message-{number}"
    run = RunAgentInput(
        thread_id=str(uuid4()),
        run_id=str(uuid4()),
        protocol_version=PROTOCOL_VERSION,
        messages=turns,
        # servers from before version 1.0 require the rest
        state={},
        tools=[],
        context=[],
        forwarded_props={},
    )
    return run.model_dump(by_alias=True)


def _messages(turn: Turn) -> Iterator[Message]:
    if turn.role == "user":
        yield UserMessage(id="", content=text_of_blocks(turn.blocks))
        return
    for each in rounds_of(turn):
        text = text_of_blocks(each.blocks) or None
        calls = [_call(call) for call in each.calls] or None
        yield AssistantMessage(id="", content=text, tool_calls=calls)
        for call in each.calls:
            error = call.result if call.failed else None
            yield ToolMessage(id="", content=call.result, tool_call_id=call.call_id, error=error)


def _call(call: CallBlock) -> ToolCall:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return ToolCall(id=call.call_id, function=FunctionCall(name=call.name, arguments=arguments))


class AgUiDecoder(TypedStreamDecoder):
    """Decodes the events of one run; see `StreamDecoder`.

    Neighbouring messages are paragraphs of one text. Messages of others than the agent, which some
    repeat, are left out.
    """

    every_event_counts = True

    def __init__(self, model: str, made_by: str = "") -> None:
        super().__init__(model, made_by)
        self._has_started = False
        self._others: set[str | None] = set()  # messages that are not the agent's
        self._chunk_id: str | None = None  # of the message that chunks go on with
        self._last: tuple[str, str | None] = "", None  # what was shown last, and its message
        self._names: dict[str, str] = {}  # of the tools, by the ids of the calls
        self._call_id = ""  # of the call that chunks go on with
        self._snapshot = ""

    def decode_object(self, data: dict[str, Any]) -> list[Event]:
        """What one event decodes to."""
        kind = data.get("type")
        if not self._has_started and kind not in ("RUN_STARTED", "RUN_ERROR"):
            return self._malformed()
        self._has_started = True
        if kind == _THINKING:
            return self._show("reasoning", None, data.get("delta"))
        known = _READ.get(kind) if isinstance(kind, str) else None
        if known is None:
            return []
        try:
            return self._read(known.model_validate(data))
        except ValidationError:
            return self._malformed()

    def last_events(self) -> list[Event]:
        """The answer that only a snapshot has, if nothing else was shown."""
        return [TextDelta(self._snapshot)] if self._snapshot and not self._has_output else []

    def _read(self, event: BaseEvent) -> list[Event]:
        match event:
            case TextMessageContentEvent():
                return self._show("text", event.message_id, event.delta)
            case ReasoningMessageContentEvent():
                return self._show("reasoning", event.message_id, event.delta)
            case TextMessageStartEvent():
                self._start(event.message_id, event.role)
            case TextMessageChunkEvent():
                if event.message_id is not None:
                    self._chunk_id = event.message_id
                if event.role is not None:
                    self._start(self._chunk_id, event.role)
                return self._show("text", self._chunk_id, event.delta)
            case ReasoningMessageChunkEvent():
                if event.message_id is not None:
                    self._chunk_id = event.message_id
                return self._show("reasoning", self._chunk_id, event.delta)
            case ToolCallStartEvent():
                return self._start_call(event.tool_call_id, event.tool_call_name)
            case ToolCallArgsEvent():
                return self._add_arguments(event.tool_call_id, event.delta)
            case ToolCallChunkEvent():
                return self._call_chunk(event)
            case ToolCallEndEvent():
                return [ToolCallEnd(word_of(event.tool_call_id))]
            case ToolCallResultEvent():
                call_id = word_of(event.tool_call_id)
                result = ToolResult(call_id, _text(event.content))
                # a result says that its call is complete, also where chunks had no end
                return [ToolCallEnd(call_id), result] if call_id in self._names else []
            case MessagesSnapshotEvent():
                self._snapshot = _answer_of(event)
            case RunFinishedEvent():
                return self._finish(event)
            case RunErrorEvent():
                return self.fail({"message": event.message, "code": event.code})
            case _:
                pass
        return []

    def _start(self, message_id: str | None, role: str | None) -> None:
        if role in (None, "assistant"):
            self._others.discard(message_id)
        else:
            self._others.add(message_id)

    def _show(self, kind: str, message_id: str | None, piece: object) -> list[Event]:
        """A piece of text or reasoning; a paragraph, if another message is before it."""
        if not piece or message_id in self._others:
            return []
        last_kind, last_id = self._last
        parted = (kind, True) == (last_kind, last_id != message_id)
        self._last = kind, message_id
        text = f"{_PARAGRAPH}{piece}" if parted and isinstance(piece, str) else piece
        return self.text(text) if kind == "text" else self.reasoning(text)

    def _start_call(self, call_id: str, name: str) -> list[Event]:
        call_id, name = word_of(call_id), word_of(name, "tool")
        self._last = "call", None
        if call_id in self._names:
            return []
        self._names[call_id] = name
        return [*self.flush(), ToolCallDelta(call_id, name, "")]

    def _add_arguments(self, call_id: str, piece: str | None) -> list[Event]:
        name = self._names.get(word_of(call_id))
        if name is None:
            return self._malformed()
        return [ToolCallDelta(word_of(call_id), name, word_of(piece))] if piece else []

    def _call_chunk(self, event: ToolCallChunkEvent) -> list[Event]:
        events: list[Event] = []
        if event.tool_call_id is not None:
            self._call_id = event.tool_call_id
            if word_of(event.tool_call_id) not in self._names:
                events += self._start_call(event.tool_call_id, event.tool_call_name or "")
        return [*events, *self._add_arguments(self._call_id, event.delta)]

    def _finish(self, event: RunFinishedEvent) -> list[Event]:
        if counts := event.usage:
            self.usage = _sum(counts)
        self.done = True
        is_cancelled = isinstance(event.outcome, RunFinishedCancelledOutcome)
        self.finish = Finish("other" if is_cancelled else "stop")
        if not isinstance(event.outcome, RunFinishedInterruptOutcome):
            return []
        # what the agent asks before it goes on; the next message answers it
        asked = [one.message for one in event.outcome.interrupts if one.message]
        return self._show("text", "interrupt", _PARAGRAPH.join(asked))

    def _malformed(self) -> list[Event]:
        self._error = Failure.MALFORMED.error(self._model)
        self.done = True
        return self.flush()


def _text(content: object) -> str:
    """The text of a result; other parts of it are left out."""
    if isinstance(content, str):
        return repair_surrogates(content)
    parts = content if isinstance(content, list) else []
    return repair_surrogates("".join(part.text for part in parts if isinstance(part, TextPart)))


def _answer_of(event: MessagesSnapshotEvent) -> str:
    """The text behind the last question of a snapshot."""
    texts: list[str] = []
    for message in event.messages:
        if isinstance(message, UserMessage):
            texts.clear()
        elif isinstance(message, AssistantMessage) and message.content:
            texts.append(message.content)
    return repair_surrogates(_PARAGRAPH.join(texts))


def _sum(counts: Sequence[TokenUsage]) -> Usage:
    """The tokens of all models that the agent has called."""

    def total(name: str) -> int | None:
        known = [count for each in counts if (count := count_of(getattr(each, name))) is not None]
        return clamped(sum(known)) if known else None

    return Usage(
        total("input_tokens") or 0,
        total("output_tokens") or 0,
        total("reasoning_tokens"),
        total("cached_input_tokens"),
    )
