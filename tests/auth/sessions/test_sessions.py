"""Sessions: issue, resolve, expire, limit, list, renew, step up; with each token codec."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from sqlmodel import col, select, update

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
from chat_app.db.prepared import Transaction
from chat_app.db.tables import AuthSession
from testing.auth_services import AuthHarness, OpenAuthHarness, renewal_of
from testing.database import until_written_or_waiting

T = TypeVar("T")


class ReadOnly(Database):
    """A database that can refuse to write."""

    refusal: DatabaseError | None = None
    refused = 0

    async def system_transact(
        self, reason: str, work: Callable[[Transaction], T], **more: Any
    ) -> T:
        if self.refusal:
            self.refused += 1
            raise self.refusal
        return await super().system_transact(reason, work, **more)


async def rows(harness: AuthHarness) -> list[AuthSession]:
    async with harness.db.system("auth") as session:
        return list((await session.exec(select(AuthSession))).all())


async def resolved(harness: AuthHarness, token: str) -> ResolvedSession:
    found = await harness.sessions.resolve(token)
    assert found is not None
    return found


async def test_a_token_resolves_to_its_user_and_session(harness: AuthHarness) -> None:
    ada = await harness.person()
    issued = await harness.sign_in(ada)
    found = await resolved(harness, issued.token)
    assert (found.principal.user_id, found.principal.credential_id) == (ada, issued.session_id)
    assert (found.user.id, found.user.email, found.user.name) == (
        ada,
        "ada@example.org",
        "Ada",
    )
    assert found.authenticated_at == harness.time.now
    assert await harness.sessions.principal(issued.session_id) == found.principal


async def test_the_token_is_not_stored_and_fits_a_cookie(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    [row] = await rows(harness)
    assert issued.token not in row.model_dump_json()
    assert row.token_hash not in issued.token
    assert re.fullmatch(r"[A-Za-z0-9_.-]{43,1024}", issued.token)


async def test_every_session_has_its_own_token_and_id(harness: AuthHarness) -> None:
    ada = await harness.person()
    issued = [await harness.sign_in(ada) for _ in range(3)]
    assert len({one.token for one in issued}) == len({one.session_id for one in issued}) == 3


@pytest.mark.parametrize(
    "token", ["", "x", "a" * 43, "a" * 42, "a" * 44, "a" * 43 + "\n", "\u00e9" * 43, "' or 1=1 --"]
)
async def test_an_unknown_token_does_not_resolve(harness: AuthHarness, token: str) -> None:
    await harness.sign_in(await harness.person())
    assert await harness.sessions.resolve(token) is None


async def test_neither_the_hash_nor_the_id_works_as_a_token(harness: AuthHarness) -> None:
    await harness.sign_in(await harness.person())
    [row] = await rows(harness)
    assert await harness.sessions.resolve(row.token_hash) is None
    assert await harness.sessions.resolve(row.token_hash[:43]) is None
    assert await harness.sessions.resolve(str(row.id)) is None


async def test_an_unknown_session_has_no_principal(harness: AuthHarness) -> None:
    assert await harness.sessions.principal(uuid4()) is None


async def test_an_unknown_user_gets_no_session(harness: AuthHarness) -> None:
    with pytest.raises(Unauthenticated):
        await harness.sign_in(uuid4())
    assert await rows(harness) == []


async def test_a_disabled_user_loses_every_session_and_gets_no_new_one(
    harness: AuthHarness,
) -> None:
    ada = await harness.person()
    issued = await harness.sign_in(ada)
    await harness.disable(ada)
    assert await harness.sessions.resolve(issued.token) is None
    assert await harness.sessions.principal(issued.session_id) is None
    with pytest.raises(Unauthenticated):
        await harness.sign_in(ada)


@pytest.mark.parametrize(("remember", "idle"), [(False, 12), (True, 7 * 24)])
async def test_an_unused_session_expires_after_its_idle_time(
    harness: AuthHarness, remember: bool, idle: int
) -> None:
    issued = await harness.sign_in(await harness.person(), remember=remember)
    harness.time.passes(hours=idle, seconds=-1)
    assert await resolved(harness, issued.token)
    harness.time.passes(hours=idle)
    assert await harness.sessions.resolve(issued.token) is None
    assert await harness.sessions.principal(issued.session_id) is None


@pytest.mark.parametrize(("remember", "longest"), [(False, 24), (True, 30 * 24)])
async def test_a_used_session_expires_at_its_absolute_age(
    harness: AuthHarness, remember: bool, longest: int
) -> None:
    start = harness.time.now
    issued = await harness.sign_in(await harness.person(), remember=remember)
    assert (issued.expires_at - start).total_seconds() == longest * 3600
    for _ in range(11):
        harness.time.passes(hours=longest / 12)
        assert (await resolved(harness, issued.token)).expires_at <= issued.expires_at
    harness.time.passes(hours=longest / 12)
    assert await harness.sessions.resolve(issued.token) is None


async def test_only_a_remembered_cookie_outlives_the_browser(harness: AuthHarness) -> None:
    ada = await harness.person()
    assert (await harness.sign_in(ada)).max_age is None
    assert (await harness.sign_in(ada, remember=True)).max_age == 30 * 24 * 3600


async def test_settings_decide_how_long_sessions_live(open_harness: OpenAuthHarness) -> None:
    async with open_harness(session_idle_hours=2, session_max_hours=1) as harness:
        issued = await harness.sign_in(await harness.person())
        assert (await resolved(harness, issued.token)).expires_at == issued.expires_at
        harness.time.passes(hours=1)
        assert await harness.sessions.resolve(issued.token) is None


async def test_use_is_written_at_most_every_five_minutes(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    start = harness.time.now
    harness.time.passes(seconds=299)
    await resolved(harness, issued.token)
    assert (await rows(harness))[0].last_seen_at == start
    harness.time.passes(seconds=1)
    found = await resolved(harness, issued.token)
    [row] = await rows(harness)
    assert row.last_seen_at == harness.time.now
    assert row.idle_expires_at == found.expires_at
    assert (found.expires_at - harness.time.now).total_seconds() == 12 * 3600


async def test_a_session_ends_while_its_use_is_written(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    harness.time.passes(minutes=5)
    async with harness.db.system("auth", write=True) as session:
        await session.exec(select(AuthSession.id))  # on PostgreSQL, the snapshot
        use = asyncio.create_task(harness.sessions.resolve(issued.token))
        await until_written_or_waiting(harness.db, use)
        is_it = col(AuthSession.id) == issued.session_id
        await session.exec(update(AuthSession).where(is_it).values(revoked_at=harness.time.now))
    await use
    [row] = await rows(harness)
    assert row.revoked_at == harness.time.now
    assert row.last_seen_at == row.created_at


@pytest.mark.parametrize("refusal", [DatabaseFull(), DatabaseBusy()])
async def test_a_failed_write_of_use_signs_no_user_out(
    open_harness: OpenAuthHarness, refusal: DatabaseError
) -> None:
    async with open_harness(ReadOnly) as harness:
        assert isinstance(harness.db, ReadOnly)
        issued = await harness.sign_in(await harness.person())
        until = (await resolved(harness, issued.token)).expires_at
        harness.time.passes(minutes=6)
        harness.db.refusal = refusal
        assert (await resolved(harness, issued.token)).expires_at == until
        assert await harness.sessions.principal(issued.session_id) is not None
        assert harness.db.refused == 1, "the failed write is not retried at once"
        harness.db.refusal = None
        harness.time.passes(minutes=1)
        assert (await resolved(harness, issued.token)).expires_at > until


async def test_socket_events_alone_keep_the_session_alive(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    for _ in range(3):
        harness.time.passes(hours=7)
        assert await harness.sessions.principal(issued.session_id) is not None
    assert await harness.sessions.resolve(issued.token) is not None


async def test_using_a_session_does_not_make_it_fresh(harness: AuthHarness) -> None:
    start = harness.time.now
    issued = await harness.sign_in(await harness.person())
    harness.time.passes(hours=1)
    assert (await resolved(harness, issued.token)).authenticated_at == start


async def test_sign_in_revokes_the_previous_session_of_the_browser(harness: AuthHarness) -> None:
    ada, eve = await harness.person(), await harness.person("eve@example.org")
    planted = await harness.sign_in(eve)
    mine = await harness.sign_in(ada, replaces=planted.session_id)
    assert await harness.sessions.resolve(planted.token) is None
    assert await harness.sessions.resolve(mine.token) is not None
    assert mine.session_id != planted.session_id
    assert harness.ended == [(planted.session_id, "replaced")]


async def test_a_session_over_the_limit_revokes_the_oldest(open_harness: OpenAuthHarness) -> None:
    async with open_harness(sessions_per_user=3) as harness:
        ada, bob = await harness.person(), await harness.person("bob@example.org")
        theirs = await harness.sign_in(bob)
        mine = []
        for _ in range(5):
            harness.time.passes(seconds=1)
            mine.append(await harness.sign_in(ada))
        alive = [await harness.sessions.resolve(one.token) is not None for one in mine]
        assert alive == [False, False, True, True, True]
        assert await harness.sessions.resolve(theirs.token) is not None
        assert harness.ended == [(one.session_id, "too_many") for one in mine[:2]]


async def test_the_limit_can_be_one_session(open_harness: OpenAuthHarness) -> None:
    async with open_harness(sessions_per_user=1) as harness:
        ada = await harness.person()
        first, second = await harness.sign_in(ada), await harness.sign_in(ada)
        assert await harness.sessions.resolve(first.token) is None
        assert await harness.sessions.resolve(second.token) is not None


async def test_sessions_are_listed_with_device_and_last_use(harness: AuthHarness) -> None:
    ada = await harness.person()
    old = await harness.sign_in(ada, client_ip="2001:db8:1:2:3::4", user_agent="curl/8.5.0")
    harness.time.passes(minutes=10)
    new = await harness.sign_in(ada)
    await harness.sign_in(await harness.person("bob@example.org"))
    listed = await harness.sessions.list(await harness.principal_of(new))
    assert [(one.id, one.device, one.network, one.is_current) for one in listed] == [
        (new.session_id, "Firefox on Linux", "192.0.2.0/24", True),
        (old.session_id, "curl", "2001:db8:1:2::/64", False),
    ]
    assert listed[1].last_seen_at == listed[1].created_at
    assert listed[0].last_seen_at == harness.time.now


async def test_revoked_and_expired_sessions_are_not_listed(harness: AuthHarness) -> None:
    ada = await harness.person()
    stale, ended, live = [await harness.sign_in(ada, remember=n > 0) for n in range(3)]
    harness.time.passes(hours=12)
    principal = await harness.principal_of(live)
    await harness.sessions.revoke(principal, ended.session_id)
    assert stale.session_id not in {one.id for one in await harness.sessions.list(principal)}
    assert [one.id for one in await harness.sessions.list(principal)] == [live.session_id]


async def test_a_user_cannot_revoke_the_session_of_another_user(harness: AuthHarness) -> None:
    mine = await harness.sign_in(await harness.person())
    theirs = await harness.sign_in(await harness.person("bob@example.org"))
    me = await harness.principal_of(mine)
    for session_id in (theirs.session_id, uuid4()):
        with pytest.raises(NotFound):
            await harness.sessions.revoke(me, session_id)
    assert await harness.sessions.resolve(theirs.token) is not None
    assert harness.ended == []


async def test_sign_in_details_are_stored_with_the_session(harness: AuthHarness) -> None:
    issued = await harness.sign_in(
        await harness.person(), method="oauth", provider="acme", claims={"groups": ["staff"]}
    )
    assert (await resolved(harness, issued.token)).method == "oauth"
    [row] = await rows(harness)
    assert (row.provider, row.claims, row.second_factor) == ("acme", {"groups": ["staff"]}, False)


async def latest(harness: AuthHarness, token: str) -> str:
    """What a browser's cookie holds after a request."""
    renewed = (await resolved(harness, token)).renewed
    return renewed.token if renewed else token


