"""The chunks of every kind of event, and that a page makes the stored parts of them."""

import json
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.events import (
    Event,
    PartAdded,
    PartDelta,
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
    TextWasReasoning,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolCallEnd,
    ToolResult,
    fold,
    text_length,
)
from chat_app.core.parts import NoticePart, Part, SummaryPart
from chat_app.core.text import utf16_length
from chat_app.runs.follow import Channel, EndEvent, RunMetrics
from chat_app.states.chunks import ChunkEncoder, stored_chunks
from chat_app.states.views import item_parts
from testing.stream_chunks import parts_of

NOTICE: NoticePart = {
    "type": "notice",
    "code": "model_changed",
    "params": {"before": "alpha", "after": "beta"},
}
SENTENCE = "The model was changed from alpha to beta."


def encoded(*events: Event, end: str = "complete") -> list[list[list]]:
    """What is sent of a run with these events, value by value."""
    channel, encoder, index, sent = Channel(), ChunkEncoder("stream"), 0, list[list[list]]()
    for seq, event in enumerate(events, 1):
        channel.put(seq, event)
        shown, index = channel.read(index)
        sent += [encoder.encode(event) for event in shown]
    over = EndEvent(9, end, "", "", channel.length, RunMetrics("m"))  # pyright: ignore[reportArgumentType]
    return [chunks for chunks in [*sent, encoder.encode(over)] if chunks]


def test_text_is_sent_with_its_offset() -> None:
    assert encoded(TextDelta("Hi \U0001f44b"), TextDelta(" there"), end="stopped") == [
        [["stream", 0, 0, "Hi \U0001f44b"]],
        [["stream", 0, 5, " there"]],
        [["stream", -1, 11, "", "stopped", 1]],
    ]


@pytest.mark.parametrize(
    ("status", "reason", "error", "why"),
    [
        ("complete", "stop", "", []),
        ("stopped", "user", "", []),
        ("complete", "length", "", ["length", ""]),
        ("failed", "", "It was withheld.", ["", "It was withheld."]),
    ],
)
def test_the_end_says_why_where_the_status_does_not(
    status: str, reason: str, error: str, why: list[str]
) -> None:
    over = EndEvent(9, status, reason, error, 4, RunMetrics("m"))  # pyright: ignore[reportArgumentType]
    end = ["stream", -1, 4, "", status, 0, *why]
    assert ChunkEncoder("stream").encode(over) == [end]


def test_a_text_that_was_reasoning_changes_with_what_follows_it() -> None:
    assert encoded(TextDelta("Hm"), TextWasReasoning(1.26), TextDelta("Yes.")) == [
        [["stream", 0, 0, "Hm"]],
        [["stream", 0, {"type": "reasoning", "seconds": 1.3}], ["stream", 1, 0, "Yes."]],
        [["stream", -1, 6, "", "complete", 2]],
    ]


def test_reasoning_says_so_once_and_then_costs_what_text_does() -> None:
    assert encoded(
        ReasoningDelta("Hm"), ReasoningDelta(", so"), ReasoningEnd(12.34), TextDelta("Yes.")
    ) == [
        [["stream", 0, {"type": "reasoning", "text": "Hm"}]],
        [["stream", 0, 2, ", so"]],
        [["stream", 0, {"seconds": 12.3}], ["stream", 1, 0, "Yes."]],
        [["stream", -1, 10, "", "complete", 2]],
    ]


def test_the_duration_comes_with_the_end_when_nothing_else_follows() -> None:
    assert encoded(ReasoningDelta("Hm"), ReasoningEnd(1.0), end="failed")[-1] == [
        ["stream", 0, {"seconds": 1.0}],
        ["stream", -1, 2, "", "failed", 1],
    ]


def test_a_notice_is_sent_as_its_sentence() -> None:
    assert encoded(PartAdded(NOTICE), TextDelta("Yes."))[:2] == [
        [["stream", 0, {"type": "notice", "text": SENTENCE}]],
        [["stream", 1, 0, "Yes."]],
    ]


def test_a_summary_is_sent_without_the_id_of_a_message() -> None:
    summary: SummaryPart = {
        "type": "summary",
        "text": "So far",
        "until": "1",
        "count": 4,
        "origin": "model",
    }
    shown = {"type": "summary", "text": "So far", "count": 4, "origin": "model"}
    assert stored_chunks("stream", [summary], "complete")[0] == ["stream", 0, shown]


