"""OpenAI's Python client asks for chat completions."""

import asyncio
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from chat_app.core.parts import text_of
from testing.provider_apis import CAT, Key, ProviderServer, until
from testing.run_services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="package")

ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers.",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
    },
}


def user(text: Any) -> Any:
    return {"role": "user", "content": text}


async def client_of(server: ProviderServer, *scopes: Any) -> tuple[AsyncOpenAI, Key]:
    key = await server.key(*(scopes or ("chat",)))
    return server.openai(key.token), key


async def chunks_of(stream: Any) -> list[ChatCompletionChunk]:
    return [chunk async for chunk in stream]


def joined(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def read_into(chunks: list[Any], stream: Any) -> None:
    async for chunk in stream:
        chunks.append(chunk)


async def test_a_whole_answer_has_the_models_id_text_and_usage(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    messages = [{"role": "developer", "content": "Be brief."}, user("echo: Yes, *it* is.")]
    answer = await client.chat.completions.create(
        model="fake:0x0", messages=messages, temperature=0.3, max_tokens=50
    )
    [choice] = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "Yes, *it* is.")
    assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)
    assert (answer.object, answer.model) == ("chat.completion", "fake:0x0")
    assert answer.id.startswith("chatcmpl-")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    asked = server.model("fake:0x0")
    assert [(one.role, one.text) for one in asked.prompt] == [
        ("system", "Be brief."),
        ("user", "echo: Yes, *it* is."),
    ]
    assert (asked.options.max_tokens, asked.options.temperature) == (50, 0.3)


