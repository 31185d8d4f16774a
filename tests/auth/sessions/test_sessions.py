"""Sessions: issue, resolve, expire, limit, list, renew, step up; with each token codec."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.core.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    NotFound,
    Unauthenticated,
)
from chat_app.core.signals import TOKENS, Signal
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import AuthSession
from testing.auth_services import OpenStage, Stage, renewal_of


class ReadOnly(Database):
    """A database that can refuse to write."""

    refusal: DatabaseError | None = None
    refused = 0

    @asynccontextmanager
    async def system(self, reason: str, *, write: bool = False) -> AsyncIterator[SystemSession]:
        if write and self.refusal:
            self.refused += 1
            raise self.refusal
        async with super().system(reason, write=write) as session:
            yield session


async def rows(stage: Stage) -> list[AuthSession]:
    async with stage.db.system("auth") as session:
        return list((await session.exec(select(AuthSession))).all())


async def resolved(stage: Stage, token: str) -> ResolvedSession:
    found = await stage.sessions.resolve(token)
    assert found is not None
    return found


async def test_a_token_resolves_to_its_user_and_session(stage: Stage) -> None:
    ada = await stage.person()
    issued = await stage.sign_in(ada)
    found = await resolved(stage, issued.token)
    assert (found.principal.user_id, found.principal.credential_id) == (ada, issued.session_id)
    assert (found.user.id, found.user.email, found.user.name) == (
        ada,
        "ada@example.org",
        "Ada",
    )
    assert found.authenticated_at == stage.time.now
    assert await stage.sessions.principal(issued.session_id) == found.principal


async def test_the_token_is_not_stored_and_fits_a_cookie(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    [row] = await rows(stage)
    assert issued.token not in row.model_dump_json()
    assert row.token_hash not in issued.token
    assert re.fullmatch(r"[A-Za-z0-9_.-]{43,1024}", issued.token)


async def test_every_session_has_its_own_token_and_id(stage: Stage) -> None:
    ada = await stage.person()
    issued = [await stage.sign_in(ada) for _ in range(3)]
    assert len({one.token for one in issued}) == len({one.session_id for one in issued}) == 3


@pytest.mark.parametrize(
    "token", ["", "x", "a" * 43, "a" * 42, "a" * 44, "a" * 43 + "\n", "\u00e9" * 43, "' or 1=1 --"]
)
async def test_an_unknown_token_does_not_resolve(stage: Stage, token: str) -> None:
    await stage.sign_in(await stage.person())
    assert await stage.sessions.resolve(token) is None


async def test_neither_the_hash_nor_the_id_works_as_a_token(stage: Stage) -> None:
    await stage.sign_in(await stage.person())
    [row] = await rows(stage)
    assert await stage.sessions.resolve(row.token_hash) is None
    assert await stage.sessions.resolve(row.token_hash[:43]) is None
    assert await stage.sessions.resolve(str(row.id)) is None


async def test_an_unknown_session_has_no_principal(stage: Stage) -> None:
    assert await stage.sessions.principal(uuid4()) is None


async def test_an_unknown_user_gets_no_session(stage: Stage) -> None:
    with pytest.raises(Unauthenticated):
        await stage.sign_in(uuid4())
    assert await rows(stage) == []


async def test_a_disabled_user_loses_every_session_and_gets_no_new_one(stage: Stage) -> None:
    ada = await stage.person()
    issued = await stage.sign_in(ada)
    await stage.disable(ada)
    assert await stage.sessions.resolve(issued.token) is None
    assert await stage.sessions.principal(issued.session_id) is None
    with pytest.raises(Unauthenticated):
        await stage.sign_in(ada)


@pytest.mark.parametrize(("remember", "idle"), [(False, 12), (True, 7 * 24)])
async def test_an_unused_session_expires_after_its_idle_time(
    stage: Stage, remember: bool, idle: int
) -> None:
    issued = await stage.sign_in(await stage.person(), remember=remember)
    stage.time.passes(hours=idle, seconds=-1)
    assert await resolved(stage, issued.token)
    stage.time.passes(hours=idle)
    assert await stage.sessions.resolve(issued.token) is None
    assert await stage.sessions.principal(issued.session_id) is None


@pytest.mark.parametrize(("remember", "longest"), [(False, 24), (True, 30 * 24)])
async def test_a_used_session_expires_at_its_absolute_age(
    stage: Stage, remember: bool, longest: int
) -> None:
    start = stage.time.now
    issued = await stage.sign_in(await stage.person(), remember=remember)
    assert (issued.expires_at - start).total_seconds() == longest * 3600
    for _ in range(11):
        stage.time.passes(hours=longest / 12)
        assert (await resolved(stage, issued.token)).expires_at <= issued.expires_at
    stage.time.passes(hours=longest / 12)
    assert await stage.sessions.resolve(issued.token) is None


async def test_only_a_remembered_cookie_outlives_the_browser(stage: Stage) -> None:
    ada = await stage.person()
    assert (await stage.sign_in(ada)).max_age is None
    assert (await stage.sign_in(ada, remember=True)).max_age == 30 * 24 * 3600


async def test_settings_decide_how_long_sessions_live(open_stage: OpenStage) -> None:
    async with open_stage(session_idle_hours=2, session_max_hours=1) as stage:
        issued = await stage.sign_in(await stage.person())
        assert (await resolved(stage, issued.token)).expires_at == issued.expires_at
        stage.time.passes(hours=1)
        assert await stage.sessions.resolve(issued.token) is None


async def test_use_is_written_at_most_every_five_minutes(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    start = stage.time.now
    stage.time.passes(seconds=299)
    await resolved(stage, issued.token)
    assert (await rows(stage))[0].last_seen_at == start
    stage.time.passes(seconds=1)
    found = await resolved(stage, issued.token)
    [row] = await rows(stage)
    assert row.last_seen_at == stage.time.now
    assert row.idle_expires_at == found.expires_at
    assert (found.expires_at - stage.time.now).total_seconds() == 12 * 3600


@pytest.mark.parametrize("refusal", [DatabaseFull(), DatabaseBusy()])
async def test_a_failed_write_of_use_signs_nobody_out(
    open_stage: OpenStage, refusal: DatabaseError
) -> None:
    async with open_stage(ReadOnly) as stage:
        assert isinstance(stage.db, ReadOnly)
        issued = await stage.sign_in(await stage.person())
        until = (await resolved(stage, issued.token)).expires_at
        stage.time.passes(minutes=6)
        stage.db.refusal = refusal
        assert (await resolved(stage, issued.token)).expires_at == until
        assert await stage.sessions.principal(issued.session_id) is not None
        assert stage.db.refused == 1, "the failed write is not retried at once"
        stage.db.refusal = None
        stage.time.passes(minutes=1)
        assert (await resolved(stage, issued.token)).expires_at > until


async def test_socket_events_alone_keep_the_session_alive(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    for _ in range(3):
        stage.time.passes(hours=7)
        assert await stage.sessions.principal(issued.session_id) is not None
    assert await stage.sessions.resolve(issued.token) is not None


async def test_using_a_session_does_not_make_it_fresh(stage: Stage) -> None:
    start = stage.time.now
    issued = await stage.sign_in(await stage.person())
    stage.time.passes(hours=1)
    assert (await resolved(stage, issued.token)).authenticated_at == start


async def test_sign_in_revokes_the_previous_session_of_the_browser(stage: Stage) -> None:
    ada, eve = await stage.person(), await stage.person("eve@example.org")
    planted = await stage.sign_in(eve)
    mine = await stage.sign_in(ada, replaces=planted.session_id)
    assert await stage.sessions.resolve(planted.token) is None
    assert await stage.sessions.resolve(mine.token) is not None
    assert mine.session_id != planted.session_id
    assert stage.ended == [(planted.session_id, "replaced")]


async def test_a_session_over_the_limit_revokes_the_oldest(open_stage: OpenStage) -> None:
    async with open_stage(sessions_per_user=3) as stage:
        ada, bob = await stage.person(), await stage.person("bob@example.org")
        theirs = await stage.sign_in(bob)
        mine = []
        for _ in range(5):
            stage.time.passes(seconds=1)
            mine.append(await stage.sign_in(ada))
        alive = [await stage.sessions.resolve(one.token) is not None for one in mine]
        assert alive == [False, False, True, True, True]
        assert await stage.sessions.resolve(theirs.token) is not None
        assert stage.ended == [(one.session_id, "too_many") for one in mine[:2]]


async def test_the_limit_can_be_one_session(open_stage: OpenStage) -> None:
    async with open_stage(sessions_per_user=1) as stage:
        ada = await stage.person()
        first, second = await stage.sign_in(ada), await stage.sign_in(ada)
        assert await stage.sessions.resolve(first.token) is None
        assert await stage.sessions.resolve(second.token) is not None


async def test_sessions_are_listed_with_device_and_last_use(stage: Stage) -> None:
    ada = await stage.person()
    old = await stage.sign_in(ada, client_ip="2001:db8:1:2:3::4", user_agent="curl/8.5.0")
    stage.time.passes(minutes=10)
    new = await stage.sign_in(ada)
    await stage.sign_in(await stage.person("bob@example.org"))
    listed = await stage.sessions.list(await stage.principal_of(new))
    assert [(one.id, one.device, one.network, one.is_current) for one in listed] == [
        (new.session_id, "Firefox on Linux", "192.0.2.0/24", True),
        (old.session_id, "curl", "2001:db8:1:2::/64", False),
    ]
    assert listed[1].last_seen_at == listed[1].created_at
    assert listed[0].last_seen_at == stage.time.now


async def test_revoked_and_expired_sessions_are_not_listed(stage: Stage) -> None:
    ada = await stage.person()
    stale, ended, live = [await stage.sign_in(ada, remember=n > 0) for n in range(3)]
    stage.time.passes(hours=12)
    principal = await stage.principal_of(live)
    await stage.sessions.revoke(principal, ended.session_id)
    assert stale.session_id not in {one.id for one in await stage.sessions.list(principal)}
    assert [one.id for one in await stage.sessions.list(principal)] == [live.session_id]


async def test_a_user_cannot_revoke_the_session_of_another_user(stage: Stage) -> None:
    mine = await stage.sign_in(await stage.person())
    theirs = await stage.sign_in(await stage.person("bob@example.org"))
    me = await stage.principal_of(mine)
    for session_id in (theirs.session_id, uuid4()):
        with pytest.raises(NotFound):
            await stage.sessions.revoke(me, session_id)
    assert await stage.sessions.resolve(theirs.token) is not None
    assert stage.ended == []


async def test_sign_in_details_are_stored_with_the_session(stage: Stage) -> None:
    issued = await stage.sign_in(
        await stage.person(), method="oauth", provider="acme", claims={"groups": ["staff"]}
    )
    assert (await resolved(stage, issued.token)).method == "oauth"
    [row] = await rows(stage)
    assert (row.provider, row.claims, row.second_factor) == ("acme", {"groups": ["staff"]}, False)


async def latest(stage: Stage, token: str) -> str:
    """What a browser's cookie holds after a request."""
    renewed = (await resolved(stage, token)).renewed
    return renewed.token if renewed else token


