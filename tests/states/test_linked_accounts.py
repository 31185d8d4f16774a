"""The linked accounts as their page shows them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from chat_app.auth.account.linked_accounts import LinkedAccount
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.states.account import ConnectionsState, connection_item
from testing.reflex_tabs import Harness, open_harness

MARCH = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with open_harness(tmp_path) as harness:
        yield harness


def connection(**given: object) -> LinkedAccount:
    known = {
        "id": uuid4(),
        "provider": "acme",
        "issuer": "https://id.acme.example",
        "email": "ada@example.org",
        "name": "Ada",
        "created_at": MARCH,
        "last_used_at": None,
    }
    return LinkedAccount(**{**known, **given})  # pyright: ignore[reportArgumentType]


def test_a_linked_account_has_the_label_of_its_provider() -> None:
    shown = connection_item(connection(), {"acme": "Acme"})
    assert (shown.label, shown.account) == ("Acme", "ada@example.org")
    assert shown.since == "Connected 1 March 2026, not used yet"
    assert connection_item(connection(), {}).label == "id.acme.example"
    assert connection_item(connection(email=""), {}).account == "Ada"
    used = connection_item(connection(last_used_at=datetime(2026, 4, 2, tzinfo=UTC)), {})
    assert used.since == "Connected 1 March 2026, last used 2 April 2026"


async def test_each_user_sees_their_own_accounts(harness: Harness) -> None:
    ada, eve = await harness.user("ada@example.org"), await harness.user("eve@example.org")
    proof = VerifiedIdentity(
        "oauth", "https://id.acme.example", "7", email="a@b.example", provider="acme"
    )
    await harness.live.linked_accounts.link(ada, proof)
    for principal, expected in ((ada, ["a@b.example"]), (eve, [])):
        tab = await harness.tab(principal)
        await tab.send(ConnectionsState.load())
        state = await tab.state(ConnectionsState)
        assert state.loaded
        assert [one.account for one in state.items] == expected
