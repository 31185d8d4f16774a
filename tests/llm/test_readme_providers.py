"""What the README says of providers, word by word: each block is tried, and a model answers."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat_app.core.events import Finish, TextDelta
from chat_app.llm.base import text_message
from chat_app.llm.registry import Models
from chat_app.settings import Settings, read_settings
from testing.fake_provider import serve
from testing.providers.server import Answer
from testing.providers.strict import AZURE_DEPLOYMENT, SERVERS, strict

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCS = (ROOT / "docs/models.md").read_text()
BLOCKS = {
    "OpenAI": "openai-responses",
    "Ollama": "ollama-qwen",
    "vLLM": "vllm-gemma",
    "OpenRouter": "openai-chat",
    "Azure": "azure",
    "Anthropic": "anthropic-4.6",
}
"""The strict server that stands for each block of the README."""


def block_of(name: str) -> dict[str, str]:
    """The variables of a block, which begins with the name in a comment."""
    match = re.search(rf"```sh\n# {name}\b[^\n]*\n(.*?)```", README, re.DOTALL)
    assert match is not None, name
    return variables_of(match[1])


def variables_of(text: str) -> dict[str, str]:
    """The variables in at most four lines."""
    lines = text.strip().splitlines()
    assert len(lines) <= 4
    pairs = (line.split("  #")[0].strip().partition("=") for line in lines)
    return {key: value.strip("'").replace("…", "key") for key, _, value in pairs}


def here_of(provider: dict[str, Any], url: str) -> str:
    """The URL of the server that stands for a provider; Azure's has a path of its own."""
    _, begin, deployment = provider.get("base_url", "").partition(AZURE_DEPLOYMENT)
    return f"{url.removesuffix('/v1')}{begin}{deployment}" if begin else url


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """The settings of a block, whose server is another one."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def make(block: dict[str, str], url: str) -> Settings:
        for key, value in block.items():
            monkeypatch.setenv(key, value)
        if "CHAT_PROVIDERS" in block:
            providers: list[dict[str, Any]] = json.loads(block["CHAT_PROVIDERS"])
            here = [{**provider, "base_url": here_of(provider, url)} for provider in providers]
            monkeypatch.setenv("CHAT_PROVIDERS", json.dumps(here))
        else:
            monkeypatch.setenv("OPENAI_BASE_URL", url)
        return read_settings()

    return make


@pytest.mark.parametrize(("name", "server"), BLOCKS.items())
async def test_a_block_of_the_readme_gives_a_model(
    given: Callable[..., Settings], name: str, server: str
) -> None:
    assert await answer_of(given, block_of(name), server) == "Hello."


@pytest.mark.parametrize(("place", "server"), [(0, "vllm-gemma"), (1, "azure")])
async def test_an_example_of_the_page_about_models_gives_a_model(
    given: Callable[..., Settings], place: int, server: str
) -> None:
    blocks = re.findall(r"```sh\n(CHAT_PROVIDERS=.*?)```", DOCS, re.DOTALL)
    assert len(blocks) == 2
    assert await answer_of(given, variables_of(blocks[place]), server) == "Hello."


async def answer_of(given: Callable[..., Settings], block: dict[str, str], server: str) -> str:
    """What the first model of a block answers."""
    async with serve(strict(SERVERS[server], lambda _: Answer("Hello."))) as provider:
        models = Models(given(block, provider.url))
        model = models.all()[0]
        prompt = [text_message("system", "be kind"), text_message("user", "hi")]
        said = [event async for event in model.stream(prompt)]
        await models.close()
    assert said[-1] == Finish("stop")
    return "".join(event.text for event in said if isinstance(event, TextDelta))


def test_every_block_of_the_readme_is_tried() -> None:
    section = README.partition("## Give it a model")[2].partition("\n## ")[0]
    named = re.findall(r"```sh\n# (\w+)", section)
    assert named == list(BLOCKS)
