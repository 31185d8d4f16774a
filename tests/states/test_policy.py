"""Every handler, as an anonymous and as another user; the table against Reflex's registry."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from chat_app.auth.principal import Principal
from chat_app.chat_app import app
from chat_app.db.tables import AuthSession
from chat_app.reflex_ext.tabs import tabs
from chat_app.settings import read_settings
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.policy import Access, PolicyRow, table
from chat_app.states.thread_list import ThreadListState
from chat_app.states.views import stream_id
from testing.canary_users import CANARY
from testing.reflex_tabs import Harness, Tab, open_harness
from testing.role_actors import company, digests

ROWS = table(read_settings().socket_frame_bytes)
OWN = {name: row for name, row in ROWS.items() if ".chat_app___states___" in name}
SIGNED_IN = sorted(name for name, row in ROWS.items() if row.access is Access.SIGNED_IN)
ADMIN = sorted(name for name, row in ROWS.items() if row.access is Access.SITE_ADMIN)
FRESH = {Access.SIGNED_IN: "confirmed", Access.SITE_ADMIN: "sensitive"}
ACTORS = ("anonymous", "revoked", "user", "demoted", "stale-admin", "admin")

SECRET = "kept between us"


def arguments(name: str, of: dict[str, Any]) -> dict[str, Any]:
    """Valid arguments that name the things of a user."""
    fitting = {
        "thread_id": of["thread"],
        "thread": of["thread"],
        "message_id": of["message"],
        "form": {"title": "taken over"},
        "user_id": of.get("user", str(uuid4())),
        "text": "words",
        "client_id": f"client-{uuid4().hex}",
        "name": "UTC",
        "model_id": "fake",
        "model": "fake",
        "options": {"instructions": "Be brief.", "temperature": 0.5, "effort": "low"},
        "organisation": of.get("organisation", ""),
        "request": "request-1",
        "stream_id": of["stream_id"],
        "part": 0,
        "have": 0,
        "message": "A sentence.",
        "refused": "client-1",
        "days": 7,
        "announcement_id": str(uuid4()),
        "version": 1,
        "org_id": of.get("organisation", str(uuid4())),
        "role": "",
        "choice": "off",
    }
    if name.endswith(".add_user"):
        fitting["form"] = {"email": "new@example.com", "name": ""}
    if name.endswith("audit_state.search"):
        fitting["form"] = {"action": "", "email": "", "since": "", "until": ""}
    if name.endswith("sign_up_policy_state.save"):
        fitting["form"] = {"mode": "closed", "domains": ""}
    if name.endswith("announcement_list_state.save"):
        fitting["form"] = {"announcement": "", "text": "Words.", "starts": "", "ends": ""}
    if name.endswith(".ask"):
        member = of.get("user", str(uuid4()))
        fitting["form"] = {"member": member, "minutes": "15", "reason": "A good reason."}
    if name.endswith("admin_organisations_state.create"):
        fitting["form"] = {"name": "New", "email": "eve@example.com"}
    return {argument: fitting[argument] for argument in ROWS[name].arguments}


async def belongings(harness: Harness, principal: Principal) -> dict[str, Any]:
    """A thread of a user, with an answered message."""
    sent = await harness.live.runs.send(principal, text=SECRET, client_id="c1", model="fake:5x0")
    async for _ in harness.live.runs.follow(principal, sent.run_id):
        pass
    made = await harness.live.organisations.create(principal, "Team")
    return {
        "organisation": str(made.id),
        "user": str(principal.user_id),
        "thread": str(sent.thread_id),
        "message": str(sent.message_id),
        "stream_id": stream_id(sent.message_id),
    }


async def everything(harness: Harness, principal: Principal, of: dict[str, Any]) -> tuple[Any, ...]:
    """All that a user has, to compare before and after."""
    page = await harness.live.threads.page(principal)
    window = await harness.live.threads.window(principal, UUID(of["thread"]))
    return page, window


def registered() -> set[str]:
    """Every handler that Reflex would run, without the states of other tests."""
    return {name for name in app._registration_context.event_handlers if ".tests___" not in name}


def test_every_registered_handler_has_a_row() -> None:
    assert registered() == {name for name in ROWS if ".tests___" not in name}


def test_only_the_frameworks_handlers_and_what_precedes_a_session_are_for_anyone() -> None:
    anyone = {name.rsplit(".", 1)[-1] for name, row in ROWS.items() if row.access is Access.PUBLIC}
    assert anyone == {
        "hydrate",
        "hydrate_and_load",
        "set_is_hydrated",
        "on_load_internal",
        "on_auth_change",
        "load_policy",
    }


def test_every_handler_of_the_administration_is_for_admins() -> None:
    theirs = {name for name in OWN if ".chat_app___states___admin___" in name}
    assert set(ADMIN) == {name for name in theirs if not name.endswith(".setvar")}


@pytest.mark.parametrize(
    ("sent", "is_valid"),
    [
        ([["email", "a@example.com"], ["name", ""]], True),
        ([["email", "a@example.com"], ["name", ""], ["name", "x"]], False),
        ([["email", "a@example.com"], ["name", 7]], False),
        ([["email", "a@example.com"]], False),
        ([["email", "a@example.com", "x"], ["name", ""]], False),
        ({"email": "a@example.com"}, False),
        (None, False),
    ],
)
def test_a_form_is_read_as_the_page_sends_it(sent: Any, is_valid: bool) -> None:
    row = next(row for name, row in ROWS.items() if name.endswith(".add_user"))
    payload = {"form": {"__reflex_form_data__": sent}}
    if is_valid:
        assert row.check(payload) == {"form": {"email": "a@example.com", "name": ""}}
        return
    with pytest.raises(ValidationError):
        row.check(payload)


VERDICTS = """
            anonymous   revoked     user    demoted  stale-admin  admin
