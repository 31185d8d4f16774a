"""Continuing an answer that was cut off: in the same message, with the same text before it."""

from typing import Any

import pytest
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.core.events import (
    Event,
    FinishReason,
    PartAdded,
    ReasoningDelta,
    TextWasReasoning,
    ToolCallDelta,
    Usage,
)
from chat_app.core.parts import Part
from chat_app.db.tables import Message, Run, SearchEntry
from chat_app.runs.continuation import INSTRUCTION, ContinuationJoiner, can_continue
from chat_app.runs.create import CreatedRun
from chat_app.runs.finalize import reap_lost_runs
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, run_harness, text_of

TEXT: list[Part] = [{"type": "text", "text": "Half of"}]
BETWEEN: tuple[Event, ...] = (
    ToolCallDelta("c1", "search", "{}"),
    PartAdded({"type": "data", "name": "chart", "data": 1}),
)
"""What a text does not go on across."""


async def stopped(harness: RunHarness, who: Principal, text: str = "Half of") -> CreatedRun:
    """An answer that was stopped behind a text."""
    sent = await harness.runs.send(who, text="hi", client_id="c1")
    (await harness.models.one.answer()).say(text)
    await anext(harness.runs.follow(who, sent.run_id))
    await harness.runs.stop(who, sent.run_id)
    return sent


async def test_what_comes_is_appended_to_the_same_message(harness: RunHarness, alice: Principal):
    sent = await stopped(harness, alice)
    watch = harness.watch(alice)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    assert (again.message_id, again.thread_id) == (sent.message_id, sent.thread_id)
    assert again.run_id != sent.run_id
    assert watch.kinds == ["thread", "run_started"]
    answer = await harness.models.one.answer(2)
    assert [(one.role, one.text) for one in answer.prompt[1:]] == [
        ("user", "hi"),
        ("assistant", "Half of"),
        ("user", INSTRUCTION),
    ]
    answer.say(" it is", " here.").finish()
    assert text_of(await harness.read(alice, again.run_id)) == "Half of it is here."
    message = await harness.message(alice, sent.message_id)
    assert message.parts == [{"type": "text", "text": "Half of it is here."}]
    assert (message.status, message.finish_reason, message.error) == ("complete", "stop", "")
    assert await harness.count(alice, Message) == 2
    assert text_of(await harness.read(alice, sent.run_id)) == "Half of it is here."


async def test_a_reader_that_comes_gets_what_there_was_first(harness: RunHarness, alice: Principal):
    sent = await stopped(harness, alice)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    reader = harness.runs.follow(alice, again.run_id)
    first = await anext(reader)
    assert text_of([first]) == "Half of"
    assert text_of(await harness.runs.snapshot(alice, again.run_id)) == "Half of"
    (await harness.models.one.answer(2)).say(" it").finish()
    assert text_of([first, *[event async for event in reader]]) == "Half of it"


async def test_an_answer_can_be_stopped_and_continued_again_and_again(
    harness: RunHarness, alice: Principal
):
    sent = await stopped(harness, alice)
    for number in (2, 3):
        again = await harness.runs.continue_answer(alice, sent.message_id)
        answer = (await harness.models.one.answer(number)).say(f" {number}")
        reader = harness.runs.follow(alice, again.run_id)
        seen = [await anext(reader), await anext(reader)]
        assert text_of(seen).endswith(f" {number}")
        await harness.runs.stop(alice, again.run_id)
        assert answer.closed.is_set()
    message = await harness.message(alice, sent.message_id)
    assert message.parts == [{"type": "text", "text": "Half of 2 3"}]
    assert message.status == "stopped"


async def test_a_continued_answer_outlives_its_server(harness: RunHarness, alice: Principal):
    sent = await stopped(harness, alice)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).say(" it")
    reader = harness.runs.follow(alice, again.run_id)
    await anext(reader)
    await anext(reader)
    # another process finds the run in the database, and closes it
    models: Any = harness.models
    assert await reap_lost_runs(harness.db, harness.clock, models) == 1
    message = await harness.message(alice, sent.message_id)
    assert message.parts == [{"type": "text", "text": "Half of it"}]
    assert message.status == "interrupted"


