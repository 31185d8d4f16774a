"""What a provider needs back of its answers is stored beside them, and goes to models alone."""

import zipfile
from typing import Any

from chat_app.auth.principal import Principal
from chat_app.core.events import Event, NativeItemAdded, ReasoningDelta, TextDelta
from chat_app.core.parts import native_size, size_of
from chat_app.runs.finalize import reap_lost_runs
from chat_app.threads.export import export
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, parts_of, run_harness

CANARY = "canary-5d1"
ITEM = {"type": "thinking", "signature": CANARY}
ANSWER = (ReasoningDelta("hm"), NativeItemAdded("one", ITEM), TextDelta("uno"))
STORED = [{"at": 1, "made_by": "one", "item": ITEM}]


async def ask(harness: RunHarness, alice: Principal):
    """A question and its answer: what was created, and what a reader got."""
    sent = await harness.runs.send(alice, text="one", client_id="c1")
    (await harness.models.one.answer()).send(*ANSWER).finish()
    return sent, await harness.read(alice, sent.run_id)


async def test_native_items_are_stored_and_count(harness: RunHarness, alice: Principal):
    sent, _ = await ask(harness, alice)
    message = await harness.message(alice, sent.message_id)
    assert message.native == STORED
    assert message.size == size_of(message.parts) + native_size(STORED)  # pyright: ignore
    assert len(CANARY) < native_size(STORED)  # pyright: ignore


async def test_the_next_prompt_has_the_native_items(harness: RunHarness, alice: Principal):
    sent, _ = await ask(harness, alice)
    await harness.runs.send(alice, text="two", client_id="c2", thread_id=sent.thread_id)
    prompt = (await harness.models.one.answer(2)).prompt
    assert [list(message.native) for message in prompt] == [[], [], STORED, []]


async def test_only_models_get_native_items(harness: RunHarness, alice: Principal):
    sent, events = await ask(harness, alice)
    assert parts_of(events) == [("reasoning", "hm"), ("text", "uno")]
    stored = await harness.read(alice, sent.run_id)
    page = await harness.threads.message(alice, sent.thread_id, sent.message_id)
    with zipfile.ZipFile(await export(harness.db, alice)) as archive:
        files = [archive.read(name).decode() for name in archive.namelist()]
    assert any("uno" in file for file in files)
    for shown in (events, stored, page, files):
        assert CANARY not in repr(shown)


async def test_native_items_survive_a_crash(database: DatabaseUnderTest):
    async with run_harness(database) as lost:
        alice = await lost.person()
        sent = await lost.runs.send(alice, text="hi", client_id="c1")
        answer = (await lost.models.one.answer()).send(*ANSWER)
        reader = lost.runs.follow(alice, sent.run_id)
        await answer.taken()
        while parts_of([await anext(reader)])[-1:] != [("text", "uno")]:
            pass
        async with run_harness(database) as harness:
            message = await harness.message(alice, sent.message_id)
            assert (message.status, message.native) == ("interrupted", STORED)


NEXT = {"type": "thinking", "signature": "next"}
REST = (ReasoningDelta("so"), NativeItemAdded("one", NEXT), TextDelta(" due"))


async def stopped(harness: RunHarness, alice: Principal, *events: Event):
    """An answer that was stopped when it had this much."""
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).send(*events)
    await answer.taken()
    await anext(harness.runs.follow(alice, sent.run_id))
    await harness.runs.stop(alice, sent.run_id)
    return sent


async def test_a_continued_answer_keeps_its_items_and_gets_those_of_the_rest(
    harness: RunHarness, alice: Principal
):
    sent = await stopped(harness, alice, *ANSWER)
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).send(*REST).finish()
    await harness.read(alice, again.run_id)
    message = await harness.message(alice, sent.message_id)
    kinds = [part["type"] for part in message.parts]
    assert kinds == ["reasoning", "text", "reasoning"]
    both: Any = [*STORED, {"at": 3, "made_by": "one", "item": NEXT}]
    assert message.native == both
    assert message.size == size_of(message.parts) + native_size(both)


async def test_a_continued_answer_keeps_its_items_when_its_server_is_lost(
    harness: RunHarness, alice: Principal
):
    sent = await stopped(harness, alice, *ANSWER)
    await harness.runs.continue_answer(alice, sent.message_id)
    models: Any = harness.models
    assert await reap_lost_runs(harness.db, harness.clock, models) == 1
    message = await harness.message(alice, sent.message_id)
    assert (message.status, message.native) == ("interrupted", STORED)


async def test_an_item_of_half_a_thought_is_not_kept(harness: RunHarness, alice: Principal):
    sent = await stopped(harness, alice, TextDelta("uno"), ReasoningDelta("cut o"))
    again = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).send(*REST).send(*REST).finish()
    await harness.read(alice, again.run_id)
    message = await harness.message(alice, sent.message_id)
    kinds = [part["type"] for part in message.parts]
    assert kinds == ["text", "reasoning", "reasoning", "text"]
    assert message.native == [{"at": 3, "made_by": "one", "item": NEXT}]


async def test_items_of_a_continued_answer_count_to_its_limit(database: DatabaseUnderTest):
    async with run_harness(database, answer_bytes=10_000) as harness:
        alice = await harness.person()
        large = NativeItemAdded("one", {"type": "thinking", "signature": "s" * 8_000})
        sent = await stopped(harness, alice, ReasoningDelta("hm"), large, TextDelta("uno"))
        again = await harness.runs.continue_answer(alice, sent.message_id)
        (await harness.models.one.answer(2)).say("x" * 4_000)
        await harness.read(alice, again.run_id)
        message = await harness.message(alice, sent.message_id)
        assert message.finish_reason == "size"
        assert message.size <= 10_000
