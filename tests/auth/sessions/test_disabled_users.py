"""Disabled users: signed out at once, and nothing old works after they are enabled."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlmodel import select

from chat_app.auth.account.disable import UserAccess, UserNotFound, find_user
from chat_app.auth.errors import InvalidToken
from chat_app.core.errors import NotFound, Unauthenticated
from chat_app.db.tables import RememberedDevice, User
from testing.auth_services import AuthHarness


@pytest.fixture
def user_access(harness: AuthHarness) -> UserAccess:
    return UserAccess(harness.db, harness.sessions, harness.time)


async def test_a_disabled_user_has_no_session_and_gets_none(
    harness: AuthHarness, user_access: UserAccess
) -> None:
    ada, bob = await harness.person(), await harness.person("bob@example.org")
    mine = [await harness.sign_in(ada) for _ in range(2)]
    theirs = await harness.sign_in(bob)
    assert await user_access.disable(ada) == 2
    assert sorted(harness.ended) == sorted((one.session_id, "disabled") for one in mine)
    for one in mine:
        assert await harness.sessions.resolve(one.token) is None
        assert await harness.sessions.principal(one.session_id) is None
    with pytest.raises(Unauthenticated):
        await harness.sign_in(ada)
    assert await harness.sessions.resolve(theirs.token) is not None


async def test_disabling_revokes_one_time_tokens_and_remembered_devices(
    harness: AuthHarness, user_access: UserAccess
) -> None:
    ada = await harness.person()
    await harness.devices.remember(ada, "")
    token = await harness.tokens.create("sign_in_link", lifetime=timedelta(minutes=10), user_id=ada)
    await user_access.disable(ada)
    await user_access.enable(ada)
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(token, "sign_in_link")
    async with harness.db.system("auth") as session:
        assert (await session.exec(select(RememberedDevice))).all() == []


async def test_an_enabled_user_must_sign_in_again(
    harness: AuthHarness, user_access: UserAccess
) -> None:
    ada = await harness.person()
    old = await harness.sign_in(ada)
    await user_access.disable(ada)
    await user_access.enable(ada)
    assert await harness.sessions.resolve(old.token) is None
    new = await harness.sign_in(ada)
    assert await harness.sessions.resolve(new.token) is not None


async def test_disabling_twice_is_harmless(harness: AuthHarness, user_access: UserAccess) -> None:
    ada = await harness.person()
    await harness.sign_in(ada)
    first = harness.time()
    assert await user_access.disable(ada) == 1
    harness.time.passes(days=1)
    assert await user_access.disable(ada) == 0
    async with harness.db.system("auth") as session:
        assert (await session.require(User, ada)).disabled_at == first


async def test_disabling_an_unknown_user_fails(
    harness: AuthHarness, user_access: UserAccess
) -> None:
    ada = await harness.person()
    assert await find_user(harness.db, " Ada@Example.org ") == ada
    with pytest.raises(UserNotFound):
        await find_user(harness.db, "nobody@example.org")
    for work in (user_access.disable, user_access.enable):
        with pytest.raises(NotFound):
            await work(uuid4())
