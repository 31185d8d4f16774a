"""How many bytes a token costs in the streams, when each comes by itself."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat_app.api.model_responses import ResponsesRequest
from chat_app.api.wires.anthropic_messages import MessagesEncoder
from chat_app.api.wires.openai_chat import ChatCompletionEncoder
from chat_app.api.wires.openai_responses import ResponseHead, ResponsesEncoder
from chat_app.core.crypto import new_short_id
from chat_app.core.events import ReasoningDelta, TextDelta, Usage
from testing.chat_api import ChatApi, chat_api_harness, user_message
from testing.database import DatabaseUnderTest
from testing.sample_text import tokens
from testing.stream_floors import FORMATS

TOKENS = 600
BYTES = 62
"""The most bytes of a token, of which its text is 4.6."""
MODEL = "some-model"


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


REQUESTS: dict[str, tuple[Any, str]] = {
    "/api/chat": ({"messages": [user_message("hi")]}, '-delta"'),
    "/api/ag-ui": (
        {
            "threadId": "chat-1",
            "runId": "r",
            "messages": [{"id": "q", "role": "user", "content": "hi"}],
        },
        '_CHUNK"',
    ),
}
"""A request to each wire, and what each event with text has."""


@pytest.mark.parametrize("path", REQUESTS)
@pytest.mark.parametrize("kind", [TextDelta, ReasoningDelta])
async def test_a_token_of_a_slow_model_costs_few_bytes(
    chat_api: ChatApi, kind: type[TextDelta | ReasoningDelta], path: str
):
    body, delta = REQUESTS[path]
    call = chat_api.open("alice", "POST", path, body)
    answer = await chat_api.harness.models.one.answer()
    for count, token in enumerate(tokens(TOKENS), 1):
        answer.send(kind(token))
        await call.until_count(delta, count)
    answer.say("Yes.").finish()
    await call.done()
    assert len(call.body) / TOKENS <= BYTES
    if path == "/api/chat":
        ids = re.findall(rb"\nid: ", call.body)
        assert len(ids) >= TOKENS // 100, "a client can go on from there"


def encoders() -> dict[str, tuple[Any, int]]:
    """An encoder of each format of another API, and the most bytes of a token above its floor."""
    echoed = ResponsesRequest(model=MODEL, input="hi").echoed(())
    completion_id = f"chatcmpl-{new_short_id()}"
    return {
        "/v1/chat/completions": (ChatCompletionEncoder(completion_id, MODEL, 1, usage=False), 26),
        "/v1/responses": (ResponsesEncoder(ResponseHead("resp_1", 1, echoed), MODEL), 26),
        "/v1/messages": (MessagesEncoder("msg_1", MODEL, thinking=True), 2),
    }


@pytest.mark.parametrize("path", encoders())
def test_a_token_of_another_api_costs_hardly_more_than_its_format_must(path: str):
    encoder, most = encoders()[path]
    said = tokens(TOKENS)
    body = encoder.encode(encoder.start())
    body += b"".join(encoder.encode(encoder.event(TextDelta(token))) for token in said)
    body += encoder.encode(encoder.end("stop", Usage(1, TOKENS)))
    found, form = len(body) / TOKENS, FORMATS[path]
    assert form.floor(said, MODEL) < found <= form.floor(said, MODEL) + most
    assert found <= form.usual_bytes(said, MODEL) + 2, (
        "no more than the API itself, but for the start and the end"
    )
