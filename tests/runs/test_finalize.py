"""Every way a run ends."""

import asyncio
from uuid import uuid4

import pytest
from sqlmodel import col, delete, select

from chat_app.auth.principal import Principal
from chat_app.core.errors import MESSAGES, DatabaseBusy, DatabaseUnreachable, NotFound, message_of
from chat_app.core.events import (
    FinishReason,
    PartAdded,
    ReasoningDelta,
    TextDelta,
    TextWasReasoning,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from chat_app.db.tables import RunEvent, User
from chat_app.llm.errors import Failure
from chat_app.llm.prices import Prices
from chat_app.runs.finalize import reap_lost_runs
from chat_app.runs.follow import EndEvent, PartEvent, RunMetrics
from chat_app.runs.log import BACK_OFF
from chat_app.settings.models import PriceSettings
from testing.database import only_sqlite
from testing.run_services import PATIENCE, RunHarness, rest_of, text_of

SHOWN = PartEvent(1, 0, 0, TextDelta("shown"))


async def begun(harness: RunHarness, who: Principal, client_id: str = "c1"):
    """A run that has shown `shown`."""
    number = len(harness.models.one.answers) + 1
    sent = await harness.runs.send(who, text="hi", client_id=client_id)
    answer = (await harness.models.one.answer(number)).say("shown")
    reader = harness.runs.follow(who, sent.run_id)
    assert await anext(reader) == SHOWN
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
    shown = text_of([SHOWN, *rest])
    message = await harness.message(alice, sent.message_id)
    assert harness.stored(sent.run_id) == shown
    assert message.status == "stopped"
    assert isinstance(rest[-1], EndEvent)
    assert (rest[-1].status, rest[-1].reason) == ("stopped", "user")
    assert rest[-1].length == len(shown)
    run = await harness.run(alice, sent.run_id)
    assert (message.finish_reason, run.finish_reason) == ("user", "user")
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
    end = rest[-1]
    assert isinstance(end, EndEvent)
    assert (end.status, end.reason, end.error, end.length) == ("failed", "", shown, 10)
    message = await harness.message(alice, sent.message_id)
    assert harness.stored(sent.run_id) == "shown more"
    assert (message.status, message.error) == ("failed", "rate_limited")
    assert message.error_params == {"model": "One", "retry_after": 20}
    run = await harness.run(alice, sent.run_id)
    assert (run.error, run.error_params) == (message.error, message.error_params)
    view = await harness.threads.message(alice, sent.thread_id, sent.message_id)
    assert view.error == shown
    assert (await harness.read(alice, sent.run_id))[-1] == end


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


@pytest.mark.parametrize("reason", ["stop", "length", "content-filter", "tool-calls", "other"])
async def test_an_answer_with_text_is_complete_and_says_why_it_ended(
    harness: RunHarness, alice: Principal, reason: FinishReason
):
    sent, answer, reader = await begun(harness, alice)
    answer.finish(reason)
    end = (await rest_of(reader))[-1]
    assert isinstance(end, EndEvent)
    assert (end.status, end.reason, end.error) == ("complete", reason, "")
    message = await harness.message(alice, sent.message_id)
    run = await harness.run(alice, sent.run_id)
    assert (message.status, message.finish_reason) == ("complete", reason)
    assert (run.status, run.finish_reason) == ("complete", reason)
    view = await harness.threads.message(alice, sent.thread_id, sent.message_id)
    assert (view.finish_reason, view.error) == (reason, "")


@pytest.mark.parametrize("thought", [False, True])
@pytest.mark.parametrize(
    ("reason", "error", "params", "said"),
    [
        ("stop", "empty_answer", {}, "empty"),
        ("tool-calls", "empty_answer", {}, "empty"),
        ("other", "empty_answer", {}, "empty"),
        ("length", "limit_before_answer", {}, "on thinking. Choose a lower thinking effort in"),
        ("content-filter", "answer_withheld", {"model": "One"}, "One's provider withheld"),
    ],
)
async def test_an_answer_without_text_fails_and_says_why(
    harness: RunHarness,
    alice: Principal,
    thought: bool,
    reason: FinishReason,
    error: str,
    params: dict[str, str],
    said: str,
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    if thought:
        answer.send(ReasoningDelta("hm"))
    answer.finish(reason)
    end = (await harness.read(alice, sent.run_id))[-1]
    assert isinstance(end, EndEvent)
    assert (end.status, end.reason, end.error) == ("failed", reason, message_of(error, params))
    assert said in end.error
    for row in (
        await harness.message(alice, sent.message_id),
        await harness.run(alice, sent.run_id),
    ):
        assert (row.status, row.finish_reason) == ("failed", reason)
        assert (row.error, row.error_params) == (error, params)
    (view,) = (await harness.threads.window(alice, sent.thread_id)).messages[1:]
    assert [part["type"] for part in view.parts] == (["reasoning"] if thought else [])


@pytest.mark.parametrize("before", [False, True])
async def test_a_text_that_was_reasoning_is_no_answer(
    harness: RunHarness, alice: Principal, before: bool
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    if before:
        answer.say("Yes.").send(ReasoningDelta("hm"))
    answer.say("Well.").send(TextWasReasoning()).finish()
    await harness.read(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    assert message.error == ("" if before else "empty_answer")
    kinds = ["text", "reasoning", "reasoning"] if before else ["reasoning"]
    assert [part["type"] for part in message.parts] == kinds


async def test_a_tool_call_is_an_answer(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).send(ToolCallDelta("c1", "add", "{}"))
    answer.send(ToolCallEnd("c1")).finish("tool-calls")
    await harness.read(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    assert (message.status, message.finish_reason) == ("complete", "tool-calls")
    assert [(part["type"], part["state"]) for part in message.parts] == [("tool-call", "called")]


async def test_an_answer_of_reasoning_and_a_source_is_none(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    source = PartAdded({"type": "source", "id": "s", "url": "https://a.example", "title": "A"})
    (await harness.models.one.answer()).send(ReasoningDelta("hm"), source).finish()
    await harness.read(alice, sent.run_id)
    assert (await harness.message(alice, sent.message_id)).error == "empty_answer"


async def test_the_end_is_the_same_for_a_live_and_a_late_reader(
    harness: RunHarness, alice: Principal
):
    sent, answer, reader = await begun(harness, alice)
    answer.send(Usage(9, 5, 4, 3)).finish("length")
    live = (await rest_of(reader))[-1]
    (late,) = await harness.read(alice, sent.run_id, after=live.seq)
    assert live == late
    assert isinstance(live, EndEvent)
    assert live.metrics == await harness.runs.metrics(alice, sent.message_id)
    assert (live.metrics.model, live.metrics.usage) == ("one", Usage(9, 5, 4, 3))
    assert live.metrics.first_token_seconds is not None
    assert live.metrics.total_seconds is not None
    assert 0 < live.metrics.first_token_seconds < live.metrics.total_seconds
    run = await harness.run(alice, sent.run_id)
    assert (run.input_tokens, run.output_tokens) == (9, 5)
    assert (run.reasoning_tokens, run.cached_input_tokens) == (4, 3)


async def test_what_an_answer_cost_is_stored_with_the_prices_of_its_end(
    harness: RunHarness, alice: Principal
):
    price = {"input": 0.5, "output": 2, "cached_input": 0.1}
    harness.models.prices = Prices({"one": PriceSettings.model_validate(price)})
    sent, answer, reader = await begun(harness, alice)
    answer.send(Usage(1_000, 30, 10, 400)).finish()
    live = (await rest_of(reader))[-1]
    assert isinstance(live, EndEvent)
    assert live.metrics.cost == 600 * 500 + 400 * 100 + 30 * 2_000
    harness.models.prices = Prices({})
    assert live.metrics == await harness.runs.metrics(alice, sent.message_id)
    assert (await harness.run(alice, sent.run_id)).cost_nanodollars == live.metrics.cost


async def test_an_answer_of_unknown_price_or_length_has_no_cost(
    harness: RunHarness, alice: Principal
):
    sent, answer, reader = await begun(harness, alice)
    answer.send(Usage(1_000, 30)).finish()
    await rest_of(reader)
    assert (await harness.run(alice, sent.run_id)).cost_nanodollars is None
    free = PriceSettings.model_validate({"input": 0, "output": 0})
    harness.models.prices = Prices({"one": free})
    again = await harness.runs.send(alice, text="hi", client_id="c2", thread_id=sent.thread_id)
    (await harness.models.one.answer(2)).say("a").finish()
    await harness.read(alice, again.run_id)
    assert (await harness.run(alice, again.run_id)).cost_nanodollars is None


async def test_what_an_answer_took_is_its_owners_alone(
    harness: RunHarness, alice: Principal, bob: Principal
):
    sent, answer, reader = await begun(harness, alice)
    unfinished = await harness.runs.metrics(alice, sent.message_id)
    assert (unfinished.usage, unfinished.total_seconds) == (None, None)
    answer.finish()
    await rest_of(reader)
    for who, message_id in [
        (bob, sent.message_id),
        (alice, sent.user_message_id),
        (alice, uuid4()),
    ]:
        with pytest.raises(NotFound):
            await harness.runs.metrics(who, message_id)
    await harness.threads.delete(alice, sent.thread_id)
    with pytest.raises(NotFound):
        await harness.runs.metrics(alice, sent.message_id)


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
    assert (end.status, end.reason) == ("stopped", "thread-deleted")
    assert answer.closed.is_set()
    await harness.threads.restore(alice, sent.thread_id)
    assert (await harness.message(alice, sent.message_id)).finish_reason == "thread-deleted"
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


@only_sqlite  # by a trigger of its own
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
    assert isinstance(end, EndEvent)
    assert (end.seq, end.status, end.error, end.length) == (1, "failed", MESSAGES["not_saved"], 5)
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
    answer.send(Usage(7, 3)).finish()
    end = (await rest_of(reader))[-1]
    assert isinstance(end, EndEvent)
    assert (end.status, end.reason, end.length) == ("complete", "stop", 5)
    assert end.metrics == RunMetrics("one", Usage(7, 3))
    async with asyncio.timeout(PATIENCE):
        await harness.db.mended.wait()
    await harness.runs.drain()
    assert (await harness.message(alice, sent.message_id)).status == "complete"
    assert harness.stored(sent.run_id) == "shown"
    assert watch.kinds.count("run_ended") == 2, "once when shown, once when the row agrees"
    assert harness.flush_throttle.back_offs[: len(BACK_OFF)] == list(BACK_OFF)
    assert len(harness.flush_throttle.back_offs) == tries


async def test_an_end_that_is_stored_unheard_is_not_stored_again(
    harness: RunHarness, alice: Principal
):
    sent, answer, reader = await begun(harness, alice)
    harness.db.unheard = [DatabaseUnreachable()]
    answer.send(Usage(7, 3)).finish()
    end = (await rest_of(reader))[-1]
    assert isinstance(end, EndEvent)
    assert (end.status, end.length, end.metrics.usage) == ("complete", 5, Usage(7, 3))
    await harness.runs.drain()
    assert harness.stored(sent.run_id) == "shown"
    assert (await harness.run(alice, sent.run_id)).last_seq == end.seq


async def test_an_end_that_another_server_has_stored_stays(harness: RunHarness, alice: Principal):
    sent, answer, reader = await begun(harness, alice)
    await reap_lost_runs(harness.db, harness.clock, harness.models)  # pyright: ignore[reportArgumentType]
    answer.say(" and more").finish()
    end = (await rest_of(reader))[-1]
    assert isinstance(end, EndEvent)
    assert (end.status, end.reason, end.length) == ("interrupted", "", len("shown"))
    await harness.runs.drain()
    message = await harness.message(alice, sent.message_id)
    assert (message.status, harness.stored(sent.run_id)) == ("interrupted", "shown")
    assert await harness.count(alice, RunEvent) == 0


async def test_a_model_far_ahead_of_the_disk_is_made_to_wait(harness: RunHarness, alice: Principal):
    sent, answer, _ = await begun(harness, alice)
    answer.say(*["x" * 40_000] * 10)
    await answer.taken()
    async with harness.db.read(alice) as session:
        lengths = [len(text) for text in await session.exec(select(RunEvent.payload))]
    assert sum(lengths) >= 300_000
    assert max(lengths) < 120_000
    answer.finish()
    await harness.read(alice, sent.run_id)


async def test_a_model_that_never_pauses_does_not_block_the_event_loop(
    harness: RunHarness, alice: Principal
):
    sent, answer, _ = await begun(harness, alice)
    answer.say(*["x"] * 1000)
    texts = [await anext(harness.runs.follow(alice, sent.run_id, after=1))]
    assert 0 < len(text_of([SHOWN, *texts])) < 1000
    answer.finish()
    assert text_of(await harness.read(alice, sent.run_id)) == "shown" + "x" * 1000
