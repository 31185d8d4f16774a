"""What the system says at the beginning of an answer."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.events import PartAdded, TextDelta
from chat_app.core.parts import NoticePart, notice_part
from chat_app.llm.errors import Failure
from chat_app.runs.follow import PartEvent
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, run_harness


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[RunHarness]:
    async with run_harness(database, chat_context_chars=1_000) as one:
        yield one


async def ask(
    harness: RunHarness, who: Principal, thread_id: UUID | None, model: str = "", text: str = "hi"
):
    """An answer of 400 characters, and its notices."""
    number = len(harness.models.one.answers) + len(harness.models.two.answers)
    scripted = harness.models.get(model or "one")
    next_answer = len(scripted.answers) + 1
    sent = await harness.runs.send(
        who, text=text, client_id=f"c{number}", thread_id=thread_id, model=model
    )
    (await scripted.answer(next_answer)).say("x" * 400).finish()
    await harness.read(who, sent.run_id)
    return sent, await notices_of(harness, who, sent.message_id)


async def notices_of(harness: RunHarness, who: Principal, message_id: UUID) -> list[NoticePart]:
    parts = (await harness.message(who, message_id)).parts
    return [part for part in parts if part["type"] == "notice"]


async def test_the_first_answer_has_no_notice(harness: RunHarness, alice: Principal):
    _, notices = await ask(harness, alice, None)
    assert notices == []


async def test_a_change_of_the_model_is_said_once_and_by_name(
    harness: RunHarness, alice: Principal
):
    sent, _ = await ask(harness, alice, None, "one")
    _, notices = await ask(harness, alice, sent.thread_id, "two")
    assert notices == [notice_part("model_changed", before="One", after="Two")]
    _, notices = await ask(harness, alice, sent.thread_id, "two")
    assert notices == []


async def test_a_model_that_is_no_longer_offered_is_named_by_its_id(
    harness: RunHarness, alice: Principal
):
    sent, _ = await ask(harness, alice, None, "one")
    harness.models.gone.add("one")
    _, notices = await ask(harness, alice, sent.thread_id, "two")
    assert notices == [notice_part("model_changed", before="one", after="Two")]


async def test_a_notice_comes_first_and_is_no_first_token(harness: RunHarness, alice: Principal):
    sent, _ = await ask(harness, alice, None, "one")
    sent = await harness.runs.send(
        alice, text="hi", client_id="next", thread_id=sent.thread_id, model="two"
    )
    reader = harness.runs.follow(alice, sent.run_id)
    notice = notice_part("model_changed", before="One", after="Two")
    assert await anext(reader) == PartEvent(1, 0, 0, PartAdded(notice))
    assert (await harness.run(alice, sent.run_id)).first_event_at is None
    (await harness.models.two.answer()).say("a")
    assert await anext(reader) == PartEvent(2, 1, 0, TextDelta("a"))
    assert (await harness.run(alice, sent.run_id)).first_event_at is not None


async def test_a_notice_is_kept_when_the_model_fails_at_once(harness: RunHarness, alice: Principal):
    sent, _ = await ask(harness, alice, None, "one")
    sent = await harness.runs.send(
        alice, text="hi", client_id="next", thread_id=sent.thread_id, model="two"
    )
    (await harness.models.two.answer()).fail(Failure.UNREACHABLE.error("Two"))
    await harness.read(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    assert (message.status, message.error) == ("failed", "provider_unreachable")
    assert message.parts == [notice_part("model_changed", before="One", after="Two")]


async def test_an_answer_of_a_notice_alone_is_empty(harness: RunHarness, alice: Principal):
    sent, _ = await ask(harness, alice, None, "one")
    sent = await harness.runs.send(
        alice, text="hi", client_id="next", thread_id=sent.thread_id, model="two"
    )
    (await harness.models.two.answer()).finish()
    await harness.read(alice, sent.run_id)
    assert (await harness.message(alice, sent.message_id)).error == "empty_answer"


async def test_prompts_hold_no_notice_and_no_reasoning(harness: RunHarness, alice: Principal):
    sent, _ = await ask(harness, alice, None, "one")
    await ask(harness, alice, sent.thread_id, "two")
    await ask(harness, alice, sent.thread_id, "one")
    prompt = harness.models.one.answers[-1].prompt
    said = {message.text for message in prompt if message.role != "system"}
    assert said == {"hi", "x" * 400}
