"""Revocation: at once, published once, and never undone by a slower read."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.signals import CREDENTIALS, Signal
from chat_app.db import engine
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.tables import AuthSession
from testing.auth_services import AuthHarness, OpenAuthHarness

T = TypeVar("T")


class SlowReader(Database):
    """A database whose next read finds what it finds and then takes its time to say so."""

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(url, **more)
        self.is_slow = False
        self.found = asyncio.Event()
        self.say = asyncio.Event()

    async def system_query(self, reason: str, work: Callable[[Transaction], T]) -> T:
        found = await super().system_query(reason, work)
        if self.is_slow:
            self.is_slow = False
            self.found.set()
            await self.say.wait()
        return found


async def reason_of(harness: AuthHarness, session_id: UUID) -> str:
    async with harness.db.system("auth") as session:
        row = await session.get(AuthSession, session_id)
        assert row is not None
        return row.revoked_reason


async def test_a_revoked_session_is_over_at_once_for_cookies_and_sockets(
    harness: AuthHarness,
) -> None:
    issued = await harness.sign_in(await harness.person())
    me = await harness.principal_of(issued)
    await harness.sessions.revoke(me, issued.session_id)
    assert await harness.sessions.principal(issued.session_id) is None
    assert await harness.sessions.resolve(issued.token) is None
    assert harness.ended == [(issued.session_id, "signed_out")]
    assert await reason_of(harness, issued.session_id) == "signed_out"


async def test_a_revocation_is_committed_before_it_is_published(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    reading: list[asyncio.Task[Any]] = []
    harness.bus.subscribe_callback(
        CREDENTIALS,
        lambda _: reading.append(asyncio.create_task(harness.sessions.resolve(issued.token))),
    )
    await harness.sessions.revoke(await harness.principal_of(issued), issued.session_id)
    assert await asyncio.gather(*reading) == [None]


async def test_a_session_is_revoked_only_once(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    me = await harness.principal_of(issued)
    await asyncio.gather(*(harness.sessions.revoke(me, issued.session_id) for _ in range(5)))
    assert len(harness.told) == 1


async def test_every_session_of_a_user_except_the_kept_one_is_revoked(harness: AuthHarness) -> None:
    ada, bob = await harness.person(), await harness.person("bob@example.org")
    mine = [await harness.sign_in(ada) for _ in range(3)]
    theirs = await harness.sign_in(bob)
    kept = mine[1]
    ended = await harness.sessions.revoke_user(ada, reason="password", keep=kept.session_id)
    assert ended == 2
    assert {one for one, _ in harness.ended} == {mine[0].session_id, mine[2].session_id}
    assert {reason for _, reason in harness.ended} == {"password"}
    for one in (kept, theirs):
        assert await harness.sessions.resolve(one.token) is not None
    assert await harness.sessions.revoke_user(ada, reason="disabled") == 1
    assert await harness.sessions.principal(kept.session_id) is None


async def test_the_sessions_of_one_identity_provider_can_be_revoked_alone(
    harness: AuthHarness,
) -> None:
    ada, eve = await harness.person(), await harness.person("eve@example.org")
    theirs = await harness.sign_in(ada, provider="acme")
    others = [
        await harness.sign_in(who, provider=by) for who, by in ((ada, "github"), (eve, "acme"))
    ]
    others.append(await harness.sign_in(ada))
    async with harness.db.system("auth", write=True) as session:
        ended = await harness.sessions.revoke_all(session, ada, reason="over", provider="acme")
    assert ended == [theirs.session_id]
    assert await harness.sessions.resolve(theirs.token) is None
    for one in others:
        assert await harness.sessions.resolve(one.token) is not None


@pytest.mark.parametrize("asks", ["with the cookie", "on the socket"])
async def test_a_read_overtaken_by_the_revocation_does_not_bring_the_session_back(
    open_harness: OpenAuthHarness, asks: str
) -> None:
    async with open_harness(SlowReader) as harness:
        assert isinstance(harness.db, SlowReader)
        issued = await harness.sign_in(await harness.person())
        me = await harness.principal_of(issued)
        harness.time.passes(seconds=6)
        harness.db.is_slow = True
        asking = asyncio.ensure_future(
            harness.sessions.resolve(issued.token)
            if asks == "with the cookie"
            else harness.sessions.principal(issued.session_id)
        )
        await harness.db.found.wait()
        await harness.sessions.revoke(me, issued.session_id)
        harness.db.say.set()
        assert await asking is None
        assert await harness.sessions.principal(issued.session_id) is None


async def test_an_unpublished_revocation_is_noticed_within_five_seconds(
    harness: AuthHarness,
) -> None:
    issued = await harness.sign_in(await harness.person())
    assert await harness.sessions.principal(issued.session_id) is not None
    await harness.end_unheard(issued.session_id)
    harness.time.passes(seconds=5)
    assert await harness.sessions.principal(issued.session_id) is None


async def test_a_published_revocation_is_noticed_at_once(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    assert await harness.sessions.principal(issued.session_id) is not None
    await harness.end_unheard(issued.session_id)
    harness.bus.publish(CREDENTIALS, Signal("session_ended", credential_id=issued.session_id))
    assert await harness.sessions.principal(issued.session_id) is None


async def test_the_cache_does_not_hide_expiry(open_harness: OpenAuthHarness) -> None:
    async with open_harness(session_max_hours=1) as harness:
        issued = await harness.sign_in(await harness.person())
        harness.time.passes(hours=1, seconds=-1)
        assert await harness.sessions.principal(issued.session_id) is not None
        harness.time.passes(seconds=1)
        assert await harness.sessions.principal(issued.session_id) is None


async def test_a_clock_set_back_does_not_extend_the_cache(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    assert await harness.sessions.principal(issued.session_id) is not None
    await harness.end_unheard(issued.session_id)
    harness.time.passes(hours=-1)
    assert await harness.sessions.principal(issued.session_id) is None


async def test_expired_sessions_are_revoked_and_published(harness: AuthHarness) -> None:
    ada = await harness.person()
    short, long = await harness.sign_in(ada), await harness.sign_in(ada, remember=True)
    assert await harness.sessions.expire_due() == 0
    harness.time.passes(hours=12)
    assert await harness.sessions.expire_due() == 1
    assert harness.ended == [(short.session_id, "expired")]
    assert await harness.sessions.expire_due() == 0
    assert await harness.sessions.resolve(long.token) is not None


async def test_revoked_sessions_are_purged_after_a_month(harness: AuthHarness) -> None:
    ada = await harness.person()
    issued = await harness.sign_in(ada)
    await harness.sessions.revoke_user(ada, reason="signed_out")
    harness.time.passes(days=30, seconds=-1)
    await harness.sessions.expire_due()
    assert await reason_of(harness, issued.session_id) == "signed_out"
    live = await harness.sign_in(ada)
    harness.time.passes(seconds=1)
    await harness.sessions.expire_due()
    async with harness.db.system("auth") as session:
        assert (await session.exec(select(AuthSession.id))).all() == [live.session_id]


async def test_revalidation_finds_the_sessions_that_are_over(harness: AuthHarness) -> None:
    ada, bob = await harness.person(), await harness.person("bob@example.org")
    live = await harness.sign_in(ada)
    ended = await harness.sign_in(ada)
    disabled = await harness.sign_in(bob)
    await harness.end_unheard(ended.session_id)
    await harness.disable(bob)
    never = uuid4()
    asked = [live.session_id, ended.session_id, disabled.session_id, never]
    dead = {ended.session_id, disabled.session_id, never}
    assert await harness.sessions.revalidate(asked) == dead
    assert {one for one, _ in harness.ended} == dead
    assert await harness.sessions.revalidate([]) == set()


async def test_revalidation_handles_more_ids_than_fit_one_statement(harness: AuthHarness) -> None:
    live = await harness.sign_in(await harness.person())
    many = {uuid4() for _ in range(1_200)}
    assert await harness.sessions.revalidate([live.session_id, *many]) == many


async def test_revalidation_does_not_count_as_use(harness: AuthHarness) -> None:
    live = await harness.sign_in(await harness.person())
    before = (await harness.sessions.list(await harness.principal_of(live)))[0].last_seen_at
    harness.time.passes(hours=1)
    assert await harness.sessions.revalidate([live.session_id]) == set()
    async with harness.db.system("auth") as session:
        row = await session.get(AuthSession, live.session_id)
        assert row is not None
        assert row.last_seen_at == before
    assert harness.time.now - before == timedelta(hours=1)


async def all_tokens(harness: AuthHarness, token: str) -> set[str]:
    """All that a browser is given while a session is used, and a thief may have kept."""
    tokens = {token}
    for _ in range(3):
        harness.time.passes(minutes=6)
        found = await harness.sessions.resolve(token)
        assert found is not None
        if found.renewed:
            token = found.renewed.token
            tokens.add(token)
    return tokens


ENDS = ("sign out", "sign out everywhere", "password change", "disable", "expire", "remove")


@pytest.mark.parametrize("how", ENDS)
async def test_no_token_of_a_session_resolves_after_its_end(harness: AuthHarness, how: str) -> None:
    ada = await harness.person()
    issued, other = await harness.sign_in(ada), await harness.sign_in(ada)
    me = await harness.principal_of(issued)
    tokens = await all_tokens(harness, issued.token)
    if how == "sign out":
        await harness.sessions.revoke(me, issued.session_id)
    elif how == "sign out everywhere":
        await harness.sessions.revoke_user(ada, reason="signed_out")
    elif how == "password change":
        await harness.sessions.revoke_user(ada, reason="password", keep=other.session_id)
    elif how == "disable":
        await harness.disable(ada)
    elif how == "expire":
        harness.time.passes(hours=12)
        await harness.sessions.expire_due()
    else:
        await harness.remove(ada)
    assert [await harness.sessions.resolve(token) for token in tokens] == [None] * len(tokens)
    assert await harness.sessions.revalidate([issued.session_id]) == {issued.session_id}
    if how in ("sign out", "password change"):
        assert await harness.sessions.resolve(other.token) is not None


async def test_a_session_issued_after_revoking_all_is_not_revoked(
    harness: AuthHarness,
) -> None:
    ada = await harness.person()
    await harness.sign_in(ada)
    assert await harness.sessions.revoke_user(ada, reason="signed_out") == 1
    new = await harness.sign_in(ada)
    for _ in range(4):
        assert await harness.sessions.resolve(new.token) is not None
        harness.time.passes(minutes=6)


async def test_a_failed_transaction_revokes_nothing(harness: AuthHarness) -> None:
    ada = await harness.person()
    issued = await harness.sign_in(ada)

    async def change_the_mind() -> None:
        async with harness.db.system("auth", write=True) as session:
            assert await harness.sessions.revoke_all(session, ada, reason="x") == [
                issued.session_id
            ]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_the_mind()
    assert await harness.sessions.resolve(issued.token) is not None
    assert harness.ended == []


async def queries_of(harness: AuthHarness, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reason of every look past the scope from now on."""
    seen = list[str]()

    def noting(look: Any) -> Any:
        def look_and_note(reason: str, *args: Any, **kw: Any) -> Any:
            seen.append(reason)
            return look(reason, *args, **kw)

        return look_and_note

    for name in ("system", "system_query"):
        monkeypatch.setattr(harness.db, name, noting(getattr(harness.db, name)))
    return seen


