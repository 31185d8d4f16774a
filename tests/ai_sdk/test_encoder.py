"""The encoder of the UI message stream: the chunks of each kind of part and of each ending."""

import json
from typing import Any
from uuid import UUID

import pytest

from chat_app.api.wires.ai_sdk import (
    ID_EVERY,
    INTERRUPTED,
    Chunk,
    MessageStreamEncoder,
    client_version,
    encode,
    encoded,
    finish_reason,
    metadata,
    ui_parts,
)
from chat_app.api.wires.ai_sdk_positions import position_of
from chat_app.api.wires.ai_sdk_tools import DENIED, INVALID_ARGUMENTS, ClientVersion
from chat_app.api.wires.sse import DONE
from chat_app.core.errors import message_of
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
    fold,
)
from chat_app.core.parts import FilePart, NoticePart, SourcePart, SummaryPart
from chat_app.runs.follow import Channel, EndEvent, PartEvent, RunMetrics

MESSAGE_ID = UUID("00000000-0000-4000-8000-000000000001")
THREAD_ID = UUID("00000000-0000-4000-8000-000000000002")
RUN_ID = UUID("00000000-0000-4000-8000-000000000003")
METRICS = RunMetrics("alpha", Usage(10, 20, 5, 4), 0.25, 1.5, 1_230_000)
METADATA = {
    "model": "alpha",
    "modelId": "alpha",
    "usage": {
        "inputTokens": 10,
        "outputTokens": 20,
        "totalTokens": 30,
        "reasoningTokens": 5,
        "cachedInputTokens": 4,
    },
    "cost": 0.00123,
    "timings": {"firstTokenMs": 250, "totalMs": 1500},
}
NOTICE: NoticePart = {
    "type": "notice",
    "code": "rate_limited",
    "params": {"model": "Alpha", "retry_after": 3},
}
SOURCE: SourcePart = {"type": "source", "id": "s1", "url": "https://example.com/", "title": "A"}
FILE: FilePart = {"type": "file", "url": "/f/1", "media_type": "image/png", "name": "a.png"}
TOOL = {"providerExecuted": True, "dynamic": True}

V5_KEYS = {
    "start": {"messageId", "messageMetadata"},
    "start-step": set(),
    "finish-step": set(),
    "text-start": {"id", "providerMetadata"},
    "text-delta": {"id", "delta", "providerMetadata"},
    "text-end": {"id", "providerMetadata"},
    "reasoning-start": {"id", "providerMetadata"},
    "reasoning-delta": {"id", "delta", "providerMetadata"},
    "reasoning-end": {"id", "providerMetadata"},
    "source-url": {"sourceId", "url", "title", "providerMetadata"},
    "file": {"url", "mediaType", "providerMetadata"},
    "tool-input-start": {"toolCallId", "toolName", "providerExecuted", "dynamic"},
    "tool-input-delta": {"toolCallId", "inputTextDelta"},
    "tool-input-available": {"toolCallId", "toolName", "input", "providerExecuted", "dynamic"},
    "tool-input-error": {
        *("toolCallId", "toolName", "input", "errorText", "providerExecuted", "dynamic"),
    },
    "tool-output-available": {"toolCallId", "output", "providerExecuted", "dynamic"},
    "tool-output-error": {"toolCallId", "errorText", "providerExecuted", "dynamic"},
    "message-metadata": {"messageMetadata"},
    "finish": {"finishReason", "messageMetadata"},
    "error": {"errorText"},
    "abort": set(),
}
"""The keys that version 5.0.0 knows, whose schemas are strict."""
LATER_KEYS = {
    "tool-approval-request": {"approvalId", "toolCallId"},
    "tool-output-denied": {"toolCallId"},
    "tool-approval-response": {"approvalId", "approved", "reason"},
}
"""Those of approvals: the first two since version 6.0.0, the last since 7.0.0."""


IDS: Any = {"run_id": RUN_ID, "message_id": MESSAGE_ID, "thread_id": THREAD_ID}


