"""Run events: the codec of the log, the fold, and the events of stored parts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.events import (
    Event,
    Finish,
    PartAdded,
    PartLocator,
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
    decode_event,
    encode_payload,
    events_of,
    fold,
    text_length,
)
from chat_app.core.parts import notice_part, text_of
from chat_app.core.text import utf16_length
from testing.event_strategies import answers, events

SOURCE = PartAdded({"type": "source", "id": "s1", "url": "https://a.example", "title": "A"})


@given(events)
def test_an_event_comes_back_from_its_kind_and_payload(event: Event) -> None:
    assert decode_event(event.kind, encode_payload(event)) == event


def test_a_text_is_its_own_payload() -> None:
    assert encode_payload(TextDelta('{"a": 1}')) == '{"a": 1}'
    assert encode_payload(ReasoningDelta("hm")) == "hm"


def test_the_payload_of_anything_else_is_json_under_stable_names() -> None:
    stored = {
        ("reasoning-end", '{"seconds":1.5}'): ReasoningEnd(1.5),
        ("tool-call-delta", '{"call_id":"c","name":"n","arguments":"{"}'): ToolCallDelta(
            "c", "n", "{"
        ),
        ("text-was-reasoning", '{"seconds":1.5}'): TextWasReasoning(1.5),
        ("text-resumed", "{}"): TextResumed(),
        ("tool-call-end", '{"call_id":"c"}'): ToolCallEnd("c"),
        (
            "tool-approval-request",
            '{"call_id":"c","approval_id":"a"}',
        ): ToolApprovalRequest("c", "a"),
        (
            "tool-approval-response",
            '{"call_id":"c","approved":false,"reason":"no"}',
        ): ToolApprovalResponse("c", False, "no"),
        ("tool-result", '{"call_id":"c","result":[1],"error":""}'): ToolResult("c", [1]),
        (
            "part",
            '{"part":{"type":"source","id":"s1","url":"https://a.example","title":"A"}}',
        ): SOURCE,
        (
            "usage",
            '{"input_tokens":1,"output_tokens":2,"reasoning_tokens":null,'
            '"cached_input_tokens":null}',
        ): Usage(1, 2),
        (
            "usage",
            '{"input_tokens":9,"output_tokens":2,"reasoning_tokens":1,'
            '"cached_input_tokens":3,"cache_write_tokens":4}',
        ): Usage(9, 2, 1, 3, 4),
        ("finish", '{"reason":"length"}'): Finish("length"),
    }
    for (kind, payload), event in stored.items():
        assert (event.kind, encode_payload(event)) == (kind, payload)
        assert encode_payload(decode_event(kind, payload)) == payload


def test_a_usage_of_two_counts_is_read() -> None:
    payload = json.dumps({"input_tokens": 1, "output_tokens": 2})
    assert decode_event("usage", payload) == Usage(1, 2)


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        decode_event("smell", "")


def test_neighbouring_texts_of_a_kind_become_one_part() -> None:
    log = [ReasoningDelta("hm"), ReasoningDelta("m"), TextDelta("Hel"), TextDelta("lo")]
    assert fold(log).parts == [
        {"type": "reasoning", "text": "hmm"},
        {"type": "text", "text": "Hello"},
    ]


def test_an_empty_log_folds_to_nothing() -> None:
    folded = fold([])
    assert (folded.parts, folded.usage, folded.finish) == ([], None, None)


def test_the_end_of_reasoning_gives_it_its_time_and_closes_it() -> None:
    log = [ReasoningDelta("a"), ReasoningEnd(1.5), ReasoningDelta("b"), TextDelta("c")]
    assert fold([*log, ReasoningEnd(9)]).parts == [
        {"type": "reasoning", "text": "a", "seconds": 1.5},
        {"type": "reasoning", "text": "b"},
        {"type": "text", "text": "c"},
    ]


def test_a_tool_call_goes_through_its_states() -> None:
    log = [
        ToolCallDelta("c1", "add", '{"a":'),
        ToolCallDelta("c2", "sub", "{}"),
        ToolCallDelta("c1", "", "1}"),
        ToolCallEnd("c1"),
        ToolCallEnd("c2"),
        ToolResult("c1", 3),
        ToolResult("c2", None, "tool_failed"),
        ToolResult("c1", 4),
        ToolCallDelta("c1", "add", "too late"),
    ]
    add = {"type": "tool-call", "call_id": "c1", "name": "add", "arguments": '{"a":1}'}
    sub = {"type": "tool-call", "call_id": "c2", "name": "sub", "arguments": "{}"}
    states = [[part["state"] for part in fold(log[:n]).parts] for n in (1, 3, 4, 5, 6, 9)]  # pyright: ignore[reportTypedDictNotRequiredAccess, reportGeneralTypeIssues]
    assert states == [
        ["streaming"],
        ["streaming", "streaming"],
        ["called", "streaming"],
        ["called", "called"],
        ["done", "called"],
        ["done", "failed"],
    ]
    assert fold(log).parts == [
        {**add, "state": "done", "result": 3},
        {**sub, "state": "failed", "error": "tool_failed"},
    ]


def test_a_call_that_is_approved_goes_on() -> None:
    log = [
        *(ToolCallDelta("c", "add", "{}"), ToolApprovalRequest("c", "a1")),
        *(ToolApprovalRequest("c", "a2"), ToolApprovalResponse("c", True, "fine")),
        *(ToolApprovalResponse("c", False), ToolResult("c", 3)),
    ]
    call = {"type": "tool-call", "call_id": "c", "name": "add", "arguments": "{}"}
    waiting = {**call, "state": "called", "approval": {"id": "a1"}}
    approved = {**call, "approval": {"id": "a1", "approved": True, "reason": "fine"}}
    assert [fold(log[:n]).parts for n in (2, 3, 4, 5, 6)] == [
        *([waiting], [waiting]),
        *([{**approved, "state": "called"}], [{**approved, "state": "called"}]),
        [{**approved, "state": "done", "result": 3}],
    ]


def test_a_call_that_is_denied_has_ended() -> None:
    log = [
        *(ToolCallDelta("c", "add", "{}"), ToolCallEnd("c"), ToolApprovalRequest("c", "a")),
        *(ToolApprovalResponse("c", False), ToolApprovalResponse("c", True), ToolResult("c", 3)),
        ToolCallDelta("c", "add", "too late"),
    ]
    assert fold(log).parts == [
        {
            "type": "tool-call",
            "call_id": "c",
            "name": "add",
            "arguments": "{}",
            "state": "denied",
            "approval": {"id": "a", "approved": False},
        }
    ]


def test_an_approval_response_without_a_request_is_ignored() -> None:
    called = [ToolCallDelta("c", "add", "{}"), ToolCallEnd("c")]
    assert fold([*called, ToolApprovalResponse("c", True)]).parts == fold(called).parts


def test_the_events_of_an_unknown_call_are_ignored() -> None:
    approval = [ToolApprovalRequest("c", "a"), ToolApprovalResponse("c", True)]
    assert fold([ToolCallEnd("c"), *approval, ToolResult("c", 1), ReasoningEnd(1)]).parts == []


def test_a_part_that_arrives_at_once_stands_where_it_came() -> None:
    notice = notice_part("model_changed")
    log = [PartAdded(notice), TextDelta("a"), SOURCE, TextDelta("b")]
    assert fold(log).parts == [
        notice,
        {"type": "text", "text": "a"},
        SOURCE.part,
        {"type": "text", "text": "b"},
    ]


def test_usage_and_finish_are_no_parts_and_the_last_ones_count() -> None:
    folded = fold([Usage(1, 1), TextDelta("a"), Usage(1, 2, 3, 4), Finish("length")])
    assert folded.parts == [{"type": "text", "text": "a"}]
    assert (folded.usage, folded.finish) == (Usage(1, 2, 3, 4), Finish("length"))


@given(st.lists(events))
def test_any_events_fold_and_each_is_about_a_part_of_the_fold(log: list[Event]) -> None:
    locator = PartLocator()
    located = [locator.locate(event) for event in log]
    for end in range(len(log) + 1):
        indices = {index for index in located[:end] if index is not None}
        assert indices == set(range(len(fold(log[:end]).parts)))


@given(st.lists(events))
def test_a_prefix_folds_to_a_prefix_of_the_texts(log: list[Event]) -> None:
    whole = fold(log).parts
    for end in range(len(log)):
        for before, after in zip(fold(log[:end]).parts, whole, strict=False):
            kinds = {before["type"], after["type"]}
            assert len(kinds) == 1 or kinds == {"text", "reasoning"}
            if before["type"] == "text" or before["type"] == "reasoning":
                assert after["text"].startswith(before["text"])  # pyright: ignore[reportGeneralTypeIssues, reportTypedDictNotRequiredAccess]


_LEAVES_OPEN = (TextWasReasoning, TextResumed)
"""Before these, a run ends the reasoning; anything else may leave two pieces of it side by side."""
_as_they_come = st.lists(events.filter(lambda event: not isinstance(event, _LEAVES_OPEN)))


@given(answers() | _as_they_come, st.data())
def test_the_events_of_a_fold_fold_to_the_same(log: list[Event], data: st.DataObject) -> None:
    parts = fold(log[: data.draw(st.integers(0, len(log)))]).parts
    indices, again = [], []
    for index, event in events_of(parts):
        indices.append(index)
        again.append(event)
    assert fold(again).parts == parts
    locator = PartLocator()
    assert [locator.locate(event) for event in again] == indices


@given(answers())
def test_a_fold_can_be_stored_as_json(log: list[Event]) -> None:
    parts = fold(log).parts
    assert json.loads(json.dumps(parts)) == parts


@given(st.lists(events))
def test_a_fold_keeps_every_text_and_counts_it_as_a_browser_does(log: list[Event]) -> None:
    log = [event for event in log if not isinstance(event, TextWasReasoning)]
    parts = fold(log).parts
    said = "".join(event.text for event in log if isinstance(event, TextDelta))
    thought = "".join(event.text for event in log if isinstance(event, ReasoningDelta))
    assert text_of(parts) == said
    assert text_length(parts) == utf16_length(said) + utf16_length(thought)


def test_folding_costs_the_same_for_each_event() -> None:
    class Counted(str):
        reads = 0

        def __add__(self, other: str) -> str:
            raise AssertionError("text is joined once, at the end")

    log = [TextDelta(Counted("x")) for _ in range(1_000)]
    assert text_of(fold(log).parts) == "x" * 1_000


def test_a_text_that_was_reasoning_becomes_it_and_the_answer_is_a_new_part() -> None:
    said = [TextDelta("Hm"), TextDelta("."), TextWasReasoning(2), TextDelta("Yes."), Finish("stop")]
    assert fold(said).parts == [
        {"type": "reasoning", "text": "Hm.", "seconds": 2},
        {"type": "text", "text": "Yes."},
    ]


def test_only_an_open_text_can_have_been_reasoning() -> None:
    log = [TextWasReasoning(), ReasoningDelta("a"), TextWasReasoning(), SOURCE, TextWasReasoning()]
    assert fold(log).parts == [{"type": "reasoning", "text": "a"}, SOURCE.part]


def test_a_text_goes_on_before_the_parts_that_came_meanwhile() -> None:
    notice = notice_part("model_changed")
    began = [TextDelta("Half of"), PartAdded(notice), ReasoningDelta("hm"), ReasoningEnd(1)]
    log = [*began, TextResumed(), TextDelta(" it"), TextDelta("."), SOURCE, TextDelta("More.")]
    assert fold(log).parts == [
        {"type": "text", "text": "Half of it."},
        notice,
        {"type": "reasoning", "text": "hm", "seconds": 1},
        SOURCE.part,
        {"type": "text", "text": "More."},
    ]
    locator = PartLocator()
    assert [locator.locate(event) for event in log] == [0, 1, 2, 2, 0, 0, 0, 3, 4]


def test_where_there_is_no_text_another_one_begins() -> None:
    log = [TextResumed(), ReasoningDelta("hm"), TextResumed(), TextDelta("a")]
    assert fold(log).parts == [
        {"type": "reasoning", "text": "hm"},
        {"type": "text", "text": "a"},
    ]
    was = [TextDelta("hm"), TextWasReasoning(1), TextResumed(), TextDelta("a")]
    assert [part["type"] for part in fold(was).parts] == ["reasoning", "text"]
