"""The log on a real database: the number of transactions does not grow with the answers."""

import asyncio

import pytest

from chat_app.core.errors import DatabaseUnreachable
from chat_app.runs.follow import EndEvent
from testing.database import DatabaseUnderTest
from testing.run_services import rest_of, run_harness, text_of


@pytest.mark.parametrize("count", [1, 30])
async def test_a_token_of_every_answer_costs_at_most_two_transactions(
    database: DatabaseUnderTest, count: int
):
    async with run_harness(database, runs_per_user=count) as harness:
        alice = await harness.person()
        readers = []
        for n in range(count):
            sent = await harness.runs.send(alice, text="hi", client_id=f"c{n}")
            (await harness.models.one.answer(n + 1)).say("a")
            readers.append(harness.runs.follow(alice, sent.run_id))
            await anext(readers[-1])
        before = harness.db.system_writes.count("run log")
        harness.flush_throttle.hold()
        for answer in harness.models.one.answers:
            answer.say("b")
        for answer in harness.models.one.answers:
            await answer.taken()
        harness.flush_throttle.release()
        events = await asyncio.gather(*(anext(reader) for reader in readers))
        assert [text_of([event]) for event in events] == ["b"] * count
        # one for the token that came first, one for all that came while it was written
        assert 1 <= harness.db.system_writes.count("run log") - before <= 2


async def test_a_commit_of_the_log_that_was_not_heard_is_repeated(database: DatabaseUnderTest):
    async with run_harness(database) as harness:
        alice = await harness.person()
        sent = await harness.runs.send(alice, text="hi", client_id="c")
        harness.db.unheard_log = [DatabaseUnreachable()]
        (await harness.models.one.answer()).say("every ", "word").finish()
        events = await rest_of(harness.runs.follow(alice, sent.run_id))
        end = events[-1]
        assert isinstance(end, EndEvent)
        assert (end.status, text_of(events)) == ("complete", "every word")
        assert harness.db.unheard_log == []
        await harness.runs.drain()
        assert harness.stored(sent.run_id) == "every word"


async def test_a_send_whose_commit_was_not_heard_leaves_no_answer_without_an_end(
    database: DatabaseUnderTest,
):
    async with run_harness(database) as harness:
        alice = await harness.person()
        harness.db.unheard = [DatabaseUnreachable()]
        with pytest.raises(DatabaseUnreachable):
            await harness.runs.send(alice, text="hi", client_id="c")
        again = await harness.runs.send(alice, text="hi", client_id="c")
        await rest_of(harness.runs.follow(alice, again.run_id))
        assert (await harness.message(alice, again.message_id)).status == "interrupted"
        # the thread takes messages again
        await harness.runs.send(alice, text="and now?", client_id="d", thread_id=again.thread_id)