def ending(status: Any = "complete", reason: Any = "stop", **more: Any) -> EndEvent:
    return EndEvent(0, status, reason, more.get("error", ""), 0, more.get("metrics", METRICS))


def encode_events(
    *events: Event, end: EndEvent | None = None, version: ClientVersion = 6
) -> list[Chunk]:
    """The chunks between `start-step` and the end, or up to `end` and with it."""
    channel, encoder = Channel(), MessageStreamEncoder(MESSAGE_ID, THREAD_ID, version)
    keys = {5: V5_KEYS, 6: V5_KEYS | LATER_KEYS, 7: V5_KEYS | LATER_KEYS}[version]
    for seq, event in enumerate(events, 1):
        channel.put(seq, event)
    shown, _ = channel.read(0)
    chunks = encoder.start()
    for event in shown:
        chunks += encoder.event(event)
    chunks += encoder.end(end or ending())
    for chunk in chunks:
        if not chunk["type"].startswith("data-"):
            assert set(chunk) <= {"type", *keys[chunk["type"]]}
        else:
            assert set(chunk) == {"type", "id", "data"}
    return chunks[2:] if end else chunks[2:-2]


def test_a_stream_of_text():
    shown = Channel()
    for seq, text in enumerate(("Hel", "lo \N{CAT}"), 1):
        shown.put(seq, TextDelta(text))
    encoder = MessageStreamEncoder(MESSAGE_ID, THREAD_ID)
    body = encode(encoder.start())
    for event in shown.read(0)[0]:
        body += encode(encoder.event(event))
    body += encode(encoder.end(ending(metrics=RunMetrics("a")))) + DONE
    assert body.decode() == (
        f'data: {{"type":"start","messageId":"{MESSAGE_ID}",'
        f'"messageMetadata":{{"threadId":"{THREAD_ID}"}}}}\n\n'
        'data: {"type":"start-step"}\n\n'
        'data: {"type":"text-start","id":"t0"}\n\n'
        'data: {"type":"text-delta","id":"t0","delta":"Hello \N{CAT}"}\n\n'
        'data: {"type":"text-end","id":"t0"}\n\n'
        'data: {"type":"finish-step"}\n\n'
        'data: {"type":"finish","finishReason":"stop","messageMetadata":'
        '{"model":"a","modelId":"a","finishReason":"stop"}}\n\n'
        "data: [DONE]\n\n"
    )


def test_a_piece_of_text_costs_one_chunk():
    channel, encoder = Channel(), MessageStreamEncoder(MESSAGE_ID, THREAD_ID)
    sizes = []
    for seq in range(1, 200):
        channel.put(seq, TextDelta("word "))
        event = channel.read(seq - 1)[0][0]
        sizes.append(len(encode(encoder.event(event))))
    assert set(sizes[1:]) == {len(b'data: {"type":"text-delta","id":"t0","delta":"word "}\n\n')}


def test_reasoning_ends_before_text_begins():
    assert encode_events(ReasoningDelta("Hm"), ReasoningEnd(12.5), TextDelta("Yes")) == [
        {"type": "reasoning-start", "id": "r0"},
        {"type": "reasoning-delta", "id": "r0", "delta": "Hm"},
        {
            "type": "reasoning-end",
            "id": "r0",
            "providerMetadata": {"chat-app": {"seconds": 12.5}},
        },
        {"type": "text-start", "id": "t1"},
        {"type": "text-delta", "id": "t1", "delta": "Yes"},
        {"type": "text-end", "id": "t1"},
    ]


def test_reasoning_that_was_cut_off_ends_without_a_duration():
    assert encode_events(ReasoningDelta("Hm"), end=ending("stopped", "user"))[:4] == [
        {"type": "reasoning-start", "id": "r0"},
        {"type": "reasoning-delta", "id": "r0", "delta": "Hm"},
        {"type": "reasoning-end", "id": "r0"},
        {"type": "finish-step"},
    ]