async def test_a_cached_session_is_not_looked_up_again_for_five_seconds(
    harness: AuthHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = await harness.sign_in(await harness.person())
    first = await harness.sessions.resolve(issued.token, cached=True)
    seen = await queries_of(harness, monkeypatch)
    harness.time.passes(seconds=4.9)
    assert await harness.sessions.resolve(issued.token, cached=True) == first
    assert seen == []
    harness.time.passes(seconds=0.1)
    assert await harness.sessions.resolve(issued.token, cached=True) == first
    assert seen == ["auth"]
    assert await harness.sessions.resolve(issued.token) == first
    assert seen == ["auth", "auth"], "who does not ask for the cache gets the row"


async def test_a_cached_session_ends_with_its_signal_and_within_five_seconds_without_one(
    harness: AuthHarness,
) -> None:
    ada = await harness.person()
    told, unheard = await harness.sign_in(ada), await harness.sign_in(ada)
    for issued in (told, unheard):
        assert await harness.sessions.resolve(issued.token, cached=True) is not None
        await harness.end_unheard(issued.session_id)
    harness.bus.publish(CREDENTIALS, Signal("session_ended", credential_id=told.session_id))
    assert await harness.sessions.resolve(told.token, cached=True) is None
    harness.time.passes(seconds=5)
    assert await harness.sessions.resolve(unheard.token, cached=True) is None


async def test_a_cached_session_never_outlives_its_expiry(open_harness: OpenAuthHarness) -> None:
    async with open_harness(session_max_hours=1) as harness:
        issued = await harness.sign_in(await harness.person())
        harness.time.passes(hours=1, seconds=-1)
        assert await harness.sessions.resolve(issued.token, cached=True) is not None
        harness.time.passes(seconds=1)
        assert await harness.sessions.resolve(issued.token, cached=True) is None


async def test_a_cached_token_is_worth_nothing_after_a_step_up(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    me = await harness.principal_of(issued)
    assert await harness.sessions.resolve(issued.token, cached=True) is not None
    harness.time.passes(seconds=1)
    await harness.sessions.step_up(me, method="password")
    assert await harness.sessions.resolve(issued.token, cached=True) is None


async def test_a_cached_token_is_worth_nothing_after_a_step_up_whose_client_left(
    harness: AuthHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = await harness.sign_in(await harness.person())
    me = await harness.principal_of(issued)
    assert await harness.sessions.resolve(issued.token, cached=True) is not None
    harness.time.passes(seconds=1)
    commit = engine._commit

    async def leave(session: AsyncSession) -> None:
        stepping.cancel()
        await commit(session)

    monkeypatch.setattr(engine, "_commit", leave)
    stepping = asyncio.create_task(harness.sessions.step_up(me, method="password"))
    with pytest.raises(asyncio.CancelledError):
        await stepping
    assert await harness.sessions.resolve(issued.token) is None
    assert await harness.sessions.resolve(issued.token, cached=True) is None


@pytest.mark.parametrize("how", ["revoke", "step up"])
async def test_a_lookup_overtaken_by_a_signal_leaves_nothing_in_the_cache(
    open_harness: OpenAuthHarness, how: str
) -> None:
    async with open_harness(SlowReader) as harness:
        assert isinstance(harness.db, SlowReader)
        issued = await harness.sign_in(await harness.person())
        me = await harness.principal_of(issued)
        harness.db.is_slow = True
        asking = asyncio.ensure_future(harness.sessions.resolve(issued.token, cached=True))
        await harness.db.found.wait()
        harness.time.passes(seconds=1)
        if how == "revoke":
            await harness.sessions.revoke(me, issued.session_id)
        else:
            await harness.sessions.step_up(me, method="password")
        harness.db.say.set()
        await asking
        assert await harness.sessions.resolve(issued.token, cached=True) is None


async def test_the_use_of_a_cached_session_is_written_when_it_is_due(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    harness.time.passes(minutes=5, seconds=-1)
    assert await harness.sessions.resolve(issued.token, cached=True) is not None
    harness.time.passes(seconds=1)
    found = await harness.sessions.resolve(issued.token, cached=True)
    async with harness.db.system("auth") as session:
        row = await session.get(AuthSession, issued.session_id)
    assert row is not None
    assert row.last_seen_at == harness.time.now
    assert found is not None
    assert row.idle_expires_at == found.expires_at
