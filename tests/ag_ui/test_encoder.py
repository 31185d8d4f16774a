"""The encoder of AG-UI: the events of each kind of part and of each ending."""

import json
from typing import Any
from uuid import UUID

import pytest

from chat_app.api.wires.ag_ui import AgUiEncoder, AgUiEvent, AgUiUserMessage, encode, encoded
from chat_app.api.wires.ai_sdk import INTERRUPTED
from chat_app.api.wires.ai_sdk_tools import DENIED
from chat_app.core.errors import InvalidInput, message_of
from chat_app.core.events import (
    Event,
    PartAdded,
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
    TextResumed,
    TextWasReasoning,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolCallEnd,
    ToolResult,
    Usage,
)
from chat_app.core.parts import NoticePart, SourcePart, SummaryPart
from chat_app.runs.follow import Channel, EndEvent, PartEvent, RunMetrics
from testing.ag_ui_clients import check_events

MESSAGE_ID = UUID("00000000-0000-4000-8000-000000000001")
M = str(MESSAGE_ID)
SERVER_IDS = {"threadId": "our-thread", "runId": "our-run"}
STARTED = {
    "type": "RUN_STARTED",
    "threadId": "chat",
    "runId": "r1",
    "protocolVersion": "1.0",
    "metadata": {"chat-app": {**SERVER_IDS, "messageId": M}},
}
NOTICE: NoticePart = {
    "type": "notice",
    "code": "rate_limited",
    "params": {"model": "Alpha", "retry_after": 3},
}
SOURCE: SourcePart = {"type": "source", "id": "s1", "url": "https://example.com/", "title": "A"}


def encoder(**more: Any) -> AgUiEncoder:
    return AgUiEncoder(MESSAGE_ID, thread_id="chat", run_id="r1", server_ids=SERVER_IDS, **more)


def ending(status: Any = "complete", reason: Any = "stop", **more: Any) -> EndEvent:
    metrics = more.get("metrics", RunMetrics(""))
    return EndEvent(0, status, reason, more.get("error", ""), 0, metrics)


def encode_events(
    *events: Event, end: EndEvent | None = None, made: AgUiEncoder | None = None
) -> list[AgUiEvent]:
    """The events after the start, the end among them."""
    channel, made = Channel(), made or encoder()
    for seq, event in enumerate(events, 1):
        channel.put(seq, event)
    shown, _ = channel.read(0)
    assert made.start() == [STARTED]
    sent = [one for event in shown for one in made.event(event)] + made.end(end or ending())
    check_events([STARTED, *sent])
    pieces = encode(sent).decode().strip().split("\n\n")
    assert [json.loads(piece.removeprefix("data: ")) for piece in pieces] == sent
    return sent


def text(id_: str, delta: str) -> AgUiEvent:
    return {"type": "TEXT_MESSAGE_CHUNK", "messageId": id_, "delta": delta}


def ours(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"chat-app": metadata}}


def test_reasoning_and_texts_are_messages_with_ids_of_their_own():
    events = (ReasoningDelta("Hm"), ReasoningEnd(1.5), TextDelta("a"), PartAdded(SOURCE))
    assert encode_events(*events, TextDelta("b"))[:-1] == [
        {"type": "REASONING_START", "messageId": f"{M}-0"},
        {"type": "REASONING_MESSAGE_CHUNK", "messageId": f"{M}-0", "delta": "Hm"},
        {"type": "REASONING_MESSAGE_CHUNK", **ours(seconds=1.5)},
        {"type": "REASONING_END", "messageId": f"{M}-0"},
        text(M, "a"),
        {
            "type": "CUSTOM",
            "name": "source",
            "value": {"id": "s1", "url": "https://example.com/", "title": "A"},
        },
        text(f"{M}-3", "b"),
    ]


def test_a_text_that_was_reasoning_says_so_at_its_end():
    events = encode_events(TextDelta("Hm"), TextWasReasoning(1.5), TextDelta("Yes."))
    assert events[:-1] == [
        text(M, "Hm"),
        {"type": "TEXT_MESSAGE_CHUNK", **ours(reasoning=True, seconds=1.5)},
        text(f"{M}-1", "Yes."),
    ]


def test_a_text_that_is_resumed_goes_on_in_the_same_message():
    events = encode_events(TextDelta("a"), PartAdded(NOTICE), TextResumed(), TextDelta("b"))
    value = {"code": NOTICE["code"], "params": NOTICE["params"]}
    sentence = message_of(NOTICE["code"], NOTICE["params"])
    assert events[:-1] == [
        text(M, "a"),
        {"type": "CUSTOM", "name": "notice", "value": {**value, "text": sentence}},
        text(M, "b"),
    ]


