"""Titles from a model."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_app.auth.keys.scopes import InvalidApiKey, InvalidCloudToken
from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound, Unauthenticated, Unavailable
from chat_app.core.events import FinishReason, ReasoningDelta, TextWasReasoning
from chat_app.core.signals import MODEL_RULES, ROLES, Signal
from chat_app.db.tables import PRIVATE, ModelRule
from chat_app.llm.errors import Failure
from testing.database import DatabaseUnderTest
from testing.run_services import PATIENCE, Answer, RunHarness, run_harness


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[RunHarness]:
    async with run_harness(database, chat_titles=True) as one:
        yield one


async def answered(harness: RunHarness, alice: Principal, text: str = "Where is Rome?"):
    """A thread whose first answer is complete."""
    sent = await harness.runs.send(alice, text=text, client_id="c1")
    (await harness.models.one.answer(1)).say("In Italy.").finish()
    await harness.read(alice, sent.run_id)
    return sent


async def asked_for_title(harness: RunHarness, number: int = 2) -> Answer:
    return await harness.models.one.answer(number)


async def test_the_first_answer_gives_the_thread_a_title(harness: RunHarness, alice: Principal):
    sent = await answered(harness, alice)
    watch = harness.watch(alice)
    title = await asked_for_title(harness)
    title.say('**"Rome in', ' Italy"**\n').finish()
    await harness.runs.titles_settled()
    thread = await harness.threads.get(alice, sent.thread_id)
    assert (thread.title, thread.title_origin) == ("Rome in Italy", "model")
    assert watch.kinds == ["thread"]
    assert "Where is Rome?" in title.prompt[-1].text
    assert title.options.max_tokens is not None


async def test_reasoning_is_no_part_of_a_title(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="Where is Rome?", client_id="c1")
    answer = await harness.models.one.answer(1)
    answer.send(ReasoningDelta("Rome, hm")).say("In Italy.").finish()
    await harness.read(alice, sent.run_id)
    title = await asked_for_title(harness)
    assert "hm" not in "".join(message.text for message in title.prompt)
    title.send(ReasoningDelta("A title about")).say("Rome in Italy").finish()
    await harness.runs.titles_settled()
    assert (await harness.threads.get(alice, sent.thread_id)).title == "Rome in Italy"


async def test_an_answer_that_reached_the_limit_names_its_thread_too(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="Where is Rome?", client_id="c1")
    (await harness.models.one.answer(1)).say("In").finish("length")
    await harness.read(alice, sent.run_id)
    (await asked_for_title(harness)).say("Rome in Italy").finish()
    await harness.runs.titles_settled()
    assert (await harness.threads.get(alice, sent.thread_id)).title == "Rome in Italy"


async def test_a_users_title_is_not_replaced_by_a_models(harness: RunHarness, alice: Principal):
    sent = await answered(harness, alice)
    title = await asked_for_title(harness)
    await harness.threads.rename(alice, sent.thread_id, "Mine")
    title.say("Theirs").finish()
    await harness.runs.titles_settled()
    thread = await harness.threads.get(alice, sent.thread_id)
    assert (thread.title, thread.title_origin) == ("Mine", "person")


async def test_no_title_is_requested_for_a_thread_that_its_user_named(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    await harness.threads.rename(alice, sent.thread_id, "Mine")
    (await harness.models.one.answer(1)).say("a").finish()
    await harness.read(alice, sent.run_id)
    await harness.runs.titles_settled()
    assert len(harness.models.one.answers) == 1


async def test_only_the_first_answer_names_the_thread(harness: RunHarness, alice: Principal):
    sent = await answered(harness, alice)
    (await asked_for_title(harness)).say("").finish()
    await harness.runs.titles_settled()
    more = await harness.runs.send(alice, text="And?", client_id="c2", thread_id=sent.thread_id)
    (await harness.models.one.answer(3)).say("So.").finish()
    await harness.read(alice, more.run_id)
    await harness.runs.titles_settled()
    assert len(harness.models.one.answers) == 3
    assert (await harness.threads.get(alice, sent.thread_id)).title == "Where is Rome?"


async def test_a_failed_answer_requests_no_title(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer(1)).say("a").fail(Failure.REQUEST.error("One"))
    await harness.read(alice, sent.run_id)
    await harness.runs.titles_settled()
    assert len(harness.models.one.answers) == 1


@pytest.mark.parametrize(
    "said", ["", "  \n ", "***", "A title that goes on and on until nobody would call it a title"]
)
async def test_an_unusable_title_is_ignored(harness: RunHarness, alice: Principal, said: str):
    sent = await answered(harness, alice)
    (await asked_for_title(harness)).say(said).finish()
    await harness.runs.titles_settled()
    thread = await harness.threads.get(alice, sent.thread_id)
    assert (thread.title, thread.title_origin) == ("Where is Rome?", "start")


@pytest.mark.parametrize("reason", ["length", "content-filter"])
async def test_a_title_that_was_cut_or_withheld_is_ignored(
    harness: RunHarness, alice: Principal, reason: FinishReason
):
    sent = await answered(harness, alice)
    (await asked_for_title(harness)).say("Rome in").finish(reason)
    await harness.runs.titles_settled()
    thread = await harness.threads.get(alice, sent.thread_id)
    assert (thread.title, thread.title_origin) == ("Where is Rome?", "start")


async def test_a_title_that_is_too_large_ends_there(harness: RunHarness, alice: Principal):
    sent = await answered(harness, alice)
    title = await asked_for_title(harness)
    title.send(ReasoningDelta("Rome")).say(*["é" * 3_500] * 10)  # and it would go on
    await asyncio.wait_for(title.closed.wait(), PATIENCE)
    await harness.runs.titles_settled()
    assert not title.finished
    thread = await harness.threads.get(alice, sent.thread_id)
    assert (thread.title, thread.title_origin) == ("Where is Rome?", "start")


async def test_reasoning_is_no_title(harness: RunHarness, alice: Principal):
    sent = await answered(harness, alice)
    title = await asked_for_title(harness)
    title.send(ReasoningDelta("Hm.")).say("So").send(TextWasReasoning()).say("Rome").finish()
    await harness.runs.titles_settled()
    assert (await harness.threads.get(alice, sent.thread_id)).title == "Rome"


@pytest.mark.parametrize("error", [Failure.REQUEST.error("One"), RuntimeError("a bug")])
async def test_a_failed_title_is_silent(harness: RunHarness, alice: Principal, error: Exception):
    sent = await answered(harness, alice)
    watch = harness.watch(alice)
    (await asked_for_title(harness)).fail(error)
    await harness.runs.titles_settled()
    assert watch.signals == []
    message = await harness.message(alice, sent.message_id)
    assert (message.status, message.error) == ("complete", "")


async def test_a_drain_cancels_title_requests(harness: RunHarness, alice: Principal):
    await answered(harness, alice)
    title = await asked_for_title(harness)
    await harness.runs.drain()
    assert title.closed.is_set()


async def test_an_answer_that_completes_while_the_server_stops_requests_no_title(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="Where is Rome?", client_id="c1")
    answer = await harness.models.one.answer()
    async with harness.db.system("auth", write=True):  # the end waits for its turn to be stored
        answer.say("In Italy.").finish()
        await answer.closed.wait()
        drain = asyncio.create_task(harness.runs.drain())
        for _ in range(10):
            await asyncio.sleep(0)
    await drain
    assert (await harness.message(alice, sent.message_id)).status == "complete"
    async with asyncio.timeout(PATIENCE):
        await harness.runs.titles_settled()
    assert len(harness.models.one.answers) == 1


async def test_an_ended_session_cancels_its_title_requests(harness: RunHarness, alice: Principal):
    await answered(harness, alice)
    title = await asked_for_title(harness)
    harness.end_session(alice)
    await asyncio.wait_for(title.closed.wait(), 5)
    assert (await harness.threads.page(alice)).threads[0].title_origin == "start"


async def test_leaving_an_organisation_cancels_the_titles_of_its_threads_only(
    harness: RunHarness, alice: Principal, caplog: pytest.LogCaptureFixture
):
    await answered(harness, alice)
    title = await asked_for_title(harness)
    leave(harness, alice, uuid4())
    leave(harness, replace(alice, user_id=uuid4()), PRIVATE)
    assert harness.runs.credential_ids() == {alice.credential_id}
    leave(harness, alice, PRIVATE)
    await asyncio.wait_for(title.closed.wait(), PATIENCE)
    assert (await harness.threads.page(alice)).threads[0].title_origin == "start"
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


async def test_a_title_that_a_client_asks_for_ends_with_the_membership(
    harness: RunHarness, alice: Principal
):
    asked, _, thread_id = await asked_now(harness, alice)
    leave(harness, alice, PRIVATE)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(NotFound):
            await asked
    with pytest.raises(NotFound):
        await harness.runs.name_thread(alice, thread_id)
    assert len(harness.models.one.answers) == 3


def leave(harness: RunHarness, who: Principal, org_id: UUID) -> None:
    """Tell that a user has left an organisation; that of a private thread stands for any."""
    harness.bus.publish(
        ROLES, Signal("roles_changed", user_id=who.user_id, org_id=org_id, reason="left")
    )


async def asked_now(
    harness: RunHarness, alice: Principal
) -> tuple[asyncio.Task[str], Answer, UUID]:
    """A title that a client has asked for, and its model."""
    sent = await answered(harness, alice)
    (await asked_for_title(harness)).fail(Failure.REQUEST.error("One"))
    await harness.runs.titles_settled()
    asked = asyncio.create_task(harness.runs.name_thread(alice, sent.thread_id))
    return asked, await asked_for_title(harness, 3), sent.thread_id


SCOPES = frozenset({"chat"})


@pytest.mark.parametrize(
    ("proof", "error"),
    [
        ({}, Unauthenticated),
        ({"scopes": SCOPES}, InvalidApiKey),
        ({"scopes": SCOPES, "by_cloud_token": True}, InvalidCloudToken),
    ],
)
async def test_a_title_that_a_client_asks_for_ends_with_its_credential(
    harness: RunHarness, alice: Principal, proof: dict[str, Any], error: type[Exception]
):
    client = replace(alice, credential_id=uuid4(), **proof)
    asked, title, thread_id = await asked_now(harness, client)
    assert harness.runs.credential_ids() == {client.credential_id}
    harness.end_session(client)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(Unauthenticated) as raised:
            await asked
        await title.closed.wait()
    assert type(raised.value) is error
    assert (await harness.threads.get(alice, thread_id)).title_origin == "start"
    with pytest.raises(error):
        await harness.runs.name_thread(client, thread_id)
    assert len(harness.models.one.answers) == 3
    assert harness.runs.credential_ids() == set()


async def test_a_title_that_a_client_asks_for_ends_with_the_server(
    harness: RunHarness, alice: Principal
):
    asked, title, _ = await asked_now(harness, alice)
    await harness.runs.drain()
    assert title.closed.is_set()
    with pytest.raises(Unavailable):
        await asked


async def test_a_title_is_not_waited_for_when_its_client_has_left(
    harness: RunHarness, alice: Principal
):
    asked, title, _ = await asked_now(harness, alice)
    asked.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait({asked})
        await title.closed.wait()


async def test_titles_can_be_switched_off(database: DatabaseUnderTest):
    async with run_harness(database, chat_titles=False) as harness:
        alice = await harness.person()
        await answered(harness, alice)
        await harness.runs.titles_settled()
        assert len(harness.models.one.answers) == 1


async def switch_off(harness: RunHarness, *models: str) -> None:
    async with harness.db.system("administration", write=True) as session:
        for model in models:
            session.add(ModelRule(model=model, org_id=PRIVATE, role="", allowed=False))
    harness.bus.publish(MODEL_RULES, Signal("model_rules"))


async def test_a_model_that_was_switched_off_meanwhile_names_no_thread(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="Where is Rome?", client_id="c1")
    answer = await harness.models.one.answer(1)
    await switch_off(harness, "one")
    answer.say("In Italy.").finish()
    await harness.read(alice, sent.run_id)
    await harness.runs.titles_settled()
    assert len(harness.models.one.answers) == 1
    assert (await harness.threads.get(alice, sent.thread_id)).title_origin == "start"


async def test_a_title_that_a_client_asks_for_is_of_a_model_that_is_on(
    harness: RunHarness, alice: Principal
):
    sent = await answered(harness, alice)
    (await asked_for_title(harness)).fail(Failure.REQUEST.error("One"))
    await harness.runs.titles_settled()
    await switch_off(harness, "one")
    asked = asyncio.create_task(harness.runs.name_thread(alice, sent.thread_id))
    (await harness.models.two.answer(1)).say("Rome in Italy").finish()
    assert await asked == "Rome in Italy"
    assert len(harness.models.one.answers) == 2


async def test_a_thread_keeps_its_first_words_when_every_model_is_off(
    harness: RunHarness, alice: Principal
):
    sent = await answered(harness, alice)
    (await asked_for_title(harness)).fail(Failure.REQUEST.error("One"))
    await harness.runs.titles_settled()
    await switch_off(harness, "one", "two")
    assert await harness.runs.name_thread(alice, sent.thread_id) == "Where is Rome?"
    assert (len(harness.models.one.answers), len(harness.models.two.answers)) == (2, 0)
