"""What the pages of the administration show."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_app.core.errors import MESSAGES
from chat_app.core.signals import ANNOUNCEMENTS
from chat_app.db.tables import Membership
from chat_app.llm.base import ProviderError
from chat_app.llm.health import FAILURES, ModelHealth
from chat_app.orgs.model_rules import INSTALLATION, RuleSet
from chat_app.states.account import day
from chat_app.states.admin.announcements import AnnouncementListState
from chat_app.states.admin.models import (
    ModelHealthState,
    ModelRulesState,
    model_entry,
    model_rules_items,
)
from chat_app.states.admin.organisations import AdminOrganisationsState
from chat_app.states.admin.overview import OverviewState
from chat_app.states.admin.people import LinkItem, PeopleState
from chat_app.states.admin.sign_up import SignUpPolicyState
from chat_app.states.announcements import AnnouncementState
from chat_app.states.auth import AuthState
from testing.audit_log import events_of
from testing.oidc_app import oidc_at
from testing.reflex_tabs import Harness, Tab, open_harness, open_tab, wait_for_value


@pytest.fixture
async def root(harness: Harness) -> Tab:
    principal = await harness.user("root@example.com")
    await harness.live.site_roles.promote(principal.user_id)
    return await harness.tab(principal)


async def test_a_model_that_fails_is_paused(harness: Harness, root: Tab) -> None:
    await root.send(ModelHealthState.load())
    before = (await root.state(ModelHealthState)).items
    assert {(one.tag, one.detail) for one in before} == {("", "No recent failures")}
    for _ in range(FAILURES):
        harness.live.models.health.failed(
            "fake", ProviderError("unreachable", "provider_unreachable")
        )
    await root.send(ModelHealthState.load())
    after = {one.id: one for one in (await root.state(ModelHealthState)).items}
    assert after["fake"].tag == "Paused"
    assert "can't be reached." in after["fake"].detail
    assert "Next try in 15 s." in after["fake"].detail
    assert [one.tag for id, one in after.items() if id != "fake" and one.tag] == []


@pytest.mark.parametrize("code", MESSAGES)
def test_an_admin_is_not_sent_to_an_admin(code: str) -> None:
    detail = model_entry("fake", "Fake", ModelHealth("open", code, seconds=9)).detail
    assert "administrator" not in detail
    assert detail.endswith(" Next try in 9 s.")


async def test_the_overview_counts_users(harness: Harness, root: Tab) -> None:
    eve = await harness.user("eve@example.com")
    await harness.live.user_access.disable(eve.user_id)
    await root.send(OverviewState.load())
    state = await root.state(OverviewState)
    assert (state.users, state.disabled, state.admins, state.seen_today) == (2, 1, 1, 2)


async def test_an_announcement_is_in_open_tabs_at_once_and_not_for_anonymous_users(
    harness: Harness, root: Tab
) -> None:
    ada = await harness.user("ada@example.com")
    chat, other = await open_tab(harness, ada), await open_tab(harness, ada)
    settings = await harness.tab(ada)
    await settings.begin(AnnouncementState.watch())
    anonymous = await harness.tab(None)
    tabs = (chat, other, settings)

    async def shown() -> list[list[str]]:
        states = [await tab.state(AnnouncementState) for tab in tabs]
        return [[one.text for one in state.items] for state in states]

    async with asyncio.timeout(60):
        while len(harness.live.bus._queues[ANNOUNCEMENTS]) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    words = {"announcement": "", "text": "<b>Down</b> at six", "starts": "", "ends": ""}
    await root.send(AnnouncementListState.save(words))
    await wait_for_value(settings, shown, [["<b>Down</b> at six"]] * 3)
    (item,) = (await chat.state(AnnouncementState)).items
    await chat.send(AnnouncementState.dismiss(item.id, item.version))
    await wait_for_value(settings, shown, [[]] * 3)
    (listed,) = (await root.state(AnnouncementListState)).items
    assert (listed.text, listed.status) == ("<b>Down</b> at six", "Shown")
    await root.send(AnnouncementListState.save(words | {"announcement": item.id, "text": "At ten"}))
    await wait_for_value(settings, shown, [["At ten"]] * 3)
    await root.send(AnnouncementListState.end(item.id))
    await wait_for_value(settings, shown, [[]] * 3)
    await anonymous.send(AuthState.on_auth_change())
    assert "Down" not in anonymous.text()
    assert "At ten" not in anonymous.text()


async def test_what_an_admin_does_on_a_page_is_audited_with_where_it_came_from(
    harness: Harness, root: Tab
) -> None:
    await root.send(
        AnnouncementListState.save(
            {"announcement": "", "text": "For users", "starts": "", "ends": ""}
        )
    )
    audited = {one.action: one for one in await events_of(harness.live.db)}
    made = audited["announcement_created"]
    assert (made.network, made.request_id) == ("127.0.0.0/24", "socket")


async def test_another_users_tab_keeps_no_announcements(harness: Harness, root: Tab) -> None:
    words = {"announcement": "", "text": "For users", "starts": "", "ends": ""}
    await root.send(AnnouncementListState.save(words))
    ada = await harness.user("ada@example.com")
    tab = await open_tab(harness, ada)
    assert [one.text for one in (await tab.state(AnnouncementState)).items] == ["For users"]
    await harness.live.sessions.revoke_user(ada.user_id, reason="revoked")
    await tab.send(AuthState.on_auth_change())
    assert (await tab.state(AnnouncementState)).items == []


async def test_what_is_typed_wrong_stays_one_sentence(harness: Harness, root: Tab) -> None:
    words = {"announcement": "", "text": "Words", "starts": "soon", "ends": ""}
    await root.send(AnnouncementListState.save(words))
    state = await root.state(AnnouncementListState)
    assert (state.notice[:12], state.done, state.items) == ("Enter a date", "", [])
    gone = words | {"announcement": str(uuid4()), "starts": ""}
    await root.send(AnnouncementListState.save(gone))
    assert (await root.state(AnnouncementListState)).notice


async def test_the_sign_up_policy_is_chosen_on_its_page(harness: Harness, root: Tab) -> None:
    await root.send(SignUpPolicyState.load())
    assert (await root.state(SignUpPolicyState)).mode == "open"
    await root.send(SignUpPolicyState.save({"mode": "domains", "domains": "not a domain!"}))
    state = await root.state(SignUpPolicyState)
    assert (state.mode, state.done) == ("open", "")
    assert "is not a domain" in state.notice
    await root.send(SignUpPolicyState.save({"mode": "domains", "domains": "b.example a.example"}))
    state = await root.state(SignUpPolicyState)
    assert (state.mode, state.domains, state.done) == ("domains", "b.example\na.example", "Saved.")
    assert state.notice == ""


async def test_the_page_says_what_the_settings_fix(tmp_path: Path) -> None:
    providers = (oidc_at("https://id.acme.example", sign_up=True),)
    given: dict[str, Any] = {"sign_up": "closed", "auth_allowed_domains": "a.example"}
    async with open_harness(tmp_path, identity_providers=providers, **given) as harness:
        principal = await harness.user("root@a.example")
        await harness.live.site_roles.promote(principal.user_id)
        tab = await harness.tab(principal)
        await tab.send(SignUpPolicyState.load())
        state = await tab.state(SignUpPolicyState)
        assert (state.fixed, state.allowed, state.admitted) == ("closed", "a.example", ["Acme"])
        await tab.send(SignUpPolicyState.save({"mode": "open", "domains": ""}))
        assert "SIGN_UP" in (await tab.state(SignUpPolicyState)).notice


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Nobody can verify an email without you"),
        (
            {"app_url": "https://chat.example", "trusted_proxy_hops": 1, "fake_models": False},
            "Nobody can verify an email. ",
        ),
        ({"smtp_url": "smtp://127.0.0.1:1", "mail_from": "chat@example.org"}, ""),
    ],
)
async def test_an_admin_is_told_that_nobody_can_verify_an_email(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    async with open_harness(tmp_path, **given) as harness:
        principal = await harness.user("root@example.com")
        await harness.live.site_roles.promote(principal.user_id)
        tab = await harness.tab(principal)
        await tab.send(SignUpPolicyState.load())
        unverified = (await tab.state(SignUpPolicyState)).unverified
        assert unverified.startswith(said)
        assert bool(unverified) is bool(said)


async def test_what_was_refused_is_not_said_when_the_page_is_opened_again(
    harness: Harness, root: Tab
) -> None:
    await root.send(PeopleState.disable(str(uuid4())))
    assert (await root.state(PeopleState)).notice == "This no longer exists."
    await root.send(PeopleState.load())
    assert (await root.state(PeopleState)).notice == ""


async def test_the_form_is_emptied_for_a_user_who_was_added_alone(
    harness: Harness, root: Tab
) -> None:
    form = {"email": "eve@example.com", "name": "Eve"}
    await root.send(PeopleState.add_user(form))
    assert (await root.state(PeopleState)).made == 1
    await root.send(PeopleState.add_user(form))
    state = await root.state(PeopleState)
    assert (state.made, state.notice) == (1, "A user with this email already exists.")


async def test_a_password_link_is_in_the_tab_that_asked_and_nowhere_else(
    harness: Harness, root: Tab
) -> None:
    eve = await harness.user("eve@example.com")
    await root.send(PeopleState.load())
    await root.send(PeopleState.reset_link(str(eve.user_id)))
    sent = root.updates[-2].delta[PeopleState.get_full_name()]["link_rx_state_"]
    assert sent.url.startswith(f"{harness.live.settings.url}/reset/new#")
    assert sent.email == "eve@example.com"
    assert (await root.state(PeopleState)).link == LinkItem()
    await root.send(PeopleState.hide_link())
    assert root.updates[-1].delta[PeopleState.get_full_name()]["link_rx_state_"] == LinkItem()


def switches(state: ModelRulesState, model: str) -> dict[str, tuple[str, str]]:
    """What is chosen for each role, and what the empty choice is called."""
    (item,) = (one for one in state.items if one.id == model)
    return {one.name: (one.choice, one.default) for one in item.roles}


async def test_an_admin_switches_a_model_off_and_on_for_some(harness: Harness, root: Tab) -> None:
    ada = await harness.user("ada@example.com")
    made = await harness.live.organisations.create(ada, "Acme")
    await root.send(ModelRulesState.load())
    state = await root.state(ModelRulesState)
    assert switches(state, "fake") == {"Everyone": ("", "On"), "Admins": ("", "As everyone")}
    await root.send(ModelRulesState.set_rule("", "fake", "", "off"))
    await root.send(ModelRulesState.set_rule("", "fake", "member", "off"))
    state = await root.state(ModelRulesState)
    assert state.notice == "There is no such role."
    assert switches(state, "fake")["Everyone"] == ("off", "On")
    assert [one.tag for one in state.items if one.id == "fake"] == ["Off"]
    await root.send(ModelRulesState.find("acm"))
    assert [one.name for one in (await root.state(ModelRulesState)).found] == ["Acme"]
    await root.send(ModelRulesState.show_organisation(str(made.id)))
    state = await root.state(ModelRulesState)
    assert (state.org_name, state.text, state.found) == ("Acme", "", [])
    assert switches(state, "fake")["Everyone"] == ("", "Default (off)")
    await root.send(ModelRulesState.set_rule(str(made.id), "fake", "owner", "on"))
    state = await root.state(ModelRulesState)
    assert switches(state, "fake")["Owners"] == ("on", "As everyone")
    assert state.done == "Fake: saved"
    rules = await harness.live.model_rules.current()
    assert dict(rules.rules) == {
        ("fake", INSTALLATION, ""): False,
        ("fake", made.id, "owner"): True,
    }
    await root.send(ModelRulesState.set_rule(str(made.id), "nothing", "", "off"))
    await root.send(ModelRulesState.show_organisation(str(uuid4())))
    state = await root.state(ModelRulesState)
    assert (state.org_id, bool(state.notice)) == ("", True)
    assert len((await harness.live.model_rules.current()).rules) == 2


async def test_a_choice_counts_only_where_it_was_made(harness: Harness, root: Tab) -> None:
    made = await harness.live.organisations.create(await harness.user("ada@example.com"), "Acme")
    await root.send(ModelRulesState.load())
    await root.send(ModelRulesState.show_organisation(str(made.id)))
    for place in ("", str(uuid4())):  # it was clicked before the other place was shown
        await root.send(ModelRulesState.set_rule(place, "fake", "", "off"))
        state = await root.state(ModelRulesState)
        assert (state.org_id, state.done) == (str(made.id), "")
        assert state.notice.startswith("Nothing was changed")
    assert dict((await harness.live.model_rules.current()).rules) == {}
    await root.send(ModelRulesState.set_rule(str(made.id), "fake", "", "off"))
    assert (await root.state(ModelRulesState)).notice == ""
    rules = (await harness.live.model_rules.current()).rules
    assert dict(rules) == {("fake", made.id, ""): False}


def test_a_rule_for_a_model_that_is_gone_is_still_shown() -> None:
    rules = RuleSet({("gone", INSTALLATION, ""): False, ("other", uuid4(), ""): False})
    (item,) = model_rules_items([], rules, INSTALLATION)
    assert (item.id, item.tag, item.roles[0].choice) == ("gone", "Not offered", "off")


async def test_an_admin_opens_and_changes_an_organisation(harness: Harness, root: Tab) -> None:
    live, ada = harness.live, await harness.user("ada@example.com")
    page, state = AdminOrganisationsState, partial(root.state, AdminOrganisationsState)
    await root.send(page.load())
    assert ((await state()).items, (await state()).total) == ([], 0)
    await root.send(page.create({"name": "Acme", "email": "nobody@example.com"}))
    assert "No user has this email" in (await state()).notice
    assert (await state()).made == 0, "the form keeps what was typed"
    await root.send(page.create({"name": "Acme", "email": "ada@example.com"}))
    (one,) = (await state()).items
    assert (await state()).made == 1, "and is empty again"
    facts = f"1 member · 0 chats · created {day(harness.live.clock())}".split(" · ")
    unbroken = [fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in facts]
    assert (one.name, one.detail) == ("Acme", " · ".join(unbroken))
    await root.send(page.open(one.id))
    (member,) = (await state()).members
    assert (member.email, member.role, member.can_own) == ("ada@example.com", "Owner", False)
    await root.send(page.remove(one.id, str(ada.user_id)))
    assert "needs an owner" in (await state()).notice
    bob = await harness.user("bob@example.com")
    async with live.db.system("organisations", write=True) as session:
        session.add(Membership(user_id=bob.user_id, org_id=UUID(one.id), role="member"))
    await live.user_access.disable(ada.user_id)
    await root.send(page.load())
    assert {member.email: member.can_own for member in (await state()).members} == {
        "ada@example.com": False,
        "bob@example.com": True,
    }
    await root.send(page.make_owner(one.id, str(bob.user_id)))
    await root.send(page.remove(one.id, str(ada.user_id)))
    assert [(one.email, one.role) for one in (await state()).members] == [
        ("bob@example.com", "Owner")
    ]
    await root.send(page.open(one.id))
    assert ((await state()).opened, (await state()).members) == ("", [])
    await root.send(page.delete(one.id))
    assert ((await state()).items, (await state()).notice) == ([], "")
    await root.send(page.open(one.id))  # it is gone
    assert ((await state()).opened, (await state()).members) == ("", [])
