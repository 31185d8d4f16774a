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
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.chat_app import app
from chat_app.db.tables import Account, AuthSession, OneTimeToken, User
from chat_app.reflex_ext.tabs import tabs
from chat_app.settings import read_settings
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.policy import Access, PolicyRow, table
from chat_app.states.thread_list import ThreadListState
from chat_app.states.views import stream_id
from testing.reflex_tabs import Harness, open_harness

ROWS = table(read_settings().socket_frame_bytes)
OWN = {name: row for name, row in ROWS.items() if ".chat_app___states___" in name}
SIGNED_IN = sorted(name for name, row in ROWS.items() if row.access is Access.SIGNED_IN)
ADMIN = sorted(name for name, row in ROWS.items() if row.access is Access.SITE_ADMIN)
CLOSED = sorted(name for name, row in ROWS.items() if row.access is Access.CLOSED)

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
        "request": "request-1",
        "stream_id": of["stream_id"],
        "part": 0,
        "have": 0,
        "message": "A sentence.",
        "refused": "client-1",
    }
    if name.endswith(".add_user"):
        fitting["form"] = {"email": "new@example.com", "name": ""}
    return {argument: fitting[argument] for argument in ROWS[name].arguments}


async def belongings(harness: Harness, principal: Principal) -> dict[str, Any]:
    """A thread of a user, with an answered message."""
    sent = await harness.live.runs.send(principal, text=SECRET, client_id="c1", model="fake:5x0")
    async for _ in harness.live.runs.follow(principal, sent.run_id):
        pass
    return {
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


def test_only_the_frameworks_handlers_and_the_auth_change_are_for_anyone() -> None:
    anyone = {name.rsplit(".", 1)[-1] for name, row in ROWS.items() if row.access is Access.PUBLIC}
    assert anyone == {
        "hydrate",
        "hydrate_and_load",
        "set_is_hydrated",
        "on_load_internal",
        "on_auth_change",
    }


def test_every_handler_of_the_administration_is_for_admins() -> None:
    theirs = {name for name in OWN if ".chat_app___states___admin___" in name}
    assert set(ADMIN) == {name for name in theirs if not name.endswith(".setvar")}


@pytest.mark.parametrize("name", ADMIN)
async def test_who_is_no_admin_runs_no_handler_of_the_administration(
    harness: Harness, name: str
) -> None:
    admin = await harness.user("root@example.com")
    await harness.live.site_roles.promote(admin.user_id)
    eve = await harness.user("eve@example.com")
    hers = await belongings(harness, eve)
    demoted = await harness.tab(admin)
    await demoted.send(AuthState.on_auth_change())
    await harness.live.site_roles.demote(admin.user_id)
    before = await administered(harness)
    for tab, reason in (
        (await harness.tab(None), "signed out"),
        (await harness.tab(eve), "role"),
        (demoted, "role"),
    ):
        refused, told = app.policy.refused[reason], len(tab.updates)
        await tab.call(name, arguments(name, hers))
        assert app.policy.refused[reason] == refused + 1
        assert [update for update in tab.updates[told:] if update.delta or update.events] == []
    assert await administered(harness) == before


@pytest.mark.parametrize("name", [name for name in ADMIN if ROWS[name].is_fresh])
async def test_a_sensitive_event_of_a_session_that_is_not_fresh_leads_to_the_step_up(
    harness: Harness, name: str
) -> None:
    admin = await harness.user("root@example.com")
    await harness.live.site_roles.promote(admin.user_id)
    eve = await harness.user("eve@example.com")
    hers = await belongings(harness, eve)
    async with harness.live.db.system("auth", write=True) as session:
        (await session.require(AuthSession, admin.credential_id)).authenticated_at -= timedelta(1)
    before = await administered(harness)
    tab = await harness.tab(admin)
    told, refused = len(tab.updates), app.policy.refused["not fresh"]
    await tab.call(name, arguments(name, hers))
    assert app.policy.refused["not fresh"] == refused + 1
    assert "/settings/confirm?callbackUrl=%2F" in str(tab.updates[told:])
    assert await administered(harness) == before


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


async def administered(harness: Harness) -> list[str]:
    """Every row that the administration changes."""
    async with harness.live.db.system("administration") as session:
        tables = User, AuthSession, Account, OneTimeToken
        rows = [row for table in tables for row in (await session.exec(select(table))).all()]
        return sorted(row.model_dump_json() for row in rows)


@pytest.mark.parametrize("name", SIGNED_IN)
async def test_anonymous_runs_no_handler(harness: Harness, name: str) -> None:
    ada = await harness.user("ada@example.com")
    hers = await belongings(harness, ada)
    before, calls = await everything(harness, ada, hers), model_calls(harness)
    tab = await harness.tab(None)
    refused = app.policy.refused["signed out"]
    await tab.call(name, arguments(name, hers), hers["thread"])
    assert app.policy.refused["signed out"] == refused + 1
    assert SECRET not in tab.text()
    assert await everything(harness, ada, hers) == before
    assert model_calls(harness) == calls


@pytest.mark.parametrize("name", SIGNED_IN)
async def test_another_user_changes_and_reads_nothing(harness: Harness, name: str) -> None:
    ada = await harness.user("ada@example.com")
    hers = await belongings(harness, ada)
    before = await everything(harness, ada, hers)
    eve = await harness.user("eve@example.com")
    missing = {
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


@pytest.mark.parametrize("name", SIGNED_IN)
async def test_a_revoked_session_runs_no_handler(harness: Harness, name: str) -> None:
    ada = await harness.user("ada@example.com")
    hers = await belongings(harness, ada)
    tab = await harness.tab(ada)
    await harness.live.sessions.revoke(ada, ada.credential_id)
    calls = model_calls(harness)
    await tab.call(name, arguments(name, hers), hers["thread"])
    assert SECRET not in tab.text()
    assert model_calls(harness) == calls


@pytest.mark.parametrize("name", CLOSED)
async def test_a_closed_handler_does_not_run(harness: Harness, name: str) -> None:
    tab = await harness.tab(await harness.user("ada@example.com"))
    refused = app.policy.refused["closed"]
    await tab.call(name, {"var_name": "thread", "value": "x"})
    assert app.policy.refused["closed"] == refused + 1


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


@pytest.mark.parametrize("name", sorted(OWN))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
)
@given(data=st.data())
def test_a_payload_is_valid_or_refused(name: str, data: st.DataObject) -> None:
    row: PolicyRow = ROWS[name]
    names = st.sampled_from([*row.arguments, "self", "extra"])
    payload = data.draw(st.dictionaries(names, JUNK, max_size=4))
    try:
        checked = row.check(payload)
    except ValueError:
        return
    required = set(row.arguments) - {"vars", "hashes", "refused", "model"}
    assert required <= set(checked) <= set(row.arguments)
    assert all(isinstance(checked[name], str | int | dict) for name in checked if checked[name])


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