async def test_a_browser_that_takes_renewed_tokens_stays_signed_in_to_the_end(
    stage: Stage,
) -> None:
    issued = await stage.sign_in(await stage.person(), remember=True)
    token, end = issued.token, issued.expires_at
    while stage.time.now < end - timedelta(hours=7):
        token = await latest(stage, token)
        stage.time.passes(hours=7)
    stage.time.now = end
    assert await stage.sessions.resolve(token) is None


async def test_resolving_counts_as_use(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    assert await renewal_of(stage.sessions, issued.token) is None
    stage.time.passes(minutes=6)
    renewed = await renewal_of(stage.sessions, issued.token)
    assert (await rows(stage))[0].last_seen_at == stage.time.now
    assert await resolved(stage, renewed.token if renewed else issued.token)
    assert await renewal_of(stage.sessions, "x" * 43) is None


async def test_step_up_makes_the_same_session_fresh_under_a_new_token(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person(), remember=True)
    me = await stage.principal_of(issued)
    stage.time.passes(hours=1)
    again = await stage.sessions.step_up(me, method="passkey")
    found = await resolved(stage, again.token)
    assert (found.principal, found.authenticated_at) == (me, stage.time.now)
    assert found.method == "passkey"
    assert again.expires_at == issued.expires_at
    assert again.max_age == issued.max_age - 3600 if issued.max_age else False
    assert await stage.sessions.resolve(issued.token) is None
    assert await stage.sessions.principal(issued.session_id) == me
    assert stage.ended == []


async def test_a_token_from_before_the_step_up_never_resolves_again(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    me = await stage.principal_of(issued)
    stage.time.passes(minutes=6)
    older = {issued.token, await latest(stage, issued.token)}
    await stage.sessions.step_up(me, method="password")
    for _ in range(4):
        assert [await stage.sessions.resolve(token) for token in older] == [None] * len(older)
        stage.time.passes(minutes=6)


async def test_a_replaced_token_is_recognised_for_a_minute(stage: Stage) -> None:
    ada = await stage.person()
    issued, planted = await stage.sign_in(ada), await stage.sign_in(ada)
    stage.time.passes(seconds=1)
    proved = await stage.sessions.step_up(await stage.principal_of(issued), method="password")
    await stage.sign_in(ada, replaces=planted.session_id)
    for token in (issued.token, planted.token):
        assert await stage.sessions.resolve(token) is None
        assert stage.sessions.was_replaced(token)
    assert not stage.sessions.was_replaced(proved.token)
    assert not stage.sessions.was_replaced("x" * 43)
    stage.time.passes(minutes=1)
    assert not stage.sessions.was_replaced(issued.token)


async def test_step_up_publishes_a_signal(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    heard: list[Signal] = []
    stage.bus.subscribe_callback(TOKENS, heard.append)
    await stage.sessions.step_up(await stage.principal_of(issued), method="password")
    assert heard == [Signal("session_token", session_id=issued.session_id)]


async def test_a_revoked_session_counts_as_not_replaced(stage: Stage) -> None:
    issued = await stage.sign_in(await stage.person())
    me = await stage.principal_of(issued)
    await stage.sessions.revoke(me, issued.session_id)
    assert not stage.sessions.was_replaced(issued.token)


async def test_step_up_needs_a_live_session_of_the_user(stage: Stage) -> None:
    ada, eve = await stage.person(), await stage.person("eve@example.org")
    over, expired = await stage.sign_in(ada), await stage.sign_in(ada)
    mine = [await stage.principal_of(one) for one in (over, expired)]
    await stage.sessions.revoke(mine[0], over.session_id)
    stage.time.passes(hours=12)
    live = await stage.sign_in(ada)
    theirs = Principal(eve, live.session_id)
    for who in (*mine, theirs, Principal(ada, uuid4())):
        with pytest.raises(Unauthenticated):
            await stage.sessions.step_up(who, method="password")
    me = await stage.principal_of(live)
    await stage.disable(ada)
    with pytest.raises(Unauthenticated):
        await stage.sessions.step_up(me, method="password")
