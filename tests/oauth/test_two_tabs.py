"""Two sign-ins at once in one browser do not know of each other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testing.fake_github import GitHub
from testing.oidc_app import InProcessProgram, github_at, oidc_at, program


@pytest.fixture
async def chat(tmp_path: Path, issuer: str, github: GitHub) -> AsyncIterator[InProcessProgram]:
    async with program(tmp_path, oidc_at(issuer), github_at(github.url)) as one:
        yield one


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_tabs_with_one_provider_both_come_back(
    chat: InProcessProgram, order: tuple[int, int]
) -> None:
    tab = chat.browser()
    begun = [await tab.start("acme", callbackUrl=f"/c/{number}") for number in range(2)]
    assert len(tab.cookies()) == 2
    for number in order:
        assert await tab.walk(begun[number]) == f"/c/{number}"
    assert tab.cookies() == set()
    assert await tab.who() == "ada@example.org"


async def test_two_tabs_with_two_providers_both_come_back(chat: InProcessProgram) -> None:
    tab = chat.browser()
    begun = [await tab.start("acme"), await tab.start("github")]
    assert await tab.walk(begun[0]) == "/"
    assert await tab.who() == "ada@example.org"
    assert await tab.walk(begun[1]) == "/"
    assert await tab.who() == "octocat@example.org"


async def test_an_abandoned_tab_does_not_hinder_the_next(chat: InProcessProgram) -> None:
    tab = chat.browser()
    await tab.back_at(await tab.start("acme"))
    assert await tab.sign_in("acme") == "/"
    assert len(tab.cookies()) == 1
