"""Answers of an alternative: what is stored of them, and what follows."""

from collections.abc import AsyncIterator

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.events import Finish, PartAdded, Usage
from chat_app.core.parts import notice_part
from chat_app.llm.errors import Failure
from chat_app.llm.prices import Prices
from chat_app.runs.finalize import reap_lost_runs
from chat_app.runs.follow import EndEvent, PartEvent
from chat_app.settings.models import PriceSettings
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, run_harness, text_of

FALLBACK = notice_part("model_fallback", before="One", after="Two", before_id="one", after_id="two")


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[RunHarness]:
    async with run_harness(database) as one:
        one.models.fallbacks = {"one": (one.models.two,)}
        one.models.prices = Prices({"two": PriceSettings(input=1, output=2)})  # pyright: ignore[reportArgumentType]
        yield one


async def ask(harness: RunHarness, who: Principal, client_id: str = "c1", **more: object):
    return await harness.runs.send(who, text="hi", client_id=client_id, **more)  # pyright: ignore[reportArgumentType]


async def test_the_alternative_answers_and_a_notice_says_so(harness: RunHarness, alice: Principal):
    sent = await ask(harness, alice)
    (await harness.models.one.answer()).fail(Failure.UNREACHABLE.error("One"))
    answer = await harness.models.two.answer()
    assert answer.prompt == harness.models.one.answers[0].prompt
    answer.say("Hello.").send(Usage(1_000, 10), Finish("stop")).finish()
    events = await harness.read(alice, sent.run_id)
    assert isinstance(events[0], PartEvent)
    assert events[0].event == PartAdded(FALLBACK)
    assert text_of(events) == "Hello."
    end = events[-1]
    assert isinstance(end, EndEvent)
    assert (end.status, end.metrics.model, end.metrics.cost) == ("complete", "two", 1_020_000)
    message = await harness.message(alice, sent.message_id)
    assert (message.status, message.model, message.parts[0]) == ("complete", "two", FALLBACK)
    run = await harness.run(alice, sent.run_id)
    assert (run.model, run.cost_nanodollars) == ("two", 1_020_000)


async def test_the_chat_stays_with_the_model_that_was_chosen(harness: RunHarness, alice: Principal):
    sent = await ask(harness, alice)
    (await harness.models.one.answer(1)).fail(Failure.UNREACHABLE.error("One"))
    (await harness.models.two.answer(1)).say("a").finish()
    await harness.read(alice, sent.run_id)
    again = await ask(harness, alice, "c2", thread_id=sent.thread_id)
    (await harness.models.one.answer(2)).say("b").finish()
    await harness.read(alice, again.run_id)
    message = await harness.message(alice, again.message_id)
    assert (message.model, message.parts) == ("one", [{"type": "text", "text": "b"}])


async def test_after_the_first_token_the_answer_ends_where_its_model_failed(
    harness: RunHarness, alice: Principal
):
    sent = await ask(harness, alice)
    (await harness.models.one.answer()).say("Hel").fail(Failure.CUT_OFF.error("One"))
    events = await harness.read(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    assert (message.status, message.error, message.model) == ("failed", "cut_off", "one")
    assert text_of(events) == "Hel"
    assert harness.models.two.answers == []


async def test_when_the_alternative_fails_too_no_notice_is_kept(
    harness: RunHarness, alice: Principal
):
    sent = await ask(harness, alice)
    (await harness.models.one.answer()).fail(Failure.QUOTA.error("One"))
    (await harness.models.two.answer()).fail(Failure.UNREACHABLE.error("Two"))
    await harness.read(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    assert (message.error, message.model, message.parts) == ("quota_exhausted", "one", [])


async def test_an_alternative_with_a_smaller_window_answers_a_shorter_prompt(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="long " * 1_000, client_id="c1")
    (await harness.models.one.answer(1)).say("a").finish()
    await harness.read(alice, sent.run_id)
    again = await ask(harness, alice, "c2", thread_id=sent.thread_id)
    (await harness.models.one.answer(2)).fail(Failure.UNREACHABLE.error("One"))
    (await harness.models.two.answer(1)).fail(Failure.CONTEXT.error("Two"))
    (await harness.models.one.answer(3)).fail(Failure.UNREACHABLE.error("One"))
    answer = await harness.models.two.answer(2)
    answer.say("Hello.").finish()
    await harness.read(alice, again.run_id)
    message = await harness.message(alice, again.message_id)
    assert (message.status, message.model) == ("complete", "two")
    assert [part["type"] for part in message.parts] == ["summary", "notice", "text"]
    assert sum(each.size for each in answer.prompt) < 4_000


async def test_an_answer_of_the_alternative_is_its_own_when_the_server_is_lost(
    harness: RunHarness, alice: Principal
):
    sent = await ask(harness, alice)
    (await harness.models.one.answer()).fail(Failure.UNREACHABLE.error("One"))
    reader = harness.runs.follow(alice, sent.run_id)
    answer = await harness.models.two.answer()
    answer.say("Hello.").send(Usage(1_000, 10), Finish("stop"))
    await anext(reader)
    assert harness.stored(sent.run_id) == "Hello."
    await reap_lost_runs(harness.db, harness.clock, harness.models)  # pyright: ignore[reportArgumentType]
    run = await harness.run(alice, sent.run_id)
    assert (run.status, run.model, run.cost_nanodollars) == ("complete", "two", 1_020_000)
    assert (await harness.message(alice, sent.message_id)).model == "two"


async def test_a_title_is_asked_of_the_model_that_answered(database: DatabaseUnderTest):
    async with run_harness(database, chat_titles=True) as harness:
        harness.models.fallbacks = {"one": (harness.models.two,)}
        alice = await harness.person()
        sent = await ask(harness, alice)
        (await harness.models.one.answer()).fail(Failure.UNREACHABLE.error("One"))
        (await harness.models.two.answer(1)).say("In Italy.").finish()
        await harness.read(alice, sent.run_id)
        (await harness.models.two.answer(2)).say("Rome").finish()
        await harness.runs.titles_settled()
        assert (await harness.threads.get(alice, sent.thread_id)).title == "Rome"


async def cut_off(harness: RunHarness, who: Principal):
    """An answer of the alternative that was stopped behind a text."""
    sent = await ask(harness, who)
    (await harness.models.one.answer()).fail(Failure.UNREACHABLE.error("One"))
    answer = (await harness.models.two.answer()).say("Half of")
    await answer.taken()
    async for event in harness.runs.follow(who, sent.run_id):
        if text_of([event]):
            break
    await harness.runs.stop(who, sent.run_id)
    return sent


async def test_an_answer_of_the_alternative_is_continued_in_one_text(
    harness: RunHarness, alice: Principal
):
    sent = await cut_off(harness, alice)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.two.answer(2)).say(" it").finish()
    await harness.read(alice, again.run_id)
    message = await harness.message(alice, sent.message_id)
    assert message.parts == [FALLBACK, {"type": "text", "text": "Half of it"}]
    assert message.model == "two"


async def test_the_rest_of_an_answer_is_that_of_the_model_that_gave_it(
    harness: RunHarness, alice: Principal
):
    sent = await cut_off(harness, alice)
    harness.models.gone.add("two")
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).say(" it").finish()
    await harness.read(alice, again.run_id)
    message = await harness.message(alice, sent.message_id)
    notice = notice_part("model_changed", before="two", after="One")
    assert message.parts == [FALLBACK, {"type": "text", "text": "Half of it"}, notice]
    assert message.model == "one"
    assert (await harness.run(alice, again.run_id)).model == "one"
