"""What a site admin does to organisations, and what they never see or get."""

import asyncio
from dataclasses import asdict
from uuid import UUID

import pytest

from chat_app.auth.errors import InvalidToken
from chat_app.auth.principal import Principal
from chat_app.core.errors import Forbidden, InvalidInput, NotFound
from chat_app.core.signals import Signal, user_topic
from chat_app.db.tables import PRIVATE, Membership, Message, Run
from chat_app.orgs.administration import (
    MEMBERS_PAGE,
    PAGE_SIZE,
    HasOwner,
    OwnerDisabled,
    OwnOwnership,
)
from chat_app.orgs.organisations import AnswerRunning
from chat_app.orgs.roles import LastOwner
from chat_app.runs.create import CreatedRun
from testing.audit_log import events_of
from testing.database import DatabaseUnderTest, only_postgres, until_waiting
from testing.organisations import OrgHarness, locked_elsewhere


async def admin_of(harness: OrgHarness, name: str = "root") -> Principal:
    root = await harness.person(name)
    await harness.live.site_roles.promote(root.user_id)
    return root


async def actions(harness: OrgHarness) -> list[str]:
    return [one.action for one in await events_of(harness.live.db) if one.org_id is not None]


async def test_an_admin_finds_organisations_with_counts_and_no_content(
    harness: OrgHarness,
) -> None:
    live, ada, bob = harness.live, await harness.person("ada"), await harness.person("bob")
    org_id = await harness.organisation(ada, member=bob)
    await live.threads.create(await harness.now(ada), title="Secret plan", org_id=org_id)
    gone = await live.threads.create(await harness.now(bob), title="Deleted", org_id=org_id)
    await live.threads.delete(await harness.now(bob), gone.id)
    for number in range(PAGE_SIZE):
        await live.organisations.create(ada, f"Team {number:02}")
    administration = live.organisation_administration
    first = await administration.find("")
    assert (first.total, len(first.organisations), first.has_more) == (26, PAGE_SIZE, True)
    assert (first.organisations[0].members, first.organisations[0].chats) == (2, 1)
    last = await administration.find("", 9)
    assert ([one.name for one in last.organisations], last.number) == (["Team 24"], 1)
    assert [one.name for one in (await administration.find(" cm ")).organisations] == ["Acme"]
    assert (await administration.find("100%")).organisations == []
    assert (await administration.find("100%")).number == 0
    members = await administration.members(org_id)
    assert [(one.email, one.role) for one in members.members] == [
        ("ada@chat.example", "owner"),
        ("bob@chat.example", "member"),
    ]
    assert "Secret" not in f"{asdict(first)} {asdict(members)}"


