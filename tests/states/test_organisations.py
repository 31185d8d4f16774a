"""The current organisation of a tab: what its list has, what a switch leaves, where chats go."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseBusy
from chat_app.db.tables import PRIVATE, Membership
from chat_app.orgs.organisations import Organisations
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.organisations import CurrentOrganisationState
from chat_app.states.search import SearchState
from chat_app.states.thread_list import ThreadListState
from testing.reflex_tabs import Harness, Tab, open_tab, wait_for_value

LIST = ThreadListState.get_full_name()
MOVES, PROBLEM = CurrentOrganisationState.get_full_name(), "move_problem_rx_state_"


async def _now(harness: Harness, who: Principal) -> Principal:
    """A user as the next event resolves them."""
    found = await harness.live.sessions.principal(who.credential_id)
    assert found is not None
    return found


async def _thread(harness: Harness, who: Principal, title: str, org_id: UUID = PRIVATE) -> UUID:
    now = await _now(harness, who)
    return (await harness.live.threads.create(now, title=title, org_id=org_id)).id


async def _ask(harness: Harness, who: Principal, text: str, org_id: UUID, model: str) -> Any:
    return await harness.live.runs.send(
        await _now(harness, who), text=text, client_id=uuid4().hex, org_id=org_id, model=model
    )


async def _send(tab: Tab, client_id: str, model: str, organisation: str) -> None:
    """Send what begins a new chat."""
    given = {"client_id": client_id, "thread": "", "text": f"about {client_id}", "model": model}
    event = f"{ChatState.get_full_name()}.send"
    await tab.call(event, {**given, "options": None, "organisation": organisation})


async def _acme(harness: Harness) -> tuple[Principal, UUID]:
    """A user with a thread of their own and one in their organisation."""
    ada = await harness.user("ada@example.com")
    org = (await harness.live.organisations.create(ada, "Acme")).id
    await _thread(harness, ada, "mine")
    await _thread(harness, ada, "at work", org)
    return ada, org


async def _member(harness: Harness) -> tuple[Principal, Principal, UUID]:
    """The owner of an organisation, and a member of it."""
    ada, org = await _acme(harness)
    bob = await harness.user("bob@example.com")
    async with harness.live.db.system("organisations", write=True) as session:
        session.add(Membership(user_id=bob.user_id, org_id=org, role="member"))
    return ada, bob, org


async def _listed(tab: Tab) -> list[str]:
    return [row.title for row in (await tab.state(ThreadListState)).items]


async def _current(tab: Tab) -> tuple[str, str, list[str]]:
    """The current organisation with its name, and what is listed."""
    listed, state = await tab.state(ThreadListState), await tab.state(CurrentOrganisationState)
    return listed.organisation, state.name, [row.title for row in listed.items]


async def test_a_new_tab_begins_in_the_chosen_organisation_and_an_open_one_stays(
    harness: Harness,
) -> None:
    ada, org = await _acme(harness)
    first, second = await open_tab(harness, ada), await open_tab(harness, ada)
    assert await _current(first) == ("", "", ["mine"])
    state = await first.state(CurrentOrganisationState)
    assert [(one.id, one.name) for one in state.choices] == [("", "Personal"), (str(org), "Acme")]
    await first.send(CurrentOrganisationState.switch(str(org)))
    assert await _current(first) == (str(org), "Acme", ["at work"])
    await second.send(AuthState.on_auth_change())  # as at every new page
    assert await _current(second) == ("", "", ["mine"])
    third = await open_tab(harness, await harness.session(ada.user_id))
    assert await _current(third) == (str(org), "Acme", ["at work"])
    await third.send(CurrentOrganisationState.switch(""))
    assert await _current(await open_tab(harness, ada)) == ("", "", ["mine"])
    assert await _current(first) == (str(org), "Acme", ["at work"])


async def test_a_tab_enters_an_organisation_that_was_joined_in_it_and_others_stay(
    harness: Harness,
) -> None:
    ada, org = await _acme(harness)
    bob = await harness.user("bob@example.com")
    other, joining = await open_tab(harness, bob), await open_tab(harness, bob)
    live = harness.live
    invited = await live.invitations.invite(
        await _now(harness, ada), org, email="bob@example.com", role="member", client_ip=""
    )
    assert invited.link is not None
    await live.invitations.accept(bob, invited.link.rpartition("invitation.")[2])
    for id_ in ("", "acme", str(uuid4()), str(org)):
        await joining.begin_at(AuthState.on_auth_change(), "/", joined=id_)
        expected = (str(org), "Acme", []) if id_ == str(org) else ("", "", [])
        await wait_for_value(joining, lambda: _current(joining), expected)
    await other.send(AuthState.on_auth_change())  # as after each change of a role
    assert await _current(other) == ("", "", []), "what is being written there is private"
    assert [one.name for one in (await other.state(CurrentOrganisationState)).choices] == [
        "Personal",
        "Acme",
    ]


async def test_a_user_without_organisations_has_no_choice(harness: Harness) -> None:
    tab = await open_tab(harness, await harness.user("ada@example.com"))
    state = await tab.state(CurrentOrganisationState)
    assert (state.choices, state.name, (await tab.state(ThreadListState)).organisation) == (
        [],
        "",
        "",
    )


async def test_news_of_an_organisation_reach_its_list_alone(harness: Harness) -> None:
    ada, org = await _acme(harness)
    mine, work = await open_tab(harness, ada), await open_tab(harness, ada)
    await work.send(CurrentOrganisationState.switch(str(org)))
    new = await _thread(harness, ada, "new", org)
    await wait_for_value(work, lambda: _listed(work), ["new", "at work"])
    await harness.live.threads.rename(ada, (await _thread(harness, ada, "x")), "other")
    await wait_for_value(mine, lambda: _listed(mine), ["other", "mine"])
    await harness.live.threads.move(await _now(harness, ada), new, PRIVATE)
    await wait_for_value(work, lambda: _listed(work), ["at work"])
    await wait_for_value(mine, lambda: _listed(mine), ["other", "new", "mine"])
    assert "at work" not in mine.text()


async def test_further_pages_are_those_of_the_organisation(harness: Harness) -> None:
    ada, org = await _acme(harness)
    for number in range(60):
        await _thread(harness, ada, f"{number}", org)
        await _thread(harness, ada, f"mine {number}")
    tab = await open_tab(harness, ada)
    await tab.send(CurrentOrganisationState.switch(str(org)))
    await tab.send(ThreadListState.more())
    state = await tab.state(ThreadListState)
    wanted = [f"{number}" for number in reversed(range(60))]
    assert [row.title for row in [*state.items, *state.older]] == [*wanted, "at work"]


async def test_a_search_is_in_the_current_organisation(harness: Harness) -> None:
    ada, org = await _acme(harness)
    for where, text in ((PRIVATE, "tomatoes at home"), (org, "tomatoes at work")):
        sent = await _ask(harness, ada, text, where, "fake:5x0")
        async for _ in harness.live.runs.follow(await _now(harness, ada), sent.run_id):
            pass
        await harness.live.threads.rename(await _now(harness, ada), sent.thread_id, f"About {text}")
    tab = await open_tab(harness, ada)
    for wanted, text in (("", "home"), (str(org), "work")):
        await tab.send(CurrentOrganisationState.switch(wanted))
        assert (await tab.state(SearchState)).hits == []
        await tab.send(ThreadListState.find("tomatoes"))
        await tab.send(SearchState.find_messages("tomatoes"))
        assert await _listed(tab) == [f"About tomatoes at {text}"]
        assert [hit.title for hit in (await tab.state(SearchState)).hits] == [
            f"About tomatoes at {text}"
        ]
    (hit,) = (await tab.state(SearchState)).hits
    await harness.live.threads.move(await _now(harness, ada), UUID(hit.thread), PRIVATE)

    async def hits() -> list[Any]:
        return (await tab.state(SearchState)).hits

    await wait_for_value(tab, hits, [])


async def test_a_switch_blanks_the_list_before_it_reads_another(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, org = await _acme(harness)
    opened = str((await harness.live.threads.page(ada)).threads[0].id)
    tab = await open_tab(harness, ada, opened)
    await tab.send(ThreadListState.find("mine"))
    before = len(tab.updates)
    is_choosing, go, choose = asyncio.Event(), asyncio.Event(), Organisations.choose

    async def slow(self: Organisations, principal: Principal, org_id: UUID) -> None:
        is_choosing.set()
        await go.wait()
        await choose(self, principal, org_id)

    monkeypatch.setattr(Organisations, "choose", slow)
    future = await tab.begin(CurrentOrganisationState.switch(str(org)), opened)
    await is_choosing.wait()
    sent = [update.delta or {} for update in tab.updates[before:]]
    (shown,) = [delta[LIST] for delta in sent if LIST in delta]
    assert (shown["items_rx_state_"], shown["organisation_rx_state_"]) == ([], str(org))
    assert (shown["loaded_rx_state_"], shown["search_rx_state_"]) == (False, "")
    events = [event.name for update in tab.updates[before:] for event in update.events]
    assert events == ["_redirect"]
    go.set()
    await future.wait_all()
    assert await _current(tab) == (str(org), "Acme", ["at work"])
    chat = await tab.state(ChatState)
    assert (chat.thread, chat.title, chat.missing) == ("", "", False)


async def test_a_switch_that_the_database_fails_is_made_up_for(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, org = await _acme(harness)
    tab = await open_tab(harness, ada)
    failures, read = [DatabaseBusy()], Organisations.of

    async def failing(self: Organisations, principal: Principal) -> Any:
        if failures:
            raise failures.pop()
        return await read(self, principal)

    monkeypatch.setattr(Organisations, "of", failing)
    await tab.send(CurrentOrganisationState.switch(str(org)))
    await wait_for_value(tab, lambda: _listed(tab), ["at work"])
    assert (await _current(tab))[:2] == (str(org), "Acme")


async def test_the_newest_of_two_switches_wins(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, org = await _acme(harness)
    other = (await harness.live.organisations.create(ada, "Beta")).id
    await _thread(harness, ada, "at Beta", other)
    tab = await open_tab(harness, ada)
    is_choosing, choose = asyncio.Event(), Organisations.choose

    async def stuck(self: Organisations, principal: Principal, org_id: UUID) -> None:
        if org_id == org:
            is_choosing.set()
            await asyncio.Event().wait()
        await choose(self, principal, org_id)

    monkeypatch.setattr(Organisations, "choose", stuck)
    await tab.begin(CurrentOrganisationState.switch(str(org)))
    await is_choosing.wait()
    await tab.send(CurrentOrganisationState.switch(str(other)))
    assert await _current(tab) == (str(other), "Beta", ["at Beta"])


async def test_a_thread_opened_by_its_url_brings_its_organisation(harness: Harness) -> None:
    ada, org = await _acme(harness)
    (work,) = (await harness.live.threads.page(await _now(harness, ada), org_id=org)).threads
    (mine,) = (await harness.live.threads.page(ada)).threads
    tab = await open_tab(harness, ada, str(work.id))
    assert await _current(tab) == (str(org), "Acme", ["at work"])
    await tab.send(AuthState.on_auth_change())  # a new chat
    assert await _current(tab) == (str(org), "Acme", ["at work"])
    await tab.send(AuthState.on_auth_change(), str(mine.id))
    assert await _current(tab) == ("", "", ["mine"])
    await tab.send(AuthState.on_auth_change(), str(uuid4()))  # a missing one
    assert await _current(tab) == ("", "", ["mine"])
    # no choice was made by that
    assert await _current(await open_tab(harness, ada)) == ("", "", ["mine"])


async def test_a_new_chat_is_made_where_the_page_says(harness: Harness) -> None:
    ada, org = await _acme(harness)
    tab = await open_tab(harness, ada)
    for number, where in enumerate((str(org), "")):
        await _send(tab, f"c{number}", "fake:5x0", where)
        chat = await tab.state(ChatState)
        made = await harness.live.threads.get(await _now(harness, ada), UUID(chat.opened))
        assert made.org_id == (UUID(where) if where else PRIVATE)
        await tab.send(AuthState.on_auth_change())


async def test_who_was_removed_keeps_what_they_typed(harness: Harness) -> None:
    ada, bob, org = await _member(harness)
    tab = await open_tab(harness, bob)
    await tab.send(CurrentOrganisationState.switch(str(org)))
    await harness.live.members.remove(ada, org, bob.user_id)
    await _send(tab, "c1", "", str(org))
    chat = await tab.state(ChatState)
    assert (chat.refused, chat.accepted) == ("c1", "")
    assert chat.notice == "You no longer belong to this organisation. Your text is still here."
    assert (await harness.live.threads.page(bob, org_id=None)).threads == []
    # the socket, which was closed, comes back
    await tab.send(AuthState.on_auth_change())
    assert await _current(tab) == ("", "", [])
    state = await tab.state(CurrentOrganisationState)
    assert (state.notice, state.choices) == ("You no longer belong to Acme.", [])


async def _come_back_late(harness: Harness, tab: Tab) -> None:
    """Open the socket of a tab again when the server has dropped its state, as it soon does."""
    harness.manager._purge_token(rx.BaseStateToken(ident=tab.token, cls=rx.State))
    await tab.call("reflex___state____state.hydrate", {})
    assert await _current(tab) == ("", "", [])
    await tab.send(AuthState.on_auth_change())


async def test_a_tab_that_comes_back_late_stays_in_its_organisation(harness: Harness) -> None:
    ada, org = await _acme(harness)
    at_work, at_home = await open_tab(harness, ada), await open_tab(harness, ada)
    await at_work.send(CurrentOrganisationState.switch(str(org)))
    await at_home.send(CurrentOrganisationState.switch(""))
    await _come_back_late(harness, at_work)
    assert await _current(at_work) == (str(org), "Acme", ["at work"])
    assert (await at_work.state(CurrentOrganisationState)).notice == ""


async def test_who_was_removed_while_their_tab_was_away_is_told(harness: Harness) -> None:
    ada, bob, org = await _member(harness)
    tab = await open_tab(harness, bob)
    await tab.send(CurrentOrganisationState.switch(str(org)))
    await harness.live.members.remove(ada, org, bob.user_id)
    await _come_back_late(harness, tab)
    assert await _current(tab) == ("", "", [])
    assert (await tab.state(CurrentOrganisationState)).notice == "You no longer belong to Acme."
    await tab.send(CurrentOrganisationState.dismiss())
    await _come_back_late(harness, tab)
    assert (await tab.state(CurrentOrganisationState)).notice == ""


async def test_another_session_knows_nothing_of_the_organisation_of_the_one_before(
    harness: Harness,
) -> None:
    ada, org = await _acme(harness)
    eve = await harness.user("eve@example.com")
    tab = await open_tab(harness, ada)
    await tab.send(CurrentOrganisationState.switch(str(org)))
    tab._headers["authorization"] = str(eve.credential_id)
    await tab.send(AuthState.on_auth_change())
    assert await _current(tab) == ("", "", [])
    assert (await tab.state(CurrentOrganisationState)).notice == ""


async def test_a_foreign_organisation_cannot_be_entered(harness: Harness) -> None:
    ada, _ = await _acme(harness)
    eve = await harness.user("eve@example.com")
    foreign = (await harness.live.organisations.create(eve, "Secret")).id
    await _thread(harness, eve, "of Eve", foreign)
    tab = await open_tab(harness, ada)
    looks = []
    for one in (foreign, uuid4()):
        await tab.send(CurrentOrganisationState.switch(str(one)))
        looks.append((*await _current(tab), (await tab.state(CurrentOrganisationState)).notice))
        await tab.send(CurrentOrganisationState.dismiss())
    assert looks[0] == looks[1]
    assert looks[0] == ("", "", ["mine"], "You no longer belong to this organisation.")
    assert "Secret" not in tab.text()
    (mine,) = (await harness.live.threads.page(ada)).threads
    problems = []
    for one in (foreign, uuid4()):
        await tab.send(CurrentOrganisationState.move(str(mine.id), str(one)))
        problems.append((await tab.state(CurrentOrganisationState)).move_problem)
    (of_eve,) = (await harness.live.threads.page(await _now(harness, eve), org_id=foreign)).threads
    await tab.send(CurrentOrganisationState.begin_move(str(of_eve.id)))
    assert (await tab.state(CurrentOrganisationState)).moving == ""
    await tab.send(CurrentOrganisationState.move(str(of_eve.id), ""))
    problems.append((await tab.state(CurrentOrganisationState)).move_problem)
    assert len(set(problems)) == 1
    assert problems[0].startswith("This chat can't be moved there")


async def test_a_moved_thread_can_be_moved_back(harness: Harness) -> None:
    ada, org = await _acme(harness)
    tab = await open_tab(harness, ada)
    (row,) = (await tab.state(ThreadListState)).items
    await harness.live.organisations.change(ada, org, allows_admin_reading=True)
    await tab.send(CurrentOrganisationState.begin_move(row.id))
    state = await tab.state(CurrentOrganisationState)
    assert [one.allows_admin_reading for one in state.choices] == [False, True]
    assert (state.moving, state.moving_title) == (row.id, "mine")
    await tab.send(CurrentOrganisationState.move(row.id, str(org)))
    state = await tab.state(CurrentOrganisationState)
    assert (state.moving, state.move_problem) == ("", "")
    assert (state.moved, state.moved_title, state.moved_to) == (row.id, "mine", "Acme")
    await wait_for_value(tab, lambda: _listed(tab), [])
    await tab.send(CurrentOrganisationState.undo_move())
    await wait_for_value(tab, lambda: _listed(tab), ["mine"])
    assert (await tab.state(CurrentOrganisationState)).moved == ""


async def test_a_new_name_is_in_the_open_tabs_of_every_member(harness: Harness) -> None:
    ada, bob, org = await _member(harness)
    tab = await open_tab(harness, bob)
    await tab.send(CurrentOrganisationState.switch(str(org)))
    await harness.live.organisations.change(ada, org, name="Apex")

    async def names() -> list[str]:
        state = await tab.state(CurrentOrganisationState)
        return [state.name, *(one.name for one in state.choices)]

    await wait_for_value(tab, names, ["Apex", "Personal", "Apex"])


async def test_the_tab_follows_its_open_thread(harness: Harness) -> None:
    ada, org = await _acme(harness)
    (mine,) = (await harness.live.threads.page(ada)).threads
    tab = await open_tab(harness, ada, str(mine.id))
    await tab.send(CurrentOrganisationState.move(str(mine.id), str(org)), str(mine.id))

    async def current() -> tuple[str, str, list[str]]:
        return await _current(tab)

    await wait_for_value(tab, current, (str(org), "Acme", ["at work", "mine"]))
    chat = await tab.state(ChatState)
    assert (chat.thread, chat.missing) == (str(mine.id), False)
    assert (await tab.state(CurrentOrganisationState)).moved == str(mine.id)
    await tab.send(CurrentOrganisationState.undo_move(), str(mine.id))
    await wait_for_value(tab, current, ("", "", ["mine"]))


async def test_a_thread_is_not_moved_while_an_answer_is_written(harness: Harness) -> None:
    ada, org = await _acme(harness)
    sent = await _ask(harness, ada, "long", PRIVATE, "fake:1000x1000")
    tab = await open_tab(harness, ada)
    await tab.send(CurrentOrganisationState.begin_move(str(sent.thread_id)))
    state, told = await tab.state(CurrentOrganisationState), list[str]()
    for _ in range(2):
        before = len(tab.updates)
        await tab.send(CurrentOrganisationState.move(str(sent.thread_id), str(org)))
        state = await tab.state(CurrentOrganisationState)
        assert state.move_problem == (
            "An answer is still being written in this chat. Stop it first."
        )
        deltas = [(update.delta or {}).get(MOVES, {}) for update in tab.updates[before:]]
        told = [one[PROBLEM] for one in deltas if PROBLEM in one]
    assert told == ["", state.move_problem]  # else the page would not notice the second refusal
    assert (state.moving, state.moved) == (str(sent.thread_id), "")
    await harness.live.runs.stop(ada, sent.run_id)