def test_an_empty_text_is_a_message():
    events = encode_events(TextDelta(""), PartAdded(SOURCE))
    assert events[0] == {"type": "TEXT_MESSAGE_CHUNK", "messageId": M}


def test_a_text_goes_on_behind_the_result_of_an_earlier_call():
    call = (ToolCallDelta("c", "now", ""), TextDelta("a"), ToolResult("c", "noon"))
    *_, ended, result, rest, _ = encode_events(*call, TextDelta("b"))
    assert (ended["type"], result["type"]) == ("TOOL_CALL_END", "TOOL_CALL_RESULT")
    assert rest == text(M, "b")


def test_parts_that_are_no_messages_are_custom():
    summary: SummaryPart = {
        "type": "summary",
        "text": "So far",
        "until": "1",
        "count": 4,
        "origin": "model",
    }
    events = encode_events(
        PartAdded(summary),
        PartAdded({"type": "file", "url": "/f", "media_type": "image/png", "name": "a.png"}),
        PartAdded({"type": "data", "name": "chart", "data": None}),
    )
    assert [(event["name"], event["value"]) for event in events[:-1]] == [
        ("summary", {"text": "So far", "count": 4, "origin": "model"}),
        ("file", {"url": "/f", "name": "a.png", "mediaType": "image/png"}),
        ("data", {"name": "chart", "data": None}),
    ]


def test_a_tool_call_has_an_id_of_its_own_and_ends_before_its_result():
    call = (ToolCallDelta("call_0", "now", '{"a"'), ToolCallDelta("call_0", "now", ":1}"))
    late = (ToolCallDelta("call_0", "now", "1"), ToolCallEnd("call_0"), ToolResult("call_0", "x"))
    events = encode_events(*call, ToolResult("call_0", {"b": 2}), *late)
    id_ = {"toolCallId": f"{M}-0"}
    assert events[:-1] == [
        {"type": "TOOL_CALL_START", **id_, "toolCallName": "now"},
        {"type": "TOOL_CALL_ARGS", **id_, "delta": '{"a"'},
        {"type": "TOOL_CALL_ARGS", **id_, "delta": ":1}"},
        {"type": "TOOL_CALL_END", **id_},
        {
            "type": "TOOL_CALL_RESULT",
            "messageId": f"{M}-0-result",
            **id_,
            "role": "tool",
            "content": '{"b":2}',
        },
    ]


def test_a_failed_tool_call_says_so_and_one_without_a_result_is_closed():
    call = (ToolCallDelta("c", "now", ""), ToolResult("c", error="internal_error"))
    *_, failed, start, end, _ = encode_events(*call, ToolCallDelta("d", "now", ""))
    assert failed["content"] == message_of("internal_error", {})
    assert failed["metadata"] == {"chat-app": {"error": "internal_error"}}
    assert (start["toolCallId"], end["toolCallId"]) == (f"{M}-1", f"{M}-1")
    assert end["type"] == "TOOL_CALL_END"


def test_a_call_that_waits_for_an_approval_is_complete_and_a_denied_one_has_one_result():
    asked = (ToolCallDelta("c", "now", "{}"), ToolApprovalRequest("c", "a"))
    assert [event["type"] for event in encode_events(*asked)][2:] == [
        "TOOL_CALL_END",
        "RUN_FINISHED",
    ]
    denied = (*asked, ToolApprovalResponse("c", approved=False), ToolResult("c", "noon"))
    *_, ended, result, _ = encode_events(*denied)
    assert (ended["type"], result["type"]) == ("TOOL_CALL_END", "TOOL_CALL_RESULT")
    assert (result["content"], result["metadata"]) == (DENIED, {"chat-app": {"error": "denied"}})
    again = ToolApprovalResponse("c", approved=False)
    *_, result, _ = encode_events(
        *asked, ToolApprovalResponse("c", approved=True), again, denied[-1]
    )
    assert result["content"] == "noon"


NAMES = {"threadId": "chat", "runId": "r1"}


