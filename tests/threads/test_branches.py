"""Versions of messages, the chosen one, and a branch that is deleted and restored."""

import logging
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select, update

from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, NotFound
from chat_app.db.tables import Message, Run, SearchEntry, Thread
from chat_app.runs.create import CreatedRun
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, run_harness
from testing.sql_statements import statements


async def ask(
    harness: RunHarness, who: Principal, text: str, thread_id: UUID | None = None
) -> CreatedRun:
    """A question that is answered."""
    count = len(harness.models.one.answers)
    sent = await harness.runs.send(who, text=text, client_id=uuid4().hex, thread_id=thread_id)
    (await harness.models.one.answer(count + 1)).say(f"about {text}").finish()
    await harness.read(who, sent.run_id)
    return sent


async def edit(harness: RunHarness, who: Principal, message_id: UUID, text: str) -> CreatedRun:
    """Another version of a question, answered."""
    count = len(harness.models.one.answers)
    sent = await harness.runs.send(who, text=text, client_id=uuid4().hex, edits=message_id)
    (await harness.models.one.answer(count + 1)).say(f"about {text}").finish()
    await harness.read(who, sent.run_id)
    return sent


async def texts(harness: RunHarness, who: Principal, thread_id: UUID) -> list[str]:
    window = await harness.threads.window(who, thread_id)
    return [message.text for message in window.messages]


async def versions(harness: RunHarness, who: Principal, thread_id: UUID) -> list[tuple[int, int]]:
    """Which version of how many each message is; 0 of 0 for the only one."""
    window = await harness.threads.window(who, thread_id)
    return [
        (message.versions.index(message.id) + 1 if message.versions else 0, len(message.versions))
        for message in window.messages
    ]


async def test_a_message_names_all_its_versions(harness: RunHarness, alice: Principal):
    first = await ask(harness, alice, "one")
    thread_id = first.thread_id
    assert await versions(harness, alice, thread_id) == [(0, 0), (0, 0)]
    second = await ask(harness, alice, "two", thread_id)
    await edit(harness, alice, second.user_message_id, "deux")
    await edit(harness, alice, first.user_message_id, "uno")
    assert await versions(harness, alice, thread_id) == [(2, 2), (0, 0)]
    await harness.threads.show_message(alice, thread_id, first.user_message_id)
    assert await texts(harness, alice, thread_id) == ["one", "about one", "deux", "about deux"]
    assert await versions(harness, alice, thread_id) == [(1, 2), (0, 0), (2, 2), (0, 0)]


async def test_a_chosen_branch_is_found_again_where_it_was_left(
    harness: RunHarness, alice: Principal
):
    first = await ask(harness, alice, "one")
    thread_id = first.thread_id
    second = await ask(harness, alice, "two", thread_id)
    await edit(harness, alice, second.user_message_id, "deux")
    await harness.threads.show_message(alice, thread_id, second.user_message_id)
    other = await edit(harness, alice, first.user_message_id, "uno")
    assert await texts(harness, alice, thread_id) == ["uno", "about uno"]
    await harness.threads.show_message(alice, thread_id, first.user_message_id)
    assert (await texts(harness, alice, thread_id))[2] == "two", "not the newest: the chosen one"
    await harness.threads.show_message(alice, thread_id, other.user_message_id)
    assert await texts(harness, alice, thread_id) == ["uno", "about uno"]


async def test_a_deleted_version_gives_way_to_the_other_and_comes_back(
    harness: RunHarness, alice: Principal
):
    first = await ask(harness, alice, "one")
    thread_id = first.thread_id
    second = await edit(harness, alice, first.user_message_id, "uno")
    await ask(harness, alice, "more", thread_id)
    watch = harness.watch(alice)
    await harness.threads.delete_branch(alice, thread_id, second.user_message_id)
    assert await texts(harness, alice, thread_id) == ["one", "about one"]
    assert await versions(harness, alice, thread_id) == [(0, 0), (0, 0)]
    await harness.threads.restore_branch(alice, thread_id, second.user_message_id)
    assert await texts(harness, alice, thread_id) == ["uno", "about uno", "more", "about more"]
    assert await versions(harness, alice, thread_id) == [(2, 2), (0, 0), (0, 0), (0, 0)]
    assert watch.kinds == ["branches", "branches"]
    await harness.threads.restore_branch(alice, thread_id, second.user_message_id)
    assert watch.kinds == ["branches", "branches"], "it was there"


