"""What a provider needs back of its answers is stored beside them, and goes to models alone."""

import zipfile

from chat_app.auth.principal import Principal
from chat_app.core.events import NativeItemAdded, ReasoningDelta, TextDelta
from chat_app.core.parts import native_size, size_of
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
