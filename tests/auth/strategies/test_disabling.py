"""Somebody whom the operator shuts out is out at once, and comes back with nothing old."""

from datetime import timedelta
from uuid import uuid4

import pytest

from chat_app.auth.disabling import Disabling
from chat_app.auth.refusals import InvalidToken
from chat_app.errors import NotFound, Unauthenticated
from testing.auth_services import Stage


@pytest.fixture
def disabling(stage: Stage) -> Disabling:
    return Disabling(stage.db, stage.sessions, stage.time)


async def test_whoever_is_shut_out_has_no_session_and_gets_none(
    stage: Stage, disabling: Disabling
) -> None:
    ada, bob = await stage.person(), await stage.person("bob@example.org")
    mine = [await stage.sign_in(ada) for _ in range(2)]
    theirs = await stage.sign_in(bob)
    assert await disabling.disable(ada) == 2
    assert sorted(stage.ended) == sorted((one.session_id, "disabled") for one in mine)
    for one in mine:
        assert await stage.sessions.resolve(one.token) is None
        assert await stage.sessions.principal(one.session_id) is None
    with pytest.raises(Unauthenticated):
        await stage.sign_in(ada)
    assert await stage.sessions.resolve(theirs.token) is not None


async def test_what_was_under_way_is_worth_nothing(stage: Stage, disabling: Disabling) -> None:
    ada = await stage.person()
    token = await stage.tokens.make("sign_in_link", lasts=timedelta(minutes=10), user_id=ada)
    await disabling.disable(ada)
    await disabling.enable(ada)
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(token, "sign_in_link")


async def test_whoever_is_let_in_again_signs_in_anew(stage: Stage, disabling: Disabling) -> None:
    ada = await stage.person()
    old = await stage.sign_in(ada)
    await disabling.disable(ada)
    await disabling.enable(ada)
    assert await stage.sessions.resolve(old.token) is None
    new = await stage.sign_in(ada)
    assert await stage.sessions.resolve(new.token) is not None


async def test_disabling_twice_is_harmless(stage: Stage, disabling: Disabling) -> None:
    ada = await stage.person()
    await stage.sign_in(ada)
    assert [await disabling.disable(ada), await disabling.disable(ada)] == [1, 0]


async def test_nobody_cannot_be_shut_out(stage: Stage, disabling: Disabling) -> None:
    ada = await stage.person()
    assert await disabling.named(" Ada@Example.org ") == ada
    with pytest.raises(NotFound):
        await disabling.named("nobody@example.org")
    for work in (disabling.disable, disabling.enable):
        with pytest.raises(NotFound):
            await work(uuid4())
