"""A window of a branch."""

from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.db.tables import Message, Thread
from testing.database import DatabaseUnderTest, only_sqlite
from testing.run_services import RunHarness, run_harness
from testing.sql_statements import statements


async def thread_of(
    harness: RunHarness, who: Principal, count: int, padding: str = ""
) -> tuple[UUID, list[UUID]]:
    """A thread of so many messages, and their ids from the oldest on."""
    thread = await harness.threads.create(who)
    ids: list[UUID] = []
    async with harness.db.write(who) as session:
        for n in range(count):
            message = Message(
                thread_id=thread.id,
                owner_id=who.user_id,
                parent_id=ids[-1] if ids else None,
                role="user" if n % 2 == 0 else "assistant",
                parts=[{"type": "text", "text": f"m{n}{padding}"}],
                created_at=harness.clock(),
            )
            session.add(message)
            await session.flush()
            ids.append(message.id)
        row = await session.get(Thread, thread.id)
        assert row is not None
        row.head_id = ids[-1]
    return thread.id, ids


async def test_the_newest_messages_come_oldest_first(harness: RunHarness, alice: Principal):
    thread_id, ids = await thread_of(harness, alice, 50)
    window = await harness.threads.window(alice, thread_id)
    assert [message.id for message in window.messages] == ids[-30:]
    assert window.has_older
    assert window.messages[0].text == "m20"
    assert window.run is None


async def test_windows_join_without_a_gap(harness: RunHarness, alice: Principal):
    thread_id, ids = await thread_of(harness, alice, 100)
    window = await harness.threads.window(alice, thread_id)
    seen = [message.id for message in window.messages]
    while window.has_older:
        window = await harness.threads.window(alice, thread_id, before=seen[0])
        seen = [*(message.id for message in window.messages), *seen]
    assert seen == ids


async def test_a_window_that_ends_exactly_at_the_root_has_nothing_older(
    harness: RunHarness, alice: Principal
):
    thread_id, ids = await thread_of(harness, alice, 30)
    window = await harness.threads.window(alice, thread_id)
    assert len(window.messages) == 30
    assert not window.has_older
    above = await harness.threads.window(alice, thread_id, before=ids[0])
    assert (above.messages, above.has_older) == ([], False)


async def test_an_empty_thread_has_an_empty_window(harness: RunHarness, alice: Principal):
    thread = await harness.threads.create(alice)
    window = await harness.threads.window(alice, thread.id)
    assert (window.messages, window.has_older, window.run) == ([], False, None)


async def test_only_the_current_branch_is_shown(harness: RunHarness, alice: Principal):
    first = await harness.runs.send(alice, text="hi", client_id="c1")
    await harness.runs.stop(alice, first.run_id)
    second = await harness.runs.retry(alice, first.message_id)
    window = await harness.threads.window(alice, first.thread_id)
    assert [m.id for m in window.messages] == [first.user_message_id, second.message_id]


async def test_a_running_answer_has_its_run_id(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    window = await harness.threads.window(alice, sent.thread_id)
    assert window.run is not None
    assert (window.run.run_id, window.run.message_id) == (sent.run_id, sent.message_id)
    assert [message.run_id for message in window.messages] == [None, sent.run_id]
    assert window.thread.running


@pytest.mark.parametrize("limit", [0, 201])
async def test_a_limit_out_of_range_is_refused(harness: RunHarness, alice: Principal, limit: int):
    thread = await harness.threads.create(alice)
    with pytest.raises(InvalidInput):
        await harness.threads.window(alice, thread.id, limit=limit)


async def test_before_must_be_a_message_of_this_thread(
    harness: RunHarness, alice: Principal, bob: Principal
):
    thread_id, _ = await thread_of(harness, alice, 2)
    _, other = await thread_of(harness, alice, 2)
    _, foreign = await thread_of(harness, bob, 2)
    for before in (other[1], foreign[1], uuid4()):
        with pytest.raises(NotFound):
            await harness.threads.window(alice, thread_id, before=before)


async def test_no_window_shows_messages_of_a_deleted_branch(harness: RunHarness, alice: Principal):
    thread_id, ids = await thread_of(harness, alice, 6)
    await harness.threads.delete_branch(alice, thread_id, ids[2])
    for before in ids[3:]:
        with pytest.raises(NotFound):
            await harness.threads.window(alice, thread_id, before=before)
    window = await harness.threads.window(alice, thread_id, before=ids[2])
    assert [message.id for message in window.messages] == ids[:2], "what is above is there"


@only_sqlite
async def test_a_window_of_a_long_thread_reads_no_more_than_of_a_short_one(
    harness: RunHarness, alice: Principal
):
    short, _ = await thread_of(harness, alice, 31)
    long, _ = await thread_of(harness, alice, 1000)
    costs = []
    for thread_id in (short, long):
        with statements() as noted:
            window = await harness.threads.window(alice, thread_id)
        assert len(window.messages) == 30
        assert window.has_older
        costs.append(len(noted.ran))
        plans = noted.plans(harness.database.folder / "chat.db", "message")
        assert plans
        assert not any("SCAN message" in plan for plan in plans), "rows are found by id"
        climbs = [parameters for sql, parameters in noted.ran if "RECURSIVE" in sql]
        assert len(climbs) == 1
        assert 30 in climbs[0], "the climb ends with the window"
    assert costs[0] == costs[1] <= 7


async def test_a_window_of_large_messages_has_fewer_of_them(database: DatabaseUnderTest):
    async with run_harness(database, messages_page_bytes=10_000) as harness:
        alice = await harness.person()
        thread_id, ids = await thread_of(harness, alice, 20, "x" * 3_000)
        window = await harness.threads.window(alice, thread_id)
        assert [message.id for message in window.messages] == ids[-4:]
        assert window.has_older
        seen = [message.id for message in window.messages]
        while window.has_older:
            window = await harness.threads.window(alice, thread_id, before=seen[0])
            seen = [*(message.id for message in window.messages), *seen]
        assert seen == ids


async def test_a_message_larger_than_a_window_is_a_window(database: DatabaseUnderTest):
    async with run_harness(database, messages_page_bytes=10_000) as harness:
        alice = await harness.person()
        thread_id, ids = await thread_of(harness, alice, 2, "x" * 30_000)
        window = await harness.threads.window(alice, thread_id)
        assert [message.id for message in window.messages] == ids[1:]
        window = await harness.threads.window(alice, thread_id, before=ids[1])
        assert ([message.id for message in window.messages], window.has_older) == (ids[:1], False)
