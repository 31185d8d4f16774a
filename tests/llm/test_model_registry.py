import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat_app.core.errors import InvalidInput
from chat_app.core.events import Finish, TextDelta
from chat_app.llm import registry
from chat_app.llm.base import ProviderError, text_message
from chat_app.llm.fake import FakeModel
from chat_app.llm.registry import MAX_UNLISTED, Models, key_header
from chat_app.settings import ConfigError, Settings, read_settings
from testing.fake_provider import API_KEY, DONE, Answer, finish, serve, streamed, text

EMBEDDED = "smollm2-135m-instruct"
FAKES = [
    *("fake", "fake:think", "fake:refuse", "fake:429", "fake:stall", "fake:drop"),
    *("fake:malformed", "fake:length", "fake:content-filter"),
]
OLLAMA = [{"name": "ollama", "base_url": "http://localhost:11434/v1", "models": ["a", "b"]}]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of which nothing comes from this machine."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def make(**values: object) -> Settings:
        return read_settings(**values)

    return make


def ids(models: Models) -> list[str]:
    return [model.id for model in models.all()]


Given = Callable[..., Settings]


def test_without_a_key_the_embedded_model_answers(given: Given) -> None:
    models = Models(given())
    assert ids(models) == [EMBEDDED]
    assert models.default() is models.get(EMBEDDED)


def test_a_key_alone_means_openai(given: Given) -> None:
    models = Models(given(openai_api_key=API_KEY))
    assert ids(models) == ["gpt-5.4-mini", EMBEDDED]
    assert models.default().id == "gpt-5.4-mini"


def test_models_are_listed_in_the_order_of_their_settings(given: Given) -> None:
    models = Models(
        given(
            openai_base_url="http://localhost:1/v1",
            chat_models="x, y",
            chat_providers=OLLAMA,
            fake_models=True,
        )
    )
    assert ids(models) == ["x", "y", "ollama/a", "ollama/b", EMBEDDED, *FAKES]
    assert [model.name for model in models.all()][:3] == ["x", "y", "a (ollama)"]
    assert models.default().id == "x"


def test_providers_can_come_from_the_environment(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_PROVIDERS", json.dumps(OLLAMA))
    models = Models(given(embedded_model=False))
    assert ids(models) == ["ollama/a", "ollama/b"]
    assert models.default().id == "ollama/a"


def test_the_default_can_be_chosen(given: Given) -> None:
    settings = given(openai_api_key=API_KEY, chat_model="fake:600x20", fake_models=True)
    assert Models(settings).default().id == "fake:600x20"


def test_a_model_that_only_a_setting_names_is_listed_once(given: Given) -> None:
    named = {"chat_model": "fake:600x20", "chat_fallbacks": {"fake": ["fake:1x0", "fake:600x20"]}}
    models = Models(given(embedded_model=False, fake_models=True, **named))
    assert ids(models) == ["fake:600x20", *FAKES, "fake:1x0"]
    assert ids(Models(given(chat_model=FAKES[2], fake_models=True)))[1:] == FAKES


def test_a_default_that_is_not_there_stops_the_start(given: Given) -> None:
    with pytest.raises(ConfigError, match=r"CHAT_MODEL: .*'nope'"):
        Models(given(chat_model="nope"))


def test_an_unknown_model_is_refused_with_a_sentence(given: Given) -> None:
    with pytest.raises(InvalidInput) as caught:
        Models(given(fake_models=True)).get("nope" * 1_000)
    assert caught.value.message == f"There is no model {'nope' * 25}. Choose another one."


def test_fakes_are_only_there_when_wanted(given: Given) -> None:
    models = Models(given())
    for model_id in ("fake", "fake:600x20"):
        with pytest.raises(InvalidInput):
            models.get(model_id)


async def test_a_fake_with_parameters_keeps_its_counter(given: Given) -> None:
    models = Models(given(fake_models=True))
    fake = models.get("fake:3x0")
    async for _ in fake.stream([text_message("user", "hi")]):
        pass
    again = models.get("fake:3x0")
    assert isinstance(again, FakeModel)
    assert again.calls == 1
    assert "fake:3x0" not in ids(models)


def test_the_embedded_model_is_not_listed_when_it_is_not_installed(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_model_file", lambda: None)
    models = Models(given())
    assert models.all() == ()
    with pytest.raises(ProviderError, match=r"OPENAI_API_KEY.*OPENAI_BASE_URL.*CHAT_MODELS"):
        models.default()


def test_the_embedded_model_can_be_switched_off(given: Given) -> None:
    assert ids(Models(given(embedded_model=False, fake_models=True))) == FAKES


async def test_each_provider_gets_its_own_key_and_the_servers_own_name(given: Given) -> None:
    answer = streamed(text("a"), finish(), DONE)
    async with serve(answer) as one, serve(answer) as two:
        models = Models(
            given(
                openai_base_url=one.url,
                openai_api_key=API_KEY,
                chat_models="x",
                chat_providers=[
                    {"name": "two", "base_url": two.url, "api_key": "key-2", "models": ["x"]}
                ],
            )
        )
        for model_id in ("x", "two/x"):
            deltas = [d async for d in models.get(model_id).stream([text_message("user", "hi")])]
            assert deltas[0] == TextDelta("a")
        await models.close()
    assert one.requests[0].headers["authorization"] == f"Bearer {API_KEY}"
    assert two.requests[0].headers["authorization"] == "Bearer key-2"
    assert one.requests[0].body["model"] == two.requests[0].body["model"] == "x"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"openai_base_url": "http://localhost:1/v1"}, "CHAT_MODELS must list"),
        ({"openai_base_url": "localhost:1", "chat_models": "x"}, "OPENAI_BASE_URL: must look like"),
        (
            {"openai_base_url": "https://user:pass@host/v1", "chat_models": "x"},
            "OPENAI_BASE_URL: must look like",
        ),
        ({"openai_api_key": "sk-…"}, "OPENAI_API_KEY: has a character that no API key has"),
        (
            {"chat_providers": [{**OLLAMA[0], "api_key": "sk one"}]},
            "CHAT_PROVIDERS: api_key of entry 1 has a character that no API key has",
        ),
        (
            {"openai_base_url": "https://host/v1?key=k", "chat_models": "x"},
            "OPENAI_BASE_URL: must look like",
        ),
        (
            {"chat_providers": [{**OLLAMA[0], "base_url": "file:///x"}]},
            "CHAT_PROVIDERS: base_url of entry 1 must look",
        ),
    ],
)
def test_an_address_that_cannot_be_used_stops_the_start(
    given: Given, values: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        given(**values)


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("https://r.openai.azure.com/openai/v1", "api-key"),
        ("https://r.services.ai.azure.com/openai/v1", "api-key"),
        ("https://gateway.example/openai/deployments/d?api-version=2024-10-21", "api-key"),
        ("https://openai.azure.com.example/v1", ""),
        ("https://api.openai.com/v1", ""),
        ("http://localhost:11434/v1", ""),
    ],
)
def test_azure_wants_its_key_in_a_header_of_its_own(url: str, header: str) -> None:
    assert key_header(url, "chat-completions") == key_header(url, "responses") == header
    assert key_header(url, "anthropic") == "x-api-key"


