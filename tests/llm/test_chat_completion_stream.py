from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.events import (
    Event,
    Finish,
    NativeItemAdded,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from chat_app.llm.base import ProviderError
from chat_app.llm.dialects.chat_completion_stream import ChatCompletionDecoder
from chat_app.llm.sse import SSEvent

WORDS = st.sampled_from(
    [
        *("choices", "delta", "content", "reasoning", "finish_reason", "usage", "error", "code"),
        *("type", "tool_calls", "function", "index", "id", "name", "arguments", "text"),
        "reasoning_details",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


def decode(*payloads: object) -> list[Event]:
    decoder = ChatCompletionDecoder("Tiny")
    events = [event for payload in payloads for event in decoder.feed(SSEvent(payload))]
    return events + list(decoder.end())


def chunk(delta: object, **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, **more}]}


@given(st.lists(st.dictionaries(WORDS, JSON) | JSON, max_size=3))
def test_whatever_comes_is_an_answer_or_a_sentence(payloads: list[object]) -> None:
    ends: list[Event | ProviderError] = []
    try:
        ends = [*decode(*payloads, "[DONE]")[-1:]]
    except ProviderError as error:
        ends = [error]
    assert isinstance(ends[0], Finish | ProviderError)


@pytest.mark.parametrize("payload", ['{"choices', '{"a":' * 200_000, " {oops"])
def test_json_that_is_broken_is_malformed(payload: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decode(chunk({"content": "a"}), payload, chunk({}, finish_reason="stop"))
    assert caught.value.code == "malformed"


def test_usage_after_the_finish_comes_before_it() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    assert decode(chunk({"content": "a"}), chunk({}, finish_reason="stop"), usage, "[DONE]") == [
        TextDelta("a"),
        Usage(3, 1),
        Finish("stop"),
    ]


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": 1}, "x"])
def test_usage_that_makes_no_sense_is_dropped(usage: object) -> None:
    assert decode({"usage": usage, **chunk({}, finish_reason="stop")}) == [Finish("stop")]


@pytest.mark.parametrize(
    ("details", "usage"),
    [
        ({"completion_tokens_details": {"reasoning_tokens": 4}}, Usage(9, 5, 4)),
        ({"prompt_tokens_details": {"cached_tokens": 8}}, Usage(9, 5, None, 8)),
        (
            {
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 1},
                "prompt_tokens_details": {"cached_tokens": 0},
            },
            Usage(9, 5, 0, 0),
        ),
        ({"completion_tokens_details": None, "prompt_tokens_details": []}, Usage(9, 5)),
        ({"completion_tokens_details": {"reasoning_tokens": "4"}}, Usage(9, 5)),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, Usage(9, 5)),
        ({"completion_tokens_details": {"reasoning_tokens": True}}, Usage(9, 5)),
    ],
)
def test_usage_has_the_tokens_of_reasoning_and_cache(details: Any, usage: Usage) -> None:
    counts = {"prompt_tokens": 9, "completion_tokens": 5, **details}
    assert decode({"usage": counts, **chunk({}, finish_reason="stop")}) == [usage, Finish("stop")]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_told_apart_from_text(field: str) -> None:
    assert decode(chunk({field: "hm", "content": "a"}), "[DONE]") == [
        ReasoningDelta("hm"),
        TextDelta("a"),
        Finish("other"),
    ]


def test_a_refusal_is_shown_as_text() -> None:
    assert decode(chunk({"refusal": "No."}), "[DONE]") == [TextDelta("No."), Finish("other")]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content-filter"),
        ("tool_calls", "tool-calls"),
        ("eos", "stop"),
        ("from-a-newer-server", "other"),
    ],
)
def test_finish_reasons_have_our_names(said: str, meant: Any) -> None:
    assert decode(chunk({}, finish_reason=said)) == [Finish(meant)]


def test_a_surrogate_pair_split_over_two_chunks_is_joined() -> None:
    halves = [chunk({"content": "a\ud83d"}), chunk({"content": "\ude00"})]
    assert decode(*halves, "[DONE]") == [TextDelta("a"), TextDelta("😀"), Finish("other")]


def test_half_a_pair_at_the_end_is_replaced() -> None:
    assert decode(chunk({"content": "\ud83d"}), "[DONE]") == [TextDelta("\ufffd"), Finish("other")]


def test_what_follows_done_means_nothing() -> None:
    assert decode(chunk({}, finish_reason="stop"), "[DONE]", "nonsense") == [Finish("stop")]


@pytest.mark.parametrize("rest", [None, '{"choices":[{"del', "", {"choices": []}])
def test_an_answer_without_its_end_broke_off(rest: object) -> None:
    decoder = ChatCompletionDecoder("Tiny")
    decoder.feed(SSEvent(chunk({"content": "a"})))
    with pytest.raises(ProviderError) as caught:
        list(decoder.end([SSEvent(rest)]))
    assert caught.value.code == "broken_off"


