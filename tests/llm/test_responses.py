"""OpenAI Responses: what is asked, and what is read."""

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
from chat_app.llm.base import CallOptions, Effort, ProviderError, text_message
from chat_app.llm.dialects.responses import ResponsesDecoder, project
from chat_app.llm.profiles import ModelProfile, first_profile
from chat_app.llm.sse import SSEvent
from testing.dialect_prompts import MADE_BY, PIXEL, TOOL, native, prompt

TOOLS = CallOptions(tools=(TOOL,))
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
USAGE = {
    "input_tokens": 7,
    "output_tokens": 5,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens_details": {"reasoning_tokens": 2},
}


def test_a_conversation_with_tools_images_and_reasoning() -> None:
    items = (
        native(1, REASONING),
        native(4, {"type": "message", "phase": "final_answer"}),
    )
    request = project(prompt(*items), TOOLS, "m", ModelProfile(), MADE_BY)
    arguments = '{"city": "Rome"}'
    assert request["instructions"] == "be kind"
    assert request["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_image", "detail": "auto", "image_url": PIXEL},
                {"type": "input_text", "text": "How is the weather?"},
            ],
        },
        REASONING,
        {
            "type": "function_call",
            "call_id": "call00001",
            "name": "weather",
            "arguments": arguments,
        },
        {
            "type": "function_call",
            "call_id": "call00002",
            "name": "weather",
            "arguments": arguments,
        },
        {"type": "function_call_output", "call_id": "call00001", "output": "sunny"},
        {
            "type": "function_call_output",
            "call_id": "call00002",
            "output": "[The tool failed: timeout]",
        },
        {"role": "assistant", "content": "It is sunny.", "phase": "final_answer"},
        {"role": "user", "content": [{"type": "input_text", "text": "And tomorrow?"}]},
    ]


def test_reasoning_is_sent_without_its_id_or_not_at_all_where_that_is_refused() -> None:
    asked = prompt(native(1, REASONING))
    sent = project(asked, TOOLS, "m", ModelProfile(item_ids=False), MADE_BY)["input"][1]
    assert sent == {"type": "reasoning", "summary": [], "encrypted_content": "x"}
    without = project(asked, TOOLS, "m", ModelProfile(native=False), MADE_BY)["input"]
    assert all(item.get("type") != "reasoning" for item in without)


def test_nothing_is_stored_and_options_are_sent_as_far_as_accepted() -> None:
    options = CallOptions(max_tokens=9, temperature=0.5, effort="low", cache_key="thread")
    asked = [text_message("user", "a")]
    request = project(asked, options, "m", ModelProfile(), MADE_BY)
    del request["input"]
    assert request == {
        "model": "m",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 16,
        "temperature": 0.5,
        "reasoning": {"effort": "low", "summary": "auto"},
        "prompt_cache_key": "thread",
    }
    lacks = ModelProfile(
        temperature=False, effort=False, summaries=False, encrypted=False, cache=False
    )
    request = project(asked, options, "m", lacks, MADE_BY)
    assert request.keys() == {"model", "input", "stream", "store", "max_output_tokens"}


@pytest.mark.parametrize(
    ("model", "effort", "reasoning"),
    [
        ("gpt-5.4", None, {"summary": "auto"}),
        ("gpt-5.4", "none", {"effort": "none"}),
        ("my-deployment", None, {"summary": "auto"}),
        ("gpt-4o", None, None),
    ],
)
def test_thinking_is_shown_by_a_model_that_may_think(
    model: str, effort: Effort | None, reasoning: dict[str, str] | None
) -> None:
    asked = [text_message("user", "a")]
    request = project(asked, CallOptions(effort=effort), model, first_profile(model), "")
    assert request.get("reasoning") == reasoning
    assert ("include" in request) is (model != "gpt-4o")


def decoded(*events: dict[str, Any]) -> list[Event]:
    decoder = ResponsesDecoder("Tiny", MADE_BY)
    found = [each for event in events for each in decoder.feed(SSEvent(event, event["type"]))]
    return [*found, *decoder.end()]


def completed(**response: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"usage": USAGE, **response}}


def test_reasoning_text_and_usage_are_read() -> None:
    item = {**REASONING, "status": "completed", "summary": [{"type": "summary_text", "text": "x"}]}
    events = decoded(
        {"type": "response.created", "response": {}},
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "hm"},
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 1},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "so"},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "Hel"},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "lo"},
        completed(incomplete_details=None),
    )
    del item["status"]
    assert events == [
        ReasoningDelta("hm"),
        ReasoningDelta("\n\n"),
        ReasoningDelta("so"),
        NativeItemAdded(MADE_BY, item),
        TextDelta("Hel"),
        TextDelta("lo"),
        Usage(7, 5, reasoning_tokens=2, cached_input_tokens=3),
        Finish("stop"),
    ]


def test_calls_are_read() -> None:
    item = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather"}
    at = {"output_index": 0}
    events = decoded(
        {"type": "response.output_item.added", **at, "item": {**item, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", **at, "delta": '{"ci'},
        {"type": "response.function_call_arguments.delta", **at, "delta": 'ty": 1}'},
        {"type": "response.output_item.done", **at, "item": item},
        completed(output=[item]),
    )
    assert events[:-2] == [
        ToolCallDelta("c1", "weather", ""),
        ToolCallDelta("c1", "weather", '{"ci'),
        ToolCallDelta("c1", "weather", 'ty": 1}'),
        ToolCallEnd("c1"),
    ]
    assert events[-1] == Finish("tool-calls")


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content-filter")]
)
def test_an_incomplete_answer_says_why(reason: str, finish: str) -> None:
    response = {"usage": None, "incomplete_details": {"reason": reason}}
    events = decoded({"type": "response.incomplete", "response": response})
    assert [event.reason for event in events if isinstance(event, Finish)] == [finish]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (
            {
                "type": "response.failed",
                "response": {"error": {"code": "rate_limit_exceeded", "message": "x"}},
            },
            "rate_limited",
        ),
        ({"type": "error", "code": "server_error", "message": "x"}, "provider_error"),
        (
            {"type": "error", "error": {"code": "context_length_exceeded", "message": "x"}},
            "context_too_long",
        ),
    ],
)
def test_an_error_in_the_stream_is_named(event: dict[str, Any], code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decoded(event)
    assert caught.value.message_code == code


def test_a_stream_that_just_ends_was_cut_off() -> None:
    with pytest.raises(ProviderError) as caught:
        decoded({"type": "response.output_text.delta", "delta": "a"})
    assert caught.value.message_code == "cut_off"
