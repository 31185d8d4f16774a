"""In which organisation new tabs of a user begin."""

import asyncio
from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.db.tables import PRIVATE, Membership
from testing.database import DatabaseUnderTest, only_postgres, until_waiting
from testing.organisations import OrgHarness, elsewhere


async def _chosen(harness: OrgHarness, who: Principal) -> list[UUID]:
    found = await harness.live.organisations.of(await harness.now(who))
    return [one.id for one in found if one.is_chosen]


async def test_the_last_choice_counts_until_none_is_chosen(harness: OrgHarness) -> None:
    ada, live = await harness.person("ada"), harness.live
    first, second = await harness.organisation(ada), await harness.organisation(ada)
    assert await _chosen(harness, ada) == []
    for chosen in (first, second, second):
        await live.organisations.choose(ada, chosen)
        assert await _chosen(harness, ada) == [chosen]
    await live.organisations.choose(ada, PRIVATE)
    assert await _chosen(harness, ada) == []


async def test_new_tabs_begin_in_the_organisation_that_was_joined_last(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    by_link, by_email, own = [await harness.organisation(who) for who in (ada, ada, bob)]
    token = await harness.invite(ada, by_link, "bob@chat.example")
    await harness.invite(ada, by_email, "bob@chat.example")
    await harness.live.organisations.choose(bob, own)
    await harness.live.invitations.accept(bob, token)
    assert await _chosen(harness, bob) == [by_link]
    (received,) = await harness.live.received_invitations.of(bob)
    await harness.live.received_invitations.accept(bob, received.id)
    assert await _chosen(harness, bob) == [by_email]


async def test_a_foreign_organisation_is_missing_and_changes_no_choice(harness: OrgHarness) -> None:
    ada, eve = await harness.person("ada"), await harness.person("eve")
    own, foreign = await harness.organisation(ada), await harness.organisation(eve)
    await harness.live.organisations.choose(ada, own)
    for missing in (foreign, uuid4()):
        with pytest.raises(NotFound):
            await harness.live.organisations.choose(ada, missing)
    assert (await _chosen(harness, ada), await _chosen(harness, eve)) == ([own], [])


async def test_a_choice_ends_with_the_membership_and_does_not_return_with_it(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    await harness.live.organisations.choose(bob, org)
    await harness.live.members.leave(bob, org)
    async with harness.live.db.system("organisations", write=True) as session:
        session.add(Membership(user_id=bob.user_id, org_id=org, role="member"))
    assert await _chosen(harness, bob) == []


async def test_of_choices_at_once_one_is_kept(harness: OrgHarness) -> None:
    ada = await harness.person("ada")
    orgs = [await harness.organisation(ada) for _ in range(6)]
    await asyncio.gather(*(harness.live.organisations.choose(ada, org) for org in orgs))
    assert len(await _chosen(harness, ada)) == 1


@only_postgres
async def test_an_organisation_that_the_user_leaves_meanwhile_is_missing(
    harness: OrgHarness, database: DatabaseUnderTest
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    left, kept = [await harness.organisation(ada, member=bob) for _ in range(2)]
    await harness.live.organisations.choose(bob, kept)
    async with elsewhere(database) as session:
        await session.delete(await session.require(Membership, (bob.user_id, left)))
        await session.flush()
        choosing = asyncio.create_task(harness.live.organisations.choose(bob, left))
        await until_waiting(database, choosing)
    with pytest.raises(NotFound):
        await choosing
    assert await _chosen(harness, bob) == [kept]