async def test_without_another_version_the_thread_ends_above(harness: RunHarness, alice: Principal):
    first = await ask(harness, alice, "one")
    second = await ask(harness, alice, "two", first.thread_id)
    await harness.threads.delete_branch(alice, first.thread_id, second.user_message_id)
    assert await texts(harness, alice, first.thread_id) == ["one", "about one"]
    third = await ask(harness, alice, "three", first.thread_id)
    asked = await harness.message(alice, third.user_message_id)
    assert asked.parent_id == first.message_id
    await harness.threads.delete_branch(alice, first.thread_id, first.user_message_id)
    assert await texts(harness, alice, first.thread_id) == []
    await ask(harness, alice, "again", first.thread_id)
    assert await texts(harness, alice, first.thread_id) == ["again", "about again"]


async def test_a_branch_that_is_not_chosen_is_deleted_behind_the_scenes(
    harness: RunHarness, alice: Principal
):
    first = await ask(harness, alice, "one")
    thread_id = first.thread_id
    await edit(harness, alice, first.user_message_id, "uno")
    await harness.threads.delete_branch(alice, thread_id, first.user_message_id)
    assert await texts(harness, alice, thread_id) == ["uno", "about uno"]
    assert await versions(harness, alice, thread_id) == [(0, 0), (0, 0)]


async def leaves(harness: RunHarness, who: Principal, above: CreatedRun, count: int) -> list[UUID]:
    """Messages below an answer, none of which is the head."""
    rows = [
        Message(
            owner_id=who.user_id,
            thread_id=above.thread_id,
            parent_id=above.message_id,
            role="user",
            parts=[{"type": "text", "text": f"leaf {number}"}],
        )
        for number in range(count)
    ]
    async with harness.db.write(who) as session:
        session.add_all(rows)
    return [row.id for row in rows]


async def test_many_messages_are_deleted_with_as_many_statements_as_one(
    harness: RunHarness, alice: Principal
):
    first = await ask(harness, alice, "one")
    await ask(harness, alice, "two", first.thread_id)
    one, *others = await leaves(harness, alice, first, 21)
    counts = list[int]()
    for ids in ([one], others):
        with statements() as noted:
            await harness.threads.delete_branch(alice, first.thread_id, *ids)
        counts.append(len(noted.ran))
    assert counts[0] == counts[1]
    assert await versions(harness, alice, first.thread_id) == [(0, 0)] * 4


async def test_messages_are_deleted_together_wherever_they_are(
    harness: RunHarness, alice: Principal
):
    first = await ask(harness, alice, "one")
    thread_id = first.thread_id
    second = await ask(harness, alice, "two", thread_id)
    third = await ask(harness, alice, "three", thread_id)
    other = await edit(harness, alice, second.user_message_id, "deux")
    await harness.threads.show_message(alice, thread_id, third.message_id)
    # the head and one above it, and the version that would be shown in their place
    await harness.threads.delete_branch(
        alice, thread_id, third.message_id, second.user_message_id, other.user_message_id
    )
    assert await texts(harness, alice, thread_id) == ["one", "about one"]
    await harness.threads.restore_branch(alice, thread_id, second.user_message_id)
    assert await texts(harness, alice, thread_id) == [
        *("one", "about one", "two", "about two", "three", "about three")
    ]
    assert await versions(harness, alice, thread_id) == [(0, 0)] * 6, "the other stays deleted"


