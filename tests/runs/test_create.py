"""What a send writes, refuses and tells."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from chat_app.auth.principal import Principal
from chat_app.core.errors import (
    Conflict,
    DatabaseFull,
    InvalidInput,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from chat_app.core.events import ReasoningDelta
from chat_app.db.prepared import Prepared, Transaction
from chat_app.db.tables import Message, Run, Thread
from chat_app.llm.base import text_message
from chat_app.llm.dialects.turns import conversation_of, text_of_blocks
from chat_app.llm.errors import Failure
from chat_app.runs.prompt import StoredPrompt, read_short_prompt
from testing.run_services import RunHarness


async def test_a_send_stores_the_thread_the_message_an_empty_answer_and_a_run(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="Hello there", client_id="c1")
    asked = await harness.message(alice, sent.user_message_id)
    answer = await harness.message(alice, sent.message_id)
    run = await harness.run(alice, sent.run_id)
    async with harness.db.read(alice) as session:
        thread = await session.get(Thread, sent.thread_id)
    assert thread is not None
    assert (asked.role, asked.parts, asked.parent_id) == (
        "user",
        [{"type": "text", "text": "Hello there"}],
        None,
    )
    assert (answer.role, answer.parts, answer.status) == ("assistant", [], "running")
    assert answer.parent_id == asked.id
    assert (run.message_id, run.status, run.session_id) == (
        answer.id,
        "queued",
        alice.credential_id,
    )
    assert (thread.title, thread.title_origin, thread.head_id) == (
        "Hello there",
        "start",
        answer.id,
    )
    assert not sent.duplicate


async def test_a_run_is_queued_until_its_first_token(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    assert (await harness.run(alice, sent.run_id)).status == "queued"
    answer.say("a")
    await anext(harness.runs.follow(alice, sent.run_id))
    run = await harness.run(alice, sent.run_id)
    assert run.status == "running"
    assert run.first_event_at is not None


async def test_the_next_message_is_a_child_of_the_last_answer(
    harness: RunHarness, alice: Principal
):
    first = await harness.runs.send(alice, text="one", client_id="c1")
    (await harness.models.one.answer(1)).say("answer").finish()
    await harness.read(alice, first.run_id)
    second = await harness.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    assert second.thread_id == first.thread_id
    assert (await harness.message(alice, second.user_message_id)).parent_id == first.message_id


async def test_a_send_signals_the_owner_after_the_commit(
    harness: RunHarness, alice: Principal, bob: Principal
):
    seen: list[tuple[str, str]] = []
    watch, other = harness.watch(alice), harness.watch(bob)
    harness.bus.subscribe_callback(
        f"user:{alice.user_id}",
        lambda signal: seen.append(
            (signal.kind, harness.stored(signal.run_id) if signal.run_id else "")
        ),
    )
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    assert watch.kinds == ["thread", "run_started"]
    assert {signal.thread_id for signal in watch.signals} == {sent.thread_id}
    assert watch.signals[1].run_id == sent.run_id
    assert seen == [("thread", ""), ("run_started", "")], "the row was there to be read"
    assert other.signals == []


async def test_twenty_simultaneous_sends_of_one_message_are_one_run(
    harness: RunHarness, alice: Principal
):
    sends = [harness.runs.send(alice, text="hi", client_id="same") for _ in range(20)]
    results = await asyncio.gather(*sends)
    assert len({(s.thread_id, s.user_message_id, s.message_id, s.run_id) for s in results}) == 1
    assert sorted(s.duplicate for s in results) == [False] + [True] * 19
    assert await harness.count(alice, Run) == 1
    assert await harness.count(alice, Message) == 2
    assert await harness.count(alice, Thread) == 1
    await harness.models.one.answer()
    assert len(harness.models.one.answers) == 1


async def test_a_client_id_is_unique_per_user(
    harness: RunHarness, alice: Principal, bob: Principal
):
    one = await harness.runs.send(alice, text="mine", client_id="same")
    two = await harness.runs.send(bob, text="other", client_id="same")
    assert not two.duplicate
    assert one.run_id != two.run_id


async def test_a_repeated_send_finds_the_first_after_its_run_has_finished(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say("a").finish()
    await harness.read(alice, sent.run_id)
    again = await harness.runs.send(alice, text="hi", client_id="c1", thread_id=sent.thread_id)
    assert again.duplicate
    assert again.run_id == sent.run_id


async def test_a_client_id_cannot_be_reused_for_another_text(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say("a").finish()
    await harness.read(alice, sent.run_id)
    for thread_id in (None, sent.thread_id):
        with pytest.raises(Conflict):
            await harness.runs.send(alice, text="more", client_id="c1", thread_id=thread_id)
    assert await harness.count(alice, Message) == 2
    assert await harness.count(alice, Thread) == 1
    assert len(harness.models.one.answers) == 1
    assert harness.runs.credential_ids() == set()


async def test_a_client_id_cannot_be_reused_in_another_thread(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    other = await harness.threads.create(alice, title="Other")
    with pytest.raises(Conflict):
        await harness.runs.send(alice, text="hi", client_id="c1", thread_id=other.id)
    assert (await harness.runs.send(alice, text="hi", client_id="c1")).run_id == sent.run_id
    assert await harness.count(alice, Message) == 2


async def test_a_send_is_idempotent_when_its_text_had_to_be_repaired(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="a\ud83d", client_id="c1")
    again = await harness.runs.send(alice, text="a\ud83d", client_id="c1")
    assert (again.run_id, again.duplicate) == (sent.run_id, True)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
async def test_a_blank_message_is_refused(harness: RunHarness, alice: Principal, text: str):
    with pytest.raises(InvalidInput):
        await harness.runs.send(alice, text=text, client_id="c1")
    assert await harness.count(alice, Thread) == 0


async def test_the_limit_counts_bytes(harness: RunHarness, alice: Principal):
    most = harness.settings.message_bytes
    with pytest.raises(TooLarge):
        await harness.runs.send(alice, text="é" * (most // 2 + 1), client_id="c1")
    await harness.runs.send(alice, text="é" * (most // 2), client_id="c1")


@pytest.mark.parametrize("client_id", ["", "a" * 65, "a b", "é", "a/b", "a\n"])
async def test_a_malformed_client_id_is_refused(
    harness: RunHarness, alice: Principal, client_id: str
):
    with pytest.raises(InvalidInput):
        await harness.runs.send(alice, text="hi", client_id=client_id)


async def test_broken_unicode_is_repaired(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="a\ud83d \ud83d\ude00 b\0", client_id="c1")
    (part,) = (await harness.message(alice, sent.user_message_id)).parts
    assert "\N{GRINNING FACE}" in part["text"]
    part["text"].encode()
    assert "\0" not in part["text"]


async def test_an_unknown_model_is_refused_before_anything_is_written(
    harness: RunHarness, alice: Principal
):
    with pytest.raises(InvalidInput):
        await harness.runs.send(alice, text="hi", client_id="c1", model="nope")
    assert await harness.count(alice, Thread) == 0


async def test_a_thread_continues_with_its_last_model(harness: RunHarness, alice: Principal):
    first = await harness.runs.send(alice, text="hi", client_id="c1", model="two")
    (await harness.models.two.answer(1)).say("a").finish()
    await harness.read(alice, first.run_id)
    second = await harness.runs.send(alice, text="hi", client_id="c2", thread_id=first.thread_id)
    (await harness.models.two.answer(2)).say("b").finish()
    await harness.read(alice, second.run_id)
    harness.models.gone.add("two")
    await harness.runs.send(alice, text="hi", client_id="c3", thread_id=first.thread_id)
    await harness.models.one.answer(1)


async def test_one_answer_at_a_time_in_a_thread(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    with pytest.raises(Conflict):
        await harness.runs.send(alice, text="more", client_id="c2", thread_id=sent.thread_id)
    assert await harness.count(alice, Message) == 2


async def test_a_user_has_a_limited_number_of_active_runs(
    harness: RunHarness, alice: Principal, bob: Principal
):
    most = harness.settings.runs_per_user
    sends = [harness.runs.send(alice, text="hi", client_id=f"c{n}") for n in range(most + 3)]
    results = await asyncio.gather(*sends, return_exceptions=True)
    refused = [result for result in results if isinstance(result, RateLimited)]
    assert [error.retry_after > 0 for error in refused] == [True] * 3
    assert await harness.count(alice, Run) == most
    await harness.runs.send(bob, text="hi", client_id="c")


@pytest.mark.parametrize("kind", ["missing", "foreign", "deleted"])
async def test_a_thread_of_another_user_is_not_found(
    harness: RunHarness, alice: Principal, bob: Principal, kind: str
):
    match kind:
        case "missing":
            thread_id = uuid4()
        case "foreign":
            thread_id = (await harness.threads.create(bob)).id
        case _:
            thread_id = (await harness.threads.create(alice)).id
            await harness.threads.delete(alice, thread_id)
    with pytest.raises(NotFound):
        await harness.runs.send(alice, text="hi", client_id="c1", thread_id=thread_id)
    assert await harness.count(alice, Message) == await harness.count(bob, Message) == 0
    assert harness.models.one.answers == []


async def test_the_prompt_is_the_stored_branch(harness: RunHarness, alice: Principal):
    first = await harness.runs.send(alice, text="one", client_id="c1")
    (await harness.models.one.answer(1)).send(ReasoningDelta("hm")).say("uno").finish()
    await harness.read(alice, first.run_id)
    await harness.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    prompt = (await harness.models.one.answer(2)).prompt
    assert prompt[0] == text_message("system", harness.settings.chat_system_prompt)
    assert [(message.role, message.text) for message in prompt[1:]] == [
        ("user", "one"),
        ("assistant", "uno"),
        ("user", "two"),
    ]
    answer = prompt[2]
    assert (answer.id, answer.status, answer.model) == (first.message_id, "complete", "one")
    assert [part["type"] for part in answer.parts] == ["reasoning", "text"]


@pytest.mark.parametrize(
    ("thought", "queries"),
    [(10, 0), (40_000, 1)],
)
async def test_a_short_branch_is_read_in_the_transaction_of_its_question(
    harness: RunHarness, alice: Principal, thought: int, queries: int
):
    first = await harness.runs.send(alice, text="one", client_id="c1")
    answer = await harness.models.one.answer(1)
    answer.send(ReasoningDelta("h" * thought)).say("uno").finish()
    await harness.read(alice, first.run_id)
    harness.db.queries = 0
    await harness.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    prompt = (await harness.models.one.answer(2)).prompt
    assert [message.text for message in prompt[1:]] == ["one", "uno", "two"]
    assert harness.db.queries == queries


async def test_a_long_message_is_not_read_in_the_transaction_of_another(
    harness: RunHarness, alice: Principal
):
    first = await harness.runs.send(alice, text="one", client_id="c1")
    (await harness.models.one.answer(1)).say("u" * 40_000).finish()
    await harness.read(alice, first.run_id)
    second = await harness.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    read = list[Any]()

    def read_short(transaction: Transaction) -> StoredPrompt | None:
        rows_of = transaction.all

        def noting(statement: Prepared, **parameters: Any) -> list[tuple[Any, ...]]:
            rows = rows_of(statement, **parameters)
            read.extend(rows)
            return rows

        transaction.all = noting
        return read_short_prompt(transaction, second.user_message_id)

    assert await harness.db.transact(alice, read_short) is None
    assert [message_id for _, message_id, *_ in read] == [second.user_message_id]


@pytest.mark.parametrize(
    ("how", "note"),
    [
        ("refused", "[No answer: the model failed.]"),
        ("stopped", "[No answer: it was stopped.]"),
        ("only thought", "[No answer: the model failed.]"),
    ],
)
async def test_a_chat_goes_on_after_an_answer_without_text(
    harness: RunHarness, alice: Principal, how: str, note: str
):
    first = await harness.runs.send(alice, text="one", client_id="c1")
    answer = await harness.models.one.answer(1)
    match how:
        case "refused":
            answer.fail(Failure.RATE_LIMIT.error("One"))
        case "stopped":
            await harness.runs.stop(alice, first.run_id)
        case _:
            answer.send(ReasoningDelta("hm")).finish("length")
    await harness.read(alice, first.run_id)
    await harness.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    prompt = (await harness.models.one.answer(2)).prompt
    conversation = conversation_of(prompt, tools=False, images=False, made_by="")
    assert conversation.system == harness.settings.chat_system_prompt
    turns = [(turn.role, text_of_blocks(turn.blocks)) for turn in conversation.turns]
    assert turns == [("user", "one"), ("assistant", note), ("user", "two")]


async def test_the_indent_of_the_first_line_is_stored_and_sent(
    harness: RunHarness, alice: Principal
):
    text = "    def f():\n        return 1"
    sent = await harness.runs.send(alice, text=text, client_id="c1")
    assert (await harness.models.one.answer()).prompt[-1].text == text
    asked = await harness.message(alice, sent.user_message_id)
    assert asked.parts == [{"type": "text", "text": text}]


async def test_a_send_completes_when_its_caller_is_cancelled(harness: RunHarness, alice: Principal):
    call = asyncio.create_task(harness.runs.send(alice, text="hi", client_id="c1"))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    (await harness.models.one.answer()).say("a").finish()
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    assert sent.duplicate
    await harness.read(alice, sent.run_id)
    assert harness.stored(sent.run_id) == "a"


async def test_a_session_that_has_ended_sends_nothing(harness: RunHarness, alice: Principal):
    harness.end_session(alice)
    with pytest.raises(Unauthenticated):
        await harness.runs.send(alice, text="hi", client_id="c1")
    assert await harness.count(alice, Message) == 0


async def test_a_stopping_server_accepts_no_messages(harness: RunHarness, alice: Principal):
    await harness.runs.drain()
    with pytest.raises(Unavailable):
        await harness.runs.send(alice, text="hi", client_id="c1")


async def test_an_empty_thread_is_named_by_its_first_words(harness: RunHarness, alice: Principal):
    thread = await harness.threads.create(alice)
    await harness.runs.send(alice, text="Where is  Rome?", client_id="c1", thread_id=thread.id)
    assert (await harness.threads.get(alice, thread.id)).title == "Where is Rome?"


async def test_a_users_title_is_not_replaced_by_the_first_words(
    harness: RunHarness, alice: Principal
):
    thread = await harness.threads.create(alice, title="Mine")
    await harness.runs.send(alice, text="Where is Rome?", client_id="c1", thread_id=thread.id)
    assert (await harness.threads.get(alice, thread.id)).title == "Mine"


async def test_a_message_stored_concurrently_is_found(harness: RunHarness, alice: Principal):
    first = await harness.runs.send(alice, text="hi", client_id="c1")
    harness.db.broken = [IntegrityError("insert", {}, Exception("client_id"))]
    again = await harness.runs.send(alice, text="hi", client_id="c1")
    assert (again.run_id, again.duplicate) == (first.run_id, True)


async def test_a_send_that_cannot_be_stored_leaves_nothing_and_can_be_retried(
    harness: RunHarness, alice: Principal
):
    watch = harness.watch(alice)
    harness.db.broken = [DatabaseFull()]
    with pytest.raises(DatabaseFull):
        await harness.runs.send(alice, text="hi", client_id="c1")
    assert await harness.count(alice, Message) == 0
    assert watch.signals == []
    assert harness.runs.credential_ids() == set()
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    assert not sent.duplicate
    assert harness.runs.credential_ids() == {alice.credential_id}