PUBLIC      runs        runs        runs    runs     runs         runs
SIGNED_IN   signed-out  signed-out  runs    runs     runs         runs
confirmed   signed-out  signed-out  runs    runs     not-fresh    runs
SITE_ADMIN  signed-out  signed-out  role    role     runs         runs
sensitive   signed-out  signed-out  role    role     not-fresh    runs
CLOSED      closed      closed      closed  closed   closed       closed
"""
"""What becomes of an event, by the access of its handler. Those that want a fresh sign-in are
`confirmed` (of users) and `sensitive` (of admins). `demoted` was an admin a moment ago."""


def verdicts(actor: str) -> dict[str, str]:
    """The verdict on each handler."""
    heads, *lines = [line.split() for line in VERDICTS.strip().splitlines()]
    column = [*heads].index(actor) + 1
    by_rule = {words[0]: words[column].replace("-", " ") for words in lines}
    return {
        name: by_rule[FRESH[row.access] if row.is_fresh else row.access.name]
        for name, row in ROWS.items()
    }


async def tab_of(harness: Harness, actor: str) -> Tab:
    """A tab of a new actor, as `VERDICTS` calls it."""
    if actor == "anonymous":
        return await harness.tab(None)
    user = await harness.user(f"{uuid4().hex}@example.com")
    if actor in ("demoted", "stale-admin", "admin"):
        await harness.live.site_roles.promote(user.user_id)
    tab = await harness.tab(user)
    await tab.send(AuthState.on_auth_change())
    if actor == "demoted":
        await harness.live.site_roles.demote(user.user_id)
    if actor == "revoked":
        await harness.live.sessions.revoke(user, user.credential_id)
    if actor == "stale-admin":
        async with harness.live.db.system("auth", write=True) as session:
            (await session.require(AuthSession, user.credential_id)).authenticated_at -= timedelta(
                1
            )
    return tab


@pytest.mark.parametrize("actor", ACTORS)
async def test_what_is_refused_changes_and_shows_nothing(harness: Harness, actor: str) -> None:
    hers = await belongings(harness, await harness.user("ada@example.com"))
    refused = {name: word for name, word in verdicts(actor).items() if word != "runs"}
    one = await tab_of(harness, actor)
    # the role is read for each event, so each is the first one after the demotion
    tabs = [await tab_of(harness, actor) if actor == "demoted" else one for _ in refused]
    before, calls = await digests(harness.live.db), model_calls(harness)
    wrong = dict[str, object]()
    for (name, word), tab in zip(refused.items(), tabs, strict=True):
        seen, told = app.policy.refused.copy(), len(tab.updates)
        await tab.call(name, arguments(name, hers), hers["thread"])
        if (found := app.policy.refused - seen) != {word: 1}:
            wrong[name] = found
        news = [update for update in tab.updates[told:] if update.delta or update.events]
        leads_to = "/settings/confirm?callbackUrl=%2F" if word == "not fresh" else ""
        if leads_to not in str(news) or bool(news) != bool(leads_to):
            wrong[f"{name} shows"] = news
    assert wrong == {}
    assert SECRET not in "".join(tab.text() for tab in tabs)
    assert await digests(harness.live.db) == before
    assert model_calls(harness) == calls


@pytest.mark.parametrize("actor", ["stale-admin", "admin"])
async def test_an_admin_runs_the_handlers_of_the_administration(
    harness: Harness, actor: str
) -> None:
    hers = await belongings(harness, await harness.user("ada@example.com"))
    allowed = verdicts(actor)
    tab = await tab_of(harness, actor)
    seen = app.policy.refused.copy()
    for name in ADMIN:
        if allowed[name] == "runs":
            target = await harness.user(f"{uuid4().hex}@example.com")
            await tab.call(name, arguments(name, {**hers, "user": str(target.user_id)}))
            assert app.policy.refused == seen, name
    assert SECRET not in tab.text()


@pytest.mark.parametrize(
    ("role", "is_site_admin"), [("admin", False), ("owner", False), ("", True)]
)
async def test_what_admins_are_shown_has_no_text_of_a_colleague(
    harness: Harness, role: str, is_site_admin: bool
) -> None:
    acme = await company(harness.live)
    org_id = str(acme.org_id)
    for ids in (acme.colleague.ids, acme.private_ids):
        hers = {**ids, "organisation": org_id, "stream_id": stream_id(UUID(ids["message"]))}
        who = await acme.actor(role, is_site_admin=is_site_admin)
        for name in (*SIGNED_IN, *ADMIN):
            if "user_id" in ROWS[name].arguments:  # not the colleague, whose chats have to stay
                hers["user"] = str((await acme.actor("member")).principal.user_id)
            tab = await harness.tab(who.principal)
            tab.organisation = org_id if "organisation_pages" in name else ""
            ends = name in ADMIN and name.endswith(".delete")  # the organisation has to stay too
            of = {**hers, "organisation": str(uuid4())} if ends else hers
            future = await tab.start(name, arguments(name, of), hers["thread"])
            if not name.endswith((".open", ".watch")):
                await future.wait_all()
            await tab.call("reflex___state____state.set_is_hydrated", {"value": True})
            shown = tab.text()
            if is_site_admin:  # who sees the names of organisations
                shown = re.sub(rf'"name": "{CANARY} (team|others)"', "", shown)
            assert CANARY not in shown, name
            tab.close()
    tab = await harness.tab(acme.colleague.principal)
    thread = acme.colleague.ids["thread"]
    await tab.send(AuthState.on_auth_change(), thread)
    assert CANARY in tab.text(), "the colleague is shown it"


@pytest.mark.parametrize("name", SIGNED_IN)
async def test_another_user_changes_and_reads_nothing(harness: Harness, name: str) -> None:
    ada = await harness.user("ada@example.com")
    hers = await belongings(harness, ada)
    before = await everything(harness, ada, hers)
    eve = await harness.user("eve@example.com")
    missing = {
        "organisation": str(uuid4()),
        "user": str(uuid4()),
        "thread": str(uuid4()),
        "message": str(uuid4()),
        "stream_id": "AAAAAA",
    }
    texts = []
    for of in (hers, missing):
        tab = await harness.tab(eve)
        told = len(tab.updates)
        future = await tab.start(name, arguments(name, of), of["thread"])
        if not name.endswith((".open", ".watch")):
            await future.wait_all()
        await tab.call("reflex___state____state.set_is_hydrated", {"value": True})
        assert SECRET not in tab.text()
        said = str(tab.updates[told:])
        for word in (tab.token, *of.values(), *re.findall("client-[0-9a-f]{32}", said)):
            said = said.replace(word, "-")
        texts.append(said)
        tab.close()
    assert texts[0] == texts[1]
    assert await everything(harness, ada, hers) == before


def model_calls(harness: Harness) -> int:
    return sum(getattr(model, "calls", 0) for model in harness.live.models.all())


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=40)
    | st.sampled_from(["\ud800", "\0", "x" * 300_000, "../..", "' OR 1=1", str(uuid4()).upper()]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


ALIKE = {repr(sorted(OWN[name].arguments.items())): name for name in sorted(OWN, reverse=True)}
"""A handler for each set of arguments: a payload is checked by nothing else of its row."""


@pytest.mark.parametrize("name", sorted(ALIKE.values()))
def test_a_payload_is_valid_or_refused(name: str) -> None:
    row: PolicyRow = OWN[name]
    names = st.sampled_from([*row.arguments, "self", "extra"])
    required = set(row.arguments) - {"vars", "hashes", "refused", "model", "organisation"}

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    @given(payload=st.dictionaries(names, JUNK, max_size=4))
    def check(payload: dict[str, Any]) -> None:
        try:
            checked = row.check(payload)
        except ValueError:
            return
        assert required <= set(checked) <= set(row.arguments)
        assert all(isinstance(checked[name], str | int | dict) for name in checked if checked[name])

    check()


async def test_a_message_with_a_broken_character_comes_back_with_a_notice(
    harness: Harness,
) -> None:
    tab = await harness.tab(await harness.user("ada@example.com"))
    name = next(name for name in ROWS if name.endswith(".send"))
    await tab.call(name, {"client_id": "c-1", "thread": "", "text": "half a pair: \ud800"})
    state = await tab.state(ChatState)
    assert state.refused == "c-1"
    assert "can't be sent" in state.notice


async def test_a_message_that_is_too_long_comes_back_with_a_notice(tmp_path: Path) -> None:
    async with open_harness(
        tmp_path, message_bytes=500_000, socket_frame_bytes=2_000_000
    ) as harness:
        tab = await harness.tab(await harness.user("ada@example.com"))
        for size, refused in ((499_999, ""), (500_001, "c-2"), (1_999_999, "c-2")):
            await tab.send(ChatState.send("c-2", "", "x" * size))
            state = await tab.state(ChatState)
            assert state.refused == refused
        assert "500 kB" in state.notice


async def test_an_event_waits_while_its_tab_does_not_read(harness: Harness) -> None:
    tab = await harness.tab(await harness.user("ada@example.com"))
    waiting, asked = 100, asyncio.Event()

    def queued() -> int:
        asked.set()
        return waiting

    tabs.opened(tab.token, queued)
    event = await tab.begin(ThreadListState.find("x"))
    await asked.wait()
    assert (await tab.state(ThreadListState)).search == ""
    waiting = 0
    await event.wait_all()
    assert (await tab.state(ThreadListState)).search == "x"
