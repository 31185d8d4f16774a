"""The audit log of an organisation: whose rows it has, who reads it, and whom it names."""

from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.orgs.audit_log import OrganisationAuditPage
from chat_app.orgs.roles import RoleRequired
from testing.organisations import OrgHarness


async def _join(harness: OrgHarness, by: Principal, org: UUID, name: str, role: str) -> Principal:
    who = await harness.person(name)
    token = await harness.invite(by, org, f"{name}@chat.example", role)
    await harness.live.invitations.accept(who, token)
    return who


def _actions(found: OrganisationAuditPage) -> list[str]:
    return [event.action for event in found.page.events]


async def test_admins_read_the_rows_of_their_organisation_alone(harness: OrgHarness) -> None:
    ada, eve = await harness.person("ada"), await harness.person("eve")
    live, find = harness.live, harness.live.organisation_audit.find
    org = (await live.organisations.create(ada, "Acme")).id
    other = (await live.organisations.create(eve, "Other")).id
    bob = await _join(harness, ada, org, "bob", "admin")
    carl = await _join(harness, ada, org, "carl", "member")
    await live.organisations.change(eve, other, name="Renamed")
    expected = [
        *("invitation_accepted", "invitation_created") * 2,
        "organisation_created",
    ]
    for who in (ada, bob):
        found = await find(who, org)
        assert _actions(found) == expected
        assert {event.org_id for event in found.page.events} == {org}
    assert _actions(await find(ada, org, action="invitation_created")) == ["invitation_created"] * 2
    assert _actions(await find(ada, org, since="2999-01-01")) == []
    newest = await find(ada, org)
    before = newest.page.events[2].id
    assert _actions(await find(ada, org, before=before)) == expected[3:]
    with pytest.raises(InvalidInput):
        await find(ada, org, action="sign_in; --")

    with pytest.raises(RoleRequired):
        await find(carl, org)
    for org_id in (org, uuid4()):
        with pytest.raises(NotFound):
            await find(eve, org_id)
    # the role counts that the row has now, whatever the caller's principal says
    before_it = await harness.now(bob)
    await live.members.change_role(ada, org, bob.user_id, "member")
    with pytest.raises(RoleRequired):
        await find(before_it, org)
    await live.members.remove(ada, org, bob.user_id)
    with pytest.raises(NotFound):
        await find(before_it, org)


async def test_only_people_who_are_or_were_members_have_names(harness: OrgHarness) -> None:
    ada, dora, _ = [await harness.person(name) for name in ("ada", "dora", "eve")]
    live, find = harness.live, harness.live.organisation_audit.find
    org = (await live.organisations.create(ada, "Acme")).id
    bob = await _join(harness, ada, org, "bob", "member")
    await _join(harness, ada, org, "carl", "member")
    await harness.invite(ada, org, "dora@chat.example")
    (waiting,) = await live.received_invitations.of(dora)
    await live.received_invitations.decline(dora, waiting.id)
    await live.members.leave(bob, org)
    found = await find(ada, org)
    assert {one.email for one in found.page.people.values()} == {
        "ada@chat.example",
        "bob@chat.example",
        "carl@chat.example",
    }
    (declined,) = (one for one in found.page.events if one.action == "invitation_declined")
    assert declined.actor not in found.members

    assert _actions(await find(ada, org, email=" Bob@chat.example")) == [
        "member_left",
        "invitation_accepted",
    ]
    said = set[str]()
    for email in ("dora@chat.example", "eve@chat.example", "nobody@chat.example"):
        with pytest.raises(InvalidInput) as refused:
            await find(ada, org, email=email)
        said.add(refused.value.message)
    assert len(said) == 1, "whether others have an account is not told"


async def test_a_site_admin_who_created_it_for_another_user_has_no_name(
    harness: OrgHarness,
) -> None:
    root, ada = await harness.person("root"), await harness.person("ada")
    live, find = harness.live, harness.live.organisation_audit.find
    await live.site_roles.promote(root.user_id)
    org = await live.organisation_administration.create(root, "Acme", "ada@chat.example")
    found = await find(ada, org)
    assert {one.email for one in found.page.people.values()} == {"ada@chat.example"}
    (created,) = (one for one in found.page.events if one.action == "organisation_created")
    assert created.actor not in found.members
    with pytest.raises(InvalidInput):
        await find(ada, org, email="root@chat.example")
    # who creates it for themselves is a member, and was one when they have left
    own = await live.organisation_administration.create(root, "Root", "root@chat.example")
    found = await find(root, own)
    assert {one.email for one in found.page.people.values()} == {"root@chat.example"}
