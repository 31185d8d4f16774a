"""Agents that speak AG-UI as models: what they are sent, and what is read of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.events import (
    Event,
    Finish,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolResult,
    Usage,
    encode_payload,
    fold,
)
from chat_app.core.parts import text_part
from chat_app.llm import provider as provider_module
from chat_app.llm.ag_ui import AgUiDecoder, agent_model
from chat_app.llm.base import (
    CallOptions,
    ModelTimeouts,
    PromptMessage,
    ProviderError,
    Tool,
    text_message,
)
from chat_app.llm.provider import ProviderModel
from chat_app.llm.registry import Models
from chat_app.llm.sse import SSEvent
from chat_app.settings import ConfigError, read_settings
from testing.ag_ui_agent import NAME, THOUGHT, TOKEN, TOOL, ToyAgent, answer_to
from testing.fake_provider import (
    STREAM_HEAD,
    Answer,
    FakeProvider,
    SteppedTime,
    event,
    held_open,
    refused,
    serve,
    streamed,
)

QUESTION = [text_message("system", "be kind"), text_message("user", "héllo 😀")]
PATIENT = ModelTimeouts(first_token=30, idle=30)
SAFETY = 30  # seconds; it only ends a test that would hang
STARTED = {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}
FINISHED = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}


def say(text: str, id_: str = "m", **more: Any) -> list[dict[str, Any]]:
    return [
        {"type": "TEXT_MESSAGE_START", "messageId": id_, **more},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": id_, "delta": text},
        {"type": "TEXT_MESSAGE_END", "messageId": id_},
    ]


def decode(*payloads: object) -> list[Event]:
    decoder = AgUiDecoder("Planner", "ag-ui/planner")
    events = [one for payload in payloads for one in decoder.feed(SSEvent(payload))]
    return events + list(decoder.end())


def decode_run(*payloads: object) -> list[Event]:
    return decode(STARTED, *payloads, FINISHED)


def text_of(events: list[Event]) -> str:
    return "".join(one.text for one in events if isinstance(one, TextDelta))


@asynccontextmanager
async def agent_at(
    url: str, timeouts: ModelTimeouts = PATIENT, **headers: str
) -> AsyncIterator[ProviderModel]:
    model, endpoint = agent_model(NAME, url, headers, timeouts)
    try:
        yield model
    finally:
        await endpoint.close()


@asynccontextmanager
async def agent_that(
    answer: Answer, timeouts: ModelTimeouts = PATIENT
) -> AsyncIterator[tuple[ProviderModel, FakeProvider]]:
    async with serve(answer) as server, agent_at(server.origin, timeouts) as model:
        yield model, server


async def collect(model: ProviderModel, prompt: list[PromptMessage] = QUESTION) -> list[Event]:
    async with asyncio.timeout(SAFETY):
        return [one async for one in model.stream(prompt)]


async def error_of(model: ProviderModel) -> tuple[str, ProviderError]:
    shown: list[Event] = []

    async def read() -> None:
        async for one in model.stream(QUESTION):
            shown.append(one)

    with pytest.raises(ProviderError) as caught:
        await asyncio.wait_for(read(), SAFETY)
    return text_of(shown), caught.value


async def test_a_graph_answers_with_its_thoughts_its_calls_and_its_usage() -> None:
    agent = ToyAgent()
    async with agent.serving(), agent_at(agent.url, authorization=f"Bearer {TOKEN}") as model:
        events = await collect(model)
    found = fold(events)
    reasoning, call, text = found.parts
    assert reasoning == {"type": "reasoning", "text": f"{THOUGHT} "}
    assert (call["type"], call["name"], call["state"]) == ("tool-call", TOOL, "done")  # pyright: ignore
    assert (call["arguments"], call["result"]) == ('{"word":"tide"}', "twice a day")  # pyright: ignore
    assert text == {"type": "text", "text": "".join(answer_to("héllo 😀"))}
    assert (found.usage, found.finish) == (Usage(10, 14), Finish("stop"))
    (sent,) = agent.inputs
    assert [(one.role, one.content) for one in sent.messages] == [
        *(("system", "be kind"), ("user", "héllo 😀")),
    ]
    assert agent.requests[0].body["protocolVersion"] == "1.0"
    assert [agent.requests[0].body[key] for key in ("tools", "context")] == [[], []]


async def test_any_branch_is_a_conversation_that_the_agent_accepts() -> None:
    agent = ToyAgent()
    called = fold([ToolCallDelta("c", TOOL, '{"a": 1}'), ToolResult("c", "low")]).parts
    open_call = fold([TextDelta("Hm."), ToolCallDelta("d", TOOL, "{")]).parts
    prompt = [
        *QUESTION,
        PromptMessage("assistant", (*called, text_part("So."))),
        text_message("user", "and?"),
        PromptMessage("assistant", tuple(open_call), "stopped"),
        text_message("user", "again"),
        PromptMessage("assistant", (), "failed"),
        text_message("user", "now?"),
    ]
    async with agent.serving(), agent_at(agent.url, authorization=f"Bearer {TOKEN}") as model:
        await collect(model, prompt)
        await collect(model, prompt)
    first, second = agent.inputs
    roles = [one.role for one in first.messages]
    assert roles[:5] == ["system", "user", "assistant", "tool", "assistant"]
    assert {first.thread_id, first.run_id}.isdisjoint({second.thread_id, second.run_id})


async def test_without_the_token_the_agent_is_refused() -> None:
    agent = ToyAgent()
    async with agent.serving(), agent_at(agent.url) as model:
        _, error = await error_of(model)
    assert error.message_code == "api_key_rejected"
    assert agent.inputs == []


async def test_a_query_and_the_path_are_sent_as_they_are() -> None:
    async with serve(streamed(event(STARTED), event(FINISHED))) as server:
        for path in ("/agent", "/agent/", "/agent?a=b%20c&d=1"):
            async with agent_at(f"{server.origin}{path}") as model:
                await collect(model)
    assert [request.path for request in server.requests] == [
        *("/agent", "/agent/", "/agent?a=b%20c&d=1"),
    ]


async def test_an_agent_without_a_system_role_gets_the_prompt_in_the_first_turn() -> None:
    first = refused(422, {"detail": "the system role is not supported"})
    answers = iter([first, streamed(event(STARTED), event(FINISHED))])

    async def answer(request: Any) -> None:
        await next(answers)(request)

    async with agent_that(answer) as (model, server):
        await collect(model)
    messages = server.requests[1].body["messages"]
    assert [(one["role"], one["content"]) for one in messages] == [
        ("user", "be kind\n\nhéllo 😀"),
    ]


def test_messages_that_follow_each_other_are_paragraphs() -> None:
    events = decode_run(*say("One."), *say("Two.", "n", role="assistant"))
    assert text_of(events) == "One.\n\nTwo."
    thought = {"type": "REASONING_MESSAGE_CONTENT", "messageId": "r", "delta": "Hm"}
    events = decode_run(thought, {**thought, "messageId": "s"}, *say("One."))
    assert [one.text for one in events if isinstance(one, ReasoningDelta)] == ["Hm", "\n\nHm"]
    assert text_of(events) == "One."


def test_what_is_not_the_agents_is_left_out() -> None:
    events = decode_run(*say("héllo", "u", role="user"), *say("Hi."), {"type": "NEW"})
    assert text_of(events) == "Hi."


def test_chunks_are_read_without_starts_and_ends() -> None:
    events = decode_run(
        {"type": "REASONING_MESSAGE_CHUNK", "messageId": "r", "delta": "Hm"},
        {"type": "REASONING_MESSAGE_CHUNK", "delta": "."},
        {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m", "role": "assistant", "delta": "a"},
        {"type": "TEXT_MESSAGE_CHUNK", "delta": "b"},
        {"type": "TOOL_CALL_CHUNK", "toolCallId": "c", "toolCallName": "sum", "delta": "{"},
        {"type": "TOOL_CALL_CHUNK", "delta": "}"},
        {"type": "TOOL_CALL_RESULT", "messageId": "x", "toolCallId": "c", "content": "3"},
    )
    assert fold(events).parts == [
        {"type": "reasoning", "text": "Hm."},
        {"type": "text", "text": "ab"},
        {
            "type": "tool-call",
            "call_id": "c",
            "name": "sum",
            "arguments": "{}",
            "state": "done",
            "result": "3",
        },
    ]


def test_reasoning_of_earlier_versions_is_read() -> None:
    events = decode_run({"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "Hm"}, *say("Hi."))
    assert events[0] == ReasoningDelta("Hm")


def test_a_result_of_several_parts_is_their_text() -> None:
    call = {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "sum"}
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    result = {"type": "TOOL_CALL_RESULT", "messageId": "x", "toolCallId": "c", "content": parts}
    assert ToolResult("c", "ab") in decode_run(call, result)
    assert ToolCallEnd("c") in decode_run(call, result)


def test_an_answer_that_only_a_snapshot_has_is_shown() -> None:
    messages = [
        {"id": "1", "role": "assistant", "content": "earlier"},
        {"id": "2", "role": "user", "content": "héllo"},
        {"id": "3", "role": "assistant", "content": "Hi."},
    ]
    snapshot = {"type": "MESSAGES_SNAPSHOT", "messages": messages}
    assert text_of(decode_run(snapshot)) == "Hi."
    assert text_of(decode_run(*say("Hello."), snapshot)) == "Hello."


def test_what_an_agent_asks_before_it_goes_on_is_shown() -> None:
    outcome = {
        "type": "interrupt",
        "interrupts": [{"id": "i", "reason": "approval", "message": "Shall I?"}],
    }
    events = decode(STARTED, *say("I can."), {**FINISHED, "outcome": outcome})
    assert text_of(events) == "I can.\n\nShall I?"
    assert events[-1] == Finish("stop")
    cancelled = decode(STARTED, {**FINISHED, "outcome": {"type": "cancelled"}})
    assert cancelled == [Finish("other")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "no"}, "provider_error"),
        ({"message": "Rate limit reached"}, "rate_limited"),
        ({"message": "x", "code": "context_length_exceeded"}, "context_too_long"),
    ],
)
def test_an_error_of_the_run_is_named(error: dict[str, str], code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decode(STARTED, {"type": "RUN_ERROR", **error})
    assert caught.value.message_code == code


@pytest.mark.parametrize(
    ("payloads", "code"),
    [
        ((), "malformed_response"),
        (("<html>",), "malformed_response"),
        (('{"type": "RUN_ST',), "cut_off"),
        (("data: {oops",), "malformed_response"),
        ((*say("a"), FINISHED), "malformed_response"),
        ((STARTED, {"type": "TEXT_MESSAGE_CONTENT", "delta": "a"}), "malformed_response"),
        ((STARTED, {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m"}), "malformed_response"),
        ((STARTED, {"type": "RUN_FINISHED"}), "malformed_response"),
        (
            (STARTED, {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": "{"}),
            "malformed_response",
        ),
        ((STARTED, *say("a")), "cut_off"),
    ],
)
async def test_a_stream_that_is_none_ends_with_one_sentence(
    payloads: tuple[object, ...], code: str
) -> None:
    pieces = [one.encode() + b"\n\n" if isinstance(one, str) else event(one) for one in payloads]
    async with agent_that(streamed(*pieces)) as (model, _):
        shown, error = await error_of(model)
    assert error.message_code == code
    assert NAME in error.message
    assert shown == ("a" if code == "cut_off" and len(payloads) > 1 else "")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refused(404), "model_not_offered"),
        (refused(307, location="/agent/"), "provider_moved"),
        (refused(429, retry_after="20"), "rate_limited"),
        (refused(500, b"<html>"), "provider_error"),
        (refused(422, {"detail": [{"msg": "field required"}]}), "request_rejected"),
    ],
)
async def test_a_refusal_is_classified_as_that_of_any_provider(answer: Answer, code: str) -> None:
    async with agent_that(answer) as (model, server):
        _, error = await error_of(model)
    assert error.message_code == code
    assert len(server.requests) == 1


async def test_an_event_that_is_too_large_ends_the_answer() -> None:
    snapshot = {"type": "STATE_SNAPSHOT", "snapshot": "x" * (1 << 20)}
    pieces = [event(one) for one in (STARTED, *say("a"), snapshot)]
    async with agent_that(held_open(STREAM_HEAD, *pieces)) as (model, server):
        shown, error = await error_of(model)
        await asyncio.wait_for(server.requests[0].gone.wait(), SAFETY)
    assert (shown, error.message_code) == ("a", "malformed_response")


async def test_a_reader_that_leaves_closes_the_connection() -> None:
    pieces = [event(one) for one in (STARTED, *say("a"))]
    async with agent_that(held_open(STREAM_HEAD, *pieces)) as (model, server):
        async with asyncio.timeout(SAFETY), aclosing(model.stream(QUESTION)) as events:
            assert await anext(events) == TextDelta("a")
        await asyncio.wait_for(server.requests[0].gone.wait(), SAFETY)


async def test_an_agent_that_works_in_silence_is_waited_for_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time, working = SteppedTime(monkeypatch), event({"type": "STATE_SNAPSHOT", "snapshot": {}})

    async def work(request: Any) -> None:
        time.begin()
        await request.send(STREAM_HEAD, event(STARTED))
        for _ in range(3):
            await time.step(150)
            await request.send(working)

    async def answer(request: Any) -> None:
        await work(request)
        await request.send(*map(event, (*say("done"), FINISHED)))

    async def never(request: Any) -> None:
        await work(request)
        await request.wait_for_disconnect()

    soon = ModelTimeouts(first_token=200, idle=200)
    async with agent_that(answer, soon) as (model, _):
        assert text_of([one async for one in model.stream(QUESTION)]) == "done"
    monkeypatch.setattr(provider_module, "_MAX_SILENT_SECONDS", 400)
    async with agent_that(never, soon) as (model, _), asyncio.timeout(3 * 150 + SAFETY):
        with pytest.raises(ProviderError) as caught:
            await anext(model.stream(QUESTION))
    assert caught.value.message_code == "first_token_timeout"


async def test_tools_of_a_client_are_refused_and_nothing_is_done() -> None:
    tool = Tool("add", "Adds.", {"type": "object", "properties": {}})
    exact = CallOptions(tools=(tool,), tool_choice="required", is_exact=True)
    pieces = [event(one) for one in (STARTED, *say("done"), FINISHED)]
    async with agent_that(streamed(*pieces)) as (model, server):
        async with asyncio.timeout(SAFETY):
            with pytest.raises(ProviderError) as caught:
                await anext(model.stream(QUESTION, exact))
        assert (caught.value.message_code, server.requests) == ("tools_rejected", [])
        assert text_of(await collect(model)) == "done"


async def test_an_agent_that_is_not_there_is_unreachable() -> None:
    async with agent_at("http://127.0.0.1:9/") as model:
        _, error = await error_of(model)
    assert error.message_code == "provider_unreachable"


TYPES = st.sampled_from(
    [
        *("RUN_STARTED", "RUN_FINISHED", "RUN_ERROR", "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START"),
        *("TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CHUNK", "REASONING_MESSAGE_CONTENT", "CUSTOM"),
        *("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_CHUNK", "text"),
        *("TOOL_CALL_RESULT", "THINKING_TEXT_MESSAGE_CONTENT", "success", "interrupt"),
    ]
)
WORDS = st.sampled_from(
    [
        *("messageId", "delta", "role", "toolCallId", "toolCallName", "content", "outcome"),
        *("interrupts", "usage", "messages", "threadId", "runId", "message", "code", "error"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats() | st.text(max_size=3) | TYPES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.builds(
            lambda found, kind: {**found, "type": kind},
            st.dictionaries(WORDS, inner, max_size=5),
            TYPES,
        )
    ),
    max_leaves=12,
)


@given(payloads=st.lists(JSON, max_size=5), wraps=st.booleans())
def test_whatever_comes_is_an_answer_or_a_sentence(payloads: list[object], wraps: bool) -> None:
    try:
        events = decode_run(*payloads) if wraps else decode(*payloads)
    except ProviderError:
        return
    assert isinstance(events[-1], Finish)
    for one in events:
        encode_payload(one).encode()
    fold(events)


def test_the_settings_name_agents_that_are_models() -> None:
    agent = ToyAgent()
    settings = read_settings(
        _env_file=None,
        embedded_model=False,
        ag_ui_agents=f"{agent.setting}, other=https://agents.example/run?a=b",
        ag_ui_headers=agent.headers,
    )
    models = Models(settings)
    assert [model.id for model in models.all()] == ["ag-ui/planner", "ag-ui/other"]
    assert [model.name for model in models.all()] == ["planner", "other"]
    assert all(model.info.acts and not model.info.summarizes for model in models.all())
    assert TOKEN not in repr(settings)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"ag_ui_agents": "https://agents.example"}, "AG_UI_AGENTS: must look like name=https://"),
        ({"ag_ui_agents": "a=http://a.example,a=http://b.example"}, "AG_UI_AGENTS: must look like"),
        ({"ag_ui_agents": "a=ftp://a.example"}, "must be an http or https URL without a user"),
        ({"ag_ui_agents": "a=https://me@a.example"}, "must be an http or https URL without a user"),
        ({"ag_ui_agents": "a=https://a.example#b"}, "must have no fragment"),
        ({"ag_ui_agents": "Big Name=https://a.example"}, "must have lower-case letters"),
        ({"ag_ui_headers": "{"}, "AG_UI_HEADERS: must be valid JSON"),
        ({"ag_ui_headers": {"a": {"x": "y"}}}, "AG_UI_HEADERS: there is no agent 'a'"),
        (
            {"ag_ui_agents": "a=https://a.example", "ag_ui_headers": {"a": {"x y": "z"}}},
            "must be the name of a header",
        ),
        (
            {"ag_ui_agents": "a=https://a.example", "ag_ui_headers": {"a": {"x": "z\r\ny: 1"}}},
            "must be printable ASCII",
        ),
    ],
)
def test_a_setting_that_is_wrong_stops_the_start(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(_env_file=None, **given)
    assert sentence in str(caught.value)
    assert "z\r\ny" not in json.dumps(str(caught.value))