def test_a_text_that_was_reasoning_ends_with_a_hint():
    assert encode_events(TextDelta("Hm"), TextWasReasoning(1.5), TextDelta("Yes.")) == [
        {"type": "text-start", "id": "t0"},
        {"type": "text-delta", "id": "t0", "delta": "Hm"},
        {
            "type": "text-end",
            "id": "t0",
            "providerMetadata": {"chat-app": {"reasoning": True, "seconds": 1.5}},
        },
        {"type": "text-start", "id": "t1"},
        {"type": "text-delta", "id": "t1", "delta": "Yes."},
        {"type": "text-end", "id": "t1"},
    ]


def test_a_text_that_is_resumed_after_its_end_is_sent_as_another_one():
    resumed = (TextResumed(), TextDelta(" it"), TextDelta("."))
    chunks = encode_events(TextDelta("Half of"), PartAdded(NOTICE), *resumed, PartAdded(SOURCE))
    assert [(chunk["type"], chunk.get("id")) for chunk in chunks] == [
        *(("text-start", "t0"), ("text-delta", "t0"), ("text-end", "t0"), ("data-notice", "d1")),
        *(("text-start", "t0-2"), ("text-delta", "t0-2"), ("text-end", "t0-2")),
        ("source-url", None),
    ]
    assert chunks[5]["delta"] == " it."


def test_a_text_that_is_resumed_while_it_is_open_goes_on():
    chunks = encode_events(TextDelta("Half of"), TextResumed(), TextDelta(" it"))
    assert [chunk["type"] for chunk in chunks] == ["text-start", "text-delta", "text-end"]
    assert chunks[1]["delta"] == "Half of it"


def test_two_reasoning_parts_that_follow_each_other_have_their_own_ids():
    events = (ReasoningDelta("a"), ReasoningEnd(1.0), ReasoningDelta("b"), ReasoningEnd(2.0))
    chunks = encode_events(*events, TextDelta("c"), ReasoningDelta("d"))
    assert [(chunk["type"], chunk["id"]) for chunk in chunks] == [
        *(("reasoning-start", "r0"), ("reasoning-delta", "r0"), ("reasoning-end", "r0")),
        *(("reasoning-start", "r1"), ("reasoning-delta", "r1"), ("reasoning-end", "r1")),
        *(("text-start", "t2"), ("text-delta", "t2"), ("text-end", "t2")),
        *(("reasoning-start", "r3"), ("reasoning-delta", "r3"), ("reasoning-end", "r3")),
    ]


def test_an_empty_piece_begins_a_part_and_sends_no_delta():
    assert encode_events(TextDelta("")) == [
        {"type": "text-start", "id": "t0"},
        {"type": "text-end", "id": "t0"},
    ]


@pytest.mark.parametrize("reason", ["stop", "length", "content-filter", "tool-calls", "other"])
def test_a_complete_answer_says_why_it_ended(reason: str):
    assert encode_events(TextDelta("a"), end=ending("complete", reason))[3:] == [
        {"type": "finish-step"},
        {
            "type": "finish",
            "finishReason": reason,
            "messageMetadata": {**METADATA, "finishReason": reason},
        },
    ]


def test_an_answer_that_reached_our_own_limit_has_a_reason_that_clients_know_and_ours():
    finish = encode_events(TextDelta("a"), end=ending("complete", "size"))[-1]
    assert finish["finishReason"] == "length"
    assert finish["messageMetadata"]["finishReason"] == "size"
    *_, metadata, error, finish = encode_events(end=ending("failed", "size", error="No room."))
    assert metadata["messageMetadata"]["finishReason"] == "size"
    assert (error["errorText"], finish["finishReason"]) == ("No room.", "length")


def test_an_answer_of_an_older_revision_ended_by_itself():
    end = ending("complete", "", metrics=RunMetrics("a"))
    assert encode_events(TextDelta("a"), end=end)[-1]["finishReason"] == "stop"