@pytest.mark.parametrize(
    ("end", "last"),
    [
        (
            ending("complete", "length"),
            {
                "type": "RUN_FINISHED",
                **NAMES,
                "outcome": {"type": "success"},
                **ours(finishReason="length"),
            },
        ),
        (
            ending("stopped", "user"),
            {"type": "RUN_FINISHED", **NAMES, "outcome": {"type": "cancelled"}},
        ),
        (ending("revoked"), {"type": "RUN_FINISHED", **NAMES, "outcome": {"type": "cancelled"}}),
        (
            ending("failed", "", error="It broke."),
            {
                "type": "RUN_ERROR",
                "message": "It broke.",
                "code": "failed",
                **ours(finishReason="error"),
            },
        ),
        (
            ending("interrupted", ""),
            {
                "type": "RUN_ERROR",
                "message": INTERRUPTED,
                "code": "interrupted",
                **ours(finishReason="error"),
            },
        ),
    ],
)
def test_each_ending_comes_behind_what_is_open(end: EndEvent, last: AgUiEvent):
    assert encode_events(TextDelta("a"), end=end) == [text(M, "a"), last]


def test_a_client_that_knows_no_cancelled_run_is_told_of_none():
    made = encoder(knows_cancelled=False)
    (end,) = encode_events(end=ending("stopped", "user"), made=made)
    assert end == {"type": "RUN_FINISHED", **NAMES}


def test_the_end_has_the_usage_and_what_the_answer_took():
    metrics = RunMetrics("alpha", Usage(10, 20, None, 4), 0.25, 1.5, 1_230_000)
    (end,) = encode_events(end=ending(metrics=metrics))
    counts = {"inputTokens": 10, "outputTokens": 20, "totalTokens": 30, "cachedInputTokens": 4}
    assert end["usage"] == [{"model": "alpha", **counts}]
    assert end["metadata"]["chat-app"]["timings"] == {"firstTokenMs": 250, "totalMs": 1500}
    assert end["metadata"]["chat-app"]["cost"] == 0.00123


def test_what_a_client_has_of_the_answer_is_emptied_in_its_place():
    question = {"id": "q", "role": "user", "content": "hi"}
    before = {"id": "00000000-0000-4000-8000-000000000009", "role": "assistant", "content": "old"}
    call = {"id": f"{M}-1", "type": "function", "function": {"name": "now", "arguments": "{"}}
    client_messages = [
        *(before, question),
        {"id": f"{M}-0", "role": "reasoning", "content": "Hm"},
        {"id": f"{M}-1", "role": "assistant", "toolCalls": [call]},
        {"id": f"{M}-1-result", "role": "tool", "toolCallId": f"{M}-1", "content": "noon"},
        {"id": M, "role": "assistant", "content": "It is"},
    ]
    emptied = {**call, "function": {"name": "now", "arguments": ""}}
    check_events(encoder().start(client_messages))
    assert encoder().start(client_messages)[1:] == [
        {
            "type": "MESSAGES_SNAPSHOT",
            "messages": [
                *(before, question),
                {"id": f"{M}-0", "role": "reasoning", "content": ""},
                {"id": f"{M}-1", "role": "assistant", "toolCalls": [emptied]},
                {"id": M, "role": "assistant", "content": ""},
            ],
        }
    ]
    assert encoder().start([before, question]) == [STARTED]
    assert encoder().start([{"id": 1}, {}, {"id": M, "role": "user"}]) == [STARTED]


def test_what_a_client_has_is_repeated_as_valid_json():
    deep: list[Any] = []
    for _ in range(1_000):
        deep = [deep]
    numbers = {"x": float("nan"), "y": float("-inf"), "z": 10**400, "deep": deep}
    held = [{"id": "q", "role": "user", **numbers}, {"id": M, "role": "assistant", "content": ""}]
    _, snapshot = encode(encoder().start(held)).decode().strip().split("\n\n")
    repeated = json.loads(snapshot.removeprefix("data: "), parse_constant=pytest.fail)
    assert repeated["messages"][0] | {"deep": []} == (
        held[0] | {"x": None, "y": None, "z": None, "deep": []}
    )


def test_the_text_of_a_message_is_that_of_its_text_parts():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "id": "p"}]
    assert AgUiUserMessage.model_validate({"role": "user", "content": parts}).text == "ab"
    image = {"type": "image", "source": {"type": "url", "value": "https://example.com/a.png"}}
    with pytest.raises(InvalidInput, match="Files can't be sent"):
        _ = AgUiUserMessage.model_validate({"role": "user", "content": [*parts, image]}).text


async def test_the_events_are_closed_with_the_stream():
    closed = []

    async def events():
        try:
            yield PartEvent(1, 0, 0, TextDelta("a"))
            yield PartEvent(2, 0, 1, TextDelta('"'))
            yield ending("stopped", "user")
        finally:
            closed.append(True)

    stream = encoded(events(), encoder())
    bodies = [await anext(stream) for _ in range(3)]
    await stream.aclose()
    assert closed
    assert bodies[2] == b'data: {"type":"TEXT_MESSAGE_CHUNK","delta":"\\""}\n\n'
