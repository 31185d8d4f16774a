"""Anthropic's Python client asks for messages."""

from typing import Any

import anthropic
import httpx
import pytest
from anthropic import AsyncAnthropic

from testing.provider_apis import CAT, Key, ProviderServer
from testing.run_services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="package")

ADD: Any = {
    "name": "add",
    "description": "Adds two numbers.",
    "input_schema": {"type": "object", "properties": {"a": {"type": "number"}}},
}


def user(text: Any) -> Any:
    return {"role": "user", "content": text}


async def client_of(server: ProviderServer) -> tuple[AsyncAnthropic, Key]:
    key = await server.key("chat")
    return server.anthropic(key.token), key


async def test_a_whole_answer_has_the_models_id_text_and_usage(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    answer = await client.messages.create(
        model="fake:2x0",
        max_tokens=50,
        extra_body={"temperature": 0.4},
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        messages=[user("hi"), {"role": "assistant", "content": "Yes?"}, user("echo: It is.")],
    )
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].type == "text"
    assert answer.content[0].text == "It is."
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert (answer.role, answer.model) == ("assistant", "fake:2x0")
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    asked = server.model("fake:2x0")
    assert [(one.role, one.text) for one in asked.prompt] == [
        ("system", "Be brief."),
        ("user", "hi"),
        ("assistant", "Yes?"),
        ("user", "echo: It is."),
    ]
    assert (asked.options.max_tokens, asked.options.temperature) == (50, 0.4)


@pytest.mark.parametrize("thinks", [True, False])
async def test_a_stream_with_thinking_where_it_is_asked_for(
    server: ProviderServer, thinks: bool
) -> None:
    client, _ = await client_of(server)
    thinking: Any = {"type": "enabled", "budget_tokens": 4_000} if thinks else anthropic.omit
    async with client.messages.stream(
        model="fake:think:2x0",
        max_tokens=100,
        thinking=thinking,
        messages=[user("think: Hm, well. echo: It is so.")],
    ) as stream:
        texts = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert "".join(texts) == "It is so."
    assert [block.type for block in final.content] == ["thinking", "text"][not thinks :]
    if final.content[0].type == "thinking":
        assert final.content[0].thinking == "Hm, well."
    assert final.stop_reason == "end_turn"
    assert final.usage.cache_read_input_tokens
    assert server.model("fake:think:2x0").options.effort == ("medium" if thinks else None)
    whole = await client.messages.create(
        model="fake:think:2x0",
        max_tokens=100,
        thinking=thinking,
        messages=[user("think: Hm, well. echo: It is so.")],
    )
    assert [block.type for block in whole.content] == [block.type for block in final.content]


@pytest.mark.parametrize(
    ("model", "reason"), [("fake:length:5x0", "max_tokens"), ("fake:content-filter:5x0", "refusal")]
)
async def test_stop_reasons_are_true(server: ProviderServer, model: str, reason: str) -> None:
    client, _ = await client_of(server)
    asked: dict[str, Any] = {"model": model, "max_tokens": 100, "messages": [user("hi")]}
    assert (await client.messages.create(**asked)).stop_reason == reason
    async with client.messages.stream(**asked) as stream:
        assert (await stream.get_final_message()).stop_reason == reason


async def test_tool_calls_are_the_same_in_a_stream_and_their_results_reach_the_model(
    server: ProviderServer,
) -> None:
    client, _ = await client_of(server)
    messages = [user('call: add {"a": 1} add {"a": 2}')]
    asked: dict[str, Any] = {"model": "fake:3x0", "max_tokens": 100, "tools": [ADD]}
    answer = await client.messages.create(**asked, messages=messages)
    assert answer.stop_reason == "tool_use"
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [("add", {"a": 1}), ("add", {"a": 2})]
    async with client.messages.stream(**asked, messages=messages) as stream:
        final = await stream.get_final_message()
    assert [block.to_dict() for block in final.content] == [
        block.to_dict() for block in answer.content
    ]
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": "41"},
        {
            "type": "tool_result",
            "tool_use_id": calls[1].id,
            "content": [{"type": "text", "text": "too large"}],
            "is_error": True,
        },
    ]
    history: Any = [*messages, answer.to_param(), user(results)]
    answer = await client.messages.create(**asked, messages=history)
    assert answer.content[0].type == "text"
    assert answer.content[0].text == "41\ntoo large"
    choices: list[Any] = [{"type": "any"}, {"type": "none"}, {"type": "tool", "name": "add"}]
    found = []
    for choice in choices:
        await client.messages.create(**asked, messages=[user("hi")], tool_choice=choice)
        options = server.model("fake:3x0").options
        found.append((options.tool_choice, options.forced_tool))
    assert found == [("required", ""), ("none", ""), ("auto", "add")]