@pytest.mark.parametrize("reason", ["user", "thread-deleted"])
def test_a_stopped_answer_is_aborted_and_keeps_its_metadata(reason: str):
    assert encode_events(TextDelta("a"), end=ending("stopped", reason))[2:] == [
        {"type": "text-end", "id": "t0"},
        {"type": "finish-step"},
        {"type": "message-metadata", "messageMetadata": METADATA},
        {"type": "abort"},
    ]


def test_a_revoked_reader_is_told_nothing_more():
    end = ending("revoked", "", metrics=RunMetrics(""))
    assert encode_events(TextDelta("a"), end=end)[2:] == [
        {"type": "text-end", "id": "t0"},
        {"type": "finish-step"},
        {"type": "abort"},
    ]


@pytest.mark.parametrize(
    ("status", "reason", "error", "told", "finish"),
    [
        ("failed", "", "It broke.", "It broke.", "error"),
        ("failed", "stop", "Empty.", "Empty.", "error"),
        ("failed", "length", "No room.", "No room.", "length"),
        ("failed", "content-filter", "Withheld.", "Withheld.", "content-filter"),
        ("interrupted", "", "", INTERRUPTED, "error"),
    ],
)
def test_a_failed_answer_has_an_error_after_its_metadata(
    status: str, reason: str, error: str, told: str, finish: str
):
    assert encode_events(TextDelta("a"), end=ending(status, reason, error=error))[2:] == [
        {"type": "text-end", "id": "t0"},
        {"type": "finish-step"},
        {"type": "message-metadata", "messageMetadata": {**METADATA, "finishReason": finish}},
        {"type": "error", "errorText": told},
        {"type": "finish", "finishReason": finish},
    ]


def test_a_summary_is_data_with_its_text():
    summary: SummaryPart = {
        "type": "summary",
        "text": "So far",
        "until": "1",
        "count": 4,
        "origin": "model",
    }
    data = {"text": "So far", "count": 4, "origin": "model"}
    assert encode_events(PartAdded(summary)) == [{"type": "data-summary", "id": "d0", "data": data}]


def test_a_notice_is_data_with_its_sentence():
    assert encode_events(PartAdded(NOTICE)) == [
        {
            "type": "data-notice",
            "id": "d0",
            "data": {
                "code": "rate_limited",
                "params": {"model": "Alpha", "retry_after": 3},
                "text": message_of("rate_limited", NOTICE["params"]),
            },
        }
    ]


def test_a_source_a_file_and_data_interrupt_a_text():
    data = PartAdded({"type": "data", "name": "chart", "data": {"y": [1, 2]}})
    untitled: SourcePart = {**SOURCE, "title": ""}
    events = (TextDelta("a"), PartAdded(SOURCE), PartAdded(untitled), PartAdded(FILE), data)
    assert encode_events(*events, TextDelta("b"))[2:] == [
        {"type": "text-end", "id": "t0"},
        {"type": "source-url", "sourceId": "s1", "url": "https://example.com/", "title": "A"},
        {"type": "source-url", "sourceId": "s1", "url": "https://example.com/"},
        {"type": "file", "url": "/f/1", "mediaType": "image/png"},
        {"type": "data-chart", "id": "d4", "data": {"y": [1, 2]}},
        {"type": "text-start", "id": "t5"},
        {"type": "text-delta", "id": "t5", "delta": "b"},
        {"type": "text-end", "id": "t5"},
    ]


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        (ToolResult("c1", [1, None]), {"type": "tool-output-available", "output": [1, None]}),
        (
            ToolResult("c1", error="internal_error"),
            {"type": "tool-output-error", "errorText": message_of("internal_error", {})},
        ),
    ],
)
def test_a_tool_call_with_a_result_and_with_an_error(result: ToolResult, sent: dict[str, Any]):
    call = {"toolCallId": "c1"}
    events = (ToolCallDelta("c1", "sum", ""), ToolCallDelta("c1", "sum", '{"a":'))
    chunks = encode_events(*events, ToolCallDelta("c1", "sum", "1}"), ToolCallEnd("c1"), result)
    assert chunks == [
        {"type": "tool-input-start", **call, "toolName": "sum", **TOOL},
        {"type": "tool-input-delta", **call, "inputTextDelta": '{"a":'},
        {"type": "tool-input-delta", **call, "inputTextDelta": "1}"},
        {"type": "tool-input-available", **call, "toolName": "sum", "input": {"a": 1}, **TOOL},
        {**sent, **call, **TOOL},
    ]


