"""Any model goes on with any branch: generated trees against the strict fake providers."""

import json
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from chat_app.core.events import Event, Finish, ToolCallEnd, ToolResult, fold
from chat_app.llm.base import CallOptions, Model, PromptMessage, Tool, text_message
from chat_app.llm.profiles import ModelProfile, change_for_refusal
from chat_app.llm.registry import Models
from chat_app.settings import Settings, read_settings
from testing.branch_requests import ask_for_branches
from testing.fake_provider import API_KEY, serve
from testing.providers.example_requests import REFUSED
from testing.providers.rules import RULES, Refused, Request
from testing.providers.server import Answer, Call
from testing.providers.strict import SERVERS, strict, verify

TREES = 25
SEARCH = Tool("search", "Finds pages.", {"type": "object", "properties": {}})
OPTIONS = CallOptions(max_tokens=9_000, temperature=0.5, effort="high", tools=(SEARCH,))


def test_every_model_goes_on_with_every_branch_whoever_wrote_it() -> None:
    outcome = ask_for_branches(range(TREES))
    assert not outcome.refusals, "\n".join(outcome.refusals)
    assert outcome.requests > TREES * len(SERVERS)


@pytest.mark.parametrize("name", ["openai", "responses", "anthropic"])
def test_an_image_that_cannot_be_read_does_not_blind_a_model(name: str) -> None:
    unreadable = RULES[f"{name}: images are readable"]
    for rule, server_name, request in REFUSED:
        if rule == unreadable:
            server = SERVERS[server_name]
            with pytest.raises(Refused) as refused:
                verify(server, request)
            body = json.dumps(server.error(refused.value))
            change = change_for_refusal(ModelProfile(), refused.value.status, body, request)
            assert change is not None, body
            assert not change.is_lasting, body
            assert change.apply(ModelProfile()) == ModelProfile(images=False)


async def test_a_thread_goes_from_model_to_model_over_http(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    seeds = count(1)

    def answer(_: Request) -> Answer:
        return Answer("I look.", "Step 1.", (Call("search", '{"q": "a"}'),), next(seeds))

    thread = [text_message("system", "Be brief."), text_message("user", "Hi")]
    async with AsyncExitStack() as stack:
        fakes, providers = [], []
        for server in SERVERS.values():
            fake = await stack.enter_async_context(serve(strict(server, answer)))
            fakes.append(fake)
            name = server.name.replace(".", "-")
            providers.append(
                {
                    "name": name,
                    "kind": server.dialect,
                    "base_url": fake.url,
                    "api_key": API_KEY,
                    "models": [server.model],
                }
            )
        models = Models(read_settings(embedded_model=False, chat_providers=providers))
        stack.push_async_callback(models.close)
        for model in models.all():
            thread += await _answered(model, thread)
        learnt = [len(fake.requests) for fake in fakes]
        for model in models.all():
            thread += await _answered(model, thread)
    # what a refusal has taught is remembered: the second time, the first request is right; only
    # tools are offered again
    refusals = ["tools" not in (fake.requests[-1].body or {}) for fake in fakes]
    assert any(refusals)
    again = [len(fake.requests) - requests for fake, requests in zip(fakes, learnt, strict=True)]
    assert again == [1 + is_refused for is_refused in refusals]


async def _answered(model: Model, thread: list[PromptMessage]) -> list[PromptMessage]:
    """The answer of a model, whose calls of tools have results, and the next question."""
    events: list[Event] = [event async for event in model.stream(thread, OPTIONS)]
    assert isinstance(events[-1], Finish)
    calls = [event.call_id for event in events if isinstance(event, ToolCallEnd)]
    folded = fold([*events, *(ToolResult(call_id, "found") for call_id in calls)])
    parts, native = tuple(folded.parts), tuple(folded.native)
    answer = PromptMessage("assistant", parts, model=model.id, native=native)
    return [answer, text_message("user", "Go on.")]
