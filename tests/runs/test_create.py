"""What a send writes, refuses and tells."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.errors import (
    Conflict,
    DatabaseFull,
    InvalidInput,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from chat_app.core.events import ReasoningDelta
from chat_app.db.tables import Message, Run, Thread
from chat_app.llm.base import PromptMessage
from testing.run_services import Stage, staged


async def test_a_send_stores_the_thread_the_message_an_empty_answer_and_a_run(
    stage: Stage, alice: Principal
):
    sent = await stage.runs.send(alice, text="Hello there", client_id="c1")
    asked = await stage.message(alice, sent.user_message_id)
    answer = await stage.message(alice, sent.message_id)
    run = await stage.run(alice, sent.run_id)
    async with stage.db.read(alice) as session:
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


async def test_a_run_is_queued_until_its_first_token(stage: Stage, alice: Principal):
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    answer = await stage.models.one.answer()
    assert (await stage.run(alice, sent.run_id)).status == "queued"
    answer.say("a")
    await anext(stage.runs.follow(alice, sent.run_id))
    run = await stage.run(alice, sent.run_id)
    assert run.status == "running"
    assert run.first_event_at is not None


async def test_the_next_message_is_a_child_of_the_last_answer(stage: Stage, alice: Principal):
    first = await stage.runs.send(alice, text="one", client_id="c1")
    (await stage.models.one.answer(1)).say("answer").finish()
    await stage.read(alice, first.run_id)
    second = await stage.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    assert second.thread_id == first.thread_id
    assert (await stage.message(alice, second.user_message_id)).parent_id == first.message_id


async def test_a_send_signals_the_owner_after_the_commit(
    stage: Stage, alice: Principal, bob: Principal
):
    seen: list[tuple[str, str]] = []
    watch, other = stage.watch(alice), stage.watch(bob)
    stage.bus.subscribe_callback(
        f"user:{alice.user_id}",
        lambda signal: seen.append(
            (signal.kind, stage.stored(signal.run_id) if signal.run_id else "")
        ),
    )
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    assert watch.kinds == ["thread", "run_started"]
    assert {signal.thread_id for signal in watch.signals} == {sent.thread_id}
    assert watch.signals[1].run_id == sent.run_id
    assert seen == [("thread", ""), ("run_started", "")], "the row was there to be read"
    assert other.signals == []


async def test_twenty_simultaneous_sends_of_one_message_are_one_run(stage: Stage, alice: Principal):
    sends = [stage.runs.send(alice, text="hi", client_id="same") for _ in range(20)]
    results = await asyncio.gather(*sends)
    assert len({(s.thread_id, s.user_message_id, s.message_id, s.run_id) for s in results}) == 1
    assert sorted(s.duplicate for s in results) == [False] + [True] * 19
    assert await stage.count(alice, Run) == 1
    assert await stage.count(alice, Message) == 2
    assert await stage.count(alice, Thread) == 1
    await stage.models.one.answer()
    assert len(stage.models.one.answers) == 1


async def test_a_client_id_is_unique_per_user(stage: Stage, alice: Principal, bob: Principal):
    one = await stage.runs.send(alice, text="mine", client_id="same")
    two = await stage.runs.send(bob, text="other", client_id="same")
    assert not two.duplicate
    assert one.run_id != two.run_id


async def test_a_repeated_send_finds_the_first_after_its_run_has_finished(
    stage: Stage, alice: Principal
):
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    (await stage.models.one.answer()).say("a").finish()
    await stage.read(alice, sent.run_id)
    again = await stage.runs.send(alice, text="hi", client_id="c1", thread_id=sent.thread_id)
    assert again.duplicate
    assert again.run_id == sent.run_id


async def test_a_client_id_cannot_be_reused_for_another_text(stage: Stage, alice: Principal):
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    (await stage.models.one.answer()).say("a").finish()
    await stage.read(alice, sent.run_id)
    for thread_id in (None, sent.thread_id):
        with pytest.raises(Conflict):
            await stage.runs.send(alice, text="more", client_id="c1", thread_id=thread_id)
    assert await stage.count(alice, Message) == 2
    assert await stage.count(alice, Thread) == 1
    assert len(stage.models.one.answers) == 1
    assert stage.runs.session_ids() == set()


async def test_a_client_id_cannot_be_reused_in_another_thread(stage: Stage, alice: Principal):
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    other = await stage.threads.create(alice, title="Other")
    with pytest.raises(Conflict):
        await stage.runs.send(alice, text="hi", client_id="c1", thread_id=other.id)
    assert (await stage.runs.send(alice, text="hi", client_id="c1")).run_id == sent.run_id
    assert await stage.count(alice, Message) == 2


async def test_a_send_is_idempotent_when_its_text_had_to_be_repaired(
    stage: Stage, alice: Principal
):
    sent = await stage.runs.send(alice, text="a\ud83d", client_id="c1")
    again = await stage.runs.send(alice, text="a\ud83d", client_id="c1")
    assert (again.run_id, again.duplicate) == (sent.run_id, True)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
async def test_a_blank_message_is_refused(stage: Stage, alice: Principal, text: str):
    with pytest.raises(InvalidInput):
        await stage.runs.send(alice, text=text, client_id="c1")
    assert await stage.count(alice, Thread) == 0


async def test_the_limit_counts_bytes(stage: Stage, alice: Principal):
    most = stage.settings.message_bytes
    with pytest.raises(TooLarge):
        await stage.runs.send(alice, text="é" * (most // 2 + 1), client_id="c1")
    await stage.runs.send(alice, text="é" * (most // 2), client_id="c1")


@pytest.mark.parametrize("client_id", ["", "a" * 65, "a b", "é", "a/b", "a\n"])
async def test_a_malformed_client_id_is_refused(stage: Stage, alice: Principal, client_id: str):
    with pytest.raises(InvalidInput):
        await stage.runs.send(alice, text="hi", client_id=client_id)


async def test_broken_unicode_is_repaired(stage: Stage, alice: Principal):
    sent = await stage.runs.send(alice, text="a\ud83d \ud83d\ude00 b\0", client_id="c1")
    (part,) = (await stage.message(alice, sent.user_message_id)).parts
    assert "\N{GRINNING FACE}" in part["text"]
    part["text"].encode()
    assert "\0" not in part["text"]


async def test_an_unknown_model_is_refused_before_anything_is_written(
    stage: Stage, alice: Principal
):
    with pytest.raises(InvalidInput):
        await stage.runs.send(alice, text="hi", client_id="c1", model="nope")
    assert await stage.count(alice, Thread) == 0


async def test_a_thread_continues_with_its_last_model(stage: Stage, alice: Principal):
    first = await stage.runs.send(alice, text="hi", client_id="c1", model="two")
    (await stage.models.two.answer(1)).say("a").finish()
    await stage.read(alice, first.run_id)
    second = await stage.runs.send(alice, text="hi", client_id="c2", thread_id=first.thread_id)
    (await stage.models.two.answer(2)).say("b").finish()
    await stage.read(alice, second.run_id)
    stage.models.gone.add("two")
    await stage.runs.send(alice, text="hi", client_id="c3", thread_id=first.thread_id)
    await stage.models.one.answer(1)


async def test_one_answer_at_a_time_in_a_thread(stage: Stage, alice: Principal):
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    with pytest.raises(Conflict):
        await stage.runs.send(alice, text="more", client_id="c2", thread_id=sent.thread_id)
    assert await stage.count(alice, Message) == 2


async def test_a_user_has_a_limited_number_of_active_runs(
    stage: Stage, alice: Principal, bob: Principal
):
    most = stage.settings.runs_per_user
    sends = [stage.runs.send(alice, text="hi", client_id=f"c{n}") for n in range(most + 3)]
    results = await asyncio.gather(*sends, return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 3
    assert await stage.count(alice, Run) == most
    await stage.runs.send(bob, text="hi", client_id="c")


@pytest.mark.parametrize("kind", ["missing", "foreign", "deleted"])
async def test_a_thread_of_another_user_is_not_found(
    stage: Stage, alice: Principal, bob: Principal, kind: str
):
    match kind:
        case "missing":
            thread_id = uuid4()
        case "foreign":
            thread_id = (await stage.threads.create(bob)).id
        case _:
            thread_id = (await stage.threads.create(alice)).id
            await stage.threads.delete(alice, thread_id)
    with pytest.raises(NotFound):
        await stage.runs.send(alice, text="hi", client_id="c1", thread_id=thread_id)
    assert await stage.count(alice, Message) == await stage.count(bob, Message) == 0
    assert stage.models.one.answers == []


async def test_the_prompt_is_the_stored_branch(stage: Stage, alice: Principal):
    first = await stage.runs.send(alice, text="one", client_id="c1")
    (await stage.models.one.answer(1)).send(ReasoningDelta("hm")).say("uno").finish()
    await stage.read(alice, first.run_id)
    await stage.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    shown = (await stage.models.one.answer(2)).prompt
    assert shown == (
        PromptMessage("system", stage.settings.chat_system_prompt),
        PromptMessage("user", "one"),
        PromptMessage("assistant", "uno"),
        PromptMessage("user", "two"),
    )


async def test_the_prompt_has_no_more_history_than_the_setting_allows(tmp_path: Path):
    async with staged(tmp_path / "chat.db", chat_context_chars=1000) as stage:
        alice = await stage.person()
        thread = await stage.threads.create(alice)
        async with stage.db.write(alice) as session:
            parent = None
            for n in range(200):
                message = Message(
                    thread_id=thread.id,
                    owner_id=alice.user_id,
                    parent_id=parent,
                    role="user" if n % 2 == 0 else "assistant",
                    parts=[{"type": "text", "text": f"{n:03} " + "x" * 16}],
                )
                session.add(message)
                await session.flush()
                parent = message.id
            row = (await session.exec(select(Thread))).one()
            row.head_id = parent
        await stage.runs.send(alice, text="last", client_id="c1", thread_id=thread.id)
        prompt = (await stage.models.one.answer()).prompt
        assert sum(len(message.text) for message in prompt) <= 1000
        assert prompt[-1] == PromptMessage("user", "last")
        assert prompt[-2].text.startswith("199 ")
        assert len(prompt) > 40, "the setting is used up"


async def test_a_send_completes_when_its_caller_is_cancelled(stage: Stage, alice: Principal):
    call = asyncio.create_task(stage.runs.send(alice, text="hi", client_id="c1"))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    (await stage.models.one.answer()).say("a").finish()
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    assert sent.duplicate
    await stage.read(alice, sent.run_id)
    assert stage.stored(sent.run_id) == "a"


async def test_a_session_that_has_ended_sends_nothing(stage: Stage, alice: Principal):
    stage.end_session(alice)
    with pytest.raises(Unauthenticated):
        await stage.runs.send(alice, text="hi", client_id="c1")
    assert await stage.count(alice, Message) == 0


async def test_a_stopping_server_accepts_no_messages(stage: Stage, alice: Principal):
    await stage.runs.drain()
    with pytest.raises(Unavailable):
        await stage.runs.send(alice, text="hi", client_id="c1")


async def test_an_empty_thread_is_named_by_its_first_words(stage: Stage, alice: Principal):
    thread = await stage.threads.create(alice)
    await stage.runs.send(alice, text="Where is  Rome?", client_id="c1", thread_id=thread.id)
    assert (await stage.threads.get(alice, thread.id)).title == "Where is Rome?"


async def test_a_users_title_is_not_replaced_by_the_first_words(stage: Stage, alice: Principal):
    thread = await stage.threads.create(alice, title="Mine")
    await stage.runs.send(alice, text="Where is Rome?", client_id="c1", thread_id=thread.id)
    assert (await stage.threads.get(alice, thread.id)).title == "Mine"


async def test_a_message_stored_concurrently_is_found(stage: Stage, alice: Principal):
    first = await stage.runs.send(alice, text="hi", client_id="c1")
    stage.db.broken = [IntegrityError("insert", {}, Exception("client_id"))]
    again = await stage.runs.send(alice, text="hi", client_id="c1")
    assert (again.run_id, again.duplicate) == (first.run_id, True)


async def test_a_send_that_cannot_be_stored_leaves_nothing_and_can_be_retried(
    stage: Stage, alice: Principal
):
    watch = stage.watch(alice)
    stage.db.broken = [DatabaseFull()]
    with pytest.raises(DatabaseFull):
        await stage.runs.send(alice, text="hi", client_id="c1")
    assert await stage.count(alice, Message) == 0
    assert watch.signals == []
    assert stage.runs.session_ids() == set()
    sent = await stage.runs.send(alice, text="hi", client_id="c1")
    assert not sent.duplicate
    assert stage.runs.session_ids() == {alice.credential_id}