async def test_members_come_in_pages(harness: OrgHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_app.orgs.administration.MEMBERS_PAGE", 2)
    assert MEMBERS_PAGE > 2
    people = [await harness.person(name) for name in ("ada", "bob", "cy", "dan", "eve")]
    org_id = await harness.organisation(
        people[0], **{f"member_{number}": one for number, one in enumerate(people[1:])}
    )
    found, after = list[str](), ""
    while True:
        page = await harness.live.organisation_administration.members(org_id, after)
        found += [one.name for one in page.members]
        if page.next is None:
            break
        after = page.next
    assert found == ["Ada", "Bob", "Cy", "Dan", "Eve"]


async def test_an_admin_creates_one_for_a_user(harness: OrgHarness) -> None:
    live, root, ada = harness.live, await admin_of(harness), await harness.person("ada")
    assert (await harness.now(ada)).memberships == {}  # and cached
    org_id = await live.organisation_administration.create(root, " Acme ", "ADA@chat.example ")
    assert await harness.roles(org_id) == {ada.user_id: "owner"}
    assert (await harness.now(ada)).memberships == {org_id: "owner"}
    assert await actions(harness) == ["organisation_created", "role_changed"]
    for name, email in (("", "ada@chat.example"), ("Acme", "nobody@chat.example")):
        with pytest.raises(InvalidInput):
            await live.organisation_administration.create(root, name, email)
    assert (await live.organisation_administration.find("")).total == 1


async def test_a_disabled_user_becomes_no_owner(harness: OrgHarness) -> None:
    live, root = harness.live, await admin_of(harness)
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org_id = await harness.organisation(ada, member=bob)
    for one in (ada, bob):
        await live.user_access.disable(one.user_id)
    administration = live.organisation_administration
    with pytest.raises(OwnerDisabled):
        await administration.make_owner(root, org_id, bob.user_id)
    with pytest.raises(OwnerDisabled):
        await administration.create(root, "Team", "bob@chat.example")
    assert (await harness.roles(org_id))[bob.user_id] == "member"
    assert (await administration.find("")).total == 1
    await live.user_access.enable(bob.user_id)
    await administration.make_owner(root, org_id, bob.user_id)


async def test_a_member_gets_the_owner_role_only_when_no_owner_can_sign_in(
    harness: OrgHarness,
) -> None:
    live, root = harness.live, await admin_of(harness)
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org_id = await harness.organisation(ada, member=bob, member_2=root)
    administration = live.organisation_administration
    with pytest.raises(HasOwner):
        await administration.make_owner(root, org_id, bob.user_id)
    await live.user_access.disable(ada.user_id)
    assert not (await administration.members(org_id)).has_owner
    with pytest.raises(OwnOwnership):
        await administration.make_owner(root, org_id, root.user_id)
    assert (await harness.now(bob)).memberships == {org_id: "member"}  # and cached
    await administration.make_owner(root, org_id, bob.user_id)
    assert (await harness.now(bob)).memberships == {org_id: "owner"}
    assert (await harness.roles(org_id))[root.user_id] == "member"
    assert (await actions(harness))[-1] == "role_changed"


async def test_an_admin_removes_a_member_but_not_the_last_owner(harness: OrgHarness) -> None:
    live, root = harness.live, await admin_of(harness)
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org_id = await harness.organisation(ada, member=bob)
    await live.threads.create(await harness.now(bob), title="Plan", org_id=org_id)
    administration = live.organisation_administration
    with pytest.raises(LastOwner):
        await administration.remove(root, org_id, ada.user_id)
    await administration.remove(root, org_id, bob.user_id)
    assert await harness.roles(org_id) == {ada.user_id: "owner"}
    assert await harness.threads(bob) == set()
    assert await harness.stored() == {"Plan": org_id}
    with pytest.raises(NotFound):
        await administration.remove(root, org_id, bob.user_id)
    assert (await actions(harness))[-1] == "member_removed"


@only_postgres
async def test_an_admin_removes_no_owner_who_becomes_the_last_one_meanwhile(
    harness: OrgHarness, database: DatabaseUnderTest
) -> None:
    root, ada, bob = await admin_of(harness), *[await harness.person(one) for one in ("ada", "bob")]
    org_id = await harness.organisation(ada, owner_1=bob)
    async with locked_elsewhere(database, org_id) as session:
        administration = harness.live.organisation_administration
        removal = asyncio.create_task(administration.remove(root, org_id, ada.user_id))
        await until_waiting(database, removal)
        await session.delete(await session.require(Membership, (bob.user_id, org_id)))
    with pytest.raises(LastOwner):
        await asyncio.wait_for(removal, 30)
    assert await harness.roles(org_id) == {ada.user_id: "owner"}


async def test_chats_of_a_deleted_organisation_become_private_and_those_left_there_go(
    harness: OrgHarness,
) -> None:
    live, root = harness.live, await admin_of(harness)
    people = {name: await harness.person(name) for name in ("ada", "bob", "eve")}
    ada, bob, eve = people.values()
    org_id = await harness.organisation(ada, member=bob, member_2=eve)
    for name, who in people.items():
        await live.threads.create(await harness.now(who), title=name, org_id=org_id)
    await live.members.leave(eve, org_id)
    heard = list[Signal]()
    live.bus.subscribe_callback(user_topic(bob.user_id), heard.append)
    await live.organisation_administration.delete(root, org_id)
    assert heard == [Signal("user")] * 2, "as the membership ends, and as the chats are private"
    assert await harness.stored() == {"ada": PRIVATE, "bob": PRIVATE}
    for name, who in people.items():
        assert await harness.threads(who) == ({name} if name != "eve" else set())
        assert (await harness.now(who)).memberships == {}
    assert (await actions(harness))[-1] == "organisation_deleted"
    with pytest.raises(NotFound):
        await live.organisation_administration.delete(root, org_id)


async def test_deleting_one_stops_the_answers_in_it_and_lets_none_begin(
    harness: OrgHarness,
) -> None:
    live, root = harness.live, await admin_of(harness)
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org_id = await harness.organisation(ada, member=bob)
    people = [await harness.now(one) for one in (ada, bob)]

    async def ask(who: Principal, client_id: str) -> CreatedRun:
        return await live.runs.send(
            who, text="Hi", client_id=client_id, org_id=org_id, model="fake:100000x50"
        )

    runs = [await ask(who, "one") for who in people]
    await live.organisation_administration.delete(root, org_id)
    for who, run in zip(people, runs, strict=True):
        assert (await live.threads.get(await harness.now(who), run.thread_id)).org_id == PRIVATE
        assert await status_of(harness, run.run_id) == "revoked"
        with pytest.raises(NotFound):
            await ask(who, "two")
    assert (await actions(harness))[-3:] == ["member_removed"] * 2 + ["organisation_deleted"]


async def test_a_deletion_that_was_interrupted_goes_on_and_loses_no_chat(
    harness: OrgHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_app.orgs.administration.STOP_SECONDS", 0)
    live, root = harness.live, await admin_of(harness)
    ada, eve = await harness.person("ada"), await harness.person("eve")
    org_id = await harness.organisation(ada, member=eve)
    await live.threads.create(await harness.now(eve), title="eve", org_id=org_id)
    kept = await live.threads.create(await harness.now(ada), title="ada", org_id=org_id)
    await live.members.leave(eve, org_id)
    token = await harness.invite(ada, org_id, "eve@chat.example")
    async with live.db.system("administration", write=True) as session:
        message = Message(thread_id=kept.id, owner_id=ada.user_id, org_id=org_id, role="assistant")
        session.add(message)
        await session.flush()
        run = Run(  # of a process that was killed
            thread_id=kept.id,
            owner_id=ada.user_id,
            org_id=org_id,
            message_id=message.id,
            status="running",
            session_id=ada.credential_id,
            model="fake",
        )
        session.add(run)
        await session.flush()
        run_id = run.id
    administration = live.organisation_administration
    for _ in range(2):
        with pytest.raises(AnswerRunning):
            await administration.delete(root, org_id)
        with pytest.raises(InvalidToken):
            await live.invitations.accept(eve, token)
        assert await harness.roles(org_id) == {}
        assert await harness.stored() == {"ada": org_id}
    async with live.db.system("administration", write=True) as session:
        (await session.require(Run, run_id)).status = "interrupted"
    await administration.delete(root, org_id)
    assert await harness.stored() == {"ada": PRIVATE}
    with pytest.raises(NotFound):
        await administration.get(org_id)


async def status_of(harness: OrgHarness, run_id: UUID) -> str:
    async with harness.live.db.system("administration") as session:
        return (await session.require(Run, run_id)).status


async def test_an_admin_switches_reading_off_and_never_on(harness: OrgHarness) -> None:
    live, root, ada = harness.live, await admin_of(harness), await harness.person("ada")
    org_id = await harness.organisation(ada)
    await live.organisations.change(ada, org_id, allows_admin_reading=True)
    heard = list[Signal]()
    live.bus.subscribe_callback(user_topic(ada.user_id), heard.append)
    for _ in range(2):
        await live.organisation_administration.forbid_reading(root, org_id)
        assert not (await live.organisations.get(ada, org_id)).allows_admin_reading
    assert heard == [Signal("user")]
    assert (await actions(harness)).count("organisation_changed") == 2
    with pytest.raises(NotFound):
        await live.organisations.change(root, org_id, allows_admin_reading=True)


@pytest.mark.parametrize("was_admin", [False, True])
async def test_each_write_reads_the_role_of_the_admin_again(
    harness: OrgHarness, was_admin: bool
) -> None:
    live, eve = harness.live, await harness.person("eve")
    if was_admin:
        await live.site_roles.promote(eve.user_id)
        await live.site_roles.demote(eve.user_id)
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org_id = await harness.organisation(ada, member=bob)
    await live.organisations.change(ada, org_id, allows_admin_reading=True)
    before = await actions(harness)
    administration = live.organisation_administration
    for attempt in (
        administration.create(eve, "Mine", "eve@chat.example"),
        administration.make_owner(eve, org_id, bob.user_id),
        administration.remove(eve, org_id, bob.user_id),
        administration.forbid_reading(eve, org_id),
        administration.delete(eve, org_id),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert len(await harness.roles(org_id)) == 2
    assert await actions(harness) == before