async def test_images_reach_a_model_that_sees(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    sources: list[Any] = [
        {"type": "base64", "media_type": "image/png", "data": CAT.partition(",")[2]},
        {"type": "url", "url": "https://images.example/cat.gif"},
    ]
    for source, url in zip(sources, (CAT, "https://images.example/cat.gif"), strict=True):
        block = {"type": "image", "source": source}
        await client.messages.create(model="fake:2x0", max_tokens=9, messages=[user([block])])
        [image] = server.model("fake:2x0").prompt[0].parts
        assert image["type"] == "file"
        assert image["url"] == url


REFUSED: dict[str, dict[str, Any]] = {
    "an unknown field": {"extra_body": {"frobnicate": 1}},
    "stop sequences": {"stop_sequences": ["x"]},
    "a temperature beyond 1": {"extra_body": {"temperature": 1.5}},
    "a tool of Anthropic": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "a tool that is not there": {"tool_choice": {"type": "tool", "name": "x"}},
    "a document": {"messages": [user([{"type": "document", "source": {}}])]},
    "a file of an image": {
        "messages": [user([{"type": "image", "source": {"type": "file", "file_id": "x"}}])]
    },
    "an http address": {
        "messages": [user([{"type": "image", "source": {"type": "url", "url": "http://x/y"}}])]
    },
    "a result without a call": {
        "messages": [user([{"type": "tool_result", "tool_use_id": "x", "content": "y"}])]
    },
    "a role": {"messages": [{"role": "system", "content": "x"}]},
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_there_is_not_is_refused(server: ProviderServer, what: str) -> None:
    client, _ = await client_of(server)
    before = server.model("fake:2x0").calls
    asked: dict[str, Any] = {
        "model": "fake:2x0",
        "max_tokens": 9,
        "messages": [user("hi")],
        **REFUSED[what],
    }
    with pytest.raises(anthropic.BadRequestError) as caught:
        await client.messages.create(**asked)
    body = caught.value.response.json()
    assert set(body) == {"type", "error"}
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["message"].endswith(".")
    assert server.model("fake:2x0").calls == before


async def test_errors_have_the_classes_of_the_client(server: ProviderServer) -> None:
    client, key = await client_of(server)
    asked: dict[str, Any] = {"max_tokens": 9, "messages": [user("hi")]}
    bearer = AsyncAnthropic(auth_token=key.token, base_url=server.url, max_retries=0)
    assert (await bearer.messages.create(model="fake:2x0", **asked)).content
    with pytest.raises(anthropic.NotFoundError) as missing:
        await client.messages.create(model="claude-nowhere", **asked)
    assert missing.value.response.json()["error"]["type"] == "not_found_error"
    # the server closes the connection
    own = AsyncAnthropic(api_key=key.token, base_url=server.url, max_retries=0)
    with pytest.raises(anthropic.RequestTooLargeError):
        await own.messages.create(model="fake:2x0", max_tokens=9, messages=[user("x" * 30_000)])
    with pytest.raises(anthropic.RateLimitError):
        await client.messages.create(model="fake:429", **asked)
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.count_tokens(model="fake:2x0", messages=[user("hi")])
    async with httpx.AsyncClient(
        base_url=server.url, headers={"x-api-key": key.token}, timeout=PATIENCE
    ) as http:
        response = await http.put("/v1/messages", json={})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_a_failure_in_the_middle_is_the_last_event(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    with pytest.raises(anthropic.APIStatusError) as caught:
        async with client.messages.stream(
            model="fake:drop:20x0", max_tokens=99, messages=[user("hi")]
        ) as stream:
            await stream.get_final_message()
    assert "cut off" in str(caught.value)
