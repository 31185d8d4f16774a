"""Anthropic Messages: what is asked, and what is read."""

from typing import Any

import pytest

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
from chat_app.llm.base import CallOptions, Effort, PromptMessage, ProviderError, text_message
from chat_app.llm.dialects.anthropic_messages import AnthropicDecoder, project
from chat_app.llm.profiles import ModelProfile
from chat_app.llm.sse import SSEvent
from testing.dialect_prompts import CALL, MADE_BY, THOUGHT, TOOL, native, prompt

TOOLS = CallOptions(tools=(TOOL,))
SIGNED = {"type": "thinking", "signature": "s"}
ASKED = [text_message("user", "a")]


def test_a_conversation_with_tools_images_and_thinking() -> None:
    request = project(prompt(native(1, SIGNED)), TOOLS, "m", ModelProfile(), MADE_BY)
    use = {"type": "tool_use", "name": "weather", "input": {"city": "Rome"}}
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert request["system"] == [{"type": "text", "text": "be kind"}]
    assert request["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": source},
                {"type": "text", "text": "How is the weather?"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {**use, "id": "call00001"},
                {**use, "id": "call00002"},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call00001", "content": "sunny"},
                {
                    "type": "tool_result",
                    "tool_use_id": "call00002",
                    "content": "[The tool failed: timeout]",
                    "is_error": True,
                },
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "It is sunny."}]},
        {"role": "user", "content": [{"type": "text", "text": "And tomorrow?"}]},
    ]
    assert request["tools"] == [
        {
            "name": TOOL.name,
            "description": TOOL.description,
            "input_schema": TOOL.parameters,
        }
    ]


def test_an_image_with_an_address_is_sent_as_one() -> None:
    image: Any = {
        "type": "file",
        "url": "https://x.example/a",
        "media_type": "image/png",
        "name": "",
    }
    request = project([PromptMessage("user", (image,))], CallOptions(), "m", ModelProfile(), "")
    (block,) = request["messages"][0]["content"]
    assert block == {"type": "image", "source": {"type": "url", "url": "https://x.example/a"}}


def test_hidden_and_redacted_thinking_goes_back_unchanged() -> None:
    hidden, redacted = {**SIGNED, "thinking": ""}, {"type": "redacted_thinking", "data": "x"}
    asked = prompt(native(0, hidden), native(0, redacted))
    request = project(asked, TOOLS, "m", ModelProfile(), MADE_BY)
    assert request["messages"][1]["content"][:2] == [hidden, redacted]


@pytest.mark.parametrize(
    ("effort", "profile", "fields"),
    [
        (None, ModelProfile(), {}),
        ("none", ModelProfile(), {"thinking": {"type": "disabled"}}),
        ("none", ModelProfile(thinking_off=False), {}),
        (
            "high",
            ModelProfile(),
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "high"},
            },
        ),
        (
            "minimal",
            ModelProfile(effort=False),
            {"thinking": {"type": "adaptive", "display": "summarized"}},
        ),
        (
            "low",
            ModelProfile(thinking="budget"),
            {"thinking": {"type": "enabled", "budget_tokens": 2_048}},
        ),
        (
            "max",
            ModelProfile(thinking="budget"),
            {"thinking": {"type": "enabled", "budget_tokens": 5_000}},
        ),
        ("high", ModelProfile(thinking=""), {}),
    ],
)
def test_effort_is_said_as_the_model_wants_it(
    effort: Effort | None, profile: ModelProfile, fields: dict[str, Any]
) -> None:
    options = CallOptions(max_tokens=10_000, temperature=1.5, effort=effort)
    request = project(ASKED, options, "m", profile, "")
    thinks = fields.get("thinking", {}).get("type") in ("enabled", "adaptive")
    temperature = {} if thinks else {"temperature": 1.0}
    assert request == {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
        "max_tokens": 10_000,
        "stream": True,
        **fields,
        **temperature,
    }


def test_too_few_tokens_are_for_the_answer_and_not_for_thinking() -> None:
    options = CallOptions(max_tokens=1_500, effort="high")
    assert "thinking" not in project(ASKED, options, "m", ModelProfile(thinking="budget"), "")


@pytest.mark.parametrize(
    ("items", "profile", "thinks"),
    [
        ((), ModelProfile(thinking="budget"), False),
        ((native(1, SIGNED),), ModelProfile(thinking="budget"), False),
        ((native(1, SIGNED), native(3, SIGNED)), ModelProfile(thinking="budget"), True),
        ((), ModelProfile(), True),
    ],
)
def test_an_answer_under_way_without_its_thinking_goes_on_without(
    items: tuple[Any, ...], profile: ModelProfile, thinks: bool
) -> None:
    parts = (THOUGHT, CALL, THOUGHT, {**CALL, "call_id": "2"})
    answer = PromptMessage("assistant", parts, native=items)  # pyright: ignore
    options = CallOptions(effort="high", tools=(TOOL,))
    request = project([*ASKED, answer], options, "m", profile, MADE_BY)
    assert request["messages"][-1]["content"][0]["type"] == "tool_result"
    assert ("thinking" in request) is thinks


