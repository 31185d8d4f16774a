"""Revocation: at once, published once, and never undone by a slower read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from chat_app.core.signals import SESSIONS, Signal
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import AuthSession
from testing.auth_services import OpenStage, Stage


class SlowReader(Database):
    """A database whose next read finds what it finds and then takes its time to say so."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.is_slow = False
        self.found = asyncio.Event()
        self.say = asyncio.Event()

    @contextlib.asynccontextmanager
    async def system(self, reason: str, *, write: bool = False) -> AsyncIterator[SystemSession]:
        async with super().system(reason, write=write) as session:
            yield session
        if self.is_slow and not write:
            self.is_slow = False
            self.found.set()
            await self.say.wait()


async def reason_of(stage: Stage, session_id: UUID) -> str:
    async with stage.db.system("auth") as session:
        row = await session.get(AuthSession, session_id)
        assert row is not None
        return row.revoked_reason


async def test_a_revoked_session_is_over_at_once_for_cookies_and_sockets(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    me = await stage.principal_of(issued)
    await stage.sessions.revoke(me, issued.session_id)
    assert await stage.sessions.principal(issued.session_id) is None
    assert await stage.sessions.resolve(issued.token) is None
    assert stage.ended == [(issued.session_id, "signed_out")]
    assert await reason_of(stage, issued.session_id) == "signed_out"


async def test_a_revocation_is_committed_before_it_is_published(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    reading: list[asyncio.Task[Any]] = []
    stage.bus.subscribe_callback(
        SESSIONS,
        lambda _: reading.append(asyncio.create_task(stage.sessions.resolve(issued.token))),
    )
    await stage.sessions.revoke(await stage.principal_of(issued), issued.session_id)
    assert await asyncio.gather(*reading) == [None]


async def test_a_session_is_revoked_only_once(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    me = await stage.principal_of(issued)
    await asyncio.gather(*(stage.sessions.revoke(me, issued.session_id) for _ in range(5)))
    assert len(stage.told) == 1


async def test_every_session_of_a_user_except_the_kept_one_is_revoked(stage: Stage) -> None:
    ada, bob = await stage.person(), await stage.person("bob@example.org")
    mine = [await stage.sign_in(ada) for _ in range(3)]
    theirs = await stage.sign_in(bob)
    kept = mine[1]
    ended = await stage.sessions.revoke_user(ada, reason="password", keep=kept.session_id)
    assert ended == 2
    assert {one for one, _ in stage.ended} == {mine[0].session_id, mine[2].session_id}
    assert {reason for _, reason in stage.ended} == {"password"}
    for one in (kept, theirs):
        assert await stage.sessions.resolve(one.token) is not None
    assert await stage.sessions.revoke_user(ada, reason="disabled") == 1
    assert await stage.sessions.principal(kept.session_id) is None


async def test_the_sessions_of_one_identity_provider_can_be_revoked_alone(stage: Stage) -> None:
    ada, eve = await stage.person(), await stage.person("eve@example.org")
    theirs = await stage.sign_in(ada, provider="acme")
    others = [await stage.sign_in(who, provider=by) for who, by in ((ada, "github"), (eve, "acme"))]
    others.append(await stage.sign_in(ada))
    async with stage.db.system("auth", write=True) as session:
        ended = await stage.sessions.revoke_all(session, ada, reason="over", provider="acme")
    assert ended == [theirs.session_id]
    assert await stage.sessions.resolve(theirs.token) is None
    for one in others:
        assert await stage.sessions.resolve(one.token) is not None


@pytest.mark.parametrize("asks", ["with the cookie", "on the socket"])
async def test_a_read_overtaken_by_the_revocation_does_not_bring_the_session_back(
    open_stage: OpenStage, asks: str
) -> None:
    async with open_stage(SlowReader) as stage:
        assert isinstance(stage.db, SlowReader)
        issued = await stage.sign_in(await stage.person())
        me = await stage.principal_of(issued)
        stage.time.passes(seconds=6)
        stage.db.is_slow = True
        asking = asyncio.ensure_future(
            stage.sessions.resolve(issued.token)
            if asks == "with the cookie"
            else stage.sessions.principal(issued.session_id)
        )
        await stage.db.found.wait()
        await stage.sessions.revoke(me, issued.session_id)
        stage.db.say.set()
        assert await asking is None
        assert await stage.sessions.principal(issued.session_id) is None


async def test_an_unpublished_revocation_is_noticed_within_five_seconds(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    assert await stage.sessions.principal(issued.session_id) is not None
    await stage.end_unheard(issued.session_id)
    stage.time.passes(seconds=5)
    assert await stage.sessions.principal(issued.session_id) is None


async def test_a_published_revocation_is_noticed_at_once(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    assert await stage.sessions.principal(issued.session_id) is not None
    await stage.end_unheard(issued.session_id)
    stage.bus.publish(SESSIONS, Signal("session_ended", session_id=issued.session_id))
    assert await stage.sessions.principal(issued.session_id) is None


async def test_the_cache_does_not_hide_expiry(open_stage: OpenStage) -> None:
    async with open_stage(session_max_hours=1) as stage:
        issued = await stage.sign_in(await stage.person())
        stage.time.passes(hours=1, seconds=-1)
        assert await stage.sessions.principal(issued.session_id) is not None
        stage.time.passes(seconds=1)
        assert await stage.sessions.principal(issued.session_id) is None


async def test_a_clock_set_back_does_not_extend_the_cache(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    assert await stage.sessions.principal(issued.session_id) is not None
    await stage.end_unheard(issued.session_id)
    stage.time.passes(hours=-1)
    assert await stage.sessions.principal(issued.session_id) is None


async def test_expired_sessions_are_revoked_and_published(stage: Stage) -> None:
    ada = await stage.person()
    short, long = await stage.sign_in(ada), await stage.sign_in(ada, remember=True)
    assert await stage.sessions.expire_due() == 0
    stage.time.passes(hours=12)
    assert await stage.sessions.expire_due() == 1
    assert stage.ended == [(short.session_id, "expired")]
    assert await stage.sessions.expire_due() == 0
    assert await stage.sessions.resolve(long.token) is not None


async def test_revoked_sessions_are_purged_after_a_month(stage: Stage) -> None:
    ada = await stage.person()
    issued = await stage.sign_in(ada)
    await stage.sessions.revoke_user(ada, reason="signed_out")
    stage.time.passes(days=30, seconds=-1)
    await stage.sessions.expire_due()
    assert await reason_of(stage, issued.session_id) == "signed_out"
    live = await stage.sign_in(ada)
    stage.time.passes(seconds=1)
    await stage.sessions.expire_due()
    async with stage.db.system("auth") as session:
        assert (await session.exec(select(AuthSession.id))).all() == [live.session_id]


async def test_revalidation_finds_the_sessions_that_are_over(stage: Stage) -> None:
    ada, bob = await stage.person(), await stage.person("bob@example.org")
    live = await stage.sign_in(ada)
    ended = await stage.sign_in(ada)
    disabled = await stage.sign_in(bob)
    await stage.end_unheard(ended.session_id)
    await stage.disable(bob)
    never = uuid4()
    asked = [live.session_id, ended.session_id, disabled.session_id, never]
    dead = {ended.session_id, disabled.session_id, never}
    assert await stage.sessions.revalidate(asked) == dead
    assert {one for one, _ in stage.ended} == dead
    assert await stage.sessions.revalidate([]) == set()


async def test_revalidation_handles_more_ids_than_fit_one_statement(stage: Stage) -> None:
    live = await stage.sign_in(await stage.person())
    many = {uuid4() for _ in range(1_200)}
    assert await stage.sessions.revalidate([live.session_id, *many]) == many


async def test_revalidation_does_not_count_as_use(stage: Stage) -> None:
    live = await stage.sign_in(await stage.person())
    before = (await stage.sessions.list(await stage.principal_of(live)))[0].last_seen_at
    stage.time.passes(hours=1)
    assert await stage.sessions.revalidate([live.session_id]) == set()
    async with stage.db.system("auth") as session:
        row = await session.get(AuthSession, live.session_id)
        assert row is not None
        assert row.last_seen_at == before
    assert stage.time.now - before == timedelta(hours=1)


async def all_tokens(stage: Stage, token: str) -> set[str]:
    """All that a browser is given while a session is used, and a thief may have kept."""
    tokens = {token}
    for _ in range(3):
        stage.time.passes(minutes=6)
        found = await stage.sessions.resolve(token)
        assert found is not None
        if found.renewed:
            token = found.renewed.token
            tokens.add(token)
    return tokens


ENDS = ("sign out", "sign out everywhere", "password change", "disable", "expire", "remove")


@pytest.mark.parametrize("how", ENDS)
async def test_no_token_of_a_session_resolves_after_its_end(stage: Stage, how: str) -> None:
    ada = await stage.person()
    issued, other = await stage.sign_in(ada), await stage.sign_in(ada)
    me = await stage.principal_of(issued)
    tokens = await all_tokens(stage, issued.token)
    if how == "sign out":
        await stage.sessions.revoke(me, issued.session_id)
    elif how == "sign out everywhere":
        await stage.sessions.revoke_user(ada, reason="signed_out")
    elif how == "password change":
        await stage.sessions.revoke_user(ada, reason="password", keep=other.session_id)
    elif how == "disable":
        await stage.disable(ada)
    elif how == "expire":
        stage.time.passes(hours=12)
        await stage.sessions.expire_due()
    else:
        await stage.remove(ada)
    assert [await stage.sessions.resolve(token) for token in tokens] == [None] * len(tokens)
    assert await stage.sessions.revalidate([issued.session_id]) == {issued.session_id}
    if how in ("sign out", "password change"):
        assert await stage.sessions.resolve(other.token) is not None


async def test_a_session_issued_after_revoking_all_is_not_revoked(
    stage: Stage,
) -> None:
    ada = await stage.person()
    await stage.sign_in(ada)
    assert await stage.sessions.revoke_user(ada, reason="signed_out") == 1
    new = await stage.sign_in(ada)
    for _ in range(4):
        assert await stage.sessions.resolve(new.token) is not None
        stage.time.passes(minutes=6)


async def test_a_failed_transaction_revokes_nothing(stage: Stage) -> None:
    ada = await stage.person()
    issued = await stage.sign_in(ada)

    async def change_the_mind() -> None:
        async with stage.db.system("auth", write=True) as session:
            assert await stage.sessions.revoke_all(session, ada, reason="x") == [issued.session_id]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_the_mind()
    assert await stage.sessions.resolve(issued.token) is not None
    assert stage.ended == []
