"""Requests that must be answered as they are: a forced tool, and what a model cannot take."""

from contextlib import aclosing
from typing import Any

import pytest

from chat_app.core.parts import FilePart
from chat_app.llm.base import (
    CallOptions,
    ModelInfo,
    ModelTimeouts,
    PromptMessage,
    ProviderError,
    text_message,
)
from chat_app.llm.dialects import anthropic_messages, chat_completions, responses
from chat_app.llm.endpoint import Endpoint
from chat_app.llm.fake import FakeModel
from chat_app.llm.profiles import ModelProfile
from chat_app.llm.provider import ProviderModel
from testing.dialect_prompts import TOOL
from testing.fake_provider import DONE, STREAM_HEAD, FakeProvider, Request, finish, serve, text

HELLO = [text_message("user", "hi")]
FORCED = CallOptions(tools=(TOOL,), forced_tool=TOOL.name)
CHOICES: list[tuple[Any, Any, Any, Any]] = [
    (chat_completions, "none", "required", {"type": "function", "function": {"name": TOOL.name}}),
    (responses, "none", "required", {"type": "function", "name": TOOL.name}),
    (anthropic_messages, {"type": "none"}, {"type": "any"}, {"type": "tool", "name": TOOL.name}),
]


@pytest.mark.parametrize(("dialect", "none", "required", "forced"), CHOICES)
def test_every_dialect_says_whether_a_tool_is_called(
    dialect: Any, none: Any, required: Any, forced: Any
) -> None:
    def choice(options: CallOptions) -> Any:
        return dialect.project(HELLO, options, "m", ModelProfile(), "").get("tool_choice")

    assert choice(CallOptions(tools=(TOOL,))) is None
    assert choice(CallOptions(tools=(TOOL,), tool_choice="none")) == none
    assert choice(CallOptions(tools=(TOOL,), tool_choice="required")) == required
    assert choice(FORCED) == forced
    assert choice(CallOptions(tool_choice="required")) is None


def image(url: str) -> PromptMessage:
    part: FilePart = {"type": "file", "url": url, "media_type": "image/png", "name": "image"}
    return PromptMessage("user", (part,))


async def ask(fake: FakeProvider, prompt: list[PromptMessage], options: CallOptions) -> list[Any]:
    timeouts = ModelTimeouts(first_token=30, idle=30)
    endpoint = Endpoint(fake.url, "key")
    model = ProviderModel(endpoint, "m", timeouts, info=ModelInfo(images=True, tools=True))
    try:
        async with aclosing(model.stream(prompt, options)) as events:
            return [event async for event in events]
    finally:
        await endpoint.close()


@pytest.mark.parametrize(
    ("prompt", "tools", "words"),
    [
        (HELLO, (TOOL,), "m does not support tools"),
        ([image("data:image/png;base64,AAAA")], (), "this model does not support image input"),
        ([image("https://images.example/cat.png")], (), "image must be base64"),
    ],
)
async def test_an_exact_request_is_not_sent_without_what_was_refused(
    prompt: list[PromptMessage], tools: Any, words: str
) -> None:
    calls = 0

    async def answer(request: Request) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            body = f'{{"error": {{"message": "{words}"}}}}'.encode()
            head = f"HTTP/1.1 400 No\r\ncontent-length: {len(body)}\r\n\r\n"
            await request.send(head.encode(), body)
        else:
            await request.send(STREAM_HEAD, text("Yes."), finish(), DONE)

    async with serve(answer) as fake:
        with pytest.raises(ProviderError) as caught:
            await ask(fake, prompt, CallOptions(tools=tools, is_exact=True))
        assert (caught.value.message_code, calls) == ("request_rejected", 1)
        calls = 0
        assert await ask(fake, prompt, CallOptions(tools=tools))
        assert calls == 2


async def test_a_fake_model_calls_the_tool_that_its_question_names() -> None:
    fake = FakeModel(tokens=1, interval=0)
    asked = [text_message("user", f'call: {TOOL.name} {{"city": "Rome"}}')]
    events = [event async for event in fake.stream(asked, CallOptions(tools=(TOOL,)))]
    assert [event.kind for event in events[-3:]] == ["tool-call-end", "usage", "finish"]
    pieces = [event.arguments for event in events if event.kind == "tool-call-delta"]  # pyright: ignore
    assert "".join(pieces) == '{"city": "Rome"}'
    without = [event async for event in fake.stream(asked)]
    assert without[0].kind == "text"
