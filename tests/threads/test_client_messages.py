"""What a client may do with messages that it has appended."""

from typing import Literal
from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.core.parts import Part, text_of, text_part
from chat_app.threads.client_messages import ClientMessage, ClientMessages
from chat_app.threads.user_limits import UserLimits
from testing.run_services import RunHarness

Role = Literal["user", "assistant"]


def messages_of(harness: RunHarness) -> ClientMessages:
    limits = UserLimits(harness.settings)
    return ClientMessages(harness.db, harness.bus, harness.settings, harness.clock, limits)


async def append(
    harness: RunHarness,
    who: Principal,
    thread_id: UUID,
    id: str,
    text: str,
    parent: str | None = None,
    role: Role = "user",
) -> UUID:
    message = ClientMessage(id, parent, role, [text_part(text)])
    return (await messages_of(harness).append(who, thread_id, message))[0]


async def replaced(
    harness: RunHarness, who: Principal, thread_id: UUID, message_id: UUID, role: Role = "user"
) -> bool:
    """Whether a message can be replaced; it then has another text."""
    before = (await harness.message(who, message_id)).parts
    parts: list[Part] = [text_part(f"other {uuid4()}")]
    await messages_of(harness).replace(who, thread_id, str(message_id), role, parts)
    now = (await harness.message(who, message_id)).parts
    assert now in (before, parts)
    return now == parts


async def test_a_question_is_replaced_until_a_model_has_it(harness: RunHarness, alice: Principal):
    thread_id = (await harness.threads.create(alice)).id
    above = await append(harness, alice, thread_id, "q1", "Is tea hot?")
    answer = await append(harness, alice, thread_id, "a1", "Yes.", "q1", "assistant")
    below = await append(harness, alice, thread_id, "q2", "And coffee?", "a1")
    beside = await append(harness, alice, thread_id, "q3", "And milk?", "a1")
    assert await replaced(harness, alice, thread_id, above)
    sent = await harness.runs.retry(alice, below)
    written = await harness.models.one.answer()
    prompt = " ".join(text_of(message.parts) for message in written.prompt)
    assert "other" in prompt
    assert "And coffee?" in prompt
    for message_id in (above, below):
        assert not await replaced(harness, alice, thread_id, message_id), "it is being answered"
    written.say("Yes, too.").finish()
    await harness.read(alice, sent.run_id)
    await harness.threads.delete_branch(alice, thread_id, sent.message_id)
    assert not await replaced(harness, alice, thread_id, below), "the answer can be restored"
    assert await replaced(harness, alice, thread_id, beside), "no model has this version"
    assert await replaced(harness, alice, thread_id, answer, "assistant"), "no model gets it"


async def test_a_question_that_was_sent_is_the_same_when_it_is_sent_again(
    harness: RunHarness, alice: Principal
):
    thread_id = (await harness.threads.create(alice)).id
    question = await append(harness, alice, thread_id, "q1", "Is tea hot?")
    said = {"text": "Is tea hot?", "client_id": "q1", "thread_id": thread_id}
    sent = await harness.runs.send(alice, **said)
    assert sent.user_message_id == question
    assert not await replaced(harness, alice, thread_id, question)
    again = await harness.runs.send(alice, **said)
    assert (again.run_id, again.duplicate) == (sent.run_id, True)
    await harness.runs.stop(alice, sent.run_id)


async def test_an_answer_of_a_client_that_a_model_has_summarized_stays(
    harness: RunHarness, alice: Principal
):
    thread_id = (await harness.threads.create(alice)).id
    for number in range(3):
        question, answer = f"q{number}", f"a{number}"
        above = f"a{number - 1}" if number else None
        await append(harness, alice, thread_id, question, "long " * 1_000, above)
        await append(harness, alice, thread_id, answer, "Yes.", question, "assistant")
    sent = await harness.runs.compact(alice, thread_id)
    (await harness.models.one.answer()).say("All of it was long.").finish()
    await harness.read(alice, sent.run_id)
    stored = await harness.message(alice, sent.message_id)
    assert (stored.client_id, [part["type"] for part in stored.parts]) == (
        "a2",
        ["text", "summary"],
    )
    assert not await replaced(harness, alice, thread_id, stored.id, "assistant")


async def test_messages_are_found_by_their_ids_and_by_those_of_the_client(
    harness: RunHarness, alice: Principal, bob: Principal
):
    messages, thread_id = messages_of(harness), (await harness.threads.create(alice)).id
    like_an_id = str(uuid4())
    ids = [
        await append(harness, alice, thread_id, name, "hi") for name in ("q1", like_an_id, "q3", "")
    ]
    names = ["q1", like_an_id, str(ids[2]), ids[3].hex.upper(), str(ids[0])]
    assert await messages.find(alice, thread_id, names) == set(ids)
    assert await messages.find(alice, thread_id, []) == set()
    await harness.threads.delete_branch(alice, thread_id, ids[2])
    other = (await harness.threads.create(alice)).id
    await append(harness, alice, other, "q4", "hi")
    for who, thread, given in (
        (alice, thread_id, ["q1", "q3"]),
        (alice, thread_id, ["q1", str(ids[2])]),
        (alice, thread_id, ["q1", "q4"]),
        (alice, thread_id, ["q1", str(uuid4())]),
        (alice, thread_id, ["None"]),
        (alice, uuid4(), []),
        (bob, thread_id, ["q1"]),
        (bob, (await harness.threads.create(bob)).id, ["q1"]),
    ):
        with pytest.raises(NotFound):
            await messages.find(who, thread, given)