async def test_all_of_several_messages_are_deleted_or_none(harness: RunHarness, alice: Principal):
    first = await ask(harness, alice, "one")
    thread_id = first.thread_id
    other = await ask(harness, alice, "elsewhere")
    [leaf] = await leaves(harness, alice, first, 1)
    running = await harness.runs.send(alice, text="two", client_id="c2", thread_id=thread_id)
    for wrong, error in (
        (running.message_id, Conflict),
        (other.message_id, NotFound),
        (uuid4(), NotFound),
    ):
        with pytest.raises(error):
            await harness.threads.delete_branch(alice, thread_id, leaf, wrong)
    await harness.runs.stop(alice, running.run_id)
    assert (await harness.threads.message(alice, thread_id, leaf)).id == leaf


async def test_search_does_not_find_what_is_deleted(harness: RunHarness, alice: Principal):
    first = await ask(harness, alice, "one")
    second = await edit(harness, alice, first.user_message_id, "zeppelin")

    async def found() -> set[UUID | None]:
        async with harness.db.read(alice) as session:
            return {entry.message_id for entry in await session.exec(select(SearchEntry))}

    before = await found()
    assert {second.user_message_id, second.message_id} <= before
    await harness.threads.delete_branch(alice, first.thread_id, second.user_message_id)
    assert await found() == before - {second.user_message_id, second.message_id}
    await harness.threads.restore_branch(alice, first.thread_id, second.user_message_id)
    assert await found() == before


