"""Ids of what a user left in an organisation: they stay taken, and a new use is refused clearly."""

from uuid import UUID

import pytest
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.errors import IdInUse
from chat_app.core.parts import TextPart
from chat_app.db.tables import Message, Thread
from chat_app.threads.client_messages import HEAD, ClientMessage
from testing.organisations import OrgHarness

TEXT: list[TextPart] = [{"type": "text", "text": "one"}]


@pytest.fixture
async def left(harness: OrgHarness) -> Principal:
    """A user who has left an organisation, and there a thread `x` with the message `c1`."""
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    live, now = harness.live, await harness.now(bob)
    thread = await live.threads.create(now, external_id="x", org_id=org)
    await live.client_messages.append(now, thread.id, _message())
    await live.members.leave(now, org)
    return await harness.now(bob)


def _message() -> ClientMessage:
    return ClientMessage("c1", HEAD, "user", [*TEXT])


async def _rows(harness: OrgHarness) -> list[UUID]:
    async with harness.live.db.system("sweep") as session:
        return [
            row_id
            for table in (Thread, Message)
            for row_id in await session.exec(select(table.id).order_by(table.id))  # pyright: ignore[reportArgumentType]
        ]


async def test_an_id_that_is_used_in_an_organisation_one_has_left_is_refused(
    harness: OrgHarness, left: Principal
) -> None:
    live = harness.live
    mine = await live.threads.create(left, title="mine")
    before = await _rows(harness)
    for client_id, external_id in (("c1", None), ("c2", "x")):
        with pytest.raises(IdInUse, match="in use"):
            await live.runs.send(left, text="one", client_id=client_id, external_id=external_id)
    with pytest.raises(IdInUse):
        await live.runs.send(left, text="one", client_id="c1", thread_id=mine.id)
    with pytest.raises(IdInUse):
        await live.client_messages.append(left, mine.id, _message())
    with pytest.raises(IdInUse):
        await live.threads.create(left, external_id="x")
    assert await _rows(harness) == before
    assert live.runs.credential_ids() == set(), "no run was left behind"


async def test_a_thread_is_restored_without_a_name_that_is_used_there(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    live, now = harness.live, await harness.now(bob)
    first = await live.threads.create(now, title="first", external_id="x")
    await live.threads.delete(now, first.id)
    await live.threads.create(now, title="second", external_id="x", org_id=org)
    await live.members.leave(now, org)
    now = await harness.now(bob)
    await live.threads.restore(now, first.id)
    restored = await live.threads.get(now, first.id)
    assert (restored.title, restored.external_id) == ("first", None)
