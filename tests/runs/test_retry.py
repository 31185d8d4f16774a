"""Trying an answer again."""

from uuid import uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.llm.errors import Failure
from testing.run_services import RunHarness, text_of


async def test_a_retry_is_a_sibling_under_the_same_question(harness: RunHarness, alice: Principal):
    first = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer(1)).say("bad").fail(Failure.REQUEST.error("One"))
    await harness.read(alice, first.run_id)
    watch = harness.watch(alice)
    second = await harness.runs.retry(alice, first.message_id)
    (await harness.models.one.answer(2)).say("good").finish()
    assert text_of(await harness.read(alice, second.run_id)) == "good"
    assert second.user_message_id == first.user_message_id
    assert second.message_id != first.message_id
    old = await harness.message(alice, first.message_id)
    new = await harness.message(alice, second.message_id)
    assert old.parent_id == new.parent_id == first.user_message_id
    assert (old.parts, old.status) == ([{"type": "text", "text": "bad"}], "failed")
    window = await harness.threads.window(alice, first.thread_id)
    assert [message.text for message in window.messages] == ["hi", "good"]
    assert watch.kinds[:2] == ["thread", "run_started"]


async def test_a_retry_shows_the_model_the_question_and_not_the_old_answer(
    harness: RunHarness, alice: Principal
):
    first = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer(1)).say("bad").finish()
    await harness.read(alice, first.run_id)
    await harness.runs.retry(alice, first.message_id)
    prompt = (await harness.models.one.answer(2)).prompt
    assert [message.text for message in prompt[1:]] == ["hi"]


async def test_a_running_answer_cannot_be_retried(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    with pytest.raises(Conflict):
        await harness.runs.retry(alice, sent.message_id)


async def test_an_old_answer_cannot_be_retried_during_another_run(
    harness: RunHarness, alice: Principal
):
    first = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer(1)).say("a").finish()
    await harness.read(alice, first.run_id)
    await harness.runs.send(alice, text="more", client_id="c2", thread_id=first.thread_id)
    with pytest.raises(Conflict):
        await harness.runs.retry(alice, first.message_id)


async def test_any_answer_can_be_retried_and_what_follows_it_is_kept(
    harness: RunHarness, alice: Principal
):
    first = await harness.runs.send(alice, text="one", client_id="c1")
    (await harness.models.one.answer(1)).say("uno").finish()
    await harness.read(alice, first.run_id)
    second = await harness.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    (await harness.models.one.answer(2)).say("due").finish()
    await harness.read(alice, second.run_id)
    again = await harness.runs.retry(alice, first.message_id)
    (await harness.models.one.answer(3)).say("un").finish()
    await harness.read(alice, again.run_id)
    window = await harness.threads.window(alice, first.thread_id)
    assert [message.text for message in window.messages] == ["one", "un"]
    assert window.messages[-1].versions == (first.message_id, again.message_id)
    await harness.threads.show_message(alice, first.thread_id, first.message_id)
    window = await harness.threads.window(alice, first.thread_id)
    assert [message.text for message in window.messages] == ["one", "uno", "two", "due"]


async def test_another_model_can_answer_and_stays_with_the_thread(
    harness: RunHarness, alice: Principal
):
    first = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say("a").finish()
    await harness.read(alice, first.run_id)
    second = await harness.runs.retry(alice, first.message_id, model="two")
    (await harness.models.two.answer(1)).say("b").finish()
    await harness.read(alice, second.run_id)
    assert (await harness.message(alice, second.message_id)).model == "two"
    assert (await harness.threads.get(alice, first.thread_id)).model == "two"
    with pytest.raises(InvalidInput):
        await harness.runs.retry(alice, first.message_id, model="three")


async def test_a_question_can_be_answered_again(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    await harness.runs.stop(alice, sent.run_id)
    again = await harness.runs.retry(alice, sent.user_message_id)
    assert again.user_message_id == sent.user_message_id
    assert (await harness.message(alice, again.message_id)).parent_id == sent.user_message_id


async def test_a_message_of_another_user_is_not_found(
    harness: RunHarness, alice: Principal, bob: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    await harness.runs.stop(alice, sent.run_id)
    with pytest.raises(NotFound):
        await harness.runs.retry(bob, sent.message_id)
    with pytest.raises(NotFound):
        await harness.runs.retry(alice, uuid4())
    await harness.threads.delete(alice, sent.thread_id)
    with pytest.raises(NotFound):
        await harness.runs.retry(alice, sent.message_id)
    assert len(harness.models.one.answers) <= 1
