"""What a client may do with messages that it has appended."""

from typing import Literal
from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.core.parts import text_part
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
