"""What both dialects with typed events share: nothing that a server sends breaks their decoders."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.events import Event, Finish, ToolCallDelta, encode_payload
from chat_app.llm.base import ProviderError
from chat_app.llm.dialects.anthropic_messages import AnthropicDecoder
from chat_app.llm.dialects.responses import ResponsesDecoder
from chat_app.llm.dialects.stream import TypedStreamDecoder
from chat_app.llm.sse import SSEvent

DECODERS = (AnthropicDecoder, ResponsesDecoder)
TYPES = st.sampled_from(
    [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop", "error", "ping", "text", "thinking", "tool_use"),
        *("redacted_thinking", "text_delta", "thinking_delta", "signature_delta"),
        *("input_json_delta", "response.output_text.delta", "response.output_item.added"),
        *("response.output_item.done", "response.function_call_arguments.delta"),
        *("response.reasoning_summary_text.delta", "response.completed", "response.failed"),
        *("response.reasoning_summary_part.added", "function_call", "reasoning", "message"),
    ]
)
WORDS = st.sampled_from(
    [
        *("index", "delta", "content_block", "message", "usage", "text", "thinking", "id", "name"),
        *("signature", "data", "partial_json", "stop_reason", "input_tokens", "output_tokens"),
        *("output_index", "item", "response", "error", "encrypted_content", "phase", "arguments"),
        *("incomplete_details", "reason", "output", "call_id", "summary"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats() | st.text(max_size=3) | TYPES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.builds(
            lambda found, kind: {**found, "type": kind},
            st.dictionaries(WORDS, inner, max_size=4),
            TYPES,
        )
    ),
    max_leaves=12,
)


def decode(decoder: TypedStreamDecoder, *payloads: object) -> list[Event]:
    events = [event for payload in payloads for event in decoder.feed(SSEvent(payload))]
    return events + list(decoder.end())


@pytest.mark.parametrize("make", DECODERS)
@given(payloads=st.lists(JSON, max_size=4))
def test_whatever_comes_is_an_answer_or_a_sentence(make: type[Any], payloads: list[object]) -> None:
    try:
        events = decode(make("Tiny", "m"), *payloads)
    except ProviderError:
        return
    assert isinstance(events[-1], Finish)
    for event in events:
        encode_payload(event).encode()


@pytest.mark.parametrize("make", DECODERS)
@pytest.mark.parametrize("payload", ['{"type', " {oops"])
def test_json_that_is_broken_is_malformed(make: type[Any], payload: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decode(make("Tiny"), payload)
    assert caught.value.message_code == "malformed_response"


@pytest.mark.parametrize("make", DECODERS)
def test_an_error_of_a_proxy_before_it_is_named(make: type[Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        decode(make("Tiny"), {"error": {"message": "Rate limit reached", "code": 429}})
    assert caught.value.message_code == "rate_limited"


def test_a_surrogate_pair_split_over_two_events_is_joined() -> None:
    def delta(text: str) -> dict[str, Any]:
        return {"type": "response.output_text.delta", "delta": text}

    done = {"type": "response.completed", "response": {}}
    events = decode(ResponsesDecoder("Tiny"), delta("a\ud83d"), delta("\ude00"), done)
    assert "".join(event.text for event in events[:-1]) == "a😀"  # pyright: ignore


def test_names_and_arguments_of_calls_are_repaired() -> None:
    item = {"type": "function_call", "call_id": "\ud83d", "name": "\ud83d", "arguments": "\ud83d"}
    added = {"type": "response.output_item.added", "output_index": 0, "item": item}
    done = {"type": "response.completed", "response": {}}
    (call, *_) = decode(ResponsesDecoder("Tiny"), added, done)
    assert call == ToolCallDelta("\ufffd", "\ufffd", "\ufffd")
