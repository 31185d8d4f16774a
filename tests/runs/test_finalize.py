"""Every way a run ends."""

import asyncio
from uuid import uuid4

import pytest
from sqlmodel import col, delete, select

from chat_app.auth.principal import Principal
from chat_app.core.errors import MESSAGES, DatabaseBusy, NotFound
from chat_app.db.tables import RunEvent, User
from chat_app.llm.base import Finish
from chat_app.llm.errors import Failure
from chat_app.runs.follow import EndEvent, TextEvent
from chat_app.runs.log import BACK_OFF
from testing.run_services import PATIENCE, RunHarness, rest_of, text_of


async def begun(harness: RunHarness, who: Principal, client_id: str = "c1"):
    """A run that has shown `shown`."""
    sent = await harness.runs.send(who, text="hi", client_id=client_id)
    answer = (await harness.models.one.answer(len(harness.models.one.answers) + 1)).say("shown")
    reader = harness.runs.follow(who, sent.run_id)
    await anext(reader)
    return sent, answer, reader


async def test_stop_keeps_exactly_what_was_shown(harness: RunHarness, alice: Principal):
    sent, answer, reader = await begun(harness, alice)
    harness.flush_throttle.hold()
    answer.say(" and")
    await harness.flush_throttle.held.wait()
    answer.say(" never")
    await answer.taken()  # the model is ahead of the disk
    await harness.runs.stop(alice, sent.run_id)
    rest = await rest_of(reader)
    shown = "shown" + "".join(event.text for event in rest if isinstance(event, TextEvent))
    message = await harness.message(alice, sent.message_id)
    assert harness.stored(sent.run_id) == shown
    assert message.status == "stopped"
    assert isinstance(rest[-1], EndEvent)
    assert rest[-1].status == "stopped"
    assert rest[-1].length == len(shown)
    assert "never" not in shown


async def test_stop_closes_the_connection_to_the_provider(harness: RunHarness, alice: Principal):
    sent, answer, _ = await begun(harness, alice)
    await harness.runs.stop(alice, sent.run_id)
    assert answer.closed.is_set()
    assert not answer.finished


