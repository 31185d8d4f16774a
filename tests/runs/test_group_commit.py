"""The log on a real database: the number of transactions does not grow with the answers."""

import asyncio

import pytest

from testing.database import DatabaseUnderTest
from testing.run_services import run_harness, text_of


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
