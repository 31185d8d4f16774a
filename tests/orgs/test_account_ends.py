"""What becomes of organisations and invitations when an account is deleted or disabled."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlmodel import select, update

from chat_app.auth.account.delete import delete_account
from chat_app.auth.account.memberships import OnlyOwner
from chat_app.auth.errors import InvalidToken
from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict
from chat_app.core.signals import ROLES, Signal, user_topic
from chat_app.db.tables import AuditEvent, Invitation, Membership, Organisation, Thread
from chat_app.orgs.organisations import require_room
from testing.audit_log import events_of
from testing.database import DatabaseUnderTest, only_postgres, until_waiting
from testing.organisations import OrgHarness, elsewhere, locked_elsewhere


async def delete_own(harness: OrgHarness, who: Principal, name: str) -> None:
    live = harness.live
    await delete_account(live.db, live.sessions, who, f"{name}@chat.example")


async def by_operator(harness: OrgHarness, who: Principal, _name: str) -> None:
    await harness.live.administration.delete(who.user_id)


async def by_admin(harness: OrgHarness, who: Principal, _name: str) -> None:
    admin = await harness.person("site-admin")
    await harness.live.site_roles.promote(admin.user_id)
    await harness.live.people.delete(admin, who.user_id)


async def disable(harness: OrgHarness, who: Principal, _name: str) -> None:
    await harness.live.user_access.disable(who.user_id)


End = Callable[[OrgHarness, Principal, str], Awaitable[None]]
DELETIONS: list[End] = [delete_own, by_operator, by_admin]
OF_OTHERS: list[End] = [by_operator, by_admin]


@pytest.mark.parametrize("end", DELETIONS, ids=lambda end: end.__name__)
async def test_an_organisation_of_one_is_deleted_with_its_account(
    harness: OrgHarness, end: End
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org, others = await harness.organisation(ada, member=bob), await harness.organisation(bob)
    live = harness.live
    await live.threads.create(await harness.now(ada), title="hers", org_id=org)
    await live.threads.create(await harness.now(bob), title="his", org_id=org)
    await live.threads.create(await harness.now(bob), title="elsewhere", org_id=others)
    gone = await live.threads.create(await harness.now(bob), title="gone", org_id=org)
    await live.threads.delete(await harness.now(bob), gone.id)
    at = harness.time()
    harness.time.passes(minutes=1)
    await harness.invite(ada, org, "eve@chat.example")
    await live.members.remove(ada, org, bob.user_id)
    await end(harness, ada, "ada")
    async with live.db.system("organisations") as session:
        assert [one.id for one in await session.exec(select(Organisation))] == [others]
        assert (await session.exec(select(Invitation))).all() == []
        assert (await session.require(Thread, gone.id)).deleted_at == at, "removed no later"
    assert await harness.stored() == {"elsewhere": others}
    events = await events_of(harness.live.db)
    last = [event for event in events if event.org_id == org][-1]
    assert (last.action, last.actor) == ("organisation_deleted", _cause(events).actor)


def _cause(events: list[AuditEvent]) -> AuditEvent:
    """What was done to the account."""
    (cause,) = [one for one in events if one.action in ("user_deleted", "user_disabled")]
    return cause


@pytest.mark.parametrize("end", [*DELETIONS, disable], ids=lambda end: end.__name__)
async def test_the_invitations_that_end_with_an_account_are_counted_in_the_audit_log(
    harness: OrgHarness, end: End
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    orgs = [await harness.organisation(ada, owner_1=bob) for _ in range(3)]
    for name, org in (("eve", orgs[0]), ("dan", orgs[0]), ("eve", orgs[1])):
        await harness.invite(ada, org, f"{name}@chat.example")
    await harness.invite(bob, orgs[2], "eve@chat.example")
    zoe = await harness.person("zoe")
    token = await harness.invite(ada, orgs[2], "zoe@chat.example")
    await harness.live.invitations.accept(zoe, token)  # so it has ended before
    await end(harness, ada, "ada")
    events = await events_of(harness.live.db)
    revoked = [one for one in events if one.action == "invitation_revoked"]
    assert {(one.org_id, one.details) for one in revoked} == {
        (orgs[0], '{"count":2}'),
        (orgs[1], '{"count":1}'),
    }
    assert len(revoked) == 2
    assert {one.actor for one in revoked} == {_cause(events).actor}


async def test_who_is_the_only_owner_among_members_does_not_delete_the_account(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org, alone = await harness.organisation(ada, admin=bob), await harness.organisation(ada)
    with pytest.raises(OnlyOwner, match="You are the only owner"):
        await delete_own(harness, ada, "ada")
    assert await harness.roles(org) == {ada.user_id: "owner", bob.user_id: "admin"}
    assert await harness.roles(alone) == {ada.user_id: "owner"}


@pytest.mark.parametrize("end", OF_OTHERS, ids=lambda end: end.__name__)
@pytest.mark.parametrize(
    ("members", "disabled", "heir"),
    [
        (("member", "admin", "admin"), (), 1),
        (("member", "member"), (), 0),
        (("member", "admin"), (1,), 0),
        (("admin", "member"), (0, 1), 0),
    ],
)
async def test_who_others_delete_has_an_heir(
    harness: OrgHarness, end: End, members: tuple[str, ...], disabled: tuple[int, ...], heir: int
) -> None:
    ada = await harness.person("ada")
    people = [await harness.person(f"bob{number}") for number in range(len(members))]
    org = await harness.organisation(ada)
    other = await harness.organisation(await harness.person("zoe"), member=people[heir])
    live = harness.live
    async with live.db.system("organisations", write=True) as session:
        for number, role in enumerate(members):
            harness.time.passes(minutes=1)
            at, user_id = harness.time(), people[number].user_id
            session.add(Membership(user_id=user_id, org_id=org, role=role, created_at=at))
    for number in disabled:
        await live.user_access.disable(people[number].user_id)
    signals: list[Signal] = []
    live.bus.subscribe_callback(ROLES, signals.append)
    to_tabs: list[Signal] = []
    live.bus.subscribe_callback(user_topic(people[heir].user_id), to_tabs.append)
    await end(harness, ada, "ada")
    assert to_tabs == [Signal("user")]
    expected = {one.user_id: role for one, role in zip(people, members, strict=True)}
    expected[people[heir].user_id] = "owner"
    assert await harness.roles(org) == expected
    assert (await harness.roles(other))[people[heir].user_id] == "member"
    assert (people[heir].user_id, org, "changed") in [
        (signal.user_id, signal.org_id, signal.reason) for signal in signals
    ]
    (event,) = [
        e
        for e in await events_of(harness.live.db)
        if e.action == "role_changed" and e.org_id == org
    ]
    assert members[heir] in event.details
    assert "owner" in event.details


async def test_an_organisation_with_another_owner_keeps_its_roles(harness: OrgHarness) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    org = await harness.organisation(ada, owner_1=bob, admin=eve)
    await by_operator(harness, ada, "")
    assert await harness.roles(org) == {bob.user_id: "owner", eve.user_id: "admin"}
    await by_operator(harness, eve, "")
    assert await harness.roles(org) == {bob.user_id: "owner"}


@pytest.mark.parametrize("end", [*DELETIONS, disable], ids=lambda end: end.__name__)
async def test_an_invitation_does_not_outlive_the_account_that_sent_it(
    harness: OrgHarness, end: End
) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    org = await harness.organisation(ada, owner_1=bob)
    kept = await harness.invite(ada, org, "zoe@chat.example")
    token = await harness.invite(bob, org, "eve@chat.example", "owner")
    await end(harness, bob, "bob")
    with pytest.raises(InvalidToken):
        await harness.live.invitations.accept(eve, token)
    assert await harness.live.invitations.preview(None, kept)
    (open_,) = await harness.live.invitations.open(ada, org)
    assert open_.email == "zoe@chat.example"


async def test_the_invitations_of_an_email_are_deleted_with_its_account(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org, other = await harness.organisation(ada), await harness.organisation(ada)
    await harness.live.invitations.accept(bob, await harness.invite(ada, org, "bob@chat.example"))
    for where, email in ((other, "bob@chat.example"), (other, "eve@chat.example")):
        await harness.invite(ada, where, email)
    await delete_own(harness, bob, "bob")
    assert await _invited(harness) == {"eve@chat.example"}


async def _invited(harness: OrgHarness) -> set[str]:
    async with harness.live.db.system("organisations") as session:
        return {row.email for row in await session.exec(select(Invitation))}


async def test_invitations_are_removed_a_month_after_their_end(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada)
    live = harness.live
    await live.invitations.accept(bob, await harness.invite(ada, org, "bob@chat.example"))
    await harness.invite(ada, org, "eve@chat.example")
    (open_,) = await live.invitations.open(ada, org)
    await live.invitations.revoke(ada, org, open_.id)
    harness.time.passes(days=3)
    await harness.invite(ada, org, "zoe@chat.example")
    harness.time.passes(days=26, hours=23)
    await live.purge()
    assert len(await _invited(harness)) == 3
    harness.time.passes(hours=2)
    await live.purge()
    assert await _invited(harness) == {"zoe@chat.example"}, "it expired 20 days ago"
    harness.time.passes(days=10)
    await live.purge()
    assert await _invited(harness) == set()


@only_postgres
async def test_who_becomes_the_only_owner_meanwhile_does_not_delete_the_account(
    harness: OrgHarness, database: DatabaseUnderTest
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    async with locked_elsewhere(database, org) as session:
        deletion = asyncio.create_task(delete_own(harness, bob, "bob"))
        await until_waiting(database, deletion)
        for who, role in ((bob, "owner"), (ada, "member")):
            await session.exec(
                update(Membership).where(Membership.user_id == who.user_id).values(role=role)  # pyright: ignore[reportArgumentType]
            )
    async with asyncio.timeout(30):
        with pytest.raises(OnlyOwner):
            await deletion
    assert await harness.roles(org) == {bob.user_id: "owner", ada.user_id: "member"}


@only_postgres
async def test_who_joins_an_organisation_meanwhile_does_not_delete_the_account(
    harness: OrgHarness, database: DatabaseUnderTest
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada)
    async with elsewhere(database) as session:
        await require_room(session, bob.user_id)
        session.add(Membership(user_id=bob.user_id, org_id=org, role="member"))
        await session.flush()
        deletion = asyncio.create_task(delete_own(harness, bob, "bob"))
        await until_waiting(database, deletion)
    with pytest.raises(Conflict, match="just joined"):
        await asyncio.wait_for(deletion, 30)
    assert await harness.roles(org) == {ada.user_id: "owner", bob.user_id: "member"}


@only_postgres
async def test_an_invitation_that_is_accepted_while_it_is_revoked_waits_for_that(
    harness: OrgHarness, database: DatabaseUnderTest
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada)
    token = await harness.invite(ada, org, "bob@chat.example")
    live = harness.live
    async with locked_elsewhere(database, org) as session:
        accepted = asyncio.create_task(live.invitations.accept(bob, token))
        await until_waiting(database, accepted)
        await session.exec(update(Invitation).values(revoked_at=harness.time()))
    async with asyncio.timeout(30):
        with pytest.raises(InvalidToken):
            await accepted
    assert set(await harness.roles(org)) == {ada.user_id}