async def test_a_stream_with_usage(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    stream = await client.chat.completions.create(
        model="fake:think:10x0",
        messages=[user("think: Hm. echo: Yes, it is so.")],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = await chunks_of(stream)
    assert joined(chunks) == "Yes, it is so."
    assert len({chunk.id for chunk in chunks}) == 1
    thoughts = [getattr(one.choices[0].delta, "reasoning_content", "") for one in chunks[1:-2]]
    assert "".join(filter(None, thoughts)) == "Hm."
    assert [one.choices[0].finish_reason for one in chunks[:-1] if one.choices][-1] == "stop"
    *others, last = chunks
    assert all(one.usage is None for one in others)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens_details is not None
    assert last.usage.completion_tokens_details.reasoning_tokens
    stream = await client.chat.completions.create(
        model="fake:3x0", messages=[user("hi")], stream=True
    )
    assert all(chunk.choices and chunk.usage is None for chunk in await chunks_of(stream))


@pytest.mark.parametrize(
    ("model", "reason"),
    [("fake:length:5x0", "length"), ("fake:content-filter:5x0", "content_filter")],
)
async def test_finish_reasons_are_true(server: ProviderServer, model: str, reason: str) -> None:
    client, _ = await client_of(server)
    asked: dict[str, Any] = {"model": model, "messages": [user("hi")]}
    answer = await client.chat.completions.create(**asked)
    assert answer.choices[0].finish_reason == reason
    chunks = await chunks_of(await client.chat.completions.create(**asked, stream=True))
    assert chunks[-1].choices[0].finish_reason == reason
    limited = await client.chat.completions.create(
        model="fake:50x0", messages=[user("hi")], max_completion_tokens=3
    )
    assert limited.choices[0].finish_reason == "length"


async def test_tools_go_to_the_model_and_their_calls_and_results_come_and_go(
    server: ProviderServer,
) -> None:
    client, _ = await client_of(server)
    messages = [user('call: add {"a": 1} add {"a": 2}')]
    asked: dict[str, Any] = {"model": "fake:1x0", "tools": [ADD]}
    answer = await client.chat.completions.create(**asked, messages=messages)
    [choice] = answer.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    calls = choice.message.tool_calls or []
    called = [call.function for call in calls if call.type == "function"]
    assert [(one.name, one.arguments) for one in called] == [
        ("add", '{"a": 1}'),
        ("add", '{"a": 2}'),
    ]
    async with client.chat.completions.stream(**asked, messages=messages) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    streamed = final.choices[0].message.tool_calls or []
    assert [(one.id, one.function.arguments) for one in streamed] == [
        (one.id, one.function.arguments) for one in calls if one.type == "function"
    ]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{number}"}
        for number, call in enumerate(calls, 41)
    ]
    history: Any = [*messages, choice.message.model_dump(exclude_none=True), *results]
    answer = await client.chat.completions.create(**asked, messages=history)
    assert answer.choices[0].message.content == "41\n42"
    [tool] = server.model("fake:1x0").options.tools
    assert (tool.name, tool.description) == ("add", "Adds two numbers.")


async def test_a_tool_can_be_forced(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    choices: list[Any] = ["none", "required", {"type": "function", "function": {"name": "add"}}]
    found = []
    for choice in choices:
        await client.chat.completions.create(
            model="fake:1x0", messages=[user("hi")], tools=[ADD], tool_choice=choice
        )
        options = server.model("fake:1x0").options
        found.append((options.tool_choice, options.forced_tool))
    assert found == [("none", ""), ("required", ""), ("auto", "add")]


async def test_images_reach_a_model_that_sees(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    for url in (CAT, "https://images.example/cat.webp?size=1"):
        parts = [
            {"type": "text", "text": "What is it? "},
            {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
        ]
        await client.chat.completions.create(model="fake:1x0", messages=[user(parts)])
        text, image = server.model("fake:1x0").prompt[0].parts
        assert text_of([text]) == "What is it? "
        assert image["type"] == "file"
        assert (image["url"], image["media_type"]) == (
            url,
            "image/png" if url is CAT else "image/webp",
        )


REFUSED: dict[str, dict[str, Any]] = {
    "frobnicate": {"extra_body": {"frobnicate": 1}},
    "n": {"n": 2},
    "stop": {"stop": ["x"]},
    "logprobs": {"logprobs": True},
    "response_format": {"response_format": {"type": "json_object"}},
    "tools.0": {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
    "tools.0.function.name": {"tools": [{"type": "function", "function": {"name": "a b"}}]},
    "tool_choice": {"tool_choice": {"type": "function", "function": {"name": "x"}}},
    "temperature": {"temperature": 3},
    "messages": {"messages": [{"role": "system", "content": "x"}]},
    "messages.0.role": {"messages": [{"role": "wizard", "content": "x"}]},
    "messages.0.content": {"messages": [{"role": "user", "content": 7}]},
    "messages.0.content.0.image_url": {
        "messages": [user([{"type": "image_url", "image_url": {"url": "http://x/cat.png"}}])]
    },
    "messages.1": {"messages": [user("x"), {"role": "tool", "tool_call_id": "no", "content": "x"}]},
}


@pytest.mark.parametrize("param", REFUSED)
async def test_what_there_is_not_is_refused_by_name(server: ProviderServer, param: str) -> None:
    client, _ = await client_of(server)
    before = server.model("fake:1x0").calls
    asked: dict[str, Any] = {"model": "fake:1x0", "messages": [user("hi")], **REFUSED[param]}
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(**asked)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    body = caught.value.response.json()["error"]
    assert body["message"].endswith((".", "here."))
    assert server.model("fake:1x0").calls == before


async def test_what_has_no_effect_is_accepted(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    answer = await client.chat.completions.create(
        model="fake:1x0",
        messages=[user("echo: Yes.")],
        n=1,
        stop=None,
        top_p=0.5,
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        logit_bias={"1": 1},
        user="u",
        parallel_tool_calls=False,
        response_format={"type": "text"},
        metadata={"a": "b"},
    )
    assert answer.choices[0].message.content == "Yes."


async def test_errors_have_the_classes_of_the_client(server: ProviderServer) -> None:
    client, key = await client_of(server)
    asked: dict[str, Any] = {"messages": [user("hi")]}
    reader, _ = await client_of(server, "threads:read")
    with pytest.raises(openai.PermissionDeniedError) as forbidden:
        await reader.chat.completions.create(model="fake:1x0", **asked)
    assert forbidden.value.code == "insufficient_scope"
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(model="gpt-nowhere", **asked)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    # the server closes the connection
    own = AsyncOpenAI(api_key=key.token, base_url=f"{server.url}/v1", max_retries=0)
    with pytest.raises(openai.APIStatusError) as large:
        await own.chat.completions.create(model="fake:1x0", messages=[user("x" * 30_000)])
    assert (large.value.status_code, large.value.code) == (413, "too_large")
    with pytest.raises(openai.RateLimitError) as busy:
        await client.chat.completions.create(model="fake:429", **asked, stream=True)
    assert busy.value.code == "rate_limit_exceeded"
    assert busy.value.response.headers["retry-after"] == "20"
    with pytest.raises(openai.InternalServerError) as refused:
        await client.chat.completions.create(model="fake:refuse", **asked)
    assert (refused.value.status_code, refused.value.code) == (502, "api_key_rejected")
    with pytest.raises(openai.NotFoundError) as nowhere:
        await client.embeddings.create(model="fake", input="hi")
    assert nowhere.value.code == "not_found"


async def test_a_failure_in_the_middle_is_the_last_event(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    stream = await client.chat.completions.create(
        model="fake:drop:20x0", messages=[user("hi")], stream=True
    )
    chunks: list[Any] = []
    with pytest.raises(openai.APIError) as caught:
        await read_into(chunks, stream)
    assert caught.value.code == "cut_off"
    assert joined(chunks)
    assert server.live.models.health.of("fake:drop:20x0").error == "cut_off"
    with pytest.raises(openai.APIError):
        await client.chat.completions.create(model="fake:drop:20x0", messages=[user("hi")])


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_client_that_leaves_ends_the_call_of_the_model(
    server: ProviderServer, is_stream: bool
) -> None:
    client, _ = await client_of(server)
    model = server.model("fake:99999x50")
    asked: dict[str, Any] = {"model": "fake:99999x50", "messages": [user("hi")]}
    call: Any = client.chat.completions.create(**asked, stream=is_stream)
    asking = asyncio.create_task(call)
    if is_stream:
        stream = await asking
        await anext(stream)
        await stream.close()
    else:
        await until(lambda: model.open)
        asking.cancel()
    await until(lambda: not model.open)


async def test_only_so_many_answers_run_at_once(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    model = server.model("fake:99998x50")
    asked: dict[str, Any] = {"model": "fake:99998x50", "messages": [user("hi")], "stream": True}
    most = server.live.settings.runs_per_user
    streams = [await client.chat.completions.create(**asked) for _ in range(most)]
    with pytest.raises(openai.RateLimitError):
        await client.chat.completions.create(**asked)
    assert model.open == most
    for stream in streams:
        await stream.close()
    await until(lambda: not model.open)
    answer = await client.chat.completions.create(model="fake:1x0", messages=[user("echo: Yes.")])
    assert answer.choices[0].message.content == "Yes."


async def test_nothing_is_stored(server: ProviderServer) -> None:
    client, key = await client_of(server)
    await client.chat.completions.create(model="fake:1x0", messages=[user("hi")])
    assert (await server.live.threads.page(key.owner)).threads == []


async def test_a_body_that_is_no_json_is_400(server: ProviderServer) -> None:
    _, key = await client_of(server)
    async with httpx.AsyncClient(
        base_url=server.url, headers={"x-api-key": key.token}, timeout=PATIENCE
    ) as http:
        for body in (b"", b"[]", b"{", b"\xff", b'{"messages": []}'):
            response = await http.post("/v1/chat/completions", content=body)
            assert response.status_code == 400
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}
