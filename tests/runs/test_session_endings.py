"""However a session ends, its sockets close and its runs stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from chat_app.auth.account.delete import delete_account
from chat_app.auth.principal import Principal
from chat_app.core.signals import CREDENTIALS
from chat_app.gateway.connections import CloseCode, ConnectionRegistry
from chat_app.runs.follow import EndEvent
from chat_app.services import Services
from chat_app.settings import read_settings
from testing.auth_services import PASSWORD, CountingHasher, Time, issue_session
from testing.database import DatabaseUnderTest, create_tables

EMAIL = "ada@example.org"
SLOW = "fake:10000x20"


@dataclass(eq=False)
class Socket:
    """Something open at the guard, and the code it was closed with."""

    credential_id: UUID | None
    client_network: str = "192.0.2.0/24"
    codes: list[int] = field(default_factory=list)
    user_id: UUID | None = None

    def end(self, code: int) -> None:
        self.codes.append(code)


@dataclass
class Setup:
    """The services with two sessions of one user and one of another user."""

    live: Services
    time: Time
    mine: Principal
    device: Principal
    other: Principal


async def _sign_in(live: Services, user_id: UUID) -> Principal:
    issued = await issue_session(live, user_id, client_ip="192.0.2.7")
    return Principal(user_id, issued.session_id)


@pytest.fixture(params=["database", "jwt"])
async def setup(
    database: DatabaseUnderTest, request: pytest.FixtureRequest
) -> AsyncIterator[Setup]:
    settings = read_settings(
        _env_file=None,
        **database.settings,
        auth_session_strategy=request.param,
        fake_models=True,
        embedded_model=False,
        chat_titles=False,
    )
    time = Time()
    live = Services(settings, clock=time, hasher=CountingHasher())
    await create_tables(live.db)
    await live.start()
    ada = await live.accounts.add(EMAIL, PASSWORD, "Ada")
    bob = await live.accounts.add("bob@example.org", PASSWORD, "Bob")
    yield Setup(
        live,
        time,
        await _sign_in(live, ada),
        await _sign_in(live, ada),
        await _sign_in(live, bob),
    )
    await live.stop()


async def sign_out(setup: Setup) -> None:
    await setup.live.sessions.revoke(setup.mine, setup.mine.credential_id)


async def revoke_from_another_device(setup: Setup) -> None:
    await setup.live.sessions.revoke(setup.device, setup.mine.credential_id)


async def sign_out_everywhere(setup: Setup) -> None:
    await setup.live.sessions.revoke_user(setup.mine.user_id, reason="signed_out")


async def revoke_all_others(setup: Setup) -> None:
    keep = setup.device.credential_id
    await setup.live.sessions.revoke_user(setup.mine.user_id, reason="signed_out", keep=keep)


async def change_the_password(setup: Setup) -> None:
    await setup.live.password_changes.set(setup.device, f"{PASSWORD}-new", "192.0.2.7")


async def disable(setup: Setup) -> None:
    await setup.live.user_access.disable(setup.mine.user_id)


async def expire(setup: Setup) -> None:
    setup.time.passes(hours=setup.live.settings.session_max_hours)
    await setup.live.sessions.expire_due()


async def delete(setup: Setup) -> None:
    await delete_account(setup.live.db, setup.live.sessions, setup.mine, EMAIL)


async def replace(setup: Setup) -> None:
    await issue_session(
        setup.live, setup.other.user_id, client_ip="192.0.2.7", replaces=setup.mine.credential_id
    )


End = Callable[[Setup], Awaitable[None]]
ENDS: list[End] = [
    sign_out,
    revoke_from_another_device,
    sign_out_everywhere,
    revoke_all_others,
    change_the_password,
    disable,
    expire,
    delete,
    replace,
]
SPARES_OTHERS = [one for one in ENDS if one is not expire]


@pytest.mark.parametrize("how", ENDS, ids=lambda how: how.__name__)
async def test_its_sockets_close_and_its_answers_stop(setup: Setup, how: End) -> None:
    live, registry = setup.live, ConnectionRegistry()
    live.bus.subscribe_callback(CREDENTIALS, registry.on_signal)
    sockets = [Socket(one.credential_id) for one in (setup.mine, setup.mine, setup.other)]
    with registry.open(sockets[0]), registry.open(sockets[1]), registry.open(sockets[2]):
        mine = await live.runs.send(setup.mine, text="hi", client_id="c1", model=SLOW)
        theirs = await live.runs.send(setup.other, text="hi", client_id="c2", model=SLOW)
        reader = live.runs.follow(setup.mine, mine.run_id)
        others = live.runs.follow(setup.other, theirs.run_id)
        await anext(reader)
        await anext(others)
        await how(setup)
        said_after = [event async for event in reader]
        assert [one.codes for one in sockets[:2]] == [[CloseCode.CREDENTIAL_ENDED]] * 2
        if how in SPARES_OTHERS:
            assert sockets[2].codes == []
            assert not isinstance(await anext(others), EndEvent)
    async with asyncio.timeout(10):
        while setup.mine.credential_id in live.runs.credential_ids():  # noqa: ASYNC110 no event tells
            await asyncio.sleep(0.01)
    assert await live.sessions.principal(setup.mine.credential_id) is None
    [end] = said_after
    assert isinstance(end, EndEvent)
    assert end.status == "revoked"
