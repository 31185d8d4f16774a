"""The strict fake providers themselves: each rule refuses what breaks it, and only that."""

import json

import httpx
import pytest

from testing.fake_provider import serve
from testing.providers import strict
from testing.providers.example_requests import ACCEPTED, REFUSED, ask, chat, respond
from testing.providers.rules import RULES, Refused, Request, Rule
from testing.providers.sdk_types import event_errors
from testing.providers.server import Answer, Call
from testing.providers.strict import AZURE, AZURE_DEPLOYMENT, HEADERS, SERVERS, verify
from testing.run_services import PATIENCE


@pytest.mark.parametrize(("name", "request_"), ACCEPTED, ids=lambda value: str(value)[:30])
def test_a_request_that_breaks_no_rule_is_accepted(name: str, request_: Request) -> None:
    verify(SERVERS[name], request_)


@pytest.mark.parametrize(("broken", "name", "request_"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_request_that_breaks_a_rule_is_refused(
    broken: Rule, name: str, request_: Request
) -> None:
    with pytest.raises(Refused) as refused:
        verify(SERVERS[name], request_)
    assert refused.value.rule == broken, refused.value


def test_every_rule_has_a_source_and_a_request_that_breaks_it() -> None:
    assert {broken.name for broken, _, _ in REFUSED} == RULES.keys() - {HEADERS.name, AZURE.name}
    assert all(rule.source.startswith("https://") for rule in RULES.values())


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize(
    "answer",
    [
        Answer("Hello.", "Step 1.", seed=1),
        Answer("", "Step 1.", (Call("search", '{"q": "a"}'), Call("search", "{}")), seed=2),
        Answer("Hello.", seed=7),
    ],
)
def test_answers_stream_as_the_sdk_types_them(name: str, answer: Answer) -> None:
    server = SERVERS[name]
    thinking = {"type": "adaptive" if name == "anthropic-5.5" else "enabled"}
    tools = {"tools": [{}], "thinking": thinking, "include": ["reasoning.encrypted_content"]}
    asked = {"chat-completions": chat(), "responses": respond(), "anthropic": ask()}
    for event in server.events(asked[server.dialect] | tools, answer):
        assert not event_errors(server.dialect, event), event


async def test_over_http_a_refusal_has_the_words_and_the_status_of_the_provider() -> None:
    server = SERVERS["mistral"]
    async with (
        serve(strict.strict(server, lambda _: Answer("Hello."))) as provider,
        httpx.AsyncClient(base_url=provider.url, timeout=PATIENCE) as client,
    ):
        refused = await client.post("/chat/completions", json=chat(max_completion_tokens=9))
        answered = await client.post("/chat/completions", json=chat())
    assert refused.status_code == 422
    assert refused.json()["message"]["detail"][0]["type"] == "extra_forbidden"
    assert answered.text.endswith("data: [DONE]\n\n")
    assert json.loads(answered.text.split("\n\n")[0][6:])["object"] == "chat.completion.chunk"


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "sk"}])
async def test_anthropic_wants_its_headers(headers: dict[str, str]) -> None:
    async with (
        serve(strict.strict(SERVERS["anthropic-5.5"], lambda _: Answer("Hello."))) as provider,
        httpx.AsyncClient(base_url=provider.url, timeout=PATIENCE) as client,
    ):
        answer = await client.post("/messages", json=ask(), headers=headers)
    assert answer.status_code == (400 if headers else 401)


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {"api-key": "k"}, 404),
        ("?api-version=2024-10-21", {"authorization": "Bearer k"}, 401),
        ("?api-version=2024-10-21", {"api-key": "k"}, 200),
    ],
)
async def test_a_deployment_of_azure_wants_its_version_and_its_header(
    query: str, headers: dict[str, str], status: int
) -> None:
    async with (
        serve(strict.strict(SERVERS["azure"], lambda _: Answer("Hello."))) as provider,
        httpx.AsyncClient(base_url=provider.origin, timeout=PATIENCE) as client,
    ):
        path = f"{AZURE_DEPLOYMENT}gpt-4/chat/completions{query}"
        answer = await client.post(path, json=chat(), headers=headers)
    assert answer.status_code == status