def test_a_result_completes_a_call_whose_end_did_not_come():
    chunks = encode_events(ToolCallDelta("c1", "now", ""), ToolResult("c1", "noon"))
    assert [chunk["type"] for chunk in chunks] == [
        "tool-input-start",
        "tool-input-available",
        "tool-output-available",
    ]
    assert chunks[1]["input"] == {}


def test_what_comes_after_a_result_is_not_sent():
    late = (ToolCallDelta("c1", "now", "1"), ToolCallEnd("c1"), ToolResult("c1", "midnight"))
    chunks = encode_events(ToolCallDelta("c1", "now", ""), ToolResult("c1", "noon"), *late)
    assert len(chunks) == 3


ASKED = (ToolCallDelta("c1", "rm", "{}"), ToolApprovalRequest("c1", "a1"))
CALL_ID = {"toolCallId": "c1"}
QUESTION = {"type": "tool-approval-request", "approvalId": "a1", **CALL_ID}
RESPONSE = {"type": "tool-approval-response", "approvalId": "a1"}


@pytest.mark.parametrize(
    ("version", "answered"),
    [(6, []), (7, [{**RESPONSE, "approved": True, "reason": "fine"}])],
)
def test_a_call_that_is_approved_goes_on(version: ClientVersion, answered: list[Chunk]):
    approval = ToolApprovalResponse("c1", True, "fine")
    chunks = encode_events(*ASKED, approval, ToolResult("c1", 1), version=version)
    assert [chunk["type"] for chunk in chunks[:3]] == [
        *("tool-input-start", "tool-input-delta", "tool-input-available"),
    ]
    output = {"type": "tool-output-available", **CALL_ID, "output": 1, **TOOL}
    assert chunks[3:] == [QUESTION, *answered, output]


@pytest.mark.parametrize(("version", "answered"), [(6, []), (7, [{**RESPONSE, "approved": False}])])
def test_a_call_that_is_denied_has_no_result(version: ClientVersion, answered: list[Chunk]):
    events = (ToolApprovalResponse("c1", False), ToolApprovalResponse("c1", True))
    chunks = encode_events(*ASKED, *events, ToolResult("c1", 1), version=version)
    assert chunks[3:] == [QUESTION, *answered, {"type": "tool-output-denied", **CALL_ID}]


def test_version_5_gets_an_approval_as_data_and_a_denied_call_as_one_that_failed():
    data = {"approvalId": "a1", "toolCallId": "c1"}
    asked = {"type": "data-approval", "id": "approval-c1", "data": data}
    denial = ToolApprovalResponse("c1", False, "no")
    answered = {**asked, "data": {**data, "approved": False, "reason": "no"}}
    failed = {"type": "tool-output-error", **CALL_ID, "errorText": DENIED, **TOOL}
    assert encode_events(*ASKED, denial, version=5)[3:] == [asked, answered, failed]
    parts = ui_parts(fold([*ASKED, denial]).parts, 5)
    assert [part["type"] for part in parts] == ["dynamic-tool", "data-approval"]
    assert (parts[0]["state"], parts[0]["errorText"]) == ("output-error", DENIED)
    assert parts[1] == answered


def test_a_call_with_invalid_arguments_asks_for_no_approval():
    call = (ToolCallDelta("c1", "rm", "{"), ToolApprovalRequest("c1", "a1"))
    for approved, last in ((True, "tool-output-available"), (False, "tool-input-error")):
        answered = (ToolApprovalResponse("c1", approved), ToolResult("c1", 1))
        chunks = encode_events(*call, *answered)
        assert not [chunk for chunk in chunks if "approval" in chunk["type"]]
        assert chunks[-1]["type"] == last