async def test_a_browser_that_takes_renewed_tokens_stays_signed_in_to_the_end(
    harness: AuthHarness,
) -> None:
    issued = await harness.sign_in(await harness.person(), remember=True)
    token, end = issued.token, issued.expires_at
    while harness.time.now < end - timedelta(hours=7):
        token = await latest(harness, token)
        harness.time.passes(hours=7)
    harness.time.now = end
    assert await harness.sessions.resolve(token) is None


async def test_resolving_counts_as_use(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    assert await renewal_of(harness.sessions, issued.token) is None
    harness.time.passes(minutes=6)
    renewed = await renewal_of(harness.sessions, issued.token)
    assert (await rows(harness))[0].last_seen_at == harness.time.now
    assert await resolved(harness, renewed.token if renewed else issued.token)
    assert await renewal_of(harness.sessions, "x" * 43) is None


async def test_step_up_makes_the_same_session_fresh_under_a_new_token(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person(), remember=True)
    me = await harness.principal_of(issued)
    harness.time.passes(hours=1)
    again = await harness.sessions.step_up(me, method="passkey")
    found = await resolved(harness, again.token)
    assert (found.principal, found.authenticated_at) == (me, harness.time.now)
    assert found.method == "passkey"
    assert again.expires_at == issued.expires_at
    assert again.max_age == issued.max_age - 3600 if issued.max_age else False
    assert await harness.sessions.resolve(issued.token) is None
    assert await harness.sessions.principal(issued.session_id) == me
    assert harness.ended == []


async def test_a_token_from_before_the_step_up_never_resolves_again(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    me = await harness.principal_of(issued)
    harness.time.passes(minutes=6)
    older = {issued.token, await latest(harness, issued.token)}
    await harness.sessions.step_up(me, method="password")
    for _ in range(4):
        assert [await harness.sessions.resolve(token) for token in older] == [None] * len(older)
        harness.time.passes(minutes=6)


async def test_a_replaced_token_is_recognised_for_a_minute(harness: AuthHarness) -> None:
    ada = await harness.person()
    issued, planted = await harness.sign_in(ada), await harness.sign_in(ada)
    harness.time.passes(seconds=1)
    proved = await harness.sessions.step_up(await harness.principal_of(issued), method="password")
    await harness.sign_in(ada, replaces=planted.session_id)
    for token in (issued.token, planted.token):
        assert await harness.sessions.resolve(token) is None
        assert harness.sessions.was_replaced(token)
    assert not harness.sessions.was_replaced(proved.token)
    assert not harness.sessions.was_replaced("x" * 43)
    harness.time.passes(minutes=1)
    assert not harness.sessions.was_replaced(issued.token)


async def test_step_up_publishes_a_signal(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    heard: list[Signal] = []
    harness.bus.subscribe_callback(TOKENS, heard.append)
    await harness.sessions.step_up(await harness.principal_of(issued), method="password")
    assert heard == [Signal("session_token", credential_id=issued.session_id)]


async def test_a_revoked_session_counts_as_not_replaced(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person())
    me = await harness.principal_of(issued)
    await harness.sessions.revoke(me, issued.session_id)
    assert not harness.sessions.was_replaced(issued.token)


async def test_step_up_needs_a_live_session_of_the_user(harness: AuthHarness) -> None:
    ada, eve = await harness.person(), await harness.person("eve@example.org")
    over, expired = await harness.sign_in(ada), await harness.sign_in(ada)
    mine = [await harness.principal_of(one) for one in (over, expired)]
    await harness.sessions.revoke(mine[0], over.session_id)
    harness.time.passes(hours=12)
    live = await harness.sign_in(ada)
    theirs = Principal(eve, live.session_id)
    for who in (*mine, theirs, Principal(ada, uuid4())):
        with pytest.raises(Unauthenticated):
            await harness.sessions.step_up(who, method="password")
    me = await harness.principal_of(live)
    await harness.disable(ada)
    with pytest.raises(Unauthenticated):
        await harness.sessions.step_up(me, method="password")
