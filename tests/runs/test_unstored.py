"""Answers that are stored nowhere keep to the limits of runs and messages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import RateLimited
from chat_app.core.events import Event, Finish, TextDelta
from chat_app.llm.base import DEFAULT_OPTIONS, ProviderError, text_message
from chat_app.llm.registry import Models
from chat_app.runs.calls import ModelCalls
from chat_app.runs.model_access import ModelAccess
from chat_app.runs.unstored import UnstoredAnswers
from chat_app.settings import Settings, read_settings
from chat_app.threads.user_limits import UserLimits
from testing.database import DatabaseUnderTest
from testing.model_rules import FixedRules
from testing.run_services import PATIENCE, RunHarness, run_harness

PROMPT = (text_message("user", "hi"),)


def answers_with(**given: object) -> tuple[UnstoredAnswers, Models]:
    settings: Settings = read_settings(
        fake_models=True, embedded_model=False, chat_retries=0, **given
    )
    models = Models(settings)
    calls = ModelCalls(models, settings, lambda *_: None)
    access = ModelAccess(models, FixedRules())
    return UnstoredAnswers(calls, UserLimits(settings), settings, lambda _: 0, access), models


def user() -> Principal:
    return Principal(uuid4(), uuid4())


async def ask(answers: UnstoredAnswers, models: Models, who: Principal, name: str) -> list[Event]:
    model = models.get(name)
    async with answers.answer(who, model, PROMPT, DEFAULT_OPTIONS) as answer:
        assert answer.model is model
        return [event async for event in answer.events]


async def test_an_answer_beyond_the_limit_of_bytes_is_cut_off() -> None:
    answers, models = answers_with(answer_bytes=10_000, chat_max_tokens=100_000)
    events = await ask(answers, models, user(), "fake:50000x0")
    assert events[-1] == Finish("size")
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert 9_900 < len(text.encode()) <= 10_000
    assert models.get("fake:50000x0").open == 0  # pyright: ignore[reportAttributeAccessIssue]


async def test_calls_count_like_messages_of_their_user() -> None:
    answers, models = answers_with(limit_messages="2/hour")
    ada = user()
    for _ in range(2):
        await ask(answers, models, ada, "fake:1x0")
    with pytest.raises(RateLimited):
        await ask(answers, models, ada, "fake:1x0")
    assert models.get("fake:1x0").calls == 2  # pyright: ignore[reportAttributeAccessIssue]
    assert await ask(answers, models, user(), "fake:1x0")


async def test_only_so_many_run_at_once_and_a_failed_one_makes_room() -> None:
    answers, models = answers_with(runs_per_user=1)
    ada = user()
    model = models.get("fake:1x0")
    async with answers.answer(ada, model, PROMPT, DEFAULT_OPTIONS):
        with pytest.raises(RateLimited):
            await ask(answers, models, ada, "fake:1x0")
        assert await ask(answers, models, user(), "fake:1x0")
    with pytest.raises(ProviderError):
        await ask(answers, models, ada, "fake:refuse")
    assert await ask(answers, models, ada, "fake:1x0")


@asynccontextmanager
async def answering(harness: RunHarness, who: Principal) -> AsyncIterator[None]:
    """While an answer runs that is stored nowhere."""
    model, left = harness.models.one, asyncio.Event()
    begun = asyncio.Event()

    async def ask() -> None:
        asked: Any = (model, PROMPT, DEFAULT_OPTIONS)
        async with harness.runs.unstored.answer(who, *asked):
            begun.set()
            await left.wait()

    asking = asyncio.create_task(ask())
    (await model.answer(len(model.answers) + 1)).say("a")
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
    try:
        yield
    finally:
        left.set()
        await asking


async def test_stored_and_other_answers_of_a_user_are_counted_together(
    database: DatabaseUnderTest,
) -> None:
    async with run_harness(database, runs_per_user=2) as harness:
        ada, bob = await harness.person(), await harness.person()
        asked: Any = (harness.models.one, PROMPT, DEFAULT_OPTIONS)
        sent = await harness.runs.send(ada, text="hi", client_id="c1")
        await harness.models.one.answer()
        async with answering(harness, ada):
            with pytest.raises(RateLimited, match="2 answers are running, which"):
                async with harness.runs.unstored.answer(ada, *asked):
                    pass
            with pytest.raises(RateLimited, match="2 answers are running in other chats and"):
                await harness.runs.send(ada, text="more", client_id="c2")
            await harness.runs.send(bob, text="hi", client_id="c1")
        await harness.runs.send(ada, text="more", client_id="c2")
        await harness.runs.stop(ada, sent.run_id)
        await harness.models.one.answer(4)
        async with answering(harness, ada):
            pass
