"""Random events through every encoder, and read back by the clients' own types."""

import json
from random import Random
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from openai import omit
from openai._streaming import SSEDecoder
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from chat_app.api.anthropic_messages import AnthropicMessage
from chat_app.api.chat_completions import ChatCompletion as OurCompletion
from chat_app.api.model_responses import OpenAIResponse, ResponsesRequest
from chat_app.api.wires import anthropic_messages, openai_chat, openai_responses
from chat_app.api.wires.anthropic_messages import MessagesEncoder, message
from chat_app.api.wires.errors import anthropic_error, openai_error, responses_error_event
from chat_app.api.wires.openai_chat import ChatCompletionEncoder, completion
from chat_app.api.wires.openai_responses import ResponseHead, ResponsesEncoder, response
from chat_app.api.wires.prompts import image_part
from chat_app.core.errors import InvalidInput, RateLimited
from chat_app.core.events import (
    Event,
    Finish,
    FinishReason,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolResult,
    Usage,
    fold,
)
from testing.event_sequences import events

SEQUENCES = 1_000


def sequences() -> list[list[Event]]:
    """Random logs; in every other one no tool runs here, as in a call of these APIs."""
    logs = [events(Random(seed)) for seed in range(SEQUENCES)]
    here = ToolApprovalRequest | ToolApprovalResponse | ToolResult
    logs[::2] = [[event for event in log if not isinstance(event, here)] for log in logs[::2]]
    return logs


def bytes_of(encoder: Any, log: list[Event]) -> bytes:
    """A whole stream, as `provider_answers` makes it."""
    body = encoder.encode(encoder.start())
    reason, usage = None, None
    for event in log:
        if isinstance(event, Finish):
            reason = event.reason
        elif isinstance(event, Usage):
            usage = event
        else:
            body += encoder.encode(encoder.event(event))
    return body + encoder.encode(encoder.end(reason, usage))


def read(body: bytes) -> list[tuple[str | None, Any]]:
    """The events of a stream, as OpenAI's client reads them."""
    found = [(each.event, each.data) for each in SSEDecoder().iter_bytes(iter([body]))]
    return [(name, data if data == "[DONE]" else json.loads(data)) for name, data in found]


def text_of_log(log: list[Event], kind: str) -> str:
    return "".join(event.text for event in log if event.kind == kind)  # pyright: ignore


def arguments_of(log: list[Event]) -> dict[str, str]:
    found: dict[str, str] = {}
    for event in log:
        if isinstance(event, ToolCallDelta):
            found[event.call_id] = found.get(event.call_id, "") + event.arguments
    return found


def test_any_events_are_valid_chunks_and_add_up_to_the_whole_completion() -> None:
    for log in sequences():
        encoder = ChatCompletionEncoder("chatcmpl-1", "m", 1, usage=True)
        *chunks, done = read(bytes_of(encoder, log))
        assert done == (None, "[DONE]")
        state = ChatCompletionStreamState()
        for _, chunk in chunks:
            state.handle_chunk(ChatCompletionChunk.model_validate(chunk, strict=True))
        answer = state.current_completion_snapshot
        assert (answer.choices[0].message.content or "") == text_of_log(log, "text")
        calls = answer.choices[0].message.tool_calls or []
        assert {call.id: call.function.arguments for call in calls} == arguments_of(log)
        whole = completion("chatcmpl-1", "m", 1, fold(log))
        (choice,) = whole["choices"]
        assert answer.choices[0].finish_reason == choice["finish_reason"]
        assert [chunk["usage"] for _, chunk in chunks] == [
            *([None] * (len(chunks) - 1)),
            whole["usage"],
        ]
        ChatCompletion.model_validate(whole, strict=True)
        OurCompletion.model_validate(whole, strict=True)
        if calls:
            assert answer.choices[0].finish_reason != "stop"


def test_any_events_are_valid_blocks_and_add_up_to_the_whole_message() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    for number, log in enumerate(sequences()):
        encoder = MessagesEncoder("msg_1", "m", thinking=True)
        snapshot: Any = None
        buffers: dict[int, bytes] = {}
        open_block: int | None = None
        ended: Any = None
        for name, event in read(bytes_of(encoder, log)):
            assert name == event["type"]
            if name == "content_block_start":
                assert open_block is None
                open_block = event["index"]
            elif name == "content_block_delta":
                assert open_block == event["index"]
            elif name == "content_block_stop":
                assert open_block == event["index"]
                open_block = None
            elif name == "message_delta":
                ended = event
            typed = adapter.validate_python(event, strict=True)
            snapshot = accumulate_event(event=typed, current_snapshot=snapshot, json_bufs=buffers)
        assert open_block is None
        texts = [block.text for block in snapshot.content if block.type == "text"]
        assert "".join(texts) == text_of_log(log, "text")
        calls = [block for block in snapshot.content if block.type == "tool_use"]
        assert {block.id for block in calls} == set(arguments_of(log))
        whole = message("msg_1", "m", fold(log), thinking=True)
        given = [block for block in whole["content"] if block["type"] == "tool_use"]
        assert len(calls) == len(given)
        if number % 2 == 0:
            inputs = {block["id"]: json.dumps(block["input"]) for block in given}
            assert {block.id: json.dumps(block.input) for block in calls} == inputs
        assert ended["delta"]["stop_reason"] == whole["stop_reason"]
        assert ended["usage"] == whole["usage"]
        Message.model_validate(whole, strict=True)
        AnthropicMessage.model_validate(whole, strict=True)


