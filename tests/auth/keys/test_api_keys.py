"""API keys on a real database: create, list, resolve, revoke."""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, delete, select, update

from chat_app.auth.account.export import export_account
from chat_app.auth.errors import InvalidName
from chat_app.auth.keys import service
from chat_app.auth.keys.models import NewKey
from chat_app.auth.keys.service import LIFETIMES_DAYS, MAX_KEYS, METHOD
from chat_app.auth.keys.tokens import PREFIX, _checksum, new_key
from chat_app.auth.operator_hooks import ClaimsUnavailable
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.cache import CACHE_SECONDS
from chat_app.core.crypto import hash_token
from chat_app.core.errors import Conflict, DatabaseBusy, InvalidInput, NotFound, Unauthenticated
from chat_app.db.engine import Database
from chat_app.db.tables import ApiKey, AuthSession, User
from testing import session_hooks
from testing.auth_services import AuthHarness, auth_harness
from testing.database import DatabaseUnderTest, until_written_or_waiting


async def person(harness: AuthHarness, email: str = "ada@example.org") -> Principal:
    return await harness.principal_of(await harness.sign_in(await harness.person(email)))


async def make(
    harness: AuthHarness,
    who: Principal,
    name: str = "Script",
    scopes: Sequence[str] = ("chat",),
    days: int | None = 30,
) -> NewKey:
    return await harness.api_keys.create(who, name=name, scopes=scopes, days=days)


@pytest.fixture
async def ada(harness: AuthHarness) -> Principal:
    return await person(harness)


async def rows(harness: AuthHarness) -> Sequence[ApiKey]:
    async with harness.db.system("auth") as session:
        return (await session.exec(select(ApiKey))).all()


async def test_a_key_proves_its_user_within_its_scopes(
    harness: AuthHarness, ada: Principal
) -> None:
    made = await make(harness, ada, scopes=("models", "threads:read"))
    found = await harness.api_keys.resolve(made.token)
    assert found is not None
    assert (found.principal.user_id, found.principal.credential_id) == (ada.user_id, made.id)
    assert found.principal.scopes == {"models", "threads:read"}
    assert made.id != ada.credential_id


async def test_only_the_hash_of_a_key_is_stored(harness: AuthHarness, ada: Principal) -> None:
    made = await make(harness, ada)
    [row] = await rows(harness)
    assert row.token_hash == hash_token(made.token)
    assert made.token not in str(row.model_dump())
    assert made.token not in repr(made)


async def test_keys_are_listed_the_newest_first_without_the_key(
    harness: AuthHarness, ada: Principal
) -> None:
    first = await make(harness, ada, "  First ", ("models", "chat"))
    harness.time.passes(hours=1)
    second = await make(harness, ada, "", ("mcp",), None)
    listed = await harness.api_keys.list(ada)
    assert [(one.id, one.name, one.scopes) for one in listed] == [
        (second.id, "API key", ("mcp",)),
        (first.id, "First", ("chat", "models")),
    ]
    assert [one.expires_at for one in listed] == [None, first.expires_at]
    assert first.token not in str(listed)
    assert await harness.api_keys.list(await person(harness, "eve@example.org")) == []


