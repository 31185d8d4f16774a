"""What a crash leaves, and what the next start makes of it."""

import logging
from typing import Any
from uuid import UUID

import pytest

from chat_app.core.events import (
    Event,
    Finish,
    ReasoningDelta,
    TextDelta,
    Usage,
    encode_payload,
    fold,
)
from chat_app.db.prepared import Transaction
from chat_app.db.tables import RunEvent
from chat_app.runs.finalize import finalize
from chat_app.runs.follow import EndEvent, PartEvent
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, run_harness, text_of


async def test_text_that_was_shown_before_a_crash_is_there_after_it(database: DatabaseUnderTest):
    async with run_harness(database) as lost:
        alice = await lost.person()
        sent = await lost.runs.send(alice, text="hi", client_id="c1")
        answer = await lost.models.one.answer()
        reader = lost.runs.follow(alice, sent.run_id)
        events = []
        for word in ["It ", "rains", " cats \N{CAT}"]:
            answer.say(word)
            events.append(await anext(reader))
        seen = text_of(events)
        # the first process is still there, as a killed one's file is: nothing is drained
        async with run_harness(database) as harness:
            message = await harness.message(alice, sent.message_id)
            run = await harness.run(alice, sent.run_id)
            assert harness.stored(sent.run_id) == seen
            assert message.status == run.status == "interrupted"
            assert run.finished_at is not None
            assert await harness.count(alice, RunEvent) == 0
            events = await harness.read(alice, sent.run_id)
            assert text_of(events) == seen
            assert isinstance(events[-1], EndEvent)
            assert events[-1].status == "interrupted"


async def test_a_queued_run_is_interrupted_too(database: DatabaseUnderTest):
    async with run_harness(database) as lost:
        alice = await lost.person()
        sent = await lost.runs.send(alice, text="hi", client_id="c1")
        async with run_harness(database) as harness:
            assert (await harness.run(alice, sent.run_id)).status == "interrupted"


async def test_an_interrupted_answer_can_be_retried(database: DatabaseUnderTest):
    async with run_harness(database) as lost:
        alice = await lost.person()
        sent = await lost.runs.send(alice, text="hi", client_id="c1")
        async with run_harness(database) as harness:
            again = await harness.runs.retry(alice, sent.message_id)
            (await harness.models.one.answer()).say("now").finish()
            assert text_of(await harness.read(alice, again.run_id)) == "now"


async def test_many_lost_runs_are_all_closed(database: DatabaseUnderTest):
    async with run_harness(database, runs_per_user=250, limit_messages="250/minute") as lost:
        alice = await lost.person()
        for n in range(203):
            await lost.runs.send(alice, text="hi", client_id=f"c{n}")
        async with run_harness(database) as harness:
            page = await harness.threads.page(alice, limit=200)
            assert len(page.threads) == 200
            assert not any(thread.running for thread in page.threads)


async def test_a_run_that_cannot_be_closed_does_not_keep_the_server_from_starting(
    database: DatabaseUnderTest, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    async with run_harness(database) as lost:
        alice = await lost.person()
        sent = [await lost.runs.send(alice, text="hi", client_id=f"c{n}") for n in range(3)]
        broken = sent[1].run_id

        def finalize_or_fail(transaction: Transaction, run_id: UUID, *given: Any, **more: Any):
            if run_id == broken:
                raise ValueError("what its log has")
            return finalize(transaction, run_id, *given, **more)

        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
            patch.setattr("chat_app.runs.finalize.finalize", finalize_or_fail)
            async with run_harness(database) as harness:
                ends = [(await harness.run(alice, run.run_id)).status for run in sent]
                assert ends == ["interrupted", "queued", "interrupted"]
        said = [record.getMessage() for record in caplog.records]
        assert said == ["A lost run cannot be closed: ValueError"]
        async with run_harness(database) as harness:
            assert (await harness.run(alice, broken)).status == "interrupted", "at the next start"


async def test_a_run_that_ended_stays_as_it_is(database: DatabaseUnderTest):
    async with run_harness(database) as first:
        alice = await first.person()
        sent = await first.runs.send(alice, text="hi", client_id="c1")
        (await first.models.one.answer()).say("a").finish()
        before = await first.read(alice, sent.run_id)
        async with run_harness(database) as harness:
            assert await harness.read(alice, sent.run_id) == [
                PartEvent(before[-1].seq, 0, 0, TextDelta("a")),
                before[-1],
            ]
            assert isinstance(harness, RunHarness)


async def test_a_run_without_a_worker_can_be_read_before_it_is_closed(database: DatabaseUnderTest):
    async with run_harness(database) as lost:
        alice = await lost.person()
        sent = await lost.runs.send(alice, text="hi", client_id="c1")
        (await lost.models.one.answer()).say("seen")
        await anext(lost.runs.follow(alice, sent.run_id))
        async with run_harness(database, start=False) as harness:
            text, end = await harness.read(alice, sent.run_id)
            assert text == PartEvent(1, 0, 0, TextDelta("seen"))
            assert isinstance(end, EndEvent)
            assert (end.seq, end.status, end.reason, end.length) == (1, "interrupted", "", 4)
            assert await harness.runs.snapshot(alice, sent.run_id) == [text]


async def test_reasoning_that_was_shown_before_a_crash_is_there_after_it(
    database: DatabaseUnderTest,
):
    async with run_harness(database) as lost:
        alice = await lost.person()
        sent = await lost.runs.send(alice, text="hi", client_id="c1")
        (await lost.models.one.answer()).send(ReasoningDelta("Let me "), ReasoningDelta("see"))
        await anext(lost.runs.follow(alice, sent.run_id))
        async with run_harness(database) as harness:
            message = await harness.message(alice, sent.message_id)
            assert (message.status, message.finish_reason) == ("interrupted", "")
            assert message.parts == [{"type": "reasoning", "text": "Let me see"}]


@pytest.mark.parametrize(
    ("log", "status", "error"),
    [
        ([TextDelta("a"), Usage(7, 3, 2, 1), Finish("length")], "complete", ""),
        ([TextDelta("a"), Usage(7, 3, 2, 1)], "interrupted", ""),
        ([ReasoningDelta("a"), Finish("length")], "failed", "limit_before_answer"),
        ([Finish("content-filter")], "failed", "answer_withheld"),
        ([Finish("stop")], "failed", "empty_answer"),
    ],
)
async def test_an_answer_that_had_ended_before_the_crash_is_not_interrupted(
    database: DatabaseUnderTest, log: list[Event], status: str, error: str
):
    async with run_harness(database) as lost:
        alice = await lost.person()
        sent = await lost.runs.send(alice, text="hi", client_id="c1")
        async with lost.db.write(alice) as session:
            for seq, event in enumerate(log, 1):
                payload = encode_payload(event)
                session.add(
                    RunEvent(
                        run_id=sent.run_id,
                        owner_id=alice.user_id,
                        seq=seq,
                        kind=event.kind,
                        payload=payload,
                    )
                )
        folded = fold(log)
        async with run_harness(database) as harness:
            message = await harness.message(alice, sent.message_id)
            run = await harness.run(alice, sent.run_id)
            reason = folded.finish.reason if folded.finish else ""
            for row in (message, run):
                assert (row.status, row.error) == (status, error)
                assert row.finish_reason == reason
                params = {"model": "One"} if error == "answer_withheld" else {}
                assert row.error_params == params, "the sentence has the name, not the id"
            assert message.parts == folded.parts
            assert (run.input_tokens, run.cached_input_tokens) == (
                (7, 1) if folded.usage else (None, None)
            )
            assert run.last_seq == len(log)