async def test_an_answer_that_is_cut_off_at_once_keeps_what_it_had(
    harness: RunHarness, alice: Principal
):
    sent = await stopped(harness, alice)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).fail(RuntimeError("broken"))
    await harness.read(alice, again.run_id)
    message = await harness.message(alice, sent.message_id)
    assert (message.parts, message.status) == (TEXT, "failed")
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(3)).finish()
    await harness.read(alice, again.run_id)
    message = await harness.message(alice, sent.message_id)
    assert (message.parts, message.status) == (TEXT, "complete"), "the model had nothing to add"


async def test_reasoning_before_the_rest_stands_behind_the_whole_text(
    harness: RunHarness, alice: Principal
):
    sent = await stopped(harness, alice)
    for number, more in ((2, " it"), (3, " here")):
        again = await harness.runs.continue_answer(alice, sent.message_id)
        answer = (await harness.models.one.answer(number)).send(ReasoningDelta("hm"))
        answer.say(more).finish("length")
        assert text_of(await harness.read(alice, again.run_id)).endswith(more)
        assert text_of(await harness.runs.snapshot(alice, again.run_id)).endswith(more)
    parts = (await harness.message(alice, sent.message_id)).parts
    assert [part["type"] for part in parts] == ["text", "reasoning", "reasoning"]
    assert parts[0] == {"type": "text", "text": "Half of it here"}


@pytest.mark.parametrize("between", BETWEEN)
async def test_a_text_behind_what_was_made_meanwhile_is_another_one(
    harness: RunHarness, alice: Principal, between: Event
):
    sent = await stopped(harness, alice)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).send(between).say("Then this.").finish("length")
    await harness.read(alice, again.run_id)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(3)).say(" And that.").finish()
    await harness.read(alice, again.run_id)
    parts = (await harness.message(alice, sent.message_id)).parts
    texts = [part["text"].strip() for part in parts if part["type"] == "text"]
    assert (len(parts), texts) == (3, ["Half of", "Then this. And that."])


@pytest.mark.parametrize("between", BETWEEN)
async def test_a_text_behind_what_the_answer_ended_with_is_another_one(
    harness: RunHarness, alice: Principal, between: Event
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say("I look.").send(between).finish("length")
    await harness.read(alice, sent.run_id)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).say("It is high.").finish()
    await harness.read(alice, again.run_id)
    parts = (await harness.message(alice, sent.message_id)).parts
    texts = [part["text"].strip() for part in parts if part["type"] == "text"]
    assert (len(parts), texts) == (3, ["I look.", "It is high."])


async def test_a_late_tag_takes_nothing_of_the_answer(harness: RunHarness, alice: Principal):
    sent = await stopped(harness, alice)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    answer = (await harness.models.one.answer(2)).say(" hm").send(TextWasReasoning())
    answer.say(" it").finish()
    await harness.read(alice, again.run_id)
    parts = (await harness.message(alice, sent.message_id)).parts
    assert parts == [{"type": "text", "text": "Half of hm it"}]


async def test_search_finds_a_continued_answer_once(harness: RunHarness, alice: Principal):
    sent = await stopped(harness, alice)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).say(" everything").finish()
    await harness.read(alice, again.run_id)
    async with harness.db.read(alice) as session:
        entries = await session.exec(
            select(SearchEntry.tokens).where(SearchEntry.message_id == sent.message_id)
        )
        assert entries.all() == ["half of everything"]


async def test_all_runs_of_an_answer_count(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).say("a").send(Usage(3, 4, 1))
    answer.finish("length")
    await harness.read(alice, sent.run_id)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).say(" b").send(Usage(10, 20, None, 5)).finish()
    await harness.read(alice, again.run_id)
    metrics = await harness.runs.metrics(alice, sent.message_id)
    assert metrics.usage == Usage(13, 24, 1, 5)
    async with harness.db.read(alice) as session:
        runs = (await session.exec(select(Run).order_by(Run.created_at))).all()  # pyright: ignore
    took = [(run.finished_at - run.created_at).total_seconds() for run in runs if run.finished_at]
    assert metrics.total_seconds == pytest.approx(sum(took))
    assert (await harness.runs.metrics_of(alice, [sent.message_id])) == {sent.message_id: metrics}