def test_an_approval_response_without_a_request_is_not_sent():
    call = (ToolCallDelta("c1", "rm", "{}"), ToolApprovalResponse("c1", False), ToolCallEnd("c1"))
    assert encode_events(*call)[-1]["type"] == "tool-input-available"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        *((None, 6), ("", 6), ("5", 5), ("5.0.244", 5), (" 5 ", 5), ("4", 5), ("6", 6)),
        *(("6.0.0-beta.1", 6), ("7", 7), ("7.0.173", 7), ("8", 7), ("five", 6), ("5a", 6)),
        *(("-5", 6), ("\N{ARABIC-INDIC DIGIT FIVE}", 6), ("5" * 5_000, 6)),
    ],
)
def test_the_header_of_a_client_says_its_major_version(said: str | None, version: int):
    assert client_version(said) == version


def test_a_text_goes_on_after_the_result_of_an_earlier_call():
    call = (ToolCallDelta("c1", "now", "{}"), ToolCallEnd("c1"), TextDelta("a"))
    chunks = encode_events(*call, ToolResult("c1", "noon"), TextDelta("b"))
    assert [chunk["type"] for chunk in chunks][3:] == [
        *("text-start", "text-delta", "tool-output-available", "text-delta", "text-end"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        "{",
        "NaN",
        "1e999",
        '"\\ud800"',
        "[" * 5_000 + "]" * 5_000,
        "[" * 880 + "]" * 880,
        "1" * 5000,
    ],
)
def test_arguments_that_cannot_be_sent_on_are_an_error(arguments: str):
    chunks = encode_events(ToolCallDelta("c1", "sum", arguments), ToolCallEnd("c1"))
    assert chunks[-1] == {
        "type": "tool-input-error",
        "toolCallId": "c1",
        "toolName": "sum",
        "input": arguments,
        "errorText": INVALID_ARGUMENTS,
        **TOOL,
    }
    assert encode(chunks)
    stored = ui_parts(fold([ToolCallDelta("c1", "sum", arguments), ToolCallEnd("c1")]).parts)
    assert stored[0]["state"] == "output-error"
    assert (stored[0]["input"], stored[0]["errorText"]) == (arguments, INVALID_ARGUMENTS)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"__proto__": {"a": 1}, "b": 2}, {"b": 2}),
        ([{"a": {"constructor": {"prototype": {}}}}], [{"a": {}}]),
        ({"constructor": None}, {}),
        ({"constructor": {"name": "a"}}, {"constructor": {"name": "a"}}),
        ("__proto__", "__proto__"),
        ({"prototype": "constructor"}, {"prototype": "constructor"}),
    ],
)
def test_keys_of_prototypes_are_left_out_because_clients_stop_at_them(value: Any, sent: Any):
    data = PartAdded({"type": "data", "name": "chart", "data": value})
    call = (ToolCallDelta("c", "sum", json.dumps(value)), ToolResult("c", value))
    chunks = encode_events(data, *call)
    assert (chunks[0]["data"], chunks[3]["input"], chunks[4]["output"]) == (sent, sent, sent)
    stored = ui_parts(fold([data, *call]).parts)
    assert (stored[0]["data"], stored[1]["input"], stored[1]["output"]) == (sent, sent, sent)


async def test_now_and_then_an_event_without_data_says_how_far_the_stream_is():
    async def events():
        for number in range(ID_EVERY * 2 + 1):
            yield PartEvent(number * 2, 0, number * 2, TextDelta("ab"))
        yield ending(metrics=RunMetrics(""))

    stream = encoded(events(), **IDS, id_every=ID_EVERY)
    blocks = b"".join([body async for body in stream]).decode().split("\n\n")
    positions = {place: block for place, block in enumerate(blocks) if block.startswith("id: ")}
    *found, end = [position_of(block[4:]) for block in positions.values()]
    assert [position and position.length(0) for position in found] == [ID_EVERY * 2, ID_EVERY * 4]
    assert end is not None
    assert end.is_end
    first = next(iter(positions))
    assert blocks[:first].count('data: {"type":"text-delta","id":"t0","delta":"ab"}') == ID_EVERY
    assert all(block.startswith(("data: ", "id: ")) for block in blocks[:-1])