def test_each_api_counts_cached_tokens_in_its_own_way() -> None:
    usage = Usage(100, 20, reasoning_tokens=5, cached_input_tokens=60, cache_write_tokens=30)
    assert anthropic_messages.usage_of(usage) == {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
    }
    assert openai_chat.usage_of(usage) == {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    assert openai_responses.usage_of(usage) == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    }


def test_an_answer_with_calls_that_was_cut_off_says_so() -> None:
    cases: list[tuple[FinishReason | None, str, str]] = [
        ("stop", "tool_calls", "tool_use"),
        (None, "tool_calls", "tool_use"),
        ("length", "length", "max_tokens"),
        ("content-filter", "content_filter", "refusal"),
    ]
    for reason, ours, theirs in cases:
        assert openai_chat.finish_reason(reason, has_calls=True) == ours
        assert anthropic_messages.stop_reason(reason, has_calls=True) == theirs


def test_an_image_is_of_a_type_that_models_read() -> None:
    for media_type in ("image/png", "image/jpeg", "image/webp", "image/gif"):
        part = image_part(f"data:{media_type};base64,AAAA", "image")
        assert part["media_type"] == media_type
    for media_type in ("image/svg+xml", "text/html", ""):
        with pytest.raises(InvalidInput):
            image_part(f"data:{media_type};base64,AAAA", "image")


def test_a_rate_limit_has_the_words_of_each_api() -> None:
    error = RateLimited("Slow down.", 5)
    assert openai_error(error)["error"] == {
        "message": "Slow down.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert anthropic_error(error)["error"] == {
        "type": "rate_limit_error",
        "message": "Slow down.",
    }


def test_the_error_of_a_response_comes_behind_all_of_its_events() -> None:
    ((name, event),) = read(responses_error_event(InvalidInput("It broke.")))
    assert (name, event["message"]) == ("error", "It broke.")
    longest = 10 * SEQUENCES
    assert longest < event["sequence_number"] < 2**31


def test_a_number_that_is_not_finite_is_repeated_as_null() -> None:
    choice = b'{"type": "function", "name": "f", "more": NaN}'
    body = b'{"model": "m", "input": "hi", "tool_choice": ' + choice + b"}"
    echoed = ResponsesRequest.model_validate_json(body).echoed(())
    encoder = ResponsesEncoder(ResponseHead("resp_1", 1, echoed), "m")
    (_, created), *_ = read(encoder.encode(encoder.start()))
    repeated = {"type": "function", "name": "f", "more": None}
    assert created["response"]["tool_choice"] == repeated


def test_any_events_are_valid_items_and_add_up_to_the_whole_response() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    echoed = ResponsesRequest(model="m", input="hi").echoed(())
    head = ResponseHead("resp_1", 1, echoed)
    for log_number, log in enumerate(sequences()):
        # the client's helper copies the response at each event, which takes long
        is_accumulated = log_number % 20 == 0
        state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
        final: Any = None
        begun: dict[str, str] = {}
        for number, (name, event) in enumerate(read(bytes_of(ResponsesEncoder(head, "m"), log))):
            assert (name, event["sequence_number"]) == (event["type"], number)
            if name == "response.output_item.added":
                assert not {"message", "reasoning"} & set(begun.values()), "one at a time"
                begun[event["item"]["id"]] = event["item"]["type"]
            elif name == "response.output_item.done":
                del begun[event["item"]["id"]]
            typed = adapter.validate_python(event, strict=True)
            if is_accumulated:
                state.handle_event(typed)
            final = typed.response if hasattr(typed, "response") else None
        assert not begun
        assert final.output_text == text_of_log(log, "text")
        calls = [item for item in final.output if item.type == "function_call"]
        assert {item.call_id for item in calls} == set(arguments_of(log))
        whole = response(head, "m", fold(log))
        given = [item for item in whole["output"] if item["type"] == "function_call"]
        assert len(calls) == len(given)
        if log_number % 2 == 0:
            arguments = {item["call_id"]: item["arguments"] for item in given}
            assert {item.call_id: item.arguments for item in calls} == arguments
        assert (final.status, final.usage and final.usage.total_tokens) == (
            whole["status"],
            whole["usage"] and whole["usage"]["total_tokens"],
        )
        Response.model_validate(whole, strict=True)
        OpenAIResponse.model_validate(whole, strict=True)
