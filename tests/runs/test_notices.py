"""What the system says at the beginning of an answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.events import PartAdded, TextDelta
from chat_app.core.parts import NoticePart, notice_part
from chat_app.llm.errors import Failure
from chat_app.runs.follow import PartEvent
from testing.run_services import Stage, staged

TRIMMED = notice_part("context_trimmed")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path / "chat.db", chat_context_chars=1_000) as one:
        yield one


async def ask(
    stage: Stage, who: Principal, thread_id: UUID | None, model: str = "", text: str = "hi"
):
    """An answer of 400 characters, and its notices."""
    number = len(stage.models.one.answers) + len(stage.models.two.answers)
    sent = await stage.runs.send(
        who, text=text, client_id=f"c{number}", thread_id=thread_id, model=model
    )
    await answer(stage, model or "one")
    await stage.read(who, sent.run_id)
    return sent, await notices_of(stage, who, sent.message_id)


async def answer(stage: Stage, model: str) -> None:
    scripted = stage.models.get(model)
    (await scripted.answer(len(scripted.answers) + 1)).say("x" * 400).finish()


async def notices_of(stage: Stage, who: Principal, message_id: UUID) -> list[NoticePart]:
    parts = (await stage.message(who, message_id)).parts
    return [part for part in parts if part["type"] == "notice"]


async def test_the_first_answer_has_no_notice(stage: Stage, alice: Principal):
    _, notices = await ask(stage, alice, None)
    assert notices == []


async def test_a_change_of_the_model_is_said_once_and_by_name(stage: Stage, alice: Principal):
    sent, _ = await ask(stage, alice, None, "one")
    _, notices = await ask(stage, alice, sent.thread_id, "two")
    assert notices == [notice_part("model_changed", before="One", after="Two")]
    _, notices = await ask(stage, alice, sent.thread_id, "two")
    assert notices == []


async def test_a_model_that_is_no_longer_offered_is_named_by_its_id(stage: Stage, alice: Principal):
    sent, _ = await ask(stage, alice, None, "one")
    stage.models.gone.add("one")
    _, notices = await ask(stage, alice, sent.thread_id, "two")
    assert notices == [notice_part("model_changed", before="one", after="Two")]


async def test_a_notice_comes_first_and_is_no_first_token(stage: Stage, alice: Principal):
    sent, _ = await ask(stage, alice, None, "one")
    sent = await stage.runs.send(
        alice, text="hi", client_id="next", thread_id=sent.thread_id, model="two"
    )
    reader = stage.runs.follow(alice, sent.run_id)
    notice = notice_part("model_changed", before="One", after="Two")
    assert await anext(reader) == PartEvent(1, 0, 0, PartAdded(notice))
    assert (await stage.run(alice, sent.run_id)).first_event_at is None
    (await stage.models.two.answer()).say("a")
    assert await anext(reader) == PartEvent(2, 1, 0, TextDelta("a"))
    assert (await stage.run(alice, sent.run_id)).first_event_at is not None


async def test_a_notice_is_kept_when_the_model_fails_at_once(stage: Stage, alice: Principal):
    sent, _ = await ask(stage, alice, None, "one")
    sent = await stage.runs.send(
        alice, text="hi", client_id="next", thread_id=sent.thread_id, model="two"
    )
    (await stage.models.two.answer()).fail(Failure.UNREACHABLE.error("Two"))
    await stage.read(alice, sent.run_id)
    message = await stage.message(alice, sent.message_id)
    assert (message.status, message.error) == ("failed", "provider_unreachable")
    assert message.parts == [notice_part("model_changed", before="One", after="Two")]


async def test_an_answer_of_a_notice_alone_is_empty(stage: Stage, alice: Principal):
    sent, _ = await ask(stage, alice, None, "one")
    sent = await stage.runs.send(
        alice, text="hi", client_id="next", thread_id=sent.thread_id, model="two"
    )
    (await stage.models.two.answer()).finish()
    await stage.read(alice, sent.run_id)
    assert (await stage.message(alice, sent.message_id)).error == "empty_answer"


async def test_the_first_answer_without_its_oldest_messages_says_so(stage: Stage, alice: Principal):
    sent, notices = await ask(stage, alice, None)
    thread_id, found = sent.thread_id, [notices]
    for _ in range(4):
        _, notices = await ask(stage, alice, thread_id)
        found.append(notices)
    assert found == [[], [], [], [TRIMMED], []]


async def test_a_model_that_leaves_messages_out_itself_does_not_repeat_the_notice(
    stage: Stage, alice: Principal
):
    sent = await stage.runs.send(alice, text="hi", client_id="a")
    (await stage.models.one.answer(1)).send(PartAdded(TRIMMED)).say("a").finish()
    await stage.read(alice, sent.run_id)
    assert await notices_of(stage, alice, sent.message_id) == [TRIMMED]
    again = await stage.runs.send(alice, text="hi", client_id="b", thread_id=sent.thread_id)
    (await stage.models.one.answer(2)).send(PartAdded(TRIMMED)).say("a").finish()
    await stage.read(alice, again.run_id)
    assert await notices_of(stage, alice, again.message_id) == []


async def test_prompts_hold_no_notice_and_no_reasoning(stage: Stage, alice: Principal):
    sent, _ = await ask(stage, alice, None, "one")
    await ask(stage, alice, sent.thread_id, "two")
    await ask(stage, alice, sent.thread_id, "one")
    prompt = stage.models.one.answers[-1].prompt
    said = {message.text for message in prompt if message.role != "system"}
    assert said == {"hi", "x" * 400}
