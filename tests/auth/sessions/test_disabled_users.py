"""Disabled users: signed out at once, and nothing old works after they are enabled."""

from datetime import timedelta
from uuid import uuid4

import pytest

from chat_app.auth.account.disable import UserAccess, UserNotFound, find_user
from chat_app.auth.errors import InvalidToken
from chat_app.core.errors import NotFound, Unauthenticated
from testing.auth_services import Stage


@pytest.fixture
def user_access(stage: Stage) -> UserAccess:
    return UserAccess(stage.db, stage.sessions, stage.time)


async def test_a_disabled_user_has_no_session_and_gets_none(
    stage: Stage, user_access: UserAccess
) -> None:
    ada, bob = await stage.person(), await stage.person("bob@example.org")
    mine = [await stage.sign_in(ada) for _ in range(2)]
    theirs = await stage.sign_in(bob)
    assert await user_access.disable(ada) == 2
    assert sorted(stage.ended) == sorted((one.session_id, "disabled") for one in mine)
    for one in mine:
        assert await stage.sessions.resolve(one.token) is None
        assert await stage.sessions.principal(one.session_id) is None
    with pytest.raises(Unauthenticated):
        await stage.sign_in(ada)
    assert await stage.sessions.resolve(theirs.token) is not None


async def test_disabling_revokes_one_time_tokens(stage: Stage, user_access: UserAccess) -> None:
    ada = await stage.person()
    token = await stage.tokens.create("sign_in_link", lifetime=timedelta(minutes=10), user_id=ada)
    await user_access.disable(ada)
    await user_access.enable(ada)
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(token, "sign_in_link")


async def test_an_enabled_user_must_sign_in_again(stage: Stage, user_access: UserAccess) -> None:
    ada = await stage.person()
    old = await stage.sign_in(ada)
    await user_access.disable(ada)
    await user_access.enable(ada)
    assert await stage.sessions.resolve(old.token) is None
    new = await stage.sign_in(ada)
    assert await stage.sessions.resolve(new.token) is not None


async def test_disabling_twice_is_harmless(stage: Stage, user_access: UserAccess) -> None:
    ada = await stage.person()
    await stage.sign_in(ada)
    assert [await user_access.disable(ada), await user_access.disable(ada)] == [1, 0]


async def test_disabling_an_unknown_user_fails(stage: Stage, user_access: UserAccess) -> None:
    ada = await stage.person()
    assert await find_user(stage.db, " Ada@Example.org ") == ada
    with pytest.raises(UserNotFound):
        await find_user(stage.db, "nobody@example.org")
    for work in (user_access.disable, user_access.enable):
        with pytest.raises(NotFound):
            await work(uuid4())
