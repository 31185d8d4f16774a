"""What the page of connected accounts is told."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from chat_app.auth.account.linked_accounts import LinkedAccount
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.states.account import ConnectionsState, connection_item
from testing.reflex_tabs import Stage, stage

MARCH = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def on_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as put_up:
        yield put_up


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


def test_a_connection_is_named_as_the_operator_names_its_provider() -> None:
    shown = connection_item(connection(), {"acme": "Acme"})
    assert (shown.label, shown.account) == ("Acme", "ada@example.org")
    assert shown.since == "Connected 1 March 2026, not used yet"
    assert connection_item(connection(), {}).label == "id.acme.example"
    assert connection_item(connection(email=""), {}).account == "Ada"
    used = connection_item(connection(last_used_at=datetime(2026, 4, 2, tzinfo=UTC)), {})
    assert used.since == "Connected 1 March 2026, last used 2 April 2026"


async def test_each_person_sees_their_own(on_stage: Stage) -> None:
    ada, eve = await on_stage.person("ada@example.org"), await on_stage.person("eve@example.org")
    proof = VerifiedIdentity(
        "oauth", "https://id.acme.example", "7", email="a@b.example", provider="acme"
    )
    await on_stage.live.linked_accounts.link(ada, proof)
    for who, expected in ((ada, ["a@b.example"]), (eve, [])):
        tab = await on_stage.tab(who)
        await tab.send(ConnectionsState.load())
        state = await tab.state(ConnectionsState)
        assert state.loaded
        assert [one.account for one in state.items] == expected