async def test_nothing_is_done_to_what_is_deleted(harness: RunHarness, alice: Principal):
    first = await ask(harness, alice, "one")
    thread_id = first.thread_id
    second = await edit(harness, alice, first.user_message_id, "uno")
    await harness.threads.delete_branch(alice, thread_id, first.user_message_id)
    for attempt in (
        harness.runs.retry(alice, first.message_id),
        harness.runs.continue_answer(alice, first.message_id),
        harness.runs.send(alice, text="x", client_id="c9", edits=first.user_message_id),
        harness.runs.send(
            alice, text="x", client_id="c9", thread_id=thread_id, below=first.message_id
        ),
        harness.threads.show_message(alice, thread_id, first.message_id),
        harness.threads.delete_branch(alice, thread_id, first.user_message_id),
        harness.threads.restore_branch(alice, thread_id, first.message_id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await texts(harness, alice, second.thread_id) == ["uno", "about uno"]


async def test_a_running_branch_is_not_deleted(harness: RunHarness, alice: Principal):
    first = await ask(harness, alice, "one")
    sent = await harness.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    for message_id in (first.user_message_id, sent.message_id):
        with pytest.raises(Conflict):
            await harness.threads.delete_branch(alice, first.thread_id, message_id)
    await harness.runs.stop(alice, sent.run_id)
    await harness.threads.delete_branch(alice, first.thread_id, sent.message_id)


async def test_a_branch_that_comes_back_during_an_answer_leaves_it_in_sight(
    harness: RunHarness, alice: Principal
):
    first = await ask(harness, alice, "one")
    second = await edit(harness, alice, first.user_message_id, "uno")
    await harness.threads.delete_branch(alice, first.thread_id, second.user_message_id)
    running = await harness.runs.send(alice, text="more", client_id="c3", thread_id=first.thread_id)
    await harness.threads.restore_branch(alice, first.thread_id, second.user_message_id)
    window = await harness.threads.window(alice, first.thread_id)
    assert window.messages[-1].id == running.message_id
    await harness.runs.stop(alice, running.run_id)


async def test_a_branch_of_another_user_is_not_found(
    harness: RunHarness, alice: Principal, bob: Principal
):
    hers = await ask(harness, alice, "one")
    his = await ask(harness, bob, "one")
    watch = harness.watch(alice)
    for thread_id in (hers.thread_id, his.thread_id):
        for message_id in (hers.user_message_id, uuid4()):
            for action in (harness.threads.delete_branch, harness.threads.restore_branch):
                with pytest.raises(NotFound):
                    await action(bob, thread_id, message_id)
    for message_id in (hers.user_message_id, uuid4()):
        for attempt in (
            harness.runs.send(bob, text="x", client_id="c1", edits=message_id),
            harness.runs.send(
                bob, text="x", client_id="c1", thread_id=his.thread_id, below=message_id
            ),
        ):
            with pytest.raises(NotFound):
                await attempt
    assert watch.signals == []
    assert await texts(harness, bob, his.thread_id) == ["one", "about one"]


async def test_deleted_branches_are_purged_after_deleted_days(
    harness: RunHarness, alice: Principal
):
    first = await ask(harness, alice, "one")
    thread_id = first.thread_id
    second = await edit(harness, alice, first.user_message_id, "uno")
    third = await ask(harness, alice, "due", thread_id)
    await harness.threads.delete_branch(alice, thread_id, third.user_message_id)
    harness.clock.time += timedelta(days=1)
    await harness.threads.delete_branch(alice, thread_id, second.user_message_id)
    harness.clock.time += timedelta(days=harness.settings.deleted_days) - timedelta(hours=1)
    await harness.threads.purge()
    assert await harness.count(alice, Message) == 4, "the inner branch is gone, the outer is not"
    harness.clock.time += timedelta(days=2)
    await harness.threads.purge()
    assert await harness.count(alice, Message) == await harness.count(alice, Run) * 2 == 2
    assert await harness.count(alice, Thread) == 1
    with pytest.raises(NotFound):
        await harness.threads.restore_branch(alice, thread_id, second.user_message_id)
    assert await texts(harness, alice, thread_id) == ["one", "about one"]


async def test_a_branch_deleted_after_the_clock_was_set_back_is_purged(
    database: DatabaseUnderTest,
):
    async with run_harness(database) as harness:
        alice = await harness.person()
        first = await ask(harness, alice, "one")
        thread_id = first.thread_id
        second = await ask(harness, alice, "two", thread_id)
        await harness.threads.delete_branch(alice, thread_id, second.user_message_id)
        harness.clock.time -= timedelta(hours=1)
        await harness.threads.delete_branch(alice, thread_id, first.message_id)
        await harness.threads.restore_branch(alice, thread_id, first.message_id)
        assert await texts(harness, alice, thread_id) == ["one", "about one"], "the inner one stays"
        await harness.threads.delete_branch(alice, thread_id, first.message_id)
        harness.clock.time += timedelta(days=harness.settings.deleted_days, minutes=30)
        await harness.threads.purge()
        harness.clock.time += timedelta(hours=1)
        await harness.threads.purge()
        assert await harness.count(alice, Message) == 1
        assert await texts(harness, alice, thread_id) == ["one"]


async def test_a_branch_that_cannot_be_purged_keeps_nothing_else(
    database: DatabaseUnderTest, caplog: pytest.LogCaptureFixture
):
    async with run_harness(database) as harness:
        alice = await harness.person()
        stuck = await ask(harness, alice, "one")
        await ask(harness, alice, "below", stuck.thread_id)
        await harness.threads.delete_branch(alice, stuck.thread_id, stuck.message_id)
        # an earlier version has added what is below, and knows nothing of the deletion
        async with harness.db.system("sweep", write=True) as session:
            above = (stuck.user_message_id, stuck.message_id)
            of_others = col(Message.id).not_in(above)
            await session.exec(update(Message).where(of_others).values(deleted_at=None))
        other = await ask(harness, alice, "two")
        await harness.threads.delete_branch(alice, other.thread_id, other.user_message_id)
        thread = await harness.threads.create(alice)
        await harness.threads.delete(alice, thread.id)
        harness.clock.time += timedelta(days=harness.settings.deleted_days + 1)
        with caplog.at_level(logging.WARNING):
            assert await harness.threads.purge() == 1
        assert await texts(harness, alice, other.thread_id) == []
        assert await harness.count(alice, Message) == 4
        said = [record.getMessage() for record in caplog.records]
        assert said == ["A deleted branch is not removed yet: IntegrityError"]
