"""Linked accounts, passkeys and sessions as their settings pages list them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from chat_app.auth.keys.models import KeySummary
from chat_app.auth.sessions.models import SessionSummary
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.db.tables import Account, Passkey
from chat_app.states.account import (
    ApiKeysState,
    LinkedAccountsState,
    SessionsState,
    api_key_entry,
    lifetime_item,
    linked_account_entry,
    passkey_entry,
    session_entry,
)
from testing.reflex_tabs import Harness

MARCH = datetime(2026, 3, 1, 12, tzinfo=UTC)


def linked_account(**given: object) -> Account:
    known = {
        "id": uuid4(),
        "user_id": uuid4(),
        "subject": "7",
        "provider": "acme",
        "issuer": "https://id.acme.example",
        "email": "ada@example.org",
        "name": "Ada",
        "created_at": MARCH,
        "last_used_at": None,
    }
    return Account(**{**known, **given})


def test_a_linked_account_has_the_label_of_its_provider() -> None:
    shown = linked_account_entry(linked_account(), {"acme": "Acme"})
    assert (shown.title, shown.subtitle) == ("Acme", "ada@example.org")
    assert shown.detail == "Connected 1 March 2026, not used yet"
    assert linked_account_entry(linked_account(), {}).title == "id.acme.example"
    assert linked_account_entry(linked_account(email=""), {}).subtitle == "Ada"
    used = linked_account_entry(linked_account(last_used_at=datetime(2026, 4, 2, tzinfo=UTC)), {})
    assert used.detail == "Connected 1 March 2026, last used 2 April 2026"


def passkey(**given: object) -> Passkey:
    known = {"user_id": uuid4(), "credential_id": "x", "public_key": b"", "created_at": MARCH}
    return Passkey(**{**known, **given})


def test_a_passkey_says_when_it_was_used() -> None:
    fresh = passkey(name="Laptop")
    shown = passkey_entry(fresh, MARCH + timedelta(minutes=70))
    assert (shown.title, shown.tag) == ("Laptop", "")
    assert shown.detail == "added 1 hour ago · not used yet"
    used = passkey(name="Phone", backed_up=True, last_used_at=MARCH + timedelta(days=2))
    shown = passkey_entry(used, MARCH + timedelta(days=2))
    assert (shown.tag, shown.detail) == ("Synced", "added 2 days ago · last used just now")


@pytest.mark.parametrize(
    ("network", "is_current", "tag", "detail"),
    [
        ("192.0.2.0/24", False, "", "192.0.2.0/24 · used 3 hours ago · signed in with a passkey"),
        ("", True, "This device", "used 3 hours ago · signed in with a passkey"),
    ],
)
def test_a_session_says_where_and_how_it_is_used(
    network: str, is_current: bool, tag: str, detail: str
) -> None:
    session = SessionSummary(
        uuid4(), "Firefox on Linux", network, "passkey", MARCH, MARCH, MARCH, is_current
    )
    shown = session_entry(session, MARCH + timedelta(hours=3))
    assert (shown.title, shown.tag, shown.detail) == ("Firefox on Linux", tag, detail)
    assert shown.is_current is is_current


def api_key(**given: Any) -> KeySummary:
    known: dict[str, Any] = {
        "id": uuid4(),
        "name": "Script",
        "scopes": ("chat", "threads:read"),
        "created_at": MARCH,
        "last_used_at": None,
        "expires_at": None,
        "is_expired": False,
    }
    return KeySummary(**{**known, **given})


@pytest.mark.parametrize(
    ("given", "tag", "detail"),
    [
        ({}, "", "created 1 March 2026 · not used yet · does not expire"),
        (
            {"last_used_at": MARCH, "expires_at": MARCH + timedelta(days=30)},
            "",
            "created 1 March 2026 · last used 3 hours ago · expires 31 March 2026",
        ),
        (
            {"expires_at": MARCH, "is_expired": True},
            "Expired",
            "created 1 March 2026 · not used yet · expired 1 March 2026",
        ),
    ],
)
def test_an_api_key_says_when_it_was_used_and_ends(
    given: dict[str, Any], tag: str, detail: str
) -> None:
    shown = api_key_entry(api_key(**given), MARCH + timedelta(hours=3))
    assert (shown.title, shown.subtitle) == ("Script", "chat, threads:read")
    assert (shown.tag, shown.detail) == (tag, detail)


def test_a_lifetime_is_named_in_days() -> None:
    assert [lifetime_item(days).label for days in (1, 30, None)] == [
        "1 day",
        "30 days",
        "Never",
    ]


async def test_each_user_sees_their_own_api_keys_and_never_the_key(harness: Harness) -> None:
    ada, eve = await harness.user("ada@example.org"), await harness.user("eve@example.org")
    made = await harness.live.api_keys.create(ada, name="Script", scopes=["chat"], days=7)
    for principal, expected in ((ada, ["Script"]), (eve, [])):
        tab = await harness.tab(principal)
        await tab.send(ApiKeysState.load())
        state = await tab.state(ApiKeysState)
        assert [one.title for one in state.items] == expected
        assert [one.days for one in state.lifetimes] == ["7", "30", "90", "365", ""]
        assert state.lifetime == "30"
        assert made.token not in tab.text()


async def test_each_user_sees_their_own_accounts(harness: Harness) -> None:
    ada, eve = await harness.user("ada@example.org"), await harness.user("eve@example.org")
    proof = VerifiedIdentity(
        "oauth", "https://id.acme.example", "7", email="a@b.example", provider="acme"
    )
    await harness.live.linked_accounts.link(ada, proof)
    for principal, expected in ((ada, ["a@b.example"]), (eve, [])):
        tab = await harness.tab(principal)
        await tab.send(LinkedAccountsState.load())
        state = await tab.state(LinkedAccountsState)
        assert state.loaded
        assert [one.subtitle for one in state.items] == expected


async def test_the_current_session_is_listed_first(harness: Harness) -> None:
    ada = await harness.user("ada@example.org")
    others = [await harness.session(ada.user_id) for _ in range(2)]
    tab = await harness.tab(ada)
    await tab.send(SessionsState.load())
    items = (await tab.state(SessionsState)).items
    assert [item.id for item in items] == [
        str(principal.credential_id) for principal in (ada, *reversed(others))
    ]
    assert [item.is_current for item in items] == [True, False, False]
