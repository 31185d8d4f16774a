"""How many bytes a token costs in the stream of `POST /api/chat`, when each comes by itself."""

import re
from collections.abc import AsyncIterator

import pytest

from chat_app.core.events import ReasoningDelta, TextDelta
from testing.chat_api import ChatApi, chat_api_harness, user_message
from testing.database import DatabaseUnderTest
from testing.sample_text import tokens

TOKENS = 600
BYTES = 62
"""The most bytes of a token, of which its text is 4.6."""


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


@pytest.mark.parametrize("kind", [TextDelta, ReasoningDelta])
async def test_a_token_of_a_slow_model_costs_few_bytes(
    chat_api: ChatApi, kind: type[TextDelta | ReasoningDelta]
):
    call = chat_api.open("alice", "POST", "/api/chat", {"messages": [user_message("hi")]})
    answer = await chat_api.harness.models.one.answer()
    for count, token in enumerate(tokens(TOKENS), 1):
        answer.send(kind(token))
        await call.until_count('-delta"', count)
    answer.say("Yes.").finish()
    await call.done()
    assert len(call.body) / TOKENS <= BYTES
    assert len(re.findall(rb"\nid: ", call.body)) >= TOKENS // 100, "a client can go on from there"
