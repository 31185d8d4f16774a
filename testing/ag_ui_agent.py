"""An agent that speaks AG-UI as LangGraph's do: a graph of nodes that plan, look up and write."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import uuid4

from ag_ui.core import (
    PROTOCOL_VERSION,
    AssistantMessage,
    BaseEvent,
    EventType,
    MessagesSnapshotEvent,
    ReasoningEndEvent,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    RunAgentInput,
    RunErrorEvent,
    RunFinishedEvent,
    RunStartedEvent,
    StateDeltaEvent,
    StateSnapshotEvent,
    StepFinishedEvent,
    StepStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    TokenUsage,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
    UserMessage,
)
from ag_ui.core.events import RunFinishedSuccessOutcome
from ag_ui.encoder import EventEncoder

from testing.fake_provider import STREAM_HEAD, FakeProvider, Request, refused, serve
from testing.program import free_port

TOKEN = "agent-canary-51d0"
NAME = "planner"
THOUGHT = "First the almanac, then an answer."
TOOL = "almanac"
FAILS = "fail"
"""The agent fails at a question with this word, before it has shown anything."""
WAITS = "wait"
"""The agent writes no more than the beginning of an answer to a question with this word."""


def answer_to(question: str) -> list[str]:
    """The answer to a question, in pieces."""
    return ["Twice ", "a day, ", f"**{len(question)} letters** ", "say so."]


def encoded(*events: BaseEvent) -> bytes:
    """Events as the package encodes them."""
    return "".join(EventEncoder().encode(event) for event in events).encode()


@dataclass
class ToyAgent:
    """The agent, on a port that is kept for it from the start.

    Attributes:
        inputs: What it was sent.
        requests: The requests with that.
    """

    inputs: list[RunAgentInput] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    _port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Where runs are posted."""
        return f"http://127.0.0.1:{self._port}/agents/{NAME}/"

    @property
    def setting(self) -> str:
        """The value of AG_UI_AGENTS."""
        return f"{NAME}={self.url}"

    @property
    def headers(self) -> str:
        """The value of AG_UI_HEADERS."""
        return f'{{"{NAME}": {{"Authorization": "Bearer {TOKEN}"}}}}'

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FakeProvider]:
        """Answer, until the block ends."""
        async with serve(self._answer, port=self._port) as server:
            yield server

    async def _answer(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return await refused(401)(request)
        if request.path != f"/agents/{NAME}/" or request.headers["accept"] != "text/event-stream":
            return await refused(404)(request)
        asked = RunAgentInput.model_validate(request.body)
        problem = _problem(asked)
        if problem:
            return await refused(422, {"detail": problem})(request)
        self.inputs.append(asked)
        self.requests.append(request)
        await request.send(STREAM_HEAD)
        question = str(asked.messages[-1].content)
        for event in _run(asked, question):
            await request.send(encoded(event))
            if WAITS in question and event.type == EventType.TEXT_MESSAGE_CONTENT:
                await request.wait_for_disconnect()
                return None
        return None


def _problem(asked: RunAgentInput) -> str:
    """What a strict agent does not accept of a conversation; empty for nothing."""
    ids = [message.id for message in asked.messages]
    if len(ids) != len(set(ids)) or "" in ids:
        return "message ids must be unique"
    if not isinstance(asked.messages[-1], UserMessage):
        return "the last message must be the user's"
    for before, after in pairwise(asked.messages):
        if before.role == after.role and before.role in ("user", "assistant"):
            return "turns must alternate"
        if isinstance(before, AssistantMessage) and before.tool_calls:
            calls = [call.id for call in before.tool_calls]
            if not isinstance(after, ToolMessage) or after.tool_call_id not in calls:
                return "a call must have its result behind it"
    return ""


def _run(asked: RunAgentInput, question: str) -> Iterator[BaseEvent]:
    thread_id, run_id = asked.thread_id, asked.run_id
    yield RunStartedEvent(thread_id=thread_id, run_id=run_id, protocol_version=PROTOCOL_VERSION)
    yield StateSnapshotEvent(snapshot={"question": question, "found": []})
    if FAILS in question:
        yield RunErrorEvent(message="The graph has no such node.")
        return
    yield StepStartedEvent(step_name="plan")
    thought = str(uuid4())
    yield ReasoningStartEvent(message_id=thought)
    yield ReasoningMessageStartEvent(message_id=thought)
    for word in THOUGHT.split(" "):
        yield ReasoningMessageContentEvent(message_id=thought, delta=f"{word} ")
    yield ReasoningMessageEndEvent(message_id=thought)
    yield ReasoningEndEvent(message_id=thought)
    yield StepFinishedEvent(step_name="plan")
    yield StepStartedEvent(step_name=TOOL)
    call = str(uuid4())
    yield ToolCallStartEvent(tool_call_id=call, tool_call_name=TOOL)
    yield ToolCallArgsEvent(tool_call_id=call, delta='{"word":')
    yield ToolCallArgsEvent(tool_call_id=call, delta='"tide"}')
    yield ToolCallEndEvent(tool_call_id=call)
    yield ToolCallResultEvent(message_id=str(uuid4()), tool_call_id=call, content="twice a day")
    added = {"op": "add", "path": "/found/-", "value": "twice a day"}
    yield StateDeltaEvent.model_validate({"delta": [added]})
    yield StepFinishedEvent(step_name=TOOL)
    yield StepStartedEvent(step_name="write")
    written = str(uuid4())
    yield TextMessageStartEvent(message_id=written, role="assistant")
    for piece in answer_to(question):
        yield TextMessageContentEvent(message_id=written, delta=piece)
    yield TextMessageEndEvent(message_id=written)
    yield StepFinishedEvent(step_name="write")
    answer = AssistantMessage(id=written, content="".join(answer_to(question)))
    yield MessagesSnapshotEvent(messages=[*asked.messages, answer])
    usage = [TokenUsage(model="a", input_tokens=5, output_tokens=7)] * 2
    yield RunFinishedEvent(
        thread_id=thread_id, run_id=run_id, outcome=RunFinishedSuccessOutcome(), usage=usage
    )
