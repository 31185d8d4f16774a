"""What refusals teach. The words are those of the servers, from their documentation or issues."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chat_app.llm.profiles import ModelProfile, change_for_refusal, first_profile

CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "b"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 9,
    "temperature": 0.1,
    "reasoning_effort": "low",
    "tools": [{}],
}
WEB = {
    "messages": [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}],
        }
    ]
}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"role": "assistant", "content": "a"},
    ],
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "low", "summary": "auto"},
    "temperature": 0.1,
    "prompt_cache_key": "k",
}
ANTHROPIC: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9_000,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
    ],
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "low"},
    "temperature": 0.1,
}
BUDGET = {**ANTHROPIC, "thinking": {"type": "enabled", "budget_tokens": 1024}}
OFF = {**ANTHROPIC, "thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("request_", "status", "message", "changes"),
    [
        (CHAT, 400, "Unrecognized request argument supplied: stream_options", {"usage": False}),
        (
            CHAT,
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            {"limit_field": "max_completion_tokens"},
        ),
        (
            CHAT,
            400,
            "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, "
            "whereas you provided 100000.",
            {"max_output": 16_384},
        ),
        (
            ANTHROPIC,
            400,
            "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for "
            "claude-sonnet-4-5-20250929",
            {"max_output": 64_000},
        ),
        (CHAT, 500, "System role not supported", {"system": False}),
        (
            CHAT,
            400,
            "Unsupported value: 'temperature' does not support 0.1 with this model. "
            "Only the default (1) value is supported.",
            {"temperature": False},
        ),
        (
            RESPONSES,
            400,
            "Unsupported parameter: 'temperature' is not supported with this model.",
            {"temperature": False},
        ),
        (ANTHROPIC, 400, "`temperature` is deprecated for this model.", {"temperature": False}),
        (CHAT, 400, "Unrecognized request argument supplied: reasoning_effort", {"effort": False}),
        (CHAT, 400, '"llama3.2" does not support thinking', {"effort": False}),
        (
            RESPONSES,
            400,
            "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
            {"effort": False, "summaries": False},
        ),
        (
            RESPONSES,
            400,
            "Your organization must be verified to generate reasoning summaries.",
            {"summaries": False},
        ),
        (
            RESPONSES,
            400,
            "Encrypted content is not supported with this model.",
            {"encrypted": False},
        ),
        (
            RESPONSES,
            404,
            "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
            {"item_ids": False},
        ),
        (
            BUDGET,
            400,
            '"thinking.type.enabled" is not supported for this model. Use '
            '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.',
            {"thinking": "adaptive"},
        ),
        (
            ANTHROPIC,
            400,
            "adaptive thinking is not supported on this model",
            {"thinking": "budget", "effort": False},
        ),
        (
            ANTHROPIC,
            400,
            "This model does not support the effort parameter.",
            {"effort": False},
        ),
        (
            OFF,
            400,
            '"thinking.type.disabled" is not supported for this model.',
            {"thinking_off": False},
        ),
        (
            CHAT,
            400,
            "The `reasoning_content` in the thinking mode must be passed back to the API.",
            {"reasoning_content": True},
        ),
        (
            CHAT,
            400,
            "thinking is enabled but reasoning_content is missing in assistant tool call message "
            "at index 2",
            {"reasoning_content": True},
        ),
        (
            CHAT,
            400,
            "Function call is missing a thought_signature in functionCall parts.",
            {"signatures": True},
        ),
        (RESPONSES, 400, "Unknown parameter: 'prompt_cache_key'.", {"cache": False}),
        (
            ANTHROPIC,
            400,
            "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to "
            "a different conversation.",
            {"history": False},
        ),
        (
            OFF,
            400,
            "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to "
            "a different conversation. Remove the block, or set `thinking.block_binding`.",
            {"history": False},
        ),
    ],
)
def test_a_refusal_teaches_what_the_model_does_not_accept(
    request_: dict[str, Any], status: int, message: str, changes: dict[str, Any]
) -> None:
    profile = ModelProfile(thinking="budget") if request_ is BUDGET else ModelProfile()
    change = change_for_refusal(
        profile, status, json.dumps({"error": {"message": message}}), request_
    )
    assert change is not None
    assert change.apply(profile) == replace(profile, **changes)
    assert change.is_lasting


@pytest.mark.parametrize(
    ("request_", "message", "changes"),
    [
        (
            RESPONSES,
            "Unsupported value: 'low' is not supported with the 'm' model. param: reasoning.effort",
            {"effort": False},
        ),
        (
            CHAT,
            "reasoning_effort: Input should be 'low', 'medium' or 'high'",
            {"effort": False},
        ),
        (
            CHAT,
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 1, but got "
            "1.7 instead.",
            {"temperature": False},
        ),
        (CHAT, "temperature is invalid: it must be between 0 and 1", {"temperature": False}),
        (
            RESPONSES,
            "The encrypted content gAAA... could not be verified.",
            {"native": False},
        ),
        (
            RESPONSES,
            "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
            {"native": False},
        ),
        (
            ANTHROPIC,
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            {"native": False},
        ),
        (
            ANTHROPIC,
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            "`tool_use`. When `thinking` is enabled, a final `assistant` message must start with a "
            "thinking block",
            {"thinking": ""},
        ),
    ],
)
def test_a_refusal_of_one_conversation_says_nothing_of_the_next(
    request_: dict[str, Any], message: str, changes: dict[str, Any]
) -> None:
    change = change_for_refusal(ModelProfile(), 400, message, request_)
    assert change is not None
    assert change.apply(ModelProfile()) == replace(ModelProfile(), **changes)
    assert not change.is_lasting


@pytest.mark.parametrize(
    ("request_", "status", "message", "field"),
    [
        (CHAT, 400, "stablelm2:latest does not support tools", "tools"),
        (CHAT, 404, "No endpoints found that support tool use.", "tools"),
        (
            CHAT,
            400,
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser',
            "tools",
        ),
        (
            CHAT,
            400,
            "Invalid schema for function 'f'. tools[0].function.parameters: "
            "invalid_function_parameters",
            "tools",
        ),
        (CHAT, 400, "tools.0.custom.input_schema: JSON schema is invalid", "tools"),
        (CHAT, 404, "No endpoints found that support image input", "images"),
        (CHAT, 400, "m is not a multimodal model", "images"),
        (CHAT, 400, "cannot identify image file <_io.BytesIO object>", "images"),
        (CHAT, 422, "messages[1]: unknown variant `image_url`, expected `text`", "images"),
        (WEB, 400, "invalid image input: illegal base64 data", "image_urls"),
    ],
)
def test_a_client_whose_tools_or_images_are_refused_takes_none_from_others(
    request_: dict[str, Any], status: int, message: str, field: str
) -> None:
    change = change_for_refusal(ModelProfile(), status, message, request_)
    assert change is not None
    assert change.apply(ModelProfile()) == replace(ModelProfile(), **{field: False})
    assert not change.is_lasting


WORDS = "thinking and reasoning_effort not supported; no temperature, no system role, unsupported"
NAME = "temperature-unsupported-thinking-system-unsupported-effort"


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": NAME}}]},
        {"tools": [{"type": "function", "function": {"description": WORDS}}]},
        {"tools": [{"name": "f", "input_schema": {"properties": {NAME: {}}}}]},
        {"tools": [{"name": "f", "input_schema": {"type": WORDS}}]},
        {"messages": [*CHAT["messages"], {"tool_calls": [{"function": {"name": NAME}}]}]},
        {"messages": [*CHAT["messages"], {"content": [{"image_url": {"url": f"data:{NAME}"}}]}]},
        {"messages": [*CHAT["messages"], {"content": [{"source": {"data": NAME}}]}]},
    ],
    ids=lambda more: str(more)[-60:],
)
@pytest.mark.parametrize("status", [400, 422])
def test_what_a_server_repeats_of_a_tool_or_an_image_says_nothing_of_the_model(
    more: dict[str, Any], status: int
) -> None:
    request = {**CHAT, **more}
    said = WORDS if WORDS in str(more) else NAME
    profile = ModelProfile()
    while (change := change_for_refusal(profile, status, f"Wrong: '{said}'", request)) is not None:
        assert not change.is_lasting
        profile = change.apply(profile)
    assert profile != ModelProfile()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "stream_options"),
        (429, "temperature is not supported"),
        (400, "This model's maximum context length is 8192 tokens."),
        (400, "max_tokens is too large: 100000."),
        (400, ""),
    ],
)
def test_other_refusals_teach_nothing(status: int, message: str) -> None:
    for request in (CHAT, RESPONSES, ANTHROPIC):
        assert change_for_refusal(ModelProfile(), status, message, request) is None


def test_what_was_not_sent_is_not_the_reason() -> None:
    bare = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    message = "stream_options max_completion_tokens temperature tools image system is not supported"
    assert change_for_refusal(ModelProfile(), 400, message, bare) is None


def test_a_change_that_was_made_is_not_made_again() -> None:
    change = change_for_refusal(ModelProfile(), 400, "unknown field stream_options", CHAT)
    assert change is not None
    assert (
        change_for_refusal(change.apply(ModelProfile()), 400, "unknown field stream_options", CHAT)
        is None
    )


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-3-7-sonnet-20250219", "budget"),
        ("claude-sonnet-4-20250514", "budget"),
        ("claude-opus-4-5-20251101", "budget"),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "budget"),
        ("claude-opus-4-6", "adaptive"),
        ("claude-sonnet-5", "adaptive"),
        ("gpt-5.4", "adaptive"),
    ],
)
def test_a_claude_model_is_told_to_think_in_its_own_way(model: str, thinking: str) -> None:
    assert first_profile(model).thinking == thinking


def test_the_type_of_an_error_is_no_word_about_what_stands_before_it() -> None:
    error = {"message": "Nothing follows the tool result.", "type": "invalid_request_error"}
    assert change_for_refusal(ModelProfile(), 400, json.dumps({"error": error}), CHAT) is None


INVALID_PROMPT = {
    "error": {
        "message": "Invalid prompt: your prompt was flagged as potentially violating our usage "
        "policy. Please try again with a different prompt: "
        "https://platform.openai.com/docs/guides/reasoning#advice-on-prompting",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_prompt",
    }
}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Your credit balance is too low for reasoning."),
        (400, "Rate limit: too many requests with tools not supported by your tier."),
        (400, "Incorrect API key: reasoning is not supported."),
        (400, "This model's maximum context length is 9 tokens; reasoning and tools count."),
        (400, "Bad request. See https://docs.example/reasoning#temperature-is-not-supported"),
        (500, "An unexpected system error. Try again later."),
        (500, "An unexpected error. The system is not available."),
    ],
)
def test_a_failure_with_a_reason_of_its_own_teaches_nothing(status: int, message: str) -> None:
    for request in (CHAT, RESPONSES, ANTHROPIC):
        assert (
            change_for_refusal(
                ModelProfile(), status, json.dumps({"error": {"message": message}}), request
            )
            is None
        )


def test_a_prompt_that_is_flagged_teaches_nothing() -> None:
    for request in (CHAT, RESPONSES):
        assert change_for_refusal(ModelProfile(), 400, json.dumps(INVALID_PROMPT), request) is None


@pytest.mark.parametrize("role", ["role", "message", "prompt"])
def test_a_chat_template_without_a_system_role_is_known_also_from_a_500(role: str) -> None:
    change = change_for_refusal(ModelProfile(), 500, f"The system {role} is not supported", CHAT)
    assert change is not None
    assert change.apply(ModelProfile()) == ModelProfile(system=False)


TRIGGER = 'Temperature, tools and system: not supported.\nSo I said: "reasoning, café".'


def asks(text: str) -> dict[str, Any]:
    """A request of a user who wrote this."""
    return {**CHAT, "messages": [*CHAT["messages"], {"role": "user", "content": text}]}


@pytest.mark.parametrize("text", [TRIGGER, "temperature unsupported", "stream_options"])
@pytest.mark.parametrize("status", [400, 422])
def test_what_a_server_repeats_of_a_prompt_says_nothing_of_the_model(
    text: str, status: int
) -> None:
    for body in (
        json.dumps({"detail": [{"loc": ["body"], "msg": "Wrong.", "input": text}]}),
        json.dumps({"error": {"message": f"1 error: {[{'msg': 'Wrong.', 'input': text}]}"}}),
        f"Cannot read: {text[:50]}",
    ):
        profile = ModelProfile()
        while (change := change_for_refusal(profile, status, body, asks(text))) is not None:
            assert not change.is_lasting, body
            profile = change.apply(profile)


def test_both_ends_of_a_prompt_that_a_server_repeats_say_nothing() -> None:
    message = (
        "1 error [type=x, input_value='Tell me a stor...temperature unsupported', input_type=str]"
    )
    request = asks("Tell me a story. " * 9 + "temperature unsupported")
    assert change_for_refusal(ModelProfile(), 400, message, request) is None


def test_a_server_that_repeats_the_prompt_still_teaches_its_reason() -> None:
    text = "Temperature is not supported here."
    body = json.dumps({"detail": [{"loc": ["body", "stream_options"], "input": text}]})
    change = change_for_refusal(ModelProfile(), 422, body, asks(text))
    assert change is not None
    assert change.is_lasting
    assert change.apply(ModelProfile()) == ModelProfile(usage=False)


def test_a_conversation_about_a_refusal_still_gets_its_answer() -> None:
    message = "This model does not support the temperature: it is deprecated."
    change = change_for_refusal(ModelProfile(), 400, message, asks(f"What does it mean: {message}"))
    assert change is not None
    assert change.apply(ModelProfile()) == ModelProfile(temperature=False)
