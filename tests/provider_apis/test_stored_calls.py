"""Calls of the clients that are stored, as messages of a chat."""

from typing import Any
from uuid import UUID, uuid4

import anthropic
import openai
import pytest
from openai import AsyncOpenAI

from testing.provider_apis import CAT, FALLBACKS, Key, ProviderServer

pytestmark = pytest.mark.asyncio(loop_scope="package")

STORE = {"x-chat-store": "true"}


def user(text: Any) -> Any:
    return {"role": "user", "content": text}


async def client_of(server: ProviderServer, *scopes: Any) -> tuple[AsyncOpenAI, Key]:
    key = await server.key(*(scopes or ("chat", "threads:write")))
    return server.openai(key.token), key


async def texts_of(server: ProviderServer, key: Key, thread_id: str) -> list[str]:
    window = await server.live.threads.window(key.owner, UUID(thread_id))
    return [message.text for message in window.messages]


async def test_a_stored_call_is_a_chat_of_the_owner_that_goes_on(server: ProviderServer) -> None:
    client, key = await client_of(server)
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, user("echo: One.")]
    raw = await client.chat.completions.with_raw_response.create(
        model="fake:8x0", messages=messages, store=True, temperature=0.5
    )
    assert raw.parse().choices[0].message.content == "One."
    thread_id = raw.headers["x-thread-id"]
    assert await texts_of(server, key, thread_id) == ["echo: One.", "One."]
    asked = server.model("fake:8x0")
    assert asked.prompt[0].text.endswith("Be brief.")
    assert asked.options.temperature == 0.5
    goes_on = {"x-thread-id": thread_id}
    response = await client.responses.create(
        model="fake:8x0", input="echo: Two.", store=True, extra_headers=goes_on
    )
    assert (response.output_text, response.to_dict()["store"]) == ("Two.", True)
    assert [one.text for one in asked.prompt][-3:] == ["echo: One.", "One.", "echo: Two."]
    claude = server.anthropic(key.token)
    async with claude.messages.stream(
        model="fake:8x0",
        max_tokens=50,
        messages=[user("echo: Three.")],
        extra_headers={**STORE, **goes_on},
    ) as stream:
        final = await stream.get_final_message()
    assert final.content[0].type == "text"
    assert final.content[0].text == "Three."
    assert final.usage.output_tokens > 0
    assert (await texts_of(server, key, thread_id))[1::2] == ["One.", "Two.", "Three."]
    assert len((await server.live.threads.page(key.owner)).threads) == 1


async def test_a_repeated_call_is_stored_once(server: ProviderServer) -> None:
    client, key = await client_of(server)
    headers = {**STORE, "idempotency-key": uuid4().hex}
    for _ in range(2):
        answer = await client.chat.completions.create(
            model="fake:8x0", messages=[user("echo: Once.")], extra_headers=headers
        )
        assert answer.choices[0].message.content == "Once."
    assert len((await server.live.threads.page(key.owner)).threads) == 1


async def test_the_model_of_a_stored_call_is_the_one_that_answered(server: ProviderServer) -> None:
    client, key = await client_of(server)
    claude = server.anthropic(key.token)
    asked = "fake:429:7x0"
    [answers] = FALLBACKS[asked]
    headers = {**STORE, "idempotency-key": uuid4().hex}
    whole: dict[str, Any] = {"model": asked, "messages": [user("hi")], "extra_headers": headers}
    for _ in range(2):
        assert (await client.chat.completions.create(**whole)).model == answers
    # a repeated call is the one before it, whatever it names
    assert (await client.chat.completions.create(**{**whole, "model": "fake:9x0"})).model == answers
    again = await client.chat.completions.create(**{**whole, "model": "fake:9x0"}, stream=True)
    assert {chunk.model async for chunk in again} == {answers}
    stream = await client.chat.completions.create(
        model=asked, messages=[user("hi")], store=True, stream=True
    )
    assert {chunk.model async for chunk in stream} == {answers}
    response = await client.responses.create(model=asked, input="hi", store=True)
    assert response.model == answers
    async with claude.messages.stream(
        model=asked, max_tokens=50, messages=[user("hi")], extra_headers=STORE
    ) as messages:
        assert (await messages.get_final_message()).model == answers


REFUSED: dict[str, dict[str, Any]] = {
    "several messages": {"messages": [user("a"), {"role": "assistant", "content": "b"}, user("c")]},
    "an image": {"messages": [user([{"type": "image_url", "image_url": {"url": CAT}}])]},
    "tools": {"tools": [{"type": "function", "function": {"name": "add", "parameters": {}}}]},
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_cannot_be_stored_is_refused(server: ProviderServer, what: str) -> None:
    client, key = await client_of(server)
    asked: dict[str, Any] = {"model": "fake:8x0", "messages": [user("hi")], **REFUSED[what]}
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(**asked, store=True)
    assert (await server.live.threads.page(key.owner)).threads == []


async def test_storing_needs_the_scope_and_the_own_chat(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    messages = [user("echo: Mine.")]
    raw = await client.chat.completions.with_raw_response.create(
        model="fake:8x0", messages=messages, store=True
    )
    reader, key = await client_of(server, "chat")
    with pytest.raises(openai.PermissionDeniedError) as caught:
        await reader.chat.completions.create(model="fake:8x0", messages=messages, store=True)
    assert caught.value.code == "insufficient_scope"
    assert (await server.live.threads.page(key.owner)).threads == []
    other, _ = await client_of(server)
    bodies = set()
    for thread_id in (raw.headers["x-thread-id"], str(uuid4()), "x"):
        with pytest.raises(openai.NotFoundError) as missing:
            await other.chat.completions.create(
                model="fake:8x0",
                messages=messages,
                store=True,
                extra_headers={"x-thread-id": thread_id},
            )
        bodies.add(missing.value.response.content)
    assert len(bodies) == 1


async def test_a_stored_answer_that_fails_is_an_error(server: ProviderServer) -> None:
    client, key = await client_of(server)
    asked: dict[str, Any] = {"model": "fake:drop:8x0", "messages": [user("hi")], "store": True}
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(**asked)
    assert caught.value.code == "answer_failed"
    stream = await client.chat.completions.create(**asked, stream=True)
    with pytest.raises(openai.APIError):
        await _read(stream)
    claude = server.anthropic(key.token)
    with pytest.raises(anthropic.InternalServerError):
        await claude.messages.create(
            model="fake:drop:8x0", max_tokens=9, messages=[user("hi")], extra_headers=STORE
        )


async def _read(stream: Any) -> None:
    async for _ in stream:
        pass
