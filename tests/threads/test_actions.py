"""The actions on threads, and their signals."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.db.tables import Message, Run, Thread
from testing.run_services import RunHarness


async def test_a_new_thread_is_on_top_of_the_list(harness: RunHarness, alice: Principal):
    await harness.threads.create(alice, title="Old")
    watch = harness.watch(alice)
    thread = await harness.threads.create(alice, title=" New\n")
    assert (thread.title, thread.title_origin) == ("New", "person")
    page = await harness.threads.page(alice)
    assert [one.title for one in page.threads] == ["New", "Old"]
    assert page.threads[0] == replace(thread, options=None)
    assert watch.kinds == ["thread"]


async def test_a_thread_without_a_title_waits_for_one(harness: RunHarness, alice: Principal):
    thread = await harness.threads.create(alice)
    assert (thread.title, thread.title_origin) == ("", "start")


async def test_a_rename_is_published_after_the_commit_and_keeps_the_order(
    harness: RunHarness, alice: Principal
):
    first = await harness.threads.create(alice, title="First")
    await harness.threads.create(alice, title="Second")
    watch = harness.watch(alice)
    await harness.threads.rename(alice, first.id, " Renamed ")
    page = await harness.threads.page(alice)
    assert [thread.title for thread in page.threads] == ["Second", "Renamed"]
    assert page.threads[1].title_origin == "person"
    assert [(signal.kind, signal.thread_id) for signal in watch.signals] == [("thread", first.id)]


async def test_a_refused_rename_changes_and_publishes_nothing(
    harness: RunHarness, alice: Principal
):
    thread = await harness.threads.create(alice, title="Mine")
    watch = harness.watch(alice)
    for title in ("", "x" * 201):
        with pytest.raises(InvalidInput):
            await harness.threads.rename(alice, thread.id, title)
    assert (await harness.threads.get(alice, thread.id)).title == "Mine"
    assert watch.signals == []


async def test_a_models_title_does_not_replace_a_users(harness: RunHarness, alice: Principal):
    thread = await harness.threads.create(alice)
    assert await harness.threads.set_model_title(alice, thread.id, "Model")
    assert not await harness.threads.set_model_title(alice, thread.id, "Again")
    await harness.threads.rename(alice, thread.id, "Person")
    watch = harness.watch(alice)
    assert not await harness.threads.set_model_title(alice, thread.id, "Late")
    assert (await harness.threads.get(alice, thread.id)).title == "Person"
    assert watch.signals == []


async def test_a_deleted_thread_is_not_found_until_it_is_restored(
    harness: RunHarness, alice: Principal
):
    thread = await harness.threads.create(alice, title="Mine")
    watch = harness.watch(alice)
    await harness.threads.delete(alice, thread.id)
    assert (await harness.threads.page(alice)).threads == []
    for action in (
        harness.threads.get(alice, thread.id),
        harness.threads.window(alice, thread.id),
        harness.threads.rename(alice, thread.id, "x"),
        harness.threads.delete(alice, thread.id),
    ):
        with pytest.raises(NotFound):
            await action
    await harness.threads.restore(alice, thread.id)
    await harness.threads.restore(alice, thread.id)
    assert (await harness.threads.page(alice)).threads == [replace(thread, options=None)]
    assert watch.kinds == ["thread_deleted", "thread", "thread"]


async def test_a_thread_of_another_user_is_not_found(
    harness: RunHarness, alice: Principal, bob: Principal
):
    thread = await harness.threads.create(alice, title="Mine")
    sent = await harness.runs.send(alice, text="hi", client_id="c1", thread_id=thread.id)
    deleted = await harness.threads.create(alice)
    await harness.threads.delete(alice, deleted.id)
    watch = harness.watch(alice)
    said = set()
    for thread_id in (thread.id, deleted.id, uuid4()):
        for action in (
            harness.threads.get(bob, thread_id),
            harness.threads.window(bob, thread_id),
            harness.threads.window(bob, thread_id, before=sent.message_id),
            harness.threads.message(bob, thread_id, sent.message_id),
            harness.threads.rename(bob, thread_id, "x"),
            harness.threads.delete(bob, thread_id),
            harness.threads.restore(bob, thread_id),
            harness.runs.stop_thread(bob, thread_id),
        ):
            with pytest.raises(NotFound) as raised:
                await action
            said.add((raised.value.code, raised.value.message))
        assert not await harness.threads.set_model_title(bob, thread_id, "x")
    assert len(said) == 1
    assert (await harness.threads.page(bob)).threads == []
    assert (await harness.threads.get(alice, thread.id)).title == "Mine"
    assert watch.signals == []


async def test_deleted_threads_are_purged_after_deleted_days(harness: RunHarness, alice: Principal):
    old = await harness.runs.send(alice, text="old", client_id="c1")
    await harness.runs.stop(alice, old.run_id)
    again = await harness.runs.retry(alice, old.message_id)
    await harness.runs.stop(alice, again.run_id)
    await harness.threads.delete(alice, old.thread_id)
    harness.clock.time += timedelta(days=harness.settings.deleted_days - 1)
    recent = await harness.threads.create(alice)
    await harness.threads.delete(alice, recent.id)
    kept = await harness.threads.create(alice)
    assert await harness.threads.purge() == 0
    harness.clock.time += timedelta(days=2)
    assert await harness.threads.purge() == 1
    with pytest.raises(NotFound):
        await harness.threads.restore(alice, old.thread_id)
    await harness.threads.restore(alice, recent.id)
    assert {t.id for t in (await harness.threads.page(alice)).threads} == {recent.id, kept.id}
    assert await harness.count(alice, Message) == await harness.count(alice, Run) == 0
    assert await harness.count(alice, Thread) == 2
