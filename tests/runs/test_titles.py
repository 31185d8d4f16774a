"""Titles from a model."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.events import FinishReason, ReasoningDelta, TextWasReasoning
from chat_app.llm.errors import Failure
from testing.run_services import PATIENCE, Answer, Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path / "chat.db", chat_titles=True) as one:
        yield one


async def answered(stage: Stage, alice: Principal, text: str = "Where is Rome?"):
    """A thread whose first answer is complete."""
    sent = await stage.runs.send(alice, text=text, client_id="c1")
    (await stage.models.one.answer(1)).say("In Italy.").finish()
    await stage.read(alice, sent.run_id)
    return sent


async def asked_for_title(stage: Stage, number: int = 2) -> Answer:
    return await stage.models.one.answer(number)


async def test_the_first_answer_gives_the_thread_a_title(stage: Stage, alice: Principal):
    sent = await answered(stage, alice)
    watch = stage.watch(alice)
    title = await asked_for_title(stage)
    title.say('**"Rome in', ' Italy"**\n').finish()
    await stage.runs.titles_settled()
    thread = await stage.threads.get(alice, sent.thread_id)
    assert (thread.title, thread.title_origin) == ("Rome in Italy", "model")
    assert watch.kinds == ["thread"]
    assert "Where is Rome?" in title.prompt[-1].text
    assert title.max_tokens is not None


async def test_reasoning_is_no_part_of_a_title(stage: Stage, alice: Principal):
    sent = await stage.runs.send(alice, text="Where is Rome?", client_id="c1")
    answer = await stage.models.one.answer(1)
    answer.send(ReasoningDelta("Rome, hm")).say("In Italy.").finish()
    await stage.read(alice, sent.run_id)
    title = await asked_for_title(stage)
    assert "hm" not in "".join(message.text for message in title.prompt)
    title.send(ReasoningDelta("A title about")).say("Rome in Italy").finish()
    await stage.runs.titles_settled()
    assert (await stage.threads.get(alice, sent.thread_id)).title == "Rome in Italy"


async def test_an_answer_that_reached_the_limit_names_its_thread_too(
    stage: Stage, alice: Principal
):
    sent = await stage.runs.send(alice, text="Where is Rome?", client_id="c1")
    (await stage.models.one.answer(1)).say("In").finish("length")
    await stage.read(alice, sent.run_id)
    (await asked_for_title(stage)).say("Rome in Italy").finish()
    await stage.runs.titles_settled()
    assert (await stage.threads.get(alice, sent.thread_id)).title == "Rome in Italy"


async def test_a_users_title_is_not_replaced_by_a_models(stage: Stage, alice: Principal):
    sent = await answered(stage, alice)
    title = await asked_for_title(stage)
    await stage.threads.rename(alice, sent.thread_id, "Mine")
    title.say("Theirs").finish()
    await stage.runs.titles_settled()
    thread = await stage.threads.get(alice, sent.thread_id)
    assert (thread.title, thread.title_origin) == ("Mine", "person")


async def test_no_title_is_requested_for_a_thread_that_its_user_named(
    stage: Stage, alice: Principal
):
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    await stage.threads.rename(alice, sent.thread_id, "Mine")
    (await stage.models.one.answer(1)).say("a").finish()
    await stage.read(alice, sent.run_id)
    await stage.runs.titles_settled()
    assert len(stage.models.one.answers) == 1


async def test_only_the_first_answer_names_the_thread(stage: Stage, alice: Principal):
    sent = await answered(stage, alice)
    (await asked_for_title(stage)).say("").finish()
    await stage.runs.titles_settled()
    more = await stage.runs.send(alice, text="And?", client_id="c2", thread_id=sent.thread_id)
    (await stage.models.one.answer(3)).say("So.").finish()
    await stage.read(alice, more.run_id)
    await stage.runs.titles_settled()
    assert len(stage.models.one.answers) == 3
    assert (await stage.threads.get(alice, sent.thread_id)).title == "Where is Rome?"


async def test_a_failed_answer_requests_no_title(stage: Stage, alice: Principal):
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    (await stage.models.one.answer(1)).say("a").fail(Failure.REQUEST.error("One"))
    await stage.read(alice, sent.run_id)
    await stage.runs.titles_settled()
    assert len(stage.models.one.answers) == 1


@pytest.mark.parametrize(
    "said", ["", "  \n ", "***", "A title that goes on and on until nobody would call it a title"]
)
async def test_an_unusable_title_is_ignored(stage: Stage, alice: Principal, said: str):
    sent = await answered(stage, alice)
    (await asked_for_title(stage)).say(said).finish()
    await stage.runs.titles_settled()
    thread = await stage.threads.get(alice, sent.thread_id)
    assert (thread.title, thread.title_origin) == ("Where is Rome?", "start")


@pytest.mark.parametrize("reason", ["length", "content-filter"])
async def test_a_title_that_was_cut_or_withheld_is_ignored(
    stage: Stage, alice: Principal, reason: FinishReason
):
    sent = await answered(stage, alice)
    (await asked_for_title(stage)).say("Rome in").finish(reason)
    await stage.runs.titles_settled()
    thread = await stage.threads.get(alice, sent.thread_id)
    assert (thread.title, thread.title_origin) == ("Where is Rome?", "start")


async def test_reasoning_is_no_title(stage: Stage, alice: Principal):
    sent = await answered(stage, alice)
    title = await asked_for_title(stage)
    title.send(ReasoningDelta("Hm.")).say("So").send(TextWasReasoning()).say("Rome").finish()
    await stage.runs.titles_settled()
    assert (await stage.threads.get(alice, sent.thread_id)).title == "Rome"


@pytest.mark.parametrize("error", [Failure.REQUEST.error("One"), RuntimeError("a bug")])
async def test_a_failed_title_is_silent(stage: Stage, alice: Principal, error: Exception):
    sent = await answered(stage, alice)
    watch = stage.watch(alice)
    (await asked_for_title(stage)).fail(error)
    await stage.runs.titles_settled()
    assert watch.signals == []
    message = await stage.message(alice, sent.message_id)
    assert (message.status, message.error) == ("complete", "")


async def test_a_drain_cancels_title_requests(stage: Stage, alice: Principal):
    await answered(stage, alice)
    title = await asked_for_title(stage)
    await stage.runs.drain()
    assert title.closed.is_set()


async def test_an_answer_that_completes_while_the_server_stops_requests_no_title(
    stage: Stage, alice: Principal
):
    sent = await stage.runs.send(alice, text="Where is Rome?", client_id="c1")
    answer = await stage.models.one.answer()
    async with stage.db.system("auth", write=True):  # the end waits for its turn to be stored
        answer.say("In Italy.").finish()
        await answer.closed.wait()
        drain = asyncio.create_task(stage.runs.drain())
        for _ in range(10):
            await asyncio.sleep(0)
    await drain
    assert (await stage.message(alice, sent.message_id)).status == "complete"
    async with asyncio.timeout(PATIENCE):
        await stage.runs.titles_settled()
    assert len(stage.models.one.answers) == 1


async def test_an_ended_session_cancels_its_title_requests(stage: Stage, alice: Principal):
    await answered(stage, alice)
    title = await asked_for_title(stage)
    stage.end_session(alice)
    await asyncio.wait_for(title.closed.wait(), 5)
    assert (await stage.threads.page(alice)).threads[0].title_origin == "start"


async def test_titles_can_be_switched_off(tmp_path: Path):
    async with staged(tmp_path / "off.db", chat_titles=False) as stage:
        alice = await stage.person()
        await answered(stage, alice)
        await stage.runs.titles_settled()
        assert len(stage.models.one.answers) == 1
