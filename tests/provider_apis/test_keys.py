"""Wrong keys and keys that are revoked, in every call of the Python clients."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest

from testing.provider_apis import ProviderServer, until
from testing.run_services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="package")

MESSAGES: list[Any] = [{"role": "user", "content": "hi"}]

Call = Callable[[ProviderServer, str, str, bool], Awaitable[Any]]
"""Asks a model with a key, for a stream or a whole answer."""


def chat(server: ProviderServer, key: str, model: str, is_stream: bool) -> Awaitable[Any]:
    client = server.openai(key)
    return client.chat.completions.create(model=model, messages=MESSAGES, stream=is_stream)


def responses(server: ProviderServer, key: str, model: str, is_stream: bool) -> Awaitable[Any]:
    return server.openai(key).responses.create(model=model, input="hi", stream=is_stream)


def messages(server: ProviderServer, key: str, model: str, is_stream: bool) -> Awaitable[Any]:
    client = server.anthropic(key)
    return client.messages.create(
        model=model, max_tokens=2_000, messages=MESSAGES, stream=is_stream
    )


each_call = pytest.mark.parametrize("call", [chat, responses, messages])
whole_or_stream = pytest.mark.parametrize("is_stream", [False, True])


@each_call
@whole_or_stream
async def test_a_wrong_key_is_the_clients_authentication_error(
    server: ProviderServer, call: Call, is_stream: bool
) -> None:
    model = server.model("fake:4x0")
    asked = model.calls
    with pytest.raises((openai.AuthenticationError, anthropic.AuthenticationError)) as refused:
        await call(server, "wrong", "fake:4x0", is_stream)
    assert refused.value.status_code == 401
    if isinstance(refused.value, openai.APIError):
        assert refused.value.code == "invalid_api_key"
    assert model.calls == asked


@each_call
@whole_or_stream
async def test_a_key_that_is_revoked_ends_its_answers(
    server: ProviderServer, call: Call, is_stream: bool
) -> None:
    name = "fake:100000x50"
    model, key = server.model(name), await server.key("chat")
    answer = asyncio.ensure_future(call(server, key.token, name, is_stream))
    reading = asyncio.create_task(_read(await answer)) if is_stream else answer
    await until(lambda: model.open == 1)
    await server.revoke(key)
    async with asyncio.timeout(PATIENCE):
        if call is responses and is_stream:
            last = await reading  # the client has no exception for an error event of this API
            assert (last.type, last.code) == ("error", "invalid_api_key")
        else:
            with pytest.raises((openai.APIError, anthropic.APIError)) as ended:
                await reading
            assert "API key" in str(ended.value) or "authentication" in str(ended.value)
    await until(lambda: not model.open)


async def _read(stream: Any) -> Any:
    """The last event of a stream."""
    last = None
    async for event in stream:
        last = event
    return last
