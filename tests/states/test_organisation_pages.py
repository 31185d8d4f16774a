"""The pages of organisations: what each role is shown, and that others are shown nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.db.tables import Membership, User
from chat_app.orgs.members import MEMBERS
from chat_app.states.auth import AuthState
from chat_app.states.organisation_pages.page import (
    MembersState,
    OrganisationAuditState,
    OrganisationListState,
    OrganisationPageState,
)
from testing.reflex_tabs import Harness, Tab, wait_for_value, wait_until, watching

NAME = "<b>Acme</b> & Söhne"
INVITED = "invited@example.com"
FORM = {"action": "", "email": "", "since": "", "until": ""}
EVENTS: dict[str, Callable[[], Any]] = {
    "load": OrganisationPageState.load,
    "find": lambda: MembersState.find("example.com"),
    "next": MembersState.next_page,
    "previous": MembersState.previous_page,
    "audit": OrganisationAuditState.load,
    "search": lambda: OrganisationAuditState.search(FORM),
    "more": OrganisationAuditState.more,
    "dismiss": OrganisationAuditState.dismiss,
}
"""Every event of the page of one organisation."""


@dataclass
class Acme:
    """An organisation with an owner, an admin and a member."""

    harness: Harness
    id: UUID
    owner: Principal
    admin: Principal
    member: Principal

    async def tab(self, who: Principal, at: str | None = None) -> Tab:
        """A tab that shows the page of the organisation."""
        tab = await self.harness.tab(who)
        await tab.send(AuthState.on_auth_change())
        tab.organisation = str(self.id) if at is None else at
        for event in (
            AuthState.on_auth_change,
            OrganisationPageState.load,
            OrganisationAuditState.load,
        ):
            await tab.send(event())
        return tab


@pytest.fixture
async def acme(harness: Harness) -> Acme:
    people = [await harness.user(f"{name}@example.com") for name in ("ada", "bob", "carl")]
    owner, admin, member = people
    live = harness.live
    org = (await live.organisations.create(owner, NAME)).id
    async with live.db.system("organisations", write=True) as session:
        for who, role in ((admin, "admin"), (member, "member")):
            session.add(Membership(user_id=who.user_id, org_id=org, role=role))
    await live.invitations.invite(owner, org, email=INVITED, role="owner", client_ip="127.0.0.1")
    await live.invitations.invite(
        owner, org, email=f"2{INVITED}", role="member", client_ip="127.0.0.1"
    )
    return Acme(harness, org, *people)


async def _shown(tab: Tab) -> tuple[Any, Any, Any]:
    found = [await tab.state(OrganisationPageState), await tab.state(MembersState)]
    return found[0], found[1], await tab.state(OrganisationAuditState)


@pytest.mark.parametrize(
    ("role", "can_change", "can_remove", "invitations", "events"),
    [
        ("owner", "ada bob carl", "bob carl", {INVITED, f"2{INVITED}"}, 3),
        ("admin", "bob carl", "carl", {f"2{INVITED}"}, 3),
        ("member", "", "", set(), 0),
    ],
)
async def test_each_role_sees_what_it_may_do(
    acme: Acme, role: str, can_change: str, can_remove: str, invitations: set[str], events: int
) -> None:
    page, members, audit_log = await _shown(await acme.tab(getattr(acme, role)))
    assert (page.loaded, page.missing) == (True, False)
    mine = page.organisation
    assert (mine.id, mine.name, mine.role) == (str(acme.id), NAME, role)
    assert (mine.is_admin, mine.is_owner) == (role != "member", role == "owner")
    named = {one.email.split("@")[0]: one for one in members.items}
    assert {name for name, one in named.items() if one.is_self} == {
        {"owner": "ada", "admin": "bob", "member": "carl"}[role]
    }
    assert " ".join(name for name, one in named.items() if one.can_change) == can_change
    assert " ".join(name for name, one in named.items() if one.can_remove) == can_remove
    assert {one.email for one in page.invitations} == {INVITED, f"2{INVITED}"}
    assert {one.email for one in page.invitations if one.can_change} == invitations
    assert len(audit_log.items) == events


async def test_the_only_owner_can_leave_as_soon_as_there_is_another_one(acme: Acme) -> None:
    tab, members = await acme.tab(acme.owner), acme.harness.live.members

    async def is_only_owner() -> bool:
        return (await _shown(tab))[0].organisation.is_only_owner

    assert await is_only_owner()
    await tab.begin(OrganisationPageState.watch())
    await wait_until(tab, lambda: watching(acme.harness, acme.owner))
    # in another tab
    await members.change_role(acme.owner, acme.id, acme.admin.user_id, "owner")
    await wait_for_value(tab, is_only_owner, False)
    assert [one.role for one in (await _shown(tab))[1].items] == ["owner", "owner", "member"]
    await members.leave(acme.admin, acme.id)
    await wait_for_value(tab, is_only_owner, True)
    tab.close()


async def test_the_only_owner_is_told_when_the_account_of_another_is_deleted(acme: Acme) -> None:
    tab, live = await acme.tab(acme.owner), acme.harness.live
    await live.members.change_role(acme.owner, acme.id, acme.admin.user_id, "owner")
    await tab.send(OrganisationPageState.load())
    assert not (await _shown(tab))[0].organisation.is_only_owner
    await tab.begin(OrganisationPageState.watch())
    await wait_until(tab, lambda: watching(acme.harness, acme.owner))
    await live.administration.delete(acme.admin.user_id)

    async def is_only_owner() -> bool:
        return (await _shown(tab))[0].organisation.is_only_owner

    await wait_for_value(tab, is_only_owner, True)
    tab.close()


async def _remove(acme: Acme, who: Principal) -> None:
    await acme.harness.live.members.remove(acme.owner, acme.id, who.user_id)


async def _others(acme: Acme) -> dict[str, tuple[Principal, str]]:
    """Users to whom the page is missing, and what is in the URL."""
    eve = await acme.harness.user("eve@example.com")
    await acme.harness.live.organisations.create(eve, "Hers")
    await _remove(acme, acme.admin)
    return {
        "foreign": (eve, str(acme.id)),
        "former": (acme.admin, str(acme.id)),
        "unknown": (eve, str(uuid4())),
        "no id": (eve, "../../admin"),
        "another form of the id": (acme.owner, str(acme.id).upper()),
    }


async def test_a_foreign_page_looks_like_a_missing_one(acme: Acme) -> None:
    seen = set[str]()
    for who, path in (await _others(acme)).values():
        tab = await acme.harness.tab(who)
        tab.organisation = path
        told = len(tab.updates)
        for name, event in EVENTS.items():
            if name not in ("search", "audit"):
                await tab.send(event())
        said = "".join(str(update) for update in tab.updates[told:])
        assert "example.com" not in said
        seen.add(said.replace(tab.token, "-").replace(path, "-"))
        page, members, audit_log = await _shown(tab)
        assert (page.missing, page.organisation.id, members.items) == (True, "", [])
        assert (page.invitations, audit_log.items) == ([], [])
    assert len(seen) == 1


@pytest.mark.parametrize("name", EVENTS)
async def test_a_removed_member_is_shown_nothing_more(acme: Acme, name: str) -> None:
    tab = await acme.tab(acme.admin)
    await _remove(acme, acme.admin)
    told = len(tab.updates)
    await tab.send(EVENTS[name]())
    assert "@example.com" not in "".join(str(update) for update in tab.updates[told:])
    if name in ("load", "find", "previous"):  # what was there is taken away, too
        page, members, audit_log = await _shown(tab)
        assert (page.missing, page.organisation.name, page.invitations) == (True, "", [])
        assert members.items == audit_log.items == []


@pytest.mark.parametrize(
    "change",
    [
        _remove,
        lambda acme, who: acme.harness.live.members.change_role(
            acme.owner, acme.id, who.user_id, "member"
        ),
    ],
)
async def test_who_loses_a_role_has_the_page_emptied(
    acme: Acme, change: Callable[[Acme, Principal], Awaitable[None]]
) -> None:
    tab = await acme.tab(acme.admin)
    tab.organisation = ""  # another page is open now
    await tab.send(AuthState.on_auth_change())
    assert (await _shown(tab))[0].organisation.name == NAME
    await change(acme, acme.admin)
    await tab.send(AuthState.on_auth_change())
    page, members, audit_log = await _shown(tab)
    assert (page.organisation.name, page.invitations) == ("", [])
    assert members.items == audit_log.items == []


async def test_a_hydrate_sends_nothing_of_it_to_a_removed_member(acme: Acme) -> None:
    tab = await acme.tab(acme.admin)
    assert INVITED in tab.text()
    await acme.harness.live.members.remove(acme.owner, acme.id, acme.admin.user_id)
    told = len(tab.updates)
    await tab.call("reflex___state____state.hydrate", {})
    told_now = str(tab.updates[told:])
    assert INVITED not in told_now
    assert "carl@example.com" not in told_now


@pytest.mark.parametrize("name", ["audit", "search", "more"])
async def test_a_demoted_admin_reads_no_more_of_the_audit_log(acme: Acme, name: str) -> None:
    tab = await acme.tab(acme.admin)
    before = (await _shown(tab))[2].items
    await acme.harness.live.members.change_role(acme.owner, acme.id, acme.admin.user_id, "member")
    await tab.send(EVENTS[name]())
    after = (await _shown(tab))[2]
    assert after.items == (before if name == "more" else [])
    assert "doesn't allow" in after.notice or name == "more"  # there is no second page


async def test_the_audit_log_is_limited_and_a_mistake_is_said(acme: Acme) -> None:
    tab = await acme.tab(acme.owner)
    search = OrganisationAuditState.search
    await tab.send(search({**FORM, "action": "organisation_created"}))
    shown = (await _shown(tab))[2]
    assert [one.title for one in shown.items] == ["Organisation created"]
    await tab.send(search({**FORM, "email": "eve@example.com"}))
    shown = (await _shown(tab))[2]
    assert shown.notice == "No present or former member has this email."
    assert (shown.email, shown.items, shown.has_more) == ("eve@example.com", [], False)
    await tab.send(OrganisationAuditState.dismiss())
    assert (await _shown(tab))[2].notice == ""


async def test_another_organisation_in_the_url_replaces_everything(acme: Acme) -> None:
    tab = await acme.tab(acme.owner)
    await tab.send(MembersState.find("bob"))
    assert [one.email for one in (await _shown(tab))[1].items] == ["bob@example.com"]
    await tab.send(OrganisationAuditState.search({**FORM, "action": "invitation_created"}))
    other = (await acme.harness.live.organisations.create(acme.owner, "Other")).id
    tab.organisation = str(other)
    for event in (OrganisationPageState.load, OrganisationAuditState.load):
        await tab.send(event())
    page, members, audit_log = await _shown(tab)
    assert (page.organisation.name, page.invitations, page.is_alone) == ("Other", [], True)
    assert ([one.email for one in members.items], members.text) == (["ada@example.com"], "")
    assert [one.title for one in audit_log.items] == ["Organisation created"]


async def test_the_members_have_pages(acme: Acme) -> None:
    users = [User(email=f"m{number}@many.example") for number in range(MEMBERS)]
    async with acme.harness.live.db.system("organisations", write=True) as session:
        session.add_all(users)
        await session.flush()
        session.add_all(
            Membership(user_id=user.id, org_id=acme.id, role="member") for user in users
        )
    tab = await acme.tab(acme.owner)
    for event, number, count in (
        (None, 0, MEMBERS),
        (MembersState.next_page, 1, 3),
        (MembersState.next_page, 1, 3),
        (MembersState.previous_page, 0, MEMBERS),
        (MembersState.previous_page, 0, MEMBERS),
        (MembersState.next_page, 1, 3),
    ):
        if event is not None:
            await tab.send(event())
        members = (await _shown(tab))[1]
        assert (members.number, len(members.items), members.total) == (number, count, MEMBERS + 3)
        assert members.has_more == (number == 0)
    # those of the page are removed meanwhile: the page before it is shown
    for one in members.items:
        await acme.harness.live.members.remove(acme.owner, acme.id, UUID(one.id))
    await tab.send(OrganisationPageState.load())
    members = (await _shown(tab))[1]
    assert (members.number, len(members.items), members.has_more) == (0, MEMBERS, False)


async def test_the_list_has_the_users_organisations_and_invitations(acme: Acme) -> None:
    live = acme.harness.live
    dora = await acme.harness.user("dora@example.com")
    await live.invitations.invite(
        acme.owner, acme.id, email="dora@example.com", role="admin", client_ip="127.0.0.1"
    )
    for who, names, received in (
        (acme.owner, ["Owner · 3 members"], []),
        (acme.member, ["Member · 3 members"], []),
        (dora, [], [NAME]),
    ):
        tab = await acme.harness.tab(who)
        await tab.send(OrganisationListState.load())
        state = await tab.state(OrganisationListState)
        assert [one.detail for one in state.items] == names
        assert [one.organisation for one in state.received] == received
    assert "As admin · invited by ada@example.com · expires " in state.received[0].detail
