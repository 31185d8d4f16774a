"""Another version of a question, and where a new message stands."""

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.db.tables import Message, Run
from chat_app.runs.create import CreatedRun
from testing.run_services import RunHarness


async def asked(harness: RunHarness, who: Principal, *questions: str) -> list[CreatedRun]:
    """A thread of questions with their answers."""
    sent: list[CreatedRun] = []
    for number, text in enumerate(questions, 1):
        thread_id = sent[0].thread_id if sent else None
        one = await harness.runs.send(who, text=text, client_id=f"c{number}", thread_id=thread_id)
        (await harness.models.one.answer(number)).say(f"a{number}").finish()
        await harness.read(who, one.run_id)
        sent.append(one)
    return sent


async def test_an_edit_is_a_sibling_of_the_question_and_is_answered(
    harness: RunHarness, alice: Principal
):
    first, second, third = await asked(harness, alice, "one", "two", "three")
    edited = await harness.runs.send(
        alice, text="deux", client_id="c4", edits=second.user_message_id
    )
    prompt = (await harness.models.one.answer(4)).prompt
    assert [message.text for message in prompt[1:]] == ["one", "a1", "deux"]
    old = await harness.message(alice, second.user_message_id)
    new = await harness.message(alice, edited.user_message_id)
    assert edited.thread_id == first.thread_id
    assert new.parent_id == old.parent_id == first.message_id
    assert (old.parts, old.client_id) == ([{"type": "text", "text": "two"}], "c2")
    window = await harness.threads.window(alice, first.thread_id)
    assert [message.text for message in window.messages] == ["one", "a1", "deux", ""]
    assert (await harness.message(alice, third.message_id)).parts, "what followed is kept"


async def test_an_edit_of_the_first_question_is_another_beginning(
    harness: RunHarness, alice: Principal
):
    (first,) = await asked(harness, alice, "one")
    edited = await harness.runs.send(alice, text="uno", client_id="c2", edits=first.user_message_id)
    assert (await harness.message(alice, edited.user_message_id)).parent_id is None
    prompt = (await harness.models.one.answer(2)).prompt
    assert [message.text for message in prompt[1:]] == ["uno"]


async def test_the_same_edit_twice_is_one_message(harness: RunHarness, alice: Principal):
    (first,) = await asked(harness, alice, "one")
    edits = [
        await harness.runs.send(alice, text="uno", client_id="c2", edits=first.user_message_id)
        for _ in range(2)
    ]
    assert [edit.duplicate for edit in edits] == [False, True]
    assert edits[0].run_id == edits[1].run_id
    assert await harness.count(alice, Message) == 4


async def test_only_a_question_is_edited_and_only_while_no_answer_is_written(
    harness: RunHarness, alice: Principal
):
    (first,) = await asked(harness, alice, "one")
    other = await harness.threads.create(alice)
    with pytest.raises(InvalidInput):
        await harness.runs.send(alice, text="x", client_id="c2", edits=first.message_id)
    with pytest.raises(NotFound):
        await harness.runs.send(
            alice, text="x", client_id="c2", edits=first.user_message_id, thread_id=other.id
        )
    running = await harness.runs.send(alice, text="two", client_id="c2", thread_id=first.thread_id)
    with pytest.raises(Conflict):
        await harness.runs.send(alice, text="x", client_id="c3", edits=first.user_message_id)
    await harness.runs.stop(alice, running.run_id)
    assert await harness.count(alice, Run) == 2


async def test_a_message_can_follow_any_message_of_its_thread(
    harness: RunHarness, alice: Principal
):
    first, _ = await asked(harness, alice, "one", "two")
    sent = await harness.runs.send(
        alice, text="other", client_id="c3", thread_id=first.thread_id, below=first.message_id
    )
    prompt = (await harness.models.one.answer(3)).prompt
    assert [message.text for message in prompt[1:]] == ["one", "a1", "other"]
    await harness.runs.stop(alice, sent.run_id)
    sent = await harness.runs.send(
        alice, text="anew", client_id="c4", thread_id=first.thread_id, below=None
    )
    assert (await harness.message(alice, sent.user_message_id)).parent_id is None
    await harness.runs.stop(alice, sent.run_id)
    elsewhere = await harness.runs.send(alice, text="elsewhere", client_id="c5")
    await harness.runs.stop(alice, elsewhere.run_id)
    with pytest.raises(NotFound):
        await harness.runs.send(
            alice,
            text="x",
            client_id="c6",
            thread_id=first.thread_id,
            below=elsewhere.message_id,
        )