async def test_stop_before_the_first_token_leaves_an_empty_stopped_answer(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    await harness.runs.stop(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    assert (message.parts, message.status) == ([], "stopped")


async def test_stopping_twice_or_too_late_is_harmless(harness: RunHarness, alice: Principal):
    sent, answer, _ = await begun(harness, alice)
    answer.finish()
    await harness.read(alice, sent.run_id)
    await harness.runs.stop(alice, sent.run_id)
    await harness.runs.stop_thread(alice, sent.thread_id)
    assert (await harness.message(alice, sent.message_id)).status == "complete"


async def test_a_thread_is_stopped_by_its_owner_only(
    harness: RunHarness, alice: Principal, bob: Principal
):
    sent, answer, _ = await begun(harness, alice)
    with pytest.raises(NotFound):
        await harness.runs.stop_thread(bob, sent.thread_id)
    assert not answer.closed.is_set()
    await harness.runs.stop_thread(alice, sent.thread_id)
    assert answer.closed.is_set()


async def test_a_provider_error_keeps_the_text_and_stores_a_code(
    harness: RunHarness, alice: Principal
):
    sent, answer, reader = await begun(harness, alice)
    answer.say(" more").fail(Failure.RATE_LIMIT.error("One", retry_after=20))
    rest = await rest_of(reader)
    shown = "One is busy or rate-limited. Try again in 20 seconds."
    assert rest[-1] == EndEvent(rest[-1].seq, "failed", shown, 10)
    message = await harness.message(alice, sent.message_id)
    assert harness.stored(sent.run_id) == "shown more"
    assert (message.status, message.error) == ("failed", "rate_limited")
    assert message.error_params == {"model": "One", "retry_after": 20}
    run = await harness.run(alice, sent.run_id)
    assert (run.error, run.error_params) == (message.error, message.error_params)
    view = await harness.threads.message(alice, sent.thread_id, sent.message_id)
    assert view.error == shown
    assert (await harness.read(alice, sent.run_id))[-1] == rest[-1]


async def test_a_bug_in_a_model_shows_no_secret(
    harness: RunHarness, alice: Principal, caplog: pytest.LogCaptureFixture
):
    sent, answer, reader = await begun(harness, alice)
    answer.fail(RuntimeError("sk-secret"))
    end = (await rest_of(reader))[-1]
    assert isinstance(end, EndEvent)
    assert (end.status, end.error) == ("failed", MESSAGES["internal_error"])
    assert "sk-secret" not in caplog.text
    assert (await harness.message(alice, sent.message_id)).error == "internal_error"


async def test_an_empty_answer_is_a_failure(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).send(Finish("stop")).finish()
    (end,) = await harness.read(alice, sent.run_id)
    assert isinstance(end, EndEvent)
    assert (end.status, end.error) == ("failed", MESSAGES["empty_answer"])


async def test_a_revoked_session_stops_its_runs_and_no_others(
    harness: RunHarness, alice: Principal, bob: Principal
):
    device = Principal(alice.user_id, uuid4())
    mine, stopped, reader = await begun(harness, alice)
    other, goes_on, _ = await begun(harness, device, "c2")
    _, bobs, _ = await begun(harness, bob)
    harness.end_session(alice)
    end = (await rest_of(reader))[-1]
    assert isinstance(end, EndEvent)
    assert end.status == "revoked"
    await stopped.closed.wait()
    assert not goes_on.closed.is_set()
    assert not bobs.closed.is_set()
    goes_on.finish()
    await harness.read(device, other.run_id)  # both ends are stored by now, in this order
    assert (await harness.message(device, mine.message_id)).status == "revoked"
    assert harness.stored(mine.run_id) == "shown"


async def test_a_session_that_ends_during_the_send_never_reaches_the_model(
    harness: RunHarness, alice: Principal
):
    harness.bus.subscribe_callback(
        f"user:{alice.user_id}",
        lambda signal: harness.end_session(alice) if signal.kind == "run_started" else None,
    )
    device = Principal(alice.user_id, uuid4())
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (end,) = await harness.read(device, sent.run_id)
    assert isinstance(end, EndEvent)
    assert end.status == "revoked"
    assert harness.models.one.answers == []


async def test_a_deleted_thread_stops_its_answer(harness: RunHarness, alice: Principal):
    sent, answer, reader = await begun(harness, alice)
    await harness.threads.delete(alice, sent.thread_id)
    end = (await rest_of(reader))[-1]
    assert isinstance(end, EndEvent)
    assert end.status == "stopped"
    assert answer.closed.is_set()
    await harness.threads.restore(alice, sent.thread_id)
    window = await harness.threads.window(alice, sent.thread_id)
    assert [message.text for message in window.messages] == ["hi", "shown"]


async def test_a_drain_interrupts_every_answer_and_keeps_its_text(
    harness: RunHarness, alice: Principal, bob: Principal
):
    runs = [
        await begun(harness, alice),
        await begun(harness, alice, "c2"),
        await begun(harness, bob),
    ]
    for _, answer, _ in runs:
        answer.say(" and sent")
        await answer.taken()
    await harness.runs.drain()
    for sent, answer, reader in runs:
        assert answer.closed.is_set()
        end = (await rest_of(reader))[-1]
        assert isinstance(end, EndEvent)
        assert (end.status, end.length) == ("interrupted", len("shown and sent"))
        assert harness.stored(sent.run_id) == "shown and sent"
    assert await harness.count(alice, RunEvent) == 0


async def test_the_end_of_a_run_is_published_after_it_is_stored(
    harness: RunHarness, alice: Principal
):
    told: list[tuple[str, str]] = []
    sent, answer, _ = await begun(harness, alice)
    harness.bus.subscribe_callback(
        f"user:{alice.user_id}",
        lambda signal: told.append((signal.kind, harness.stored(sent.run_id))),
    )
    answer.finish()
    await harness.read(alice, sent.run_id)
    assert told == [("run_ended", "shown"), ("thread", "shown")]
    run = await harness.run(alice, sent.run_id)
    assert run.status == "complete"


async def test_a_run_whose_owner_is_deleted_ends_without_affecting_others(
    harness: RunHarness, alice: Principal, bob: Principal
):
    _, orphan, _ = await begun(harness, alice)
    kept, answer, _ = await begun(harness, bob)
    async with harness.db.system("auth", write=True) as session:
        await session.exec(delete(User).where(col(User.id) == alice.user_id))
    orphan.say(" lost")
    answer.say(" kept")
    await orphan.closed.wait()
    answer.say(" on").finish()
    assert text_of(await harness.read(bob, kept.run_id)) == "shown kept on"


async def test_an_answer_that_cannot_be_saved_fails_with_a_message(
    harness: RunHarness, alice: Principal, bob: Principal
):
    sent, answer, reader = await begun(harness, alice)
    async with harness.db.system("auth", write=True) as session:
        connection = await session.connection()
        await connection.exec_driver_sql(
            "create trigger full before insert on run_event begin select raise(fail, 'full'); end"
        )
    answer.say(" lost")
    end = (await rest_of(reader))[-1]
    assert end == EndEvent(1, "failed", MESSAGES["not_saved"], 5)
    assert harness.stored(sent.run_id) == "shown"
    assert answer.closed.is_set()
    assert (await harness.message(alice, sent.message_id)).error == "not_saved"


async def test_an_end_that_cannot_be_stored_is_shown_and_stored_later(
    harness: RunHarness, alice: Principal
):
    sent, answer, reader = await begun(harness, alice)
    watch = harness.watch(alice)
    tries = len(BACK_OFF) + 3
    harness.db.broken = [DatabaseBusy() for _ in range(tries)]
    answer.finish()
    end = (await rest_of(reader))[-1]
    assert isinstance(end, EndEvent)
    assert end.status == "complete"
    async with asyncio.timeout(PATIENCE):
        await harness.db.mended.wait()
    await harness.runs.drain()
    assert (await harness.message(alice, sent.message_id)).status == "complete"
    assert harness.stored(sent.run_id) == "shown"
    assert watch.kinds.count("run_ended") == 2, "once when shown, once when the row agrees"
    assert harness.flush_throttle.back_offs[: len(BACK_OFF)] == list(BACK_OFF)
    assert len(harness.flush_throttle.back_offs) == tries


async def test_a_model_far_ahead_of_the_disk_is_made_to_wait(harness: RunHarness, alice: Principal):
    sent, answer, _ = await begun(harness, alice)
    answer.say(*["x" * 40_000] * 10)
    await answer.taken()
    async with harness.db.read(alice) as session:
        lengths = [len(text) for text in await session.exec(select(RunEvent.text))]
    assert sum(lengths) >= 300_000
    assert max(lengths) < 120_000
    answer.finish()
    await harness.read(alice, sent.run_id)


async def test_a_model_that_never_pauses_does_not_block_the_event_loop(
    harness: RunHarness, alice: Principal
):
    sent, answer, _ = await begun(harness, alice)
    answer.say(*["x"] * 1000)
    texts = []
    follower = harness.runs.follow(alice, sent.run_id, after=1)
    texts.append(await anext(follower))
    assert isinstance(texts[0], TextEvent)
    assert len(texts[0].text) < 1000
    answer.finish()
    assert text_of(await harness.read(alice, sent.run_id)) == "shown" + "x" * 1000
