"""The page that shows a member's chats by a grant, what ends it, and what the member is told."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseBusy
from chat_app.core.signals import reading_topic
from chat_app.db.tables import AuthSession, Membership, Message, ReadingGrant, Thread
from chat_app.states.admin.organisations import AdminOrganisationsState
from chat_app.states.auth import AuthState
from chat_app.states.organisation_pages.page import OrganisationPageState
from chat_app.states.organisations import CurrentOrganisationState
from chat_app.states.readers import PastReadingsState, ReadersState
from chat_app.states.reading import ReadingRequestState, ReadingState, time_left
from chat_app.threads.reading import GrantedThreadPage, GrantedThreads
from testing.reflex_tabs import Harness, Tab, open_harness, open_tab, wait_for_value, wait_until

SECRET = "only for my team"
THOUGHT = "what I thought of it"
REASON = "A customer asks what was promised."


@dataclass
class Place:
    """An admin, a member with a chat in their organisation, and a grant to read it."""

    harness: Harness
    org: UUID
    admin: Principal
    member: Principal
    thread: UUID
    answer: UUID
    grant: UUID

    async def open(self, tab: Tab, grant: UUID | None = None, **query: str) -> ReadingState:
        """Open the page in a tab, and wait until it says what there is."""
        path = f"/reading/{grant or self.grant}"
        given = {"grant_id": str(grant or self.grant), **query}
        await tab.begin_at(ReadingState.open(), path, **given)

        chat = query.get("chat", "")

        async def is_shown() -> bool:
            state = await tab.state(ReadingState)
            if state.phase == "open":
                return state.missing or (state.thread == chat and bool(chat or state.threads))
            return state.phase == "over"

        await wait_for_value(tab, is_shown, True)
        return await tab.state(ReadingState)

    async def phase(self, tab: Tab) -> str:
        return (await tab.state(ReadingState)).phase

    async def until_watched(self, tab: Tab) -> None:
        """Wait until the page follows the end of its grant."""
        queues = self.harness.live.bus._queues
        await wait_until(tab, lambda: reading_topic(self.grant) in queues)

    async def until_over(self, tab: Tab) -> None:
        """Wait until the page is blank, and look into all that its state holds."""

        async def phase() -> str:
            return await self.phase(tab)

        await wait_for_value(tab, phase, "over")
        state = await tab.state(ReadingState)
        assert SECRET not in str(state.dict())
        assert SECRET not in str(state._backend_vars)
        assert (state.messages, state.threads, state.subject) == ([], [], "")


@pytest.fixture
async def place(harness: Harness) -> Place:
    return await _place(harness)


async def _place(harness: Harness) -> Place:
    live = harness.live
    admin, member = [await harness.user(f"{name}@example.com") for name in ("grace", "bob")]
    org = (await live.organisations.create(admin, "Acme")).id
    await live.organisations.change(admin, org, allows_admin_reading=True)
    thread = Thread(owner_id=member.user_id, org_id=org, title=SECRET)
    ask = Message(
        owner_id=member.user_id,
        org_id=org,
        thread_id=thread.id,
        role="user",
        parts=[{"type": "text", "text": f"{SECRET}?"}],
    )
    answer = Message(
        owner_id=member.user_id,
        org_id=org,
        thread_id=thread.id,
        parent_id=ask.id,
        role="assistant",
        status="stopped",
        parts=[
            {"type": "reasoning", "text": THOUGHT, "seconds": 1.0},
            {"type": "text", "text": f"{SECRET}!"},
        ],
    )
    thread.head_id = answer.id
    async with live.db.system("organisations", write=True) as session:
        session.add(Membership(user_id=member.user_id, org_id=org, role="member"))
        for row in (thread, ask, answer):
            session.add(row)
            await session.flush()
    grant = await live.reading_grants.ask(admin, org, member.user_id, reason=REASON, minutes=15)
    return Place(harness, org, admin, member, thread.id, answer.id, grant)


async def test_the_page_shows_the_list_and_then_a_chat(place: Place) -> None:
    tab = await place.harness.tab(place.admin)
    state = await place.open(tab)
    assert [one.title for one in state.threads] == [SECRET]
    assert (state.subject, state.organisation, state.reason) == ("bob@example.com", "Acme", REASON)
    assert state.org_id == str(place.org)
    assert state.messages == []
    assert THOUGHT not in tab.text()
    state = await place.open(tab, chat=str(place.thread))
    assert (state.title, state.threads) == (SECRET, [])
    assert [one.role for one in state.messages] == ["user", "assistant"]
    assert state.messages[1].status == "stopped"
    # reasoning is folded: its text comes when it is opened
    assert THOUGHT not in tab.text()
    await tab.send(ReadingState.resync(state.messages[1].stream_id, 0, 0))
    assert THOUGHT in tab.text()


async def test_a_chat_that_is_none_of_the_list_is_missing(place: Place) -> None:
    for chat in (str(uuid4()), "no-id"):
        tab = await place.harness.tab(place.admin)
        state = await place.open(tab, chat=chat)
        assert (state.phase, state.missing, state.messages) == ("open", True, [])


async def test_another_users_grant_looks_like_none(place: Place) -> None:
    eve = await place.harness.user("eve@example.com")
    texts: list[str] = []
    for grant in (place.grant, uuid4()):
        tab = await place.harness.tab(eve)
        told = len(tab.updates)
        state = await place.open(tab, grant, chat=str(place.thread))
        assert state.phase == "over"
        await tab.send(ReadingState.resync("AAAAAA", 0, 0))
        await tab.send(ReadingState.end())
        texts.append(str(tab.updates[told:]).replace(str(grant), "-").replace(tab.token, "-"))
    assert texts[0] == texts[1]
    assert SECRET not in texts[0]
    # it was not ended by a user who is not its reader
    assert (await place.open(await place.harness.tab(place.admin))).phase == "open"


@pytest.mark.parametrize("how", ["end", "switch", "demotion", "account"])
async def test_the_page_is_blank_when_the_grant_ends(place: Place, how: str) -> None:
    live = place.harness.live
    tab = await place.harness.tab(place.admin)
    await place.open(tab, chat=str(place.thread))
    await place.until_watched(tab)
    match how:
        case "end":
            await live.reading_grants.end(place.admin, place.grant)  # as in another tab
        case "switch":
            await live.organisations.change(place.admin, place.org, allows_admin_reading=False)
        case "demotion":
            chief = await place.harness.user("chief@example.com")
            async with live.db.system("organisations", write=True) as session:
                session.add(Membership(user_id=chief.user_id, org_id=place.org, role="owner"))
            change = live.members.change_role
            await change(chief, place.org, place.admin.user_id, "member")
        case "account":
            await live.administration.delete(place.member.user_id)
    await place.until_over(tab)


async def test_the_page_is_blank_when_the_time_is_over(tmp_path: Path) -> None:
    now = datetime.now(UTC)

    def clock() -> datetime:
        return now

    async with open_harness(tmp_path, clock=clock) as harness:
        place = await _place(harness)
        # nearly all of the time has passed: the page looks again as soon as the rest has, too
        now += timedelta(minutes=14, seconds=59.99)
        tab = await harness.tab(place.admin)
        state = await place.open(tab, chat=str(place.thread))
        assert state.messages != []
        now += timedelta(milliseconds=10)
        await place.until_over(tab)


async def test_a_hydrate_sends_nothing_that_was_read(place: Place) -> None:
    tab = await place.harness.tab(place.admin)
    await place.open(tab, chat=str(place.thread))
    told = len(tab.updates)
    await tab.call("reflex___state____state.hydrate", {})
    assert SECRET not in str(tab.updates[told:])
    assert (await tab.state(ReadingState)).messages == []


async def test_a_busy_database_is_asked_again_for_what_the_page_shows(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, busy = GrantedThreads.page, [DatabaseBusy(), DatabaseBusy()]

    async def busy_at_first(*args: Any, **named: Any) -> GrantedThreadPage:
        if busy:
            raise busy.pop()
        return await page(*args, **named)

    monkeypatch.setattr(GrantedThreads, "page", busy_at_first)
    monkeypatch.setattr("chat_app.states.reading.RETRY_SECONDS", 0.01)
    state = await place.open(await place.harness.tab(place.admin))
    assert ([one.title for one in state.threads], state.notice) == ([SECRET], "")


async def _ended_role(place: Place, how: str) -> None:
    live = place.harness.live
    chief = await place.harness.user("chief@example.com")
    async with live.db.system("organisations", write=True) as session:
        session.add(Membership(user_id=chief.user_id, org_id=place.org, role="owner"))
    if how == "removed":
        await live.members.remove(chief, place.org, place.admin.user_id)
    else:
        await live.members.change_role(chief, place.org, place.admin.user_id, "member")


@pytest.mark.parametrize("how", ["removed", "demoted"])
async def test_the_form_is_empty_for_who_is_no_admin_any_more(place: Place, how: str) -> None:
    tab = await place.harness.tab(place.admin)
    load, org = ReadingRequestState.load(), str(place.org)
    await (await tab.begin_at(load, f"/reading/new/{org}", org_id=org)).wait_all()
    assert "bob@example.com" in tab.text()
    await _ended_role(place, how)
    told = len(tab.updates)
    await tab.send(AuthState.on_auth_change())
    state = await tab.state(ReadingRequestState)
    assert (state.organisation, state.members, state.loaded) == ("", [], True)
    assert "You can't read members' chats" in state.refused
    assert "bob@example.com" not in str(tab.updates[told:])


@pytest.mark.parametrize("how", ["removed", "demoted"])
async def test_a_hydrate_sends_no_members_to_who_is_no_admin_any_more(
    place: Place, how: str
) -> None:
    tab = await place.harness.tab(place.admin)
    load, org = ReadingRequestState.load(), str(place.org)
    await (await tab.begin_at(load, f"/reading/new/{org}", org_id=org)).wait_all()
    assert "bob@example.com" in tab.text()
    await _ended_role(place, how)
    told = len(tab.updates)
    await tab.call("reflex___state____state.hydrate", {})
    assert "bob@example.com" not in str(tab.updates[told:])


async def test_the_button_ends_it(place: Place) -> None:
    tab = await place.harness.tab(place.admin)
    await place.open(tab)
    await tab.send(ReadingState.end())
    await place.until_over(tab)
    assert (await place.open(await place.harness.tab(place.admin))).phase == "over"


async def test_the_form_lists_the_members_and_leads_to_the_page(place: Place) -> None:
    tab, live = await place.harness.tab(place.admin), place.harness.live
    path, org = f"/reading/new/{place.org}", {"org_id": str(place.org)}
    member = str(place.member.user_id)
    await (await tab.begin_at(ReadingRequestState.load(), path, **org, member=member)).wait_all()
    state = await tab.state(ReadingRequestState)
    assert (state.organisation, state.chosen, state.refused) == ("Acme", member, "")
    assert state.org_id == str(place.org)
    assert [one.label for one in state.members] == ["bob@example.com"]

    async def ask(**changed: str) -> str:
        told = len(tab.updates)
        form = {"member": member, "reason": REASON, "minutes": "60"} | changed
        await (await tab.begin_at(ReadingRequestState.ask(form), path, **org)).wait_all()
        return str(tab.updates[told:])

    assert "at least 10 characters" in await ask(reason="short")
    assert "Choose whose chats" in await ask(member="")
    assert "no chats in the organisation" in await ask(member=str(uuid4()))
    assert "/reading/" in await ask()
    async with live.db.system("auth", write=True) as session:
        row = await session.require(AuthSession, place.admin.credential_id)
        row.authenticated_at -= timedelta(days=1)
    assert "/settings/confirm?callbackUrl=" in await ask()


@pytest.mark.parametrize("is_allowed", [False, True])
async def test_the_form_asks_who_they_are_only_where_it_can_be_sent(
    place: Place, is_allowed: bool
) -> None:
    live = place.harness.live
    await live.organisations.change(place.admin, place.org, allows_admin_reading=is_allowed)
    async with live.db.system("auth", write=True) as session:
        row = await session.require(AuthSession, place.admin.credential_id)
        row.authenticated_at -= timedelta(days=1)
    tab = await place.harness.tab(place.admin)
    load, path = ReadingRequestState.load(), f"/reading/new/{place.org}"
    await (await tab.begin_at(load, path, org_id=str(place.org))).wait_all()
    state = await tab.state(ReadingRequestState)
    assert ("/settings/confirm?callbackUrl=" in tab.text()) is is_allowed
    assert ("doesn't let its admins read" in state.refused) is not is_allowed
    assert state.loaded is not is_allowed
    assert "bob@example.com" not in tab.text()


async def test_the_form_says_why_it_is_not_there(place: Place) -> None:
    live = place.harness.live
    chief = await place.harness.user("chief@example.com")
    for who, org, said in (
        (place.member, place.org, "Your role in this organisation"),
        (chief, place.org, "no such organisation"),
        (place.admin, uuid4(), "no such organisation"),
    ):
        tab = await place.harness.tab(who)
        load = ReadingRequestState.load()
        await (await tab.begin_at(load, "/reading/new/x", org_id=str(org))).wait_all()
        assert said in (await tab.state(ReadingRequestState)).refused
    await live.organisations.change(place.admin, place.org, allows_admin_reading=False)
    tab = await place.harness.tab(place.admin)
    load = ReadingRequestState.load()
    await (await tab.begin_at(load, "/reading/new/x", org_id=str(place.org))).wait_all()
    assert "doesn't let its admins read" in (await tab.state(ReadingRequestState)).refused


async def test_no_page_offers_to_read_where_the_installation_lets_no_one(tmp_path: Path) -> None:
    async with open_harness(tmp_path, admin_reading=False) as harness:
        place = harness.live.organisations
        admin = await harness.user("grace@example.com")
        await harness.live.site_roles.promote(admin.user_id)
        org = (await place.create(admin, "Acme")).id
        await place.change(admin, org, allows_admin_reading=True)
        tab = await open_tab(harness, admin)
        tab.organisation = str(org)
        for load in (OrganisationPageState.load(), AdminOrganisationsState.load()):
            await tab.send(load)
        page = (await tab.state(OrganisationPageState)).organisation
        (listed,) = (await tab.state(AdminOrganisationsState)).items
        personal, choice = (await tab.state(CurrentOrganisationState)).choices
        shown = page, listed, personal, choice
        assert [one.allows_admin_reading for one in shown] == [False] * 4
        assert page.is_reading_off
        assert choice.is_reading_off
        await tab.send(PastReadingsState.load())
        assert (await tab.state(PastReadingsState)).is_off

        load = ReadingRequestState.load()
        await (await tab.begin_at(load, "/reading/new/x", org_id=str(org))).wait_all()
        assert "is switched off on this server" in (await tab.state(ReadingRequestState)).refused
        opened = await tab.begin_at(ReadingState.open(), "/reading/x", grant_id=str(uuid4()))
        await opened.wait_all()
        assert (await tab.state(ReadingState)).phase == "off"


async def test_the_owner_sees_in_the_open_chat_who_read_it(place: Place) -> None:
    tab = await open_tab(place.harness, place.member, str(place.thread))
    assert (await tab.state(ReadersState)).readers == []
    reader = await place.harness.tab(place.admin)
    await place.open(reader, chat=str(place.thread))

    async def said() -> list[str]:
        found = (await tab.state(ReadersState)).readers
        return [one.text.split(" on ")[0] + one.reason for one in found]

    await wait_for_value(
        tab, said, [f"grace@example.com, an owner of Acme, read this chat{REASON}"]
    )
    await tab.send(PastReadingsState.load())
    (past,) = (await tab.state(PastReadingsState)).items
    assert (past.who, past.reason) == ("grace@example.com, an owner of Acme", REASON)
    assert [(chat.title, chat.url) for chat in past.chats] == [(SECRET, f"/c/{place.thread}")]
    tab.close()


async def test_older_grants_are_shown_once_though_another_is_made_meanwhile(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_app.orgs.readers.MAX_LISTED", 2)
    now = datetime.now(UTC) - timedelta(days=1)
    times = [now, now, now, now - timedelta(days=1), now - timedelta(days=2)]  # three at once
    given = {place.grant, *[await _past_grant(place, at) for at in times]}
    tab = await place.harness.tab(place.member)
    await tab.send(PastReadingsState.load())
    assert len((await tab.state(PastReadingsState)).items) == 2
    await _past_grant(place, datetime.now(UTC) + timedelta(minutes=1))
    for shown, has_more in ((4, True), (6, False), (6, False)):
        await tab.send(PastReadingsState.more())
        past = await tab.state(PastReadingsState)
        assert (len(past.items), past.has_more) == (shown, has_more)
    assert {UUID(one.id) for one in past.items} == given
    tab.close()


async def _past_grant(place: Place, at: datetime) -> UUID:
    grant = ReadingGrant(
        owner_id=place.member.user_id,
        reader_id=place.admin.user_id,
        reader_name="",
        reader_email="grace@example.com",
        org_id=place.org,
        role="owner",
        session_id=uuid4(),
        reason=REASON,
        created_at=at,
        until=at,
    )
    async with place.harness.live.db.system("grants", write=True) as session:
        session.add(grant)
    return grant.id


def test_the_time_left_is_rounded_up_to_minutes() -> None:
    now = datetime(2026, 11, 29, 14, tzinfo=UTC)
    for seconds, said in (
        (1, "1 min left, until 14:00 UTC"),
        (900, "15 min left, until 14:15 UTC"),
        (3_600, "1 h left, until 15:00 UTC"),
        (28_799, "8 h left, until 21:59 UTC"),
        (5_400, "1 h 30 min left, until 15:30 UTC"),
    ):
        assert time_left(now + timedelta(seconds=seconds), now) == said
