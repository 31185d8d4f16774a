"""What one user may store, and how often."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, NotFound, RateLimited
from chat_app.db.tables import Membership, Message, Organisation, Thread
from chat_app.threads.user_limits import ROW_BYTES, StorageFull, stored_bytes
from testing.database import DatabaseUnderTest, only_sqlite
from testing.run_services import RunHarness, run_harness
from testing.sql_statements import statements


async def answered(harness: RunHarness, who: Principal, number: int, text: str = "hi") -> UUID:
    sent = await harness.runs.send(who, text=text, client_id=f"c{number}")
    model = harness.models.one
    (await model.answer(len(model.answers) + (not model.answers))).say("a").finish()
    await harness.read(who, sent.run_id)
    return sent.thread_id


async def test_more_messages_than_a_minute_allows_are_refused_with_a_time(
    database: DatabaseUnderTest,
):
    async with run_harness(database, limit_messages="3/minute", runs_per_user=10) as harness:
        alice, bob = await harness.person(), await harness.person()
        sent = [await harness.runs.send(alice, text="hi", client_id=f"c{n}") for n in range(3)]
        for _ in range(2):
            again = await harness.runs.send(alice, text="hi", client_id="c1")
            assert again.run_id == sent[1].run_id, "a repeated send is not a new message"
        with pytest.raises(RateLimited) as refused:
            await harness.runs.send(alice, text="hi", client_id="c3")
        assert 1 <= refused.value.retry_after <= 60
        assert "Try again in" in refused.value.message
        await harness.runs.stop(alice, sent[0].run_id)
        with pytest.raises(RateLimited):
            await harness.runs.retry(alice, sent[0].message_id)
        assert await harness.count(alice, Message) == 6
        await harness.runs.send(bob, text="hi", client_id="c3")


async def test_messages_that_are_refused_do_not_count(database: DatabaseUnderTest):
    async with run_harness(database, limit_messages="3/minute", runs_per_user=2) as harness:
        alice = await harness.person()
        sent = [await harness.runs.send(alice, text="hi", client_id=f"c{n}") for n in range(2)]
        for thread_id, refusal in (
            (uuid4(), NotFound),
            (sent[0].thread_id, Conflict),
            (None, RateLimited),
        ):
            with pytest.raises(refusal):
                await harness.runs.send(alice, text="hi", client_id="c2", thread_id=thread_id)
        await harness.runs.stop(alice, sent[0].run_id)
        await harness.runs.send(alice, text="hi", client_id="c2")
        assert await harness.count(alice, Thread) == 3


async def test_more_threads_than_a_minute_allows_are_refused_with_a_time(
    database: DatabaseUnderTest,
):
    async with run_harness(database, limit_threads="2/minute") as harness:
        alice, bob = await harness.person(), await harness.person()
        for _ in range(2):
            await harness.threads.create(alice)
        with pytest.raises(RateLimited) as refused:
            await harness.threads.create(alice)
        assert 1 <= refused.value.retry_after <= 60
        assert await harness.count(alice, Thread) == 2
        await harness.threads.create(bob)
        await harness.runs.send(alice, text="hi", client_id="c1")


async def test_a_user_stores_no_more_than_their_share(database: DatabaseUnderTest):
    async with run_harness(
        database,
        stored_bytes_per_user=100_000,
        answer_bytes=10_000,
        runs_per_user=100,
        limit_messages="1000/minute",
    ) as harness:
        alice, bob = await harness.person(), await harness.person()
        stored = 0
        for n in range(100):
            try:
                await harness.runs.send(alice, text="x" * 10_000, client_id=f"c{n}")
            except StorageFull:
                break
            stored += 10_000 + 3 * ROW_BYTES
        assert 80_000 < stored <= 100_000
        threads = await harness.count(alice, Thread)
        with pytest.raises(StorageFull, match="0 MB that this server keeps"):
            await harness.runs.send(alice, text="x" * 20_000, client_id="again")
        assert await harness.count(alice, Thread) == threads, "no empty chat is left"
        assert (await harness.runs.send(alice, text="x" * 10_000, client_id="c0")).duplicate
        await harness.runs.send(bob, text="hi", client_id="c1")


async def test_what_a_user_left_in_an_organisation_counts(database: DatabaseUnderTest) -> None:
    async with run_harness(
        database,
        stored_bytes_per_user=100_000,
        answer_bytes=10_000,
        runs_per_user=100,
        limit_messages="1000/minute",
    ) as harness:
        alice = await harness.person()
        now, org = harness.clock(), Organisation(name="Acme", created_at=harness.clock())
        async with harness.db.system("organisations", write=True) as session:
            session.add(org)
            await session.flush()
            session.add(
                Membership(user_id=alice.user_id, org_id=org.id, role="member", created_at=now)
            )
        member = replace(alice, memberships={org.id: "member"})

        async def fill() -> None:
            for n in range(100):
                await harness.runs.send(member, text="x" * 10_000, client_id=f"{n}", org_id=org.id)

        with pytest.raises(StorageFull):
            await fill()
        assert await harness.count(alice, Thread) == 0, "the one who left sees none of it"
        stored = await harness.db.query(member, stored_bytes)
        assert await harness.db.query(alice, stored_bytes) == stored
        with pytest.raises(StorageFull):
            await harness.runs.send(alice, text="x" * 10_000, client_id="again")
        for _ in range(100_000 // ROW_BYTES):
            try:
                await harness.threads.create(alice)
            except StorageFull:
                break
        assert await harness.db.query(alice, stored_bytes) <= 100_000


@only_sqlite
async def test_what_is_stored_is_read_from_two_indexes(harness: RunHarness, alice: Principal):
    with statements() as noted:
        await harness.db.query(alice, stored_bytes)
    [plan] = noted.plans(harness.database.folder / "chat.db", "FROM message")
    assert "SEARCH message USING COVERING INDEX ix_message_stored (owner_id=?)" in plan
    assert "SEARCH thread USING COVERING INDEX" in plan


async def test_deleted_chats_count_until_they_are_removed(database: DatabaseUnderTest):
    async with run_harness(database) as harness:
        alice = await harness.person()
        thread_id = await answered(harness, alice, 1, "x" * 500)
        await harness.threads.delete(alice, thread_id)
        assert await harness.db.query(alice, stored_bytes) == 501 + 3 * ROW_BYTES
        async with harness.db.read(alice) as session:
            sizes = (await session.exec(select(Message.size))).all()
        assert sorted(sizes) == [1, 500]


async def test_what_does_not_fit_does_not_count(database: DatabaseUnderTest) -> None:
    async with run_harness(
        database,
        stored_bytes_per_user=100_000,
        answer_bytes=10_000,
        message_bytes=100_000,
        limit_messages="1/minute",
    ) as harness:
        alice = await harness.person()
        for n in range(2):
            with pytest.raises(StorageFull):
                await harness.runs.send(alice, text="x" * 99_000, client_id=f"big{n}")
        await harness.runs.send(alice, text="hi", client_id="c1")
        with pytest.raises(RateLimited):
            await harness.runs.send(alice, text="hi", client_id="c2")
