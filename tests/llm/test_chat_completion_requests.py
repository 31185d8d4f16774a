"""What chat completions are asked."""

from typing import Any

from chat_app.llm.base import CallOptions, PromptMessage, text_message
from chat_app.llm.dialects.chat_completions import project
from chat_app.llm.profiles import ModelProfile
from testing.dialect_prompts import CALL, MADE_BY, PIXEL, TOOL, native, prompt

TOOLS = CallOptions(tools=(TOOL,))
LAX = ModelProfile()


def messages(
    asked: list[PromptMessage], profile: ModelProfile = LAX, options: CallOptions = TOOLS
) -> list[dict[str, Any]]:
    return project(asked, options, "m", profile, MADE_BY)["messages"]


def test_a_conversation_with_tools_and_images() -> None:
    call = {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert messages(prompt()) == [
        {"role": "system", "content": "be kind"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": PIXEL}},
                {"type": "text", "text": "How is the weather?"},
            ],
        },
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call00001", "type": "function", "function": call},
                {"id": "call00002", "type": "function", "function": call},
            ],
        },
        {"role": "tool", "tool_call_id": "call00001", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call00002", "content": "[The tool failed: timeout]"},
        {"role": "assistant", "content": "It is sunny."},
        {"role": "user", "content": "And tomorrow?"},
    ]


def test_a_server_without_a_system_role_gets_the_prompt_in_the_first_turn() -> None:
    said = messages(
        [text_message("system", "s"), text_message("user", "a")], ModelProfile(system=False)
    )
    assert said == [{"role": "user", "content": "s\n\na"}]


def test_options_are_sent_as_far_as_the_server_accepts_them() -> None:
    options = CallOptions(max_tokens=9, temperature=0.5, effort="low")
    asked = [text_message("user", "a")]
    request = project(asked, options, "m", ModelProfile(), MADE_BY)
    assert request == {
        "model": "m",
        "messages": [{"role": "user", "content": "a"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "temperature": 0.5,
        "reasoning_effort": "low",
    }
    lacks = ModelProfile(
        limit_field="max_completion_tokens",
        max_output=5,
        usage=False,
        temperature=False,
        effort=False,
    )
    assert project(asked, options, "m", lacks, MADE_BY) == {
        "model": "m",
        "messages": [{"role": "user", "content": "a"}],
        "stream": True,
        "max_completion_tokens": 5,
    }


def test_tools_are_offered_as_functions() -> None:
    request = project(prompt(), TOOLS, "m", ModelProfile(), MADE_BY)
    assert request["tools"] == [
        {
            "type": "function",
            "function": {
                "name": TOOL.name,
                "description": TOOL.description,
                "parameters": TOOL.parameters,
            },
        }
    ]
    without = project(prompt(), TOOLS, "m", ModelProfile(tools=False), MADE_BY)
    assert "tools" not in without
    assert all("tool_calls" not in message for message in without["messages"])


def test_reasoning_goes_back_with_every_answer_where_the_server_wants_it() -> None:
    answers = [
        message
        for message in messages(prompt(), ModelProfile(reasoning_content=True))
        if message["role"] == "assistant"
    ]
    assert [message["reasoning_content"] for message in answers] == ["hm", " "]


def test_reasoning_details_go_back_to_who_made_them() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x", "index": 0}]
    item = native(3, {"type": "reasoning_details", "details": details})
    assert messages(prompt(item))[2]["reasoning_details"] == details
    assert "reasoning_details" not in messages(prompt(item), ModelProfile(native=False))[2]
    other = project(prompt(item), TOOLS, "m", ModelProfile(), "other/model")
    assert "reasoning_details" not in other["messages"][2]


def test_a_signature_goes_back_with_its_call() -> None:
    extra = {"google": {"thought_signature": "x"}}
    item = native(2, {"type": "extra_content", "call_id": "toolu_1", "extra_content": extra})
    first, second = messages(prompt(item))[2]["tool_calls"]
    assert first["extra_content"] == extra
    assert "extra_content" not in second


def test_a_call_of_another_model_gets_the_signature_that_says_so() -> None:
    first, second = messages(prompt(), ModelProfile(signatures=True))[2]["tool_calls"]
    skipped = "skip_thought_signature_validator"
    assert first["extra_content"] == {"google": {"thought_signature": skipped}}
    assert second["extra_content"] == first["extra_content"]


def test_results_end_the_request_of_an_answer_under_way() -> None:
    asked = [text_message("user", "a"), PromptMessage("assistant", (CALL,))]
    assert [message["role"] for message in messages(asked)] == ["user", "assistant", "tool"]