async def test_what_is_whole_or_older_or_running_is_not_continued(
    harness: RunHarness, alice: Principal, bob: Principal
):
    sent = await stopped(harness, alice)
    with pytest.raises(InvalidInput):
        await harness.runs.continue_answer(alice, sent.user_message_id)
    with pytest.raises(NotFound):
        await harness.runs.continue_answer(bob, sent.message_id)
    running = await harness.runs.continue_answer(alice, sent.message_id)
    with pytest.raises(Conflict):
        await harness.runs.continue_answer(alice, sent.message_id)
    await harness.models.one.answer(2)
    await harness.runs.stop(alice, running.run_id)
    again = await harness.runs.retry(alice, sent.message_id)
    (await harness.models.one.answer(3)).say("whole").finish()
    await harness.read(alice, again.run_id)
    with pytest.raises(InvalidInput):
        await harness.runs.continue_answer(alice, again.message_id)
    with pytest.raises(Conflict):
        await harness.runs.continue_answer(alice, sent.message_id)
    await harness.threads.show_message(alice, sent.thread_id, sent.message_id)
    await harness.runs.continue_answer(alice, sent.message_id)


async def test_a_continued_answer_is_no_larger_than_another(database: DatabaseUnderTest):
    async with run_harness(database, answer_bytes=10_000) as harness:
        alice = await harness.person()
        sent = await stopped(harness, alice, "x" * 9_000)
        again = await harness.runs.continue_answer(alice, sent.message_id)
        (await harness.models.one.answer(2)).say("y" * 3_000)
        await harness.read(alice, again.run_id)
        message = await harness.message(alice, sent.message_id)
        assert (message.status, message.finish_reason) == ("complete", "size")
        assert message.size <= 10_000
        with pytest.raises(InvalidInput):
            await harness.runs.continue_answer(alice, sent.message_id)


@pytest.mark.parametrize(
    ("status", "reason", "goes_on"),
    [
        *(("stopped", "user", True), ("interrupted", "", True), ("revoked", "", True)),
        *(("failed", "", True), ("complete", "length", True), ("failed", "length", True)),
        *(("complete", "stop", False), ("complete", "size", False), ("running", "", False)),
        *(("complete", "content-filter", False), ("failed", "content-filter", False)),
    ],
)
def test_an_answer_that_was_cut_off_can_be_continued(
    status: str, reason: FinishReason, goes_on: bool
):
    assert can_continue("assistant", status, reason, TEXT) is goes_on
    assert not can_continue("user", status, reason, TEXT)
    thought: list[Part] = [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": " \n"}]
    assert not can_continue("assistant", status, reason, thought)


@pytest.mark.parametrize(
    ("before", "pieces", "joined"),
    [
        ("The tide is", [" high", "."], "The tide is high."),
        ("The tide is", ["high", "."], "The tide is high."),
        ("The tide is,", ["however"], "The tide is, however"),
        ("The tide\n", ["is"], "The tide\nis"),
        ("潮が", ["高い"], "潮が高い"),
        ("print(", ["x)"], "print(x)"),
        ("in 20", ["26"], "in 2026"),
        ("The tide is very", ["tide is", " very", " high"], "The tide is very high"),
        ("The moon pulls the water", ["\nThe moon pulls", " the water up"], None),
        ("one two three", ["three four"], "one two three three four"),
        ("        }\n", ["        }\n", "    }\n"], "        }\n        }\n    }\n"),
        ("A long sentence", ["A long", " sentence"], "A long sentence"),
        ("A long sentence", ["A long story"], "A long sentence A long story"),
        ("Half", [], "Half"),
        ("Half", ["", " "], "Half "),
    ],
)
def test_the_seam_has_no_repetition_and_no_lost_space(
    before: str, pieces: list[str], joined: str | None
):
    joiner = ContinuationJoiner(before)
    text = before + "".join([*map(joiner.join, pieces), joiner.rest()])
    assert text == (joined or "The moon pulls the water up")


def test_a_piece_is_held_back_only_while_it_may_be_a_repetition():
    joiner = ContinuationJoiner("The moon pulls the water")
    assert joiner.join("The moon") == ""
    assert joiner.join(" is") == " The moon is"
    assert joiner.join("The moon") == "The moon"