def test_openais_own_address_needs_no_list_of_models(given: Given) -> None:
    settings = given(openai_base_url="https://api.openai.com/v1", openai_api_key=API_KEY)
    assert Models(settings).default().id == "gpt-5.4-mini"


def test_fake_models_asked_for_by_id_are_not_kept_without_bound(given: Given) -> None:
    models = Models(given(fake_models=True))
    first = models.get("fake:1x0")
    assert models.get("fake:1x0") is first
    for tokens in range(2, MAX_UNLISTED + 1):
        models.get(f"fake:{tokens}x0")
    assert models.get("fake:1x0") is first
    models.get(f"fake:{MAX_UNLISTED + 1}x0")
    assert models.get("fake:1x0") is not first
    assert ids(models) == [EMBEDDED, *FAKES]


def typed(*events: dict[str, Any]) -> Answer:
    """A stream whose events name their type."""
    lines = (f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events)
    return streamed(*lines)


CLAUDE = typed(
    {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop"},
)
RESPONSE = typed(
    {"type": "response.output_text.delta", "output_index": 0, "delta": "a"},
    {
        "type": "response.completed",
        "response": {"usage": {"input_tokens": 3, "output_tokens": 2}},
    },
)


@pytest.mark.parametrize(
    ("kind", "answer", "path", "key"),
    [
        ("chat-completions", streamed(text("a"), finish(), DONE), "chat/completions", "Bearer k"),
        ("responses", RESPONSE, "responses", "Bearer k"),
        ("anthropic", CLAUDE, "messages", "k"),
    ],
)
async def test_a_provider_is_asked_in_its_own_dialect(
    given: Given, kind: str, answer: Answer, path: str, key: str
) -> None:
    async with serve(answer) as provider:
        entry = {"name": "p", "kind": kind, "base_url": provider.url, "api_key": "k"}
        models = Models(given(chat_providers=[{**entry, "models": ["x"]}]))
        said = [event async for event in models.get("p/x").stream([text_message("user", "hi")])]
        await models.close()
    assert said[0] == TextDelta("a")
    assert said[-1] == Finish("stop")
    (request,) = provider.requests
    assert request.path == f"/v1/{path}"
    headers = request.headers
    assert headers.get("authorization", headers.get("x-api-key")) == key
    assert ("anthropic-version" in headers) is (kind == "anthropic")


def test_a_provider_with_one_home_needs_no_address(given: Given) -> None:
    for kind in ("responses", "anthropic"):
        provider = given(chat_providers=[{"name": "p", "kind": kind, "models": ["x"]}])
        assert provider.chat_providers[0].base_url.startswith("https://api.")


def test_what_the_operator_says_of_a_model_goes_before_what_is_guessed(given: Given) -> None:
    entry = {"id": "claude-opus-4-6", "name": "Opus", "window": 8_192, "efforts": ["low"]}
    provider = {"name": "p", "kind": "anthropic", "models": ["claude-opus-4-6", entry]}
    models = Models(given(chat_providers=[{**provider, "name": "q", "models": [entry]}, provider]))
    said, guessed = models.get("q/claude-opus-4-6"), models.get("p/claude-opus-4-6")
    assert (said.name, said.info.window, said.info.efforts) == ("Opus", 8_192, ("low",))
    assert said.info.images
    assert guessed.info.window == 200_000
    assert "max" in guessed.info.efforts