@pytest.mark.parametrize("scopes", [(), ("admin",), ("chat", "auth"), ("Chat",), ("chat ",)])
async def test_a_scope_that_is_not_offered_makes_no_key(
    harness: AuthHarness, ada: Principal, scopes: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await make(harness, ada, scopes=scopes)
    if scopes:
        every = "chat, threads:read, threads:write, models, mcp"
        assert refused.value.message == f"There is no such scope. Choose of these: {every}."
    assert await rows(harness) == []


async def test_a_name_is_one_line_of_100_characters(harness: AuthHarness, ada: Principal) -> None:
    for name in ("x" * 101, "a\nb"):
        with pytest.raises(InvalidName):
            await make(harness, ada, name)
    assert await rows(harness) == []


@pytest.mark.parametrize("days", LIFETIMES_DAYS)
async def test_an_expired_key_proves_nothing_and_is_listed_as_expired(
    harness: AuthHarness, ada: Principal, days: int
) -> None:
    made = await make(harness, ada, days=days)
    assert made.expires_at is not None
    assert made.expires_at == harness.time() + timedelta(days=days)
    harness.time.now = made.expires_at - timedelta(seconds=1)
    assert await harness.api_keys.resolve(made.token) is not None
    harness.time.passes(seconds=1)  # it is cached
    assert await harness.api_keys.resolve(made.token) is None
    harness.time.passes(days=1)
    assert await harness.api_keys.resolve(made.token) is None
    [listed] = await harness.api_keys.list(ada)
    assert listed.is_expired


async def test_a_key_without_a_lifetime_does_not_expire(
    harness: AuthHarness, ada: Principal
) -> None:
    made = await make(harness, ada, days=None)
    harness.time.passes(days=10_000)
    assert await harness.api_keys.resolve(made.token) is not None


async def test_other_lifetimes_are_not_offered(harness: AuthHarness, ada: Principal) -> None:
    for days in (0, -1, 1, 8, 366):
        with pytest.raises(InvalidInput):
            await make(harness, ada, days=days)


@pytest.mark.parametrize(
    ("longest", "offered", "named"),
    [
        (
            *(0, (7, 30, 90, 365, None)),
            "7, 30, 90, 365 days, or null for a key that does not expire",
        ),
        (90, (7, 30, 90), "7, 30 or 90 days"),
        (60, (7, 30, 60), "7, 30 or 60 days"),
        (1, (1,), "1 day"),
    ],
)
async def test_the_operator_caps_the_lifetime(
    database: DatabaseUnderTest, longest: int, offered: tuple[int | None, ...], named: str
) -> None:
    async with auth_harness(database, api_key_max_days=longest) as harness:
        ada = await person(harness)
        assert harness.api_keys.lifetimes() == offered
        for days in offered:
            await make(harness, ada, days=days)
        for days in {2, 7, 30, 90, 365, None} - {*offered}:
            with pytest.raises(InvalidInput) as refused:
                await make(harness, ada, days=days)
            assert refused.value.message == f"Choose one of these lifetimes: {named}."


async def test_a_revoked_key_proves_nothing_at_once(harness: AuthHarness, ada: Principal) -> None:
    made, other = await make(harness, ada), await make(harness, ada)
    for token in (made.token, other.token):
        assert await harness.api_keys.resolve(token) is not None  # it is cached now
    await harness.api_keys.revoke(ada, made.id)
    assert await harness.api_keys.resolve(made.token) is None
    assert await harness.api_keys.resolve(other.token) is not None
    assert harness.ended == [(made.id, "revoked")]
    assert [one.id for one in await harness.api_keys.list(ada)] == [other.id]
    with pytest.raises(NotFound):
        await harness.api_keys.revoke(ada, made.id)


async def test_a_foreign_key_looks_like_a_missing_one(harness: AuthHarness, ada: Principal) -> None:
    made, eve = await make(harness, ada), await person(harness, "eve@example.org")
    for key_id in (made.id, uuid4(), ada.credential_id):
        with pytest.raises(NotFound):
            await harness.api_keys.revoke(eve, key_id)
    assert harness.ended == []
    assert await harness.api_keys.resolve(made.token) is not None


async def test_a_key_that_is_revoked_while_it_is_looked_up_proves_nothing(
    database: DatabaseUnderTest,
) -> None:
    class Slow(Database):
        looking = asyncio.Event()
        go_on = asyncio.Event()
        is_slow = False

        async def system_query(self, *given, **named):
            found = await super().system_query(*given, **named)
            if self.is_slow:
                self.looking.set()
                await self.go_on.wait()
            return found

    async with auth_harness(database, Slow) as harness:
        ada = await person(harness)
        made = await make(harness, ada)
        Slow.is_slow = True
        lookup = asyncio.create_task(harness.api_keys.resolve(made.token))
        await Slow.looking.wait()
        await harness.api_keys.revoke(ada, made.id)
        Slow.go_on.set()
        assert await lookup is None
        assert await harness.api_keys.resolve(made.token) is None


async def test_nothing_else_is_a_key(harness: AuthHarness, ada: Principal) -> None:
    made = await make(harness, ada)
    session = await harness.sign_in(ada.user_id)
    for other in (
        session.token,
        new_key(),
        hash_token(made.token),
        str(made.id),
        made.token.lower(),
        made.token[:-1],
        made.token + "0",
        made.token.removeprefix(PREFIX),
        "",
        "\ud800",
        "x" * 100_000,
    ):
        assert await harness.api_keys.resolve(other) is None
    assert await harness.sessions.resolve(made.token) is None


async def test_what_a_guess_shares_with_a_key_changes_nothing_of_what_is_done(
    database: DatabaseUnderTest,
) -> None:
    class Counting(Database):
        asked: ClassVar[list[tuple[object, ...]]] = []

        async def system_query(self, *given, **named):
            self.asked.append(given[:1])
            return await super().system_query(*given, **named)

    async with auth_harness(database, Counting) as harness:
        ada = await person(harness)
        made = await make(harness, ada)
        # Of keys that differ in their last characters alone, and of any other well-formed one, the
        # whole is hashed and looked up once by the hash.
        near = next(
            one
            for one in map(_with_checksum, _neighbours(made.token))
            if one[: len(PREFIX) + 42] == made.token[: len(PREFIX) + 42]
        )
        done: list[list[tuple[object, ...]]] = []
        for guess in (near, new_key()):
            Counting.asked = []
            assert await harness.api_keys.resolve(guess) is None
            done.append(Counting.asked)
        assert done[0] == done[1] == [("auth",)]


def _neighbours(token: str) -> list[str]:
    random = token[len(PREFIX) : -6]
    return [random[:-1] + digit for digit in "0123456789" if digit != random[-1]]


def _with_checksum(random: str) -> str:
    return PREFIX + random + _checksum(random)


async def test_a_lookup_is_cached_for_seconds(database: DatabaseUnderTest) -> None:
    class Counting(Database):
        count = 0

        async def system_query(self, *given, **named):
            Counting.count += 1
            return await super().system_query(*given, **named)

    async with auth_harness(database, Counting) as harness:
        made = await make(harness, await person(harness))
        Counting.count = 0
        first = await harness.api_keys.resolve(made.token)
        for _ in range(5):
            assert await harness.api_keys.resolve(made.token) is first
        assert Counting.count == 1
        harness.time.passes(seconds=CACHE_SECONDS)
        assert await harness.api_keys.resolve(made.token) == first
        assert Counting.count == 2


async def test_its_use_is_written_at_most_once_a_minute(
    harness: AuthHarness, ada: Principal
) -> None:
    made = await make(harness, ada)

    async def used_at():
        await harness.api_keys.idle()
        [listed] = await harness.api_keys.list(ada)
        return listed.last_used_at

    assert await used_at() is None
    await harness.api_keys.resolve(made.token)
    first = harness.time()
    assert await used_at() == first
    for _ in range(5):
        harness.time.passes(seconds=10)
        await harness.api_keys.resolve(made.token)
        assert await used_at() == first
    harness.time.passes(seconds=10)
    await harness.api_keys.resolve(made.token)
    assert await used_at() == harness.time()


async def test_a_use_is_written_beside_the_request_and_may_fail(
    database: DatabaseUnderTest,
) -> None:
    class Busy(Database):
        writing = asyncio.Event()
        go_on = asyncio.Event()

        async def system_transact(self, reason, work, **more):
            self.writing.set()
            await self.go_on.wait()
            raise DatabaseBusy

    async with auth_harness(database, Busy) as harness:
        ada = await person(harness)
        made = await make(harness, ada)
        assert await harness.api_keys.resolve(made.token) is not None
        written = asyncio.create_task(harness.api_keys.idle())
        await Busy.writing.wait()
        assert await harness.api_keys.resolve(made.token) is not None
        Busy.go_on.set()
        await written
        [listed] = await harness.api_keys.list(ada)
        assert listed.last_used_at is None


async def test_uses_are_written_together_and_those_meanwhile_after_them(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WRITE_USES_SECONDS", 600)

    class Counting(Database):
        commits = 0
        go_on = asyncio.Event()

        async def system_transact(self, reason, work, **more):
            type(self).commits += 1
            await self.go_on.wait()
            return await super().system_transact(reason, work, **more)

    async with auth_harness(database, Counting) as harness:
        ada = await person(harness)
        first, second, late = [await make(harness, ada) for _ in range(3)]
        for made in (first, second):
            assert await harness.api_keys.resolve(made.token) is not None
        assert Counting.commits == 0
        written = asyncio.create_task(harness.api_keys.idle())
        async with asyncio.timeout(30):
            while not Counting.commits:
                await asyncio.wait({written}, timeout=0.01)
        assert await harness.api_keys.resolve(late.token) is not None
        Counting.go_on.set()
        await written
        assert Counting.commits == 2
        used = {one.id: one.last_used_at for one in await harness.api_keys.list(ada)}
        assert used == dict.fromkeys([first.id, second.id, late.id], harness.time())


async def test_a_key_is_revoked_while_its_use_is_written(
    harness: AuthHarness, ada: Principal
) -> None:
    made = await make(harness, ada)
    async with harness.db.system("auth", write=True) as session:
        await session.exec(select(ApiKey.id))  # on PostgreSQL, the snapshot of the transaction
        assert await asyncio.create_task(harness.api_keys.resolve(made.token)) is not None
        use = asyncio.create_task(harness.api_keys.idle())
        await until_written_or_waiting(harness.db, use)
        await session.exec(delete(ApiKey).where(col(ApiKey.id) == made.id))
    await use
    assert await rows(harness) == []


async def test_a_user_has_so_many_keys_and_no_more(harness: AuthHarness, ada: Principal) -> None:
    made = [await make(harness, ada) for _ in range(MAX_KEYS - 1)]
    tried = await asyncio.gather(*(make(harness, ada) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, NewKey) for one in tried) == 1
    assert sum(isinstance(one, Conflict) for one in tried) == 4
    await make(harness, await person(harness, "eve@example.org"))
    await harness.api_keys.revoke(ada, made[0].id)
    await make(harness, ada)


async def test_a_disabled_user_has_no_key(harness: AuthHarness, ada: Principal) -> None:
    made = await make(harness, ada)
    await harness.disable(ada.user_id)  # by the row alone
    assert await harness.api_keys.resolve(made.token) is None


async def test_revalidation_ends_what_is_over_and_nothing_else(harness: AuthHarness) -> None:
    ada, eve = await person(harness), await person(harness, "eve@example.org")
    bob = await person(harness, "bob@example.org")
    live, expired, revoked = [await make(harness, ada, days=days) for days in (None, 7, 30)]
    disabled = await make(harness, eve, days=None)
    harness.time.passes(days=8)
    session = await harness.sign_in(bob.user_id)
    await harness.disable(eve.user_id)
    database_row = [one for one in await rows(harness) if one.id == revoked.id]
    async with harness.db.system("auth", write=True) as opened:  # unheard
        await opened.delete(database_row[0])
    unknown = uuid4()
    ids: list[UUID] = [
        *(live.id, expired.id, revoked.id, disabled.id),
        *(session.session_id, bob.credential_id, unknown),
    ]
    over = await harness.api_keys.revalidate(ids)
    assert over == {expired.id, revoked.id, disabled.id, bob.credential_id, unknown}
    assert {one for one, _ in harness.ended} == over
    assert await harness.api_keys.resolve(live.token) is not None
    assert await harness.api_keys.revalidate([]) == set()


async def test_a_key_that_is_gone_without_a_signal_ends_as_a_key(harness: AuthHarness) -> None:
    ada = await person(harness)
    made = await make(harness, ada, days=None)
    assert await harness.api_keys.resolve(made.token) is not None
    async with harness.db.system("auth", write=True) as opened:  # unheard
        await opened.delete((await rows(harness))[0])
    unknown = uuid4()
    harness.told.clear()
    assert await harness.api_keys.revalidate([made.id, unknown]) == {made.id, unknown}
    assert {(one.kind, one.credential_id, one.user_id, one.reason) for one in harness.told} == {
        ("api_key_ended", made.id, ada.user_id, "missing"),
        ("session_ended", unknown, None, "ended"),
    }
    assert await harness.api_keys.resolve(made.token) is None


async def test_the_operators_function_adds_claims_to_a_key(database: DatabaseUnderTest) -> None:
    session_hooks.roles["ada@example.org"] = ["admin"]
    hook = "testing.session_hooks:with_roles"
    async with auth_harness(database, auth_session_hook=hook) as harness:
        made = await make(harness, await person(harness))
        for roles in (["admin"], []):
            session_hooks.roles["ada@example.org"] = roles
            found = await harness.api_keys.resolve(made.token)
            assert found is not None
            assert found.principal.claims == {"roles": roles}
            assert session_hooks.seen[-1].method == METHOD


async def test_a_function_that_fails_lets_no_key_in(database: DatabaseUnderTest) -> None:
    async with auth_harness(database) as harness:
        made = await make(harness, await person(harness))
    hook = "testing.session_hooks:failing"
    async with auth_harness(database, auth_session_hook=hook) as harness:
        with pytest.raises(ClaimsUnavailable):
            await harness.api_keys.resolve(made.token)


async def test_the_export_names_keys_and_not_their_hashes(
    harness: AuthHarness, ada: Principal
) -> None:
    made = await make(harness, ada, "Backup", ("threads:read",), None)
    exported = await export_account(harness.db, ada)
    [key] = exported["apiKeys"]
    assert key == {
        "name": "Backup",
        "scopes": ["threads:read"],
        "createdAt": harness.time().isoformat(),
        "lastUsedAt": None,
        "expiresAt": None,
    }
    assert made.token not in str(exported)
    assert hash_token(made.token) not in str(exported)


async def test_what_happens_to_keys_is_logged_without_them(
    harness: AuthHarness, ada: Principal, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", logger="chat_app"):
        made = await make(harness, ada)
        await harness.api_keys.resolve(made.token)
        await harness.api_keys.resolve(new_key())
        await harness.api_keys.revoke(ada, made.id)
    logged = "\n".join(f"{one.getMessage()} {one.__dict__}" for one in caplog.records)
    assert "api_key_created" in logged
    assert str(made.id) in logged
    assert re.search(PREFIX, logged) is None
    assert hash_token(made.token) not in logged


@pytest.mark.parametrize("ending", ["revoked", "disabled"])
async def test_a_session_that_ended_under_the_request_makes_no_key(
    harness: AuthHarness, ada: Principal, ending: str
) -> None:
    async with harness.db.system("auth", write=True) as session:
        if ending == "revoked":
            revoked = update(AuthSession).values(revoked_at=harness.time(), revoked_reason="reset")
            await session.exec(revoked.where(col(AuthSession.id) == ada.credential_id))
        else:
            await session.exec(update(User).values(disabled_at=harness.time()))
    with pytest.raises(Unauthenticated):
        await make(harness, ada)
    assert await rows(harness) == []
