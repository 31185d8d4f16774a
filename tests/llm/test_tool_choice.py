"""Requests that must be answered as they are: a forced tool, and what a model cannot take."""

from collections.abc import Sequence
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


async def ask(
    fake: FakeProvider,
    prompt: list[PromptMessage],
    options: CallOptions,
    addresses: Sequence[str] = ("8.8.8.8",),
) -> list[Any]:
    """Ask a fake provider whose name has these addresses."""

    async def resolver(_host: str, _port: int) -> Sequence[str]:
        if not addresses:
            raise OSError
        return addresses

    timeouts = ModelTimeouts(first_token=30, idle=30)
    endpoint = Endpoint(fake.url, "key", resolver=resolver)
    model = ProviderModel(endpoint, "m", timeouts, info=ModelInfo(images=True, tools=True))
    try:
        async with aclosing(model.stream(prompt, options)) as events:
            return [event async for event in events]
    finally:
        await endpoint.close()


@pytest.mark.parametrize(
    ("prompt", "tools", "words", "code"),
    [
        (HELLO, (TOOL,), "m does not support tools", "tools_rejected"),
        (
            *([image("data:image/png;base64,AAAA")], ()),
            *("this model does not support image input", "request_rejected"),
        ),
        ([image("https://images.example/cat.png")], (), "image must be base64", "request_rejected"),
    ],
)
async def test_an_exact_request_is_not_sent_without_what_was_refused(
    prompt: list[PromptMessage], tools: Any, words: str, code: str
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
        assert (caught.value.message_code, calls) == (code, 1)
        calls = 0
        assert await ask(fake, prompt, CallOptions(tools=tools))
        assert calls == 2


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("10.1.2.3",), ("fd00::1",), ("8.8.8.8", "192.168.1.1"), ()]
)
async def test_a_server_inside_the_network_is_sent_no_address_of_an_image(
    addresses: Sequence[str],
) -> None:
    prompt = [image("https://images.example/cat.png")]

    async def answer(request: Request) -> None:
        await request.send(STREAM_HEAD, text("Yes."), finish(), DONE)

    async with serve(answer) as fake:
        with pytest.raises(ProviderError) as caught:
            await ask(fake, prompt, CallOptions(is_exact=True), addresses)
        assert (caught.value.message_code, fake.requests) == ("request_rejected", [])
        assert await ask(fake, prompt, CallOptions(), addresses)
        assert "images.example" not in str(fake.requests[0].body)
        assert await ask(fake, prompt, CallOptions(is_exact=True))
        assert "images.example" in str(fake.requests[1].body)
        inline = [image("data:image/png;base64,AAAA")]
        assert await ask(fake, inline, CallOptions(is_exact=True), addresses)


async def test_a_fake_model_calls_the_tool_that_its_question_names() -> None:
    fake = FakeModel(tokens=1, interval=0)
    asked = [text_message("user", f'call: {TOOL.name} {{"city": "Rome"}}')]
    events = [event async for event in fake.stream(asked, CallOptions(tools=(TOOL,)))]
    assert [event.kind for event in events[-3:]] == ["tool-call-end", "usage", "finish"]
    pieces = [event.arguments for event in events if event.kind == "tool-call-delta"]  # pyright: ignore
    assert "".join(pieces) == '{"city": "Rome"}'
    without = [event async for event in fake.stream(asked)]
    assert without[0].kind == "text"
