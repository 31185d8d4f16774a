"""The actions on threads, and their signals."""

from datetime import timedelta
from uuid import uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.db.tables import Message, Run, Thread
from testing.run_services import Stage


async def test_a_new_thread_is_on_top_of_the_list(stage: Stage, alice: Principal):
    await stage.threads.create(alice, title="Old")
    watch = stage.watch(alice)
    thread = await stage.threads.create(alice, title=" New\n")
    assert (thread.title, thread.title_origin) == ("New", "person")
    page = await stage.threads.page(alice)
    assert [one.title for one in page.threads] == ["New", "Old"]
    assert page.threads[0] == thread
    assert watch.kinds == ["thread"]


async def test_a_thread_without_a_title_waits_for_one(stage: Stage, alice: Principal):
    thread = await stage.threads.create(alice)
    assert (thread.title, thread.title_origin) == ("", "start")


async def test_a_rename_is_published_after_the_commit_and_keeps_the_order(
    stage: Stage, alice: Principal
):
    first = await stage.threads.create(alice, title="First")
    await stage.threads.create(alice, title="Second")
    watch = stage.watch(alice)
    await stage.threads.rename(alice, first.id, " Renamed ")
    page = await stage.threads.page(alice)
    assert [thread.title for thread in page.threads] == ["Second", "Renamed"]
    assert page.threads[1].title_origin == "person"
    assert [(signal.kind, signal.thread_id) for signal in watch.signals] == [("thread", first.id)]


async def test_a_refused_rename_changes_and_publishes_nothing(stage: Stage, alice: Principal):
    thread = await stage.threads.create(alice, title="Mine")
    watch = stage.watch(alice)
    for title in ("", "x" * 201):
        with pytest.raises(InvalidInput):
            await stage.threads.rename(alice, thread.id, title)
    assert (await stage.threads.get(alice, thread.id)).title == "Mine"
    assert watch.signals == []


async def test_a_models_title_does_not_replace_a_users(stage: Stage, alice: Principal):
    thread = await stage.threads.create(alice)
    assert await stage.threads.set_model_title(alice, thread.id, "Model")
    assert not await stage.threads.set_model_title(alice, thread.id, "Again")
    await stage.threads.rename(alice, thread.id, "Person")
    watch = stage.watch(alice)
    assert not await stage.threads.set_model_title(alice, thread.id, "Late")
    assert (await stage.threads.get(alice, thread.id)).title == "Person"
    assert watch.signals == []


async def test_a_deleted_thread_is_not_found_until_it_is_restored(stage: Stage, alice: Principal):
    thread = await stage.threads.create(alice, title="Mine")
    watch = stage.watch(alice)
    await stage.threads.delete(alice, thread.id)
    assert (await stage.threads.page(alice)).threads == []
    for action in (
        stage.threads.get(alice, thread.id),
        stage.threads.window(alice, thread.id),
        stage.threads.rename(alice, thread.id, "x"),
        stage.threads.delete(alice, thread.id),
    ):
        with pytest.raises(NotFound):
            await action
    await stage.threads.restore(alice, thread.id)
    await stage.threads.restore(alice, thread.id)
    assert (await stage.threads.page(alice)).threads == [thread]
    assert watch.kinds == ["thread_deleted", "thread", "thread"]


async def test_a_thread_of_another_user_is_not_found(
    stage: Stage, alice: Principal, bob: Principal
):
    thread = await stage.threads.create(alice, title="Mine")
    sent = await stage.runs.send(alice, text="hi", client_id="c1", thread_id=thread.id)
    deleted = await stage.threads.create(alice)
    await stage.threads.delete(alice, deleted.id)
    watch = stage.watch(alice)
    said = set()
    for thread_id in (thread.id, deleted.id, uuid4()):
        for action in (
            stage.threads.get(bob, thread_id),
            stage.threads.window(bob, thread_id),
            stage.threads.window(bob, thread_id, before=sent.message_id),
            stage.threads.message(bob, thread_id, sent.message_id),
            stage.threads.rename(bob, thread_id, "x"),
            stage.threads.delete(bob, thread_id),
            stage.threads.restore(bob, thread_id),
            stage.runs.stop_thread(bob, thread_id),
        ):
            with pytest.raises(NotFound) as raised:
                await action
            said.add((raised.value.code, raised.value.message))
        assert not await stage.threads.set_model_title(bob, thread_id, "x")
    assert len(said) == 1
    assert (await stage.threads.page(bob)).threads == []
    assert (await stage.threads.get(alice, thread.id)).title == "Mine"
    assert watch.signals == []


async def test_deleted_threads_are_purged_after_deleted_days(stage: Stage, alice: Principal):
    old = await stage.runs.send(alice, text="old", client_id="c1")
    await stage.runs.stop(alice, old.run_id)
    again = await stage.runs.retry(alice, old.message_id)
    await stage.runs.stop(alice, again.run_id)
    await stage.threads.delete(alice, old.thread_id)
    stage.clock.time += timedelta(days=stage.settings.deleted_days - 1)
    recent = await stage.threads.create(alice)
    await stage.threads.delete(alice, recent.id)
    kept = await stage.threads.create(alice)
    assert await stage.threads.purge() == 0
    stage.clock.time += timedelta(days=2)
    assert await stage.threads.purge() == 1
    with pytest.raises(NotFound):
        await stage.threads.restore(alice, old.thread_id)
    await stage.threads.restore(alice, recent.id)
    assert {t.id for t in (await stage.threads.page(alice)).threads} == {recent.id, kept.id}
    assert await stage.count(alice, Message) == await stage.count(alice, Run) == 0
    assert await stage.count(alice, Thread) == 2