def test_the_end_counts_no_sentence_of_a_notice() -> None:
    [end] = encoded(PartAdded(NOTICE), TextDelta("Yes."))[-1]
    assert end == ["stream", -1, 4, "", "complete", 2]


@pytest.mark.parametrize(("error", "state"), [("", "done"), ("internal_error", "failed")])
def test_of_a_tool_call_its_name_and_state_are_sent(error: str, state: str) -> None:
    call = [ToolCallDelta("c", "clock", '{"zo'), ToolCallDelta("c", "clock", 'ne":1}')]
    assert encoded(*call, ToolCallEnd("c"), ToolResult("c", {"at": 1}, error))[:-1] == [
        [["stream", 0, {"type": "tool-call", "name": "clock", "state": "streaming"}]],
        [["stream", 0, {"state": "called"}]],
        [["stream", 0, {"state": state}]],
    ]


@pytest.mark.parametrize("is_approved", [True, False])
def test_a_tool_call_that_waits_for_its_user_is_called_until_it_is_denied(is_approved: bool):
    approval = (ToolApprovalRequest("c", "a"), ToolApprovalResponse("c", is_approved))
    states = [
        value[0][2]["state"] for value in encoded(ToolCallDelta("c", "n", "{}"), *approval)[:-1]
    ]
    assert states == ["streaming", "called", *([] if is_approved else ["denied"])]


def test_any_other_part_is_sent_whole() -> None:
    source: Part = {"type": "source", "id": "1", "url": "https://a.example", "title": "A"}
    assert encoded(PartAdded(source))[0] == [["stream", 0, source]]


def test_one_part_of_a_stored_message_can_be_sent_alone() -> None:
    parts: list[Part] = [
        {"type": "reasoning", "text": "Hm", "seconds": 2.0},
        {"type": "text", "text": "Yes."},
    ]
    assert stored_chunks("stream", parts, "complete", only=0) == [
        ["stream", 0, {"type": "reasoning", "text": "Hm"}],
        ["stream", 0, {"seconds": 2.0}],
    ]
    assert stored_chunks("stream", parts, "complete")[-1] == ["stream", -1, 6, "", "complete", 2]


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=9)
EVENTS = st.lists(
    st.builds(TextDelta, TEXTS)
    | st.builds(ReasoningDelta, TEXTS)
    | st.builds(ReasoningEnd, st.floats(0, 1e4))
    | st.builds(ToolCallDelta, st.sampled_from("ab"), st.just("clock"), TEXTS)
    | st.builds(ToolCallEnd, st.sampled_from("ab"))
    | st.just(PartAdded(NOTICE)),
    max_size=20,
)


def listed(parts: list[Part]) -> list[dict]:
    """The parts as the list of messages shows them, with the text of reasoning."""
    items = item_parts(parts)
    for item, part in zip(items, parts, strict=True):
        if part["type"] == "reasoning":
            item["text"] = part["text"]
            del item["length"]
        item.setdefault("text", "")
    return items


@given(EVENTS)
def test_a_page_makes_the_stored_parts_of_the_chunks(events: list[Event]) -> None:
    chunks = [chunk for value in encoded(*events) for chunk in value]
    parts = fold(events).parts
    assert parts_of(chunks, "stream") == listed(parts)
    assert chunks[-1][1:3] == [-1, text_length(parts)]
    stored = stored_chunks("stream", parts, "complete")
    assert parts_of(stored, "stream") == listed(parts)
    assert stored[-1] == chunks[-1]


@given(st.lists(TEXTS, min_size=2))
def test_every_offset_counts_utf16_units_within_its_part(texts: list[str]) -> None:
    for kind in (TextDelta, ReasoningDelta):
        events: list[PartDelta] = [kind(text) for text in texts]
        offsets = [chunk[2] for (chunk,) in encoded(PartAdded(NOTICE), *events)[2:-1]]
        assert offsets == list(accumulate(map(utf16_length, texts)))[:-1]


def test_a_token_of_reasoning_is_sent_in_as_many_bytes_as_one_of_text() -> None:
    def cost(kind: type[PartDelta]) -> int:
        return len(json.dumps(encoded(*[kind("token ")] * 500)[200:300]))

    assert cost(ReasoningDelta) == cost(TextDelta)
