"""Passkeys on a real database, with a security key in software."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from chat_app.auth.errors import InvalidName, InvalidPasskey, LastLoginMethod
from chat_app.auth.passkeys import MAX_PASSKEYS
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import FIRST_WAIT_SECONDS
from chat_app.core.errors import Conflict, NotFound
from chat_app.db.tables import Account, Passkey
from testing.auth_services import AuthHarness, auth_harness, settings_of
from testing.authenticator import UP, Authenticator
from testing.database import DatabaseUnderTest

HERE = "192.0.2.7"
TAB = "a secret of the browser"


@dataclass
class Owner:
    """A user with a passkey and another way in."""

    harness: AuthHarness
    principal: Principal
    key: Authenticator

    async def options(self) -> dict[str, Any]:
        return dict(await self.harness.passkeys.begin_sign_in(TAB, HERE))


async def principal_of(harness: AuthHarness, email: str) -> Principal:
    user_id = await harness.person(email)
    async with harness.db.system("auth", write=True) as session:
        session.add(Account(user_id=user_id, issuer="https://id.example", subject=email))
    return await harness.principal_of(await harness.sign_in(user_id))


async def make(harness: AuthHarness, who: Principal, name: str = "Phone") -> Authenticator:
    key = Authenticator(harness.settings.url)
    options = await harness.passkeys.begin_registration(who)
    await harness.passkeys.register(who, key.create(dict(options)), name)
    return key


@pytest.fixture
async def ada(harness: AuthHarness) -> Owner:
    who = await principal_of(harness, "ada@example.org")
    return Owner(harness, who, await make(harness, who))


async def test_a_passkey_says_who_is_there(ada: Owner) -> None:
    proof = await ada.harness.passkeys.sign_in(ada.key.get(await ada.options()), TAB)
    assert (proof.method, proof.user_id, proof.is_strong) == (
        "passkey",
        ada.principal.user_id,
        True,
    )
    [shown] = await ada.harness.passkeys.list(ada.principal)
    assert (shown.name, shown.last_used_at) == ("Phone", ada.harness.time())


async def test_it_is_asked_for_with_its_user_verified_and_without_a_name(ada: Owner) -> None:
    making = await ada.harness.passkeys.begin_registration(ada.principal)
    chosen = making["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    assert len(making["excludeCredentials"]) == 1
    asking = await ada.options()
    assert (asking["userVerification"], asking["rpId"]) == ("required", "localhost")
    assert not asking.get("allowCredentials")
    assert "ada" not in json.dumps(asking)


async def test_a_challenge_is_good_for_one_sign_in_whatever_comes_of_it(ada: Owner) -> None:
    options = await ada.options()
    shown = ada.key.get(options)
    await ada.harness.passkeys.sign_in(shown, TAB)
    for again in (shown, ada.key.get(options)):
        with pytest.raises(InvalidPasskey):
            await ada.harness.passkeys.sign_in(again, TAB)
    options = await ada.options()
    ada.key.origin = "https://evil.example"
    with pytest.raises(InvalidPasskey):
        await ada.harness.passkeys.sign_in(ada.key.get(options), TAB)
    ada.key.origin = ada.harness.settings.url
    with pytest.raises(InvalidPasskey):
        await ada.harness.passkeys.sign_in(ada.key.get(options), TAB)


async def test_of_twenty_with_one_challenge_one_gets_in(ada: Owner) -> None:
    options = await ada.options()
    shown = [ada.key.get(options) for _ in range(20)]
    found = await asyncio.gather(
        *(ada.harness.passkeys.sign_in(one, TAB) for one in shown), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in found) == 1
    assert sum(isinstance(one, InvalidPasskey) for one in found) == 19


Spoil = Callable[[Authenticator], None]


def elsewhere(key: Authenticator) -> None:
    key.origin = "https://evil.example"


def another_port(key: Authenticator) -> None:
    key.origin = "http://localhost:1"


def for_another_site(key: Authenticator) -> None:
    key.host = "evil.example"


def unverified(key: Authenticator) -> None:
    key.flags = UP


def absent(key: Authenticator) -> None:
    key.flags = 4


def copied(key: Authenticator) -> None:
    key.count = 0


def another_key(key: Authenticator) -> None:
    key._key = Authenticator("x")._key


def nameless(key: Authenticator) -> None:
    key.handle = b""


def another_user(key: Authenticator) -> None:
    key.handle = uuid4().bytes


def odd_handle(key: Authenticator) -> None:
    key.handle = b"x"


def unknown(key: Authenticator) -> None:
    key.id = b"y" * 32


@pytest.mark.parametrize(
    "spoil",
    [
        elsewhere,
        another_port,
        for_another_site,
        unverified,
        absent,
        copied,
        another_key,
        nameless,
        another_user,
        odd_handle,
        unknown,
    ],
)
async def test_what_cannot_be_believed_is_refused(ada: Owner, spoil: Spoil) -> None:
    await ada.harness.passkeys.sign_in(ada.key.get(await ada.options()), TAB)
    await ada.harness.passkeys.sign_in(ada.key.get(await ada.options()), TAB)
    spoil(ada.key)
    with pytest.raises(InvalidPasskey):
        await ada.harness.passkeys.sign_in(ada.key.get(await ada.options()), TAB)


@pytest.mark.parametrize("spoil", [elsewhere, for_another_site, unverified, absent])
async def test_a_new_one_that_cannot_be_believed_is_not_kept(
    harness: AuthHarness, spoil: Spoil
) -> None:
    who = await principal_of(harness, "ada@example.org")
    key = Authenticator(harness.settings.url)
    spoil(key)
    options = await harness.passkeys.begin_registration(who)
    with pytest.raises(InvalidPasskey):
        await harness.passkeys.register(who, key.create(dict(options)), "")
    assert await harness.passkeys.list(who) == []


async def test_a_key_that_does_not_count_works_again_and_again(harness: AuthHarness) -> None:
    who = await principal_of(harness, "ada@example.org")
    key = await make(harness, who)
    key.counts = False
    for _ in range(3):
        options = dict(await harness.passkeys.begin_sign_in(TAB, HERE))
        assert (await harness.passkeys.sign_in(key.get(options), TAB)).user_id == who.user_id


async def test_an_answer_from_another_browser_is_refused(ada: Owner) -> None:
    for binding in ("", "another"):
        with pytest.raises(InvalidPasskey):
            await ada.harness.passkeys.sign_in(ada.key.get(await ada.options()), binding)


async def test_a_late_answer_is_refused(ada: Owner) -> None:
    shown = ada.key.get(await ada.options())
    ada.harness.time.passes(minutes=5)
    with pytest.raises(InvalidPasskey):
        await ada.harness.passkeys.sign_in(shown, TAB)


async def test_each_ceremony_has_its_own_challenges(ada: Owner) -> None:
    keys, who = ada.harness.passkeys, ada.principal

    async def asked() -> list[dict[str, Any]]:
        return [
            await ada.options(),
            dict(await keys.begin_registration(who)),
            dict(await keys.begin_step_up(who)),
        ]

    signing, making, stepping = await asked()
    for options in (making, stepping):
        with pytest.raises(InvalidPasskey):
            await keys.sign_in(ada.key.get(options), who.credential_id.hex)
    signing, making, stepping = await asked()
    for options in (signing, making):
        with pytest.raises(InvalidPasskey):
            await keys.step_up(who, ada.key.get(options))
    signing, making, stepping = await asked()
    user = {"user": making["user"]}
    for options in (signing, stepping):
        with pytest.raises(InvalidPasskey):
            await keys.register(who, Authenticator(ada.key.origin).create(options | user), "")


async def test_a_challenge_is_one_sessions_own(ada: Owner) -> None:
    keys = ada.harness.passkeys
    other = await ada.harness.principal_of(await ada.harness.sign_in(ada.principal.user_id))
    eve = await principal_of(ada.harness, "eve@example.org")
    for who in (other, eve):
        with pytest.raises(InvalidPasskey):
            await keys.step_up(who, ada.key.get(dict(await keys.begin_step_up(ada.principal))))
        options = dict(await keys.begin_registration(ada.principal))
        with pytest.raises(InvalidPasskey):
            await keys.register(who, Authenticator(ada.key.origin).create(options), "")


async def test_one_steps_up_with_ones_own(ada: Owner) -> None:
    keys = ada.harness.passkeys
    await keys.step_up(ada.principal, ada.key.get(dict(await keys.begin_step_up(ada.principal))))
    eve = await principal_of(ada.harness, "eve@example.org")
    with pytest.raises(NotFound):
        await keys.begin_step_up(eve)
    await make(ada.harness, eve)
    with pytest.raises(InvalidPasskey):
        await keys.step_up(eve, ada.key.get(dict(await keys.begin_step_up(eve))))


async def test_one_passkey_is_registered_once(ada: Owner) -> None:
    keys = ada.harness.passkeys
    for who in (ada.principal, await principal_of(ada.harness, "eve@example.org")):
        options = dict(await keys.begin_registration(who))
        with pytest.raises(InvalidPasskey):
            await keys.register(who, ada.key.create(options), "")


async def test_that_of_another_user_is_neither_renamed_nor_removed(ada: Owner) -> None:
    keys = ada.harness.passkeys
    [mine] = await keys.list(ada.principal)
    eve = await principal_of(ada.harness, "eve@example.org")

    async def both(passkey_id: UUID) -> list[Awaitable[None]]:
        return [keys.rename(eve, passkey_id, "Eve's"), keys.remove(eve, passkey_id)]

    for passkey_id in (mine.id, uuid4()):
        for change in await both(passkey_id):
            with pytest.raises(NotFound):
                await change
    assert await keys.list(ada.principal) == [mine]


async def test_it_has_the_name_that_its_owner_gave(ada: Owner) -> None:
    keys = ada.harness.passkeys
    [mine] = await keys.list(ada.principal)
    await keys.rename(ada.principal, mine.id, "  Blue key ")
    assert [one.name for one in await keys.list(ada.principal)] == ["Blue key"]
    await keys.rename(ada.principal, mine.id, "")
    assert [one.name for one in await keys.list(ada.principal)] == ["Passkey"]
    with pytest.raises(InvalidName):
        await keys.rename(ada.principal, mine.id, "x" * 101)


async def test_a_removed_one_opens_nothing_and_the_last_way_in_stays(ada: Owner) -> None:
    keys = ada.harness.passkeys
    [mine] = await keys.list(ada.principal)
    await keys.remove(ada.principal, mine.id)
    with pytest.raises(InvalidPasskey):
        await keys.sign_in(ada.key.get(await ada.options()), TAB)
    lone = await ada.harness.principal_of(
        await ada.harness.sign_in(await ada.harness.person("b@b.org"))
    )
    key = await make(ada.harness, lone)
    [only] = await keys.list(lone)
    with pytest.raises(LastLoginMethod):
        await keys.remove(lone, only.id)
    assert (await keys.sign_in(key.get(await ada.options()), TAB)).user_id == lone.user_id


async def test_a_user_has_no_more_than_the_maximum(ada: Owner) -> None:
    for _ in range(MAX_PASSKEYS - 1):
        await make(ada.harness, ada.principal)
    with pytest.raises(Conflict):
        await ada.harness.passkeys.begin_registration(ada.principal)


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        '"x"',
        "{}",
        '{"id":"x","response":{}}',
        '{"id":7,"response":{"clientDataJSON":"e30"}}',
        '{"id":"x","response":{"clientDataJSON":"!"}}',
        '{"id":"x","response":{"clientDataJSON":"eyJjaGFsbGVuZ2UiOjd9"}}',
        "[" * 10_000,
        "\ud800",
    ],
)
async def test_junk_is_refused(ada: Owner, junk: str) -> None:
    for attempt in (
        ada.harness.passkeys.sign_in(junk, TAB),
        ada.harness.passkeys.step_up(ada.principal, junk),
        ada.harness.passkeys.register(ada.principal, junk, ""),
    ):
        with pytest.raises(InvalidPasskey):
            await attempt


async def test_who_begins_too_many_sign_ins_waits(database: DatabaseUnderTest) -> None:
    async with auth_harness(database, limit_start_address="2/hour") as harness:
        for _ in range(2):
            await harness.passkeys.begin_sign_in(TAB, HERE)
        before = harness.time()
        await harness.passkeys.begin_sign_in(TAB, HERE)
        assert (harness.time() - before).total_seconds() == FIRST_WAIT_SECONDS


def test_a_site_without_a_name_has_no_passkeys(tmp_path: Path) -> None:
    assert settings_of(tmp_path).has_passkeys
    assert settings_of(tmp_path, app_url="https://chat.example").has_passkeys
    assert not settings_of(tmp_path, app_url="http://127.0.0.1:3000").has_passkeys


async def test_the_counter_of_a_passkey_has_32_bits(ada: Owner) -> None:
    ada.key.count = 2**32 - 2
    await ada.harness.passkeys.sign_in(ada.key.get(await ada.options()), TAB)
    async with ada.harness.db.system("auth") as session:
        assert (await session.exec(select(Passkey.sign_count))).all() == [2**32 - 1]