async def test_the_events_are_closed_with_the_stream():
    closed = []

    async def events():
        try:
            yield ending("stopped", "user", metrics=RunMetrics(""))
        finally:
            closed.append(True)

    stream = encoded(events(), **IDS, id_every=ID_EVERY)
    bodies = [body async for body in stream]
    assert closed
    assert bodies[1].startswith(b'data: {"type":"finish-step"}\n\ndata: {"type":"abort"}\n\nid: ')
    assert bodies[1].endswith(DONE)


def test_metadata_says_only_what_is_known():
    assert metadata(RunMetrics(""), None) == {}
    assert metadata(RunMetrics("a", Usage(1, 2), None, 0.0), None) == {
        "model": "a",
        "modelId": "a",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
        "timings": {"totalMs": 0},
    }


@pytest.mark.parametrize("status", ["queued", "running", "stopped", "revoked"])
def test_an_answer_without_an_end_of_its_own_has_no_finish_reason(status: str):
    assert finish_reason(status, "user") is None


def test_stored_parts_are_parts_of_a_ui_message():
    data = {"type": "data", "name": "chart", "data": None}
    calls = [
        {"type": "tool-call", "call_id": "c", "name": "sum", "arguments": "[1]", **state}
        for state in (
            {"state": "streaming"},
            {"state": "called"},
            {"state": "done", "result": 3},
            {"state": "failed", "error": "internal_error"},
            {"state": "called", "approval": {"id": "a"}},
            {"state": "called", "approval": {"id": "a", "approved": True}},
            {"state": "done", "result": 3, "approval": {"id": "a"}},
            {"state": "done", "result": 3, "approval": {"id": "a", "approved": True}},
            {"state": "denied", "approval": {"id": "a", "approved": False, "reason": "no"}},
        )
    ]
    reasoning = [
        {"type": "reasoning", "text": "Hm", "seconds": 2.0},
        {"type": "reasoning", "text": "Cut"},
    ]
    text = {"type": "text", "text": "a"}
    call = {
        "type": "dynamic-tool",
        "toolName": "sum",
        "toolCallId": "c",
        "providerExecuted": True,
    }
    assert ui_parts([text, *reasoning, *calls, SOURCE, FILE, data, NOTICE]) == [  # pyright: ignore[reportArgumentType]
        text,
        {
            "type": "reasoning",
            "text": "Hm",
            "state": "done",
            "providerMetadata": {"chat-app": {"seconds": 2.0}},
        },
        {"type": "reasoning", "text": "Cut", "state": "done"},
        {**call, "state": "input-streaming"},
        {**call, "state": "input-available", "input": [1]},
        {**call, "state": "output-available", "input": [1], "output": 3},
        {
            **call,
            "state": "output-error",
            "input": [1],
            "errorText": message_of("internal_error", {}),
        },
        {**call, "state": "approval-requested", "input": [1], "approval": {"id": "a"}},
        {
            **call,
            "state": "approval-responded",
            "input": [1],
            "approval": {"id": "a", "approved": True},
        },
        {**call, "state": "output-available", "input": [1], "output": 3},
        {
            **call,
            "state": "output-available",
            "input": [1],
            "output": 3,
            "approval": {"id": "a", "approved": True},
        },
        {
            **call,
            "state": "output-denied",
            "input": [1],
            "approval": {"id": "a", "approved": False, "reason": "no"},
        },
        {"type": "source-url", "sourceId": "s1", "url": "https://example.com/", "title": "A"},
        {"type": "file", "url": "/f/1", "mediaType": "image/png", "filename": "a.png"},
        {"type": "data-chart", "id": "d14", "data": None},
        {
            "type": "data-notice",
            "id": "d15",
            "data": {
                "code": "rate_limited",
                "params": NOTICE["params"],
                "text": message_of("rate_limited", NOTICE["params"]),
            },
        },
    ]