def test_what_the_next_request_begins_with_is_marked() -> None:
    mark = {"type": "ephemeral"}
    request = project(prompt(), CallOptions(cache_key="k"), "m", ModelProfile(), "")
    assert request["system"][-1]["cache_control"] == mark
    assert request["messages"][-1]["content"][-1]["cache_control"] == mark
    assert str(request).count("cache_control") == 2
    assert "cache_control" not in str(
        project(prompt(), CallOptions(cache_key="k"), "m", ModelProfile(cache=False), "")
    )


def decoded(*events: dict[str, Any]) -> list[Event]:
    decoder = AnthropicDecoder("Tiny", MADE_BY)
    found = [each for event in events for each in decoder.feed(SSEvent(event, event["type"]))]
    return [*found, *decoder.end()]


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **piece: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": piece}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def began(**usage: int) -> dict[str, Any]:
    return {"type": "message_start", "message": {"usage": {"output_tokens": 1, **usage}}}


def ended(reason: str = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    message = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}
    return [message, {"type": "message_stop"}]


def test_thinking_text_and_usage_are_read() -> None:
    events = decoded(
        began(input_tokens=5, cache_read_input_tokens=90, cache_creation_input_tokens=10),
        start(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="h"),
        {"type": "ping"},
        delta(0, type="thinking_delta", thinking="m"),
        delta(0, type="signature_delta", signature="s"),
        stop(0),
        start(1, type="text", text=""),
        delta(1, type="text_delta", text="Hello"),
        stop(1),
        *ended(output_tokens=9, output_tokens_details={"thinking_tokens": 4}),
    )
    assert events == [
        ReasoningDelta("h"),
        ReasoningDelta("m"),
        NativeItemAdded(MADE_BY, SIGNED),
        TextDelta("Hello"),
        Usage(105, 9, reasoning_tokens=4, cached_input_tokens=90),
        Finish("stop"),
    ]
    assert [event.cache_write_tokens for event in events if isinstance(event, Usage)] == [10]


def test_a_sum_of_tokens_can_be_stored() -> None:
    most = 2**31 - 1
    counts = {
        "input_tokens": most,
        "cache_creation_input_tokens": most,
        "cache_read_input_tokens": most,
    }
    events = decoded(began(**counts, output_tokens=2**31), *ended())
    (usage,) = [event for event in events if isinstance(event, Usage)]
    assert (usage.input_tokens, usage.cached_input_tokens) == (most, most)
    assert usage.output_tokens == 0, "what cannot be a count is none"


def test_hidden_and_redacted_thinking_are_kept() -> None:
    events = decoded(
        began(),
        start(0, type="thinking", thinking="", signature=""),
        delta(0, type="signature_delta", signature="s"),
        stop(0),
        start(1, type="redacted_thinking", data="x"),
        stop(1),
        *ended(),
    )
    assert events[:2] == [
        NativeItemAdded(MADE_BY, {**SIGNED, "thinking": ""}),
        NativeItemAdded(MADE_BY, {"type": "redacted_thinking", "data": "x"}),
    ]


def test_a_signature_without_end_is_left_out_and_the_answer_goes_on() -> None:
    endless = [delta(0, type="signature_delta", signature="s" * 50_000)] * 50
    events = decoded(
        began(),
        start(0, type="thinking", thinking="hm"),
        *endless,
        stop(0),
        start(1, type="text", text="a"),
        stop(1),
        *ended(),
    )
    assert [event for event in events if not isinstance(event, Usage)] == [
        ReasoningDelta("hm"),
        TextDelta("a"),
        Finish("stop"),
    ]


def test_calls_are_read() -> None:
    events = decoded(
        began(),
        start(0, type="tool_use", id="toolu_1", name="weather", input={}),
        delta(0, type="input_json_delta", partial_json=""),
        delta(0, type="input_json_delta", partial_json='{"a": 1}'),
        stop(0),
        *ended("tool_use"),
    )
    assert events[:3] == [
        ToolCallDelta("toolu_1", "weather", ""),
        ToolCallDelta("toolu_1", "weather", '{"a": 1}'),
        ToolCallEnd("toolu_1"),
    ]
    assert events[-1] == Finish("tool-calls")


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop"),
        ("refusal", "content-filter"),
        ("pause_turn", "other"),
    ],
)
def test_an_answer_says_why_it_ended(reason: str, finish: str) -> None:
    assert decoded(began(), *ended(reason))[-1] == Finish(finish)  # pyright: ignore


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, "rate_limited"),
        ({"type": "api_error", "message": "Internal server error"}, "provider_error"),
        ({"type": "authentication_error", "message": "invalid x-api-key"}, "api_key_rejected"),
    ],
)
def test_an_error_in_the_stream_is_named(error: dict[str, Any], code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decoded(began(), {"type": "error", "error": error})
    assert caught.value.message_code == code


def test_a_stream_that_just_ends_was_cut_off() -> None:
    with pytest.raises(ProviderError) as caught:
        decoded(began(), start(0, type="text", text="a"))
    assert caught.value.message_code == "cut_off"