def test_a_last_event_without_its_blank_line_counts() -> None:
    decoder = ChatCompletionDecoder("Tiny")
    decoder.feed(SSEvent(chunk({"content": "a"})))
    last = SSEvent(chunk({"content": "b"}, finish_reason="stop"))
    assert list(decoder.end([last])) == [TextDelta("b"), Finish("stop")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 429, "message": "SECRET"}, "limited"),
        ({"type": "rate_limit_exceeded"}, "limited"),
        ({"type": "overloaded_error"}, "limited"),
        ({"code": "insufficient_quota"}, "refused"),
        ({"code": "context_length_exceeded"}, "refused"),
        ({"code": 500, "message": "SECRET"}, "broken_off"),
        ("SECRET", "broken_off"),
    ],
)
def test_an_error_in_the_stream_is_one_sentence_without_its_text(error: object, code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decode(chunk({"content": "a"}), {"error": error})
    assert caught.value.code == code
    assert "SECRET" not in caught.value.message
    assert "Tiny" in caught.value.message


def piece(index: object, *, call_id: str | None = None, **function: object) -> dict[str, object]:
    return chunk({"tool_calls": [{"index": index, "id": call_id, "function": function}]})


END = chunk({}, finish_reason="tool_calls")


def test_calls_come_in_pieces_and_side_by_side() -> None:
    events = decode(
        chunk({"content": "Let me look."}),
        piece(0, call_id="a", name="x", arguments=""),
        piece(0, arguments='{"n'),
        piece(1, call_id="b", name="y", arguments="{}"),
        piece(0, arguments='": 1}'),
        END,
    )
    assert events == [
        TextDelta("Let me look."),
        ToolCallDelta("a", "x", ""),
        ToolCallDelta("a", "x", '{"n'),
        ToolCallDelta("b", "y", "{}"),
        ToolCallDelta("a", "x", '": 1}'),
        ToolCallEnd("a"),
        ToolCallEnd("b"),
        Finish("tool-calls"),
    ]


def test_calls_at_one_index_are_told_apart_by_their_ids() -> None:
    events = decode(
        piece(0, call_id="a", name="x", arguments="{}"),
        piece(0, call_id="b", name="y", arguments={"n": 1}),
        END,
    )
    assert events[:2] == [ToolCallDelta("a", "x", "{}"), ToolCallDelta("b", "y", '{"n": 1}')]


def test_calls_without_ids_get_some() -> None:
    events = decode(piece(0, name="x", arguments="{}"), piece(1, name="y", arguments="{}"), END)
    assert [event.call_id for event in events if isinstance(event, ToolCallDelta)] == [
        "call-0",
        "call-1",
    ]


def test_an_answer_that_is_cut_off_leaves_its_call_open() -> None:
    decoder = ChatCompletionDecoder("Tiny")
    decoder.feed(SSEvent(piece(0, call_id="a", name="x", arguments="{")))
    with pytest.raises(ProviderError):
        assert not list(decoder.end())


def test_what_goes_back_of_the_reasoning_is_joined() -> None:
    def details(**more: object) -> dict[str, object]:
        return chunk({"reasoning_details": [{"index": 0, "type": "reasoning.text", **more}]})

    decoder = ChatCompletionDecoder("Tiny", "one")
    payloads = [
        details(text="h", signature=None),
        details(text="m"),
        details(text="", signature="s"),
        chunk({"content": "a"}),
        END,
    ]
    events = [event for payload in payloads for event in decoder.feed(SSEvent(payload))]
    events += decoder.end()
    item = {"index": 0, "type": "reasoning.text", "text": "hm", "signature": "s"}
    native = NativeItemAdded("one", {"type": "reasoning_details", "details": [item]})
    assert events[-2:] == [native, Finish("tool-calls")]


@pytest.mark.parametrize(
    "details",
    [
        [{"index": 0, "type": "reasoning.encrypted", "data": "d" * 50_000}] * 50,
        [{"index": n, "data": "d", "more": ["d" * 50_000]} for n in range(50)],
        [{"index": n, "data": "d", "d" * 50_000: n} for n in range(50)],
    ],
)
def test_details_without_end_are_left_out_and_the_answer_goes_on(
    details: list[dict[str, object]],
) -> None:
    payloads = [chunk({"reasoning_details": [detail]}) for detail in details]
    assert decode(*payloads, chunk({"content": "a"}), END) == [
        TextDelta("a"),
        Finish("tool-calls"),
    ]


def test_reasoning_without_a_signature_need_not_go_back() -> None:
    payload = chunk({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]})
    assert not [each for each in decode(payload, END) if isinstance(each, NativeItemAdded)]


def test_the_signature_of_a_call_goes_back_with_it() -> None:
    extra = {"google": {"thought_signature": "s"}}
    call = {"index": 0, "id": "a", "function": {"name": "x"}, "extra_content": extra}
    item = {"type": "extra_content", "call_id": "a", "extra_content": extra}
    assert NativeItemAdded("", item) in decode(chunk({"tool_calls": [call]}), END)


def test_a_message_that_repeats_the_calls_adds_nothing() -> None:
    call = {"id": "a", "function": {"name": "x", "arguments": "{}"}}
    whole = {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    calls = [ToolCallDelta("a", "x", "{}"), ToolCallEnd("a")]
    assert decode(whole) == [*calls, Finish("tool-calls")]
    assert decode(piece(0, call_id="a", name="x", arguments="{}"), whole)[:2] == calls
