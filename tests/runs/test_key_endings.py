"""However an API key ends, its requests end and its runs stop; and what leaves a key alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from chat_app.auth.account.delete import delete_account
from chat_app.auth.account.login_methods import claim_unverified_account
from chat_app.auth.keys.models import NewKey
from chat_app.auth.principal import Principal
from chat_app.core.errors import Unauthenticated
from chat_app.core.signals import CREDENTIALS
from chat_app.gateway.connections import CloseCode, ConnectionRegistry
from chat_app.runs.follow import EndEvent
from chat_app.services import Services
from chat_app.settings import read_settings
from testing.auth_services import PASSWORD, CountingHasher, Time, issue_session
from testing.database import DatabaseUnderTest, create_tables

EMAIL = "ada@example.org"
SLOW = "fake:10000x20"
NEW_PASSWORD = "violet-Kettle-harbour-38"


@dataclass(eq=False)
class Stream:
    """Something open at the gateway, and the code it was ended with."""

    credential_id: UUID | None
    codes: list[int] = field(default_factory=list)
    user_id: UUID | None = None

    def end(self, code: int) -> None:
        self.codes.append(code)


@dataclass
class Setup:
    """The services with a session and a key of one user, and a key of another user."""

    live: Services
    time: Time
    session: Principal
    made: NewKey
    key: Principal
    other_made: NewKey
    other: Principal


async def _with_key(live: Services, email: str) -> tuple[Principal, NewKey, Principal]:
    user_id = await live.accounts.add(email, PASSWORD, "")
    issued = await issue_session(live, user_id, remember=True, client_ip="192.0.2.7")
    session = Principal(user_id, issued.session_id)
    made = await live.api_keys.create(session, name="Script", scopes=["chat"], days=7)
    found = await live.api_keys.resolve(made.token)
    assert found is not None
    return session, made, found.principal


@pytest.fixture
async def setup(database: DatabaseUnderTest) -> AsyncIterator[Setup]:
    settings = read_settings(
        _env_file=None,
        **database.settings,
        fake_models=True,
        embedded_model=False,
        chat_titles=False,
    )
    time = Time()
    live = Services(settings, clock=time, hasher=CountingHasher())
    await create_tables(live.db)
    await live.start()
    session, made, key = await _with_key(live, EMAIL)
    _, other_made, other = await _with_key(live, "bob@example.org")
    yield Setup(live, time, session, made, key, other_made, other)
    await live.stop()


async def revoke(setup: Setup) -> None:
    await setup.live.api_keys.revoke(setup.session, setup.made.id)


async def disable(setup: Setup) -> None:
    await setup.live.user_access.disable(setup.session.user_id)


async def set_password_as_operator(setup: Setup) -> None:
    await setup.live.administration.set_password(setup.session.user_id, NEW_PASSWORD)


async def reset_password(setup: Setup) -> None:
    await setup.live.administration.verify(setup.session.user_id)
    await _reset(setup)


async def reset_password_of_an_unverified_email(setup: Setup) -> None:
    await _reset(setup)


async def _reset(setup: Setup) -> None:
    token = await setup.live.tokens.create(
        "reset_password",
        lifetime=timedelta(hours=1),
        user_id=setup.session.user_id,
        subject=EMAIL,
    )
    await setup.live.password_changes.reset(token, NEW_PASSWORD, "192.0.2.7")


async def claim(setup: Setup) -> None:
    live = setup.live
    async with live.db.system("auth", write=True) as session:
        await claim_unverified_account(session, live.sessions, setup.session.user_id, live.clock())


async def delete(setup: Setup) -> None:
    await delete_account(setup.live.db, setup.live.sessions, setup.session, EMAIL)


async def expire(setup: Setup) -> None:
    setup.time.passes(days=7)
    await setup.live.sweep()


End = Callable[[Setup], Awaitable[None]]
ENDS: list[End] = [
    revoke,
    disable,
    set_password_as_operator,
    reset_password,
    reset_password_of_an_unverified_email,
    claim,
    delete,
    expire,
]


@pytest.mark.parametrize("how", ENDS, ids=lambda how: how.__name__)
async def test_its_streams_end_and_its_answers_stop(setup: Setup, how: End) -> None:
    live, registry = setup.live, ConnectionRegistry()
    live.bus.subscribe_callback(CREDENTIALS, registry.on_signal)
    mine, theirs = Stream(setup.key.credential_id), Stream(setup.other.credential_id)
    with registry.open(mine), registry.open(theirs):
        sent = await live.runs.send(setup.key, text="hi", client_id="c1", model=SLOW)
        other = await live.runs.send(setup.other, text="hi", client_id="c2", model=SLOW)
        reader = live.runs.follow(setup.key, sent.run_id)
        others = live.runs.follow(setup.other, other.run_id)
        await anext(reader)
        await anext(others)
        await how(setup)
        [end] = [event async for event in reader]
        assert isinstance(end, EndEvent)
        assert end.status == "revoked"
        assert mine.codes == [CloseCode.CREDENTIAL_ENDED]
        if how is not expire:
            assert theirs.codes == []
            assert not isinstance(await anext(others), EndEvent)
    async with asyncio.timeout(10):
        while setup.key.credential_id in live.runs.credential_ids():  # noqa: ASYNC110 no event tells
            await asyncio.sleep(0.01)
    assert await live.api_keys.resolve(setup.made.token) is None
    with pytest.raises(Unauthenticated):
        await live.runs.send(setup.key, text="again", client_id="c3", model=SLOW)
    if how is not expire:
        assert await live.api_keys.resolve(setup.other_made.token) is not None


async def test_signing_out_and_a_new_password_leave_a_key_alone(setup: Setup) -> None:
    live = setup.live
    await live.password_changes.set(setup.session, NEW_PASSWORD, "192.0.2.7")
    await live.sessions.revoke_user(setup.session.user_id, reason="revoked")
    assert await live.api_keys.resolve(setup.made.token) is not None
    sent = await live.runs.send(setup.key, text="hi", client_id="c1", model="fake:5x0")
    *_, end = [event async for event in live.runs.follow(setup.key, sent.run_id)]
    assert isinstance(end, EndEvent)
    assert end.status == "complete"


async def test_a_key_that_is_used_is_left_running_by_the_sweep(setup: Setup) -> None:
    live = setup.live
    sent = await live.runs.send(setup.key, text="hi", client_id="c1", model=SLOW)
    reader = live.runs.follow(setup.key, sent.run_id)
    await anext(reader)
    await live.sweep()
    assert not isinstance(await anext(reader), EndEvent)
