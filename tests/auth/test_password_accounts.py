import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from argon2 import PasswordHasher
from sqlmodel import select

from chat_app.auth.errors import (
    EmailTaken,
    InvalidCredentials,
    InvalidEmail,
    InvalidName,
    PasswordTooShort,
    SignUpClosed,
    TooManyAttempts,
    WeakPassword,
)
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.auth.sign_in.passwords import PASSWORD_ISSUER
from chat_app.core.errors import NotFound, RateLimited, Unauthenticated
from chat_app.db.tables import Account, User
from testing.auth_services import PASSWORD, AuthHarness, CountingHasher, auth_harness
from testing.database import DatabaseUnderTest

HERE, THERE = "192.0.2.1", "198.51.100.1"
ADA = "ada@example.org"


async def whose(harness: AuthHarness, proof: VerifiedIdentity) -> UUID:
    """The person whom a proof opens the account of."""
    decision = await harness.sign_in_service.check(proof)
    assert decision.user is not None
    assert not decision.claims_account
    return decision.user.user_id


async def sign_up(harness: AuthHarness, **given: str) -> Any:
    form = {"email": ADA, "password": PASSWORD, "name": "Ada", "client_ip": HERE, **given}
    proof = await harness.accounts.sign_up(**form, check=harness.sign_in_service.check)
    return await whose(harness, proof)


async def sign_in(harness: AuthHarness, **given: str) -> Any:
    form = {"email": ADA, "password": PASSWORD, "client_ip": HERE, **given}
    return await whose(harness, await harness.accounts.sign_in(**form))


async def people(harness: AuthHarness) -> list[str]:
    async with harness.db.system("auth") as session:
        return list((await session.exec(select(User.email).order_by(User.email))).all())


async def account(harness: AuthHarness) -> Account:
    async with harness.db.system("auth") as session:
        return (await session.exec(select(Account))).one()


async def set_hash(harness: AuthHarness, password_hash: str) -> None:
    async with harness.db.system("auth", write=True) as session:
        kept = (await session.exec(select(Account))).one()
        kept.password_hash = password_hash
        session.add(kept)


async def test_who_signs_up_can_sign_in(harness: AuthHarness) -> None:
    ada = await sign_up(harness, email=" Ada@Example.org ", name=" Ada ")
    assert await sign_in(harness, email="ADA@example.org") == ada
    kept = await account(harness)
    assert (kept.issuer, kept.subject, kept.user_id) == (PASSWORD_ISSUER, ADA, ada)
    assert kept.password_hash is not None
    assert kept.password_hash.startswith("$argon2id$v=19$m=8,t=1,p=1$")


async def test_a_person_is_shown_by_name_and_address(harness: AuthHarness) -> None:
    ada = await sign_up(harness, name="Ada L\u0301ovelace \U0001f469\u200d\U0001f4bb")
    issued = await harness.sign_in(ada)
    shown = await harness.accounts.profile(await harness.principal_of(issued))
    assert (shown.id, shown.email) == (ada, ADA)
    assert shown.name == "Ada \u0139ovelace \U0001f469\u200d\U0001f4bb"


async def test_no_profile_is_shown_of_a_deleted_user(harness: AuthHarness) -> None:
    with pytest.raises(NotFound):
        await harness.accounts.profile(Principal(uuid4(), uuid4()))


async def test_sign_up_can_be_closed(database: DatabaseUnderTest) -> None:
    async with auth_harness(database, sign_up="closed") as harness:
        with pytest.raises(SignUpClosed):
            await sign_up(harness)
        assert await people(harness) == []
        ada = await harness.accounts.add(ADA, PASSWORD, "Ada")
        assert await sign_in(harness) == ada


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"email": "ada"}, InvalidEmail),
        ({"email": "ada\uff20example.org"}, InvalidEmail),
        ({"password": "short-7x"}, PasswordTooShort),
        ({"password": "password123"}, WeakPassword),
        ({"password": "ada@example.org"}, WeakPassword),
        ({"name": "a" * 101}, InvalidName),
        ({"name": "a\nb"}, InvalidName),
        ({"name": "\u202egnp.exe"}, InvalidName),
        ({"name": "\ud800"}, InvalidName),
    ],
)
async def test_what_cannot_be_taken_makes_no_user(
    harness: AuthHarness, given: dict[str, str], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await sign_up(harness, **given)
    assert await people(harness) == []


async def test_an_address_has_one_account_however_it_is_spelt(harness: AuthHarness) -> None:
    await sign_up(harness)
    with pytest.raises(EmailTaken):
        await sign_up(harness, email="ADA@EXAMPLE.ORG", password="another-Lemon-44-chair")
    assert await people(harness) == [ADA]
    with pytest.raises(InvalidCredentials):
        await sign_in(harness, password="another-Lemon-44-chair")


async def test_of_simultaneous_sign_ups_with_one_address_one_succeeds(harness: AuthHarness) -> None:
    answers = await asyncio.gather(*(sign_up(harness) for _ in range(5)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["EmailTaken"] * 4 + ["UUID"]
    assert await people(harness) == [ADA]


async def test_a_sign_up_that_fails_half_way_leaves_no_user(harness: AuthHarness) -> None:
    bob = await harness.person("bob@example.org")
    async with harness.db.system("auth", write=True) as session:
        session.add(Account(user_id=bob, issuer=PASSWORD_ISSUER, subject=ADA))
    with pytest.raises(EmailTaken):
        await sign_up(harness)
    assert await people(harness) == ["bob@example.org"]


async def test_a_person_without_a_password_account_is_not_found_by_their_address(
    harness: AuthHarness,
) -> None:
    await harness.person(ADA)
    with pytest.raises(InvalidCredentials):
        await sign_in(harness)
    with pytest.raises(EmailTaken):
        await sign_up(harness)


async def test_another_way_in_has_no_password(harness: AuthHarness) -> None:
    ada = await harness.person(ADA)
    async with harness.db.system("auth", write=True) as session:
        session.add(Account(user_id=ada, issuer="https://id.example", subject=ADA))
        session.add(Account(user_id=ada, issuer=PASSWORD_ISSUER, subject=ADA, password_hash=None))
    for password in ("", PASSWORD):
        with pytest.raises(InvalidCredentials):
            await sign_in(harness, password=password)


@pytest.mark.parametrize(
    "given",
    [
        {"password": "wrong"},
        {"password": ""},
        {"email": "nobody@example.org"},
        {"email": "not an address"},
        {"email": ""},
        {"email": "off@example.org"},
    ],
)
async def test_every_failed_sign_in_says_the_same_after_the_same_work(
    harness: AuthHarness, given: dict[str, str]
) -> None:
    await harness.accounts.add(ADA, PASSWORD, "")
    await harness.disable(await harness.accounts.add("off@example.org", PASSWORD, ""))
    before = harness.hasher.verified, harness.hasher.hashed
    with pytest.raises(Unauthenticated) as refused:
        await sign_in(harness, **given)
    assert str(refused.value) == "Incorrect email or password."
    assert (harness.hasher.verified, harness.hasher.hashed) == (before[0] + 1, before[1])


async def test_five_hundred_guesses_are_five_looks_at_the_password(harness: AuthHarness) -> None:
    await harness.accounts.add(ADA, PASSWORD, "")
    guesses = (sign_in(harness, password=f"guess {n}") for n in range(500))
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    kinds = [type(answer) for answer in answers]
    assert kinds.count(InvalidCredentials) == 5
    assert kinds.count(TooManyAttempts) == 495
    assert harness.hasher.verified == 5
    with pytest.raises(RateLimited):
        await sign_in(harness)
    assert await sign_in(harness, client_ip=THERE)


async def test_unknown_addresses_are_limited_like_known_ones(harness: AuthHarness) -> None:
    guesses = (sign_in(harness, email="nobody@example.org", password="x") for _ in range(20))
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert [type(answer) for answer in answers].count(InvalidCredentials) == 5


async def test_forty_people_can_sign_in_at_once(harness: AuthHarness) -> None:
    ada = await harness.accounts.add(ADA, PASSWORD, "")
    assert await asyncio.gather(*(sign_in(harness) for _ in range(40))) == [ada] * 40
    assert harness.hasher.verified == 40


async def test_a_hash_of_an_older_cost_is_renewed_at_sign_in(harness: AuthHarness) -> None:
    await harness.accounts.add(ADA, PASSWORD, "")
    old = CountingHasher(time_cost=2).hash(PASSWORD)
    await set_hash(harness, old)
    with pytest.raises(InvalidCredentials):
        await sign_in(harness, password="wrong")
    assert (await account(harness)).password_hash == old
    await sign_in(harness)
    renewed = (await account(harness)).password_hash
    assert renewed is not None
    assert "t=1" in renewed
    assert PasswordHasher().verify(renewed, PASSWORD)
    await sign_in(harness)
    assert (await account(harness)).password_hash == renewed


async def test_a_password_changed_during_sign_in_is_not_set_back(
    harness: AuthHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.accounts.add(ADA, PASSWORD, "")
    await set_hash(harness, CountingHasher(time_cost=2).hash(PASSWORD))
    changed = await harness.passwords.hash("another-Lemon-44-chair")

    async def hash_meanwhile(password: str) -> str:
        await set_hash(harness, changed)
        return "a hash of the old password"

    monkeypatch.setattr(harness.passwords, "hash", hash_meanwhile)
    await sign_in(harness)
    assert (await account(harness)).password_hash == changed


async def test_new_accounts_of_one_address_are_limited(database: DatabaseUnderTest) -> None:
    async with auth_harness(database, limit_sign_up_address="2/hour") as harness:
        for n in range(2):
            await sign_up(harness, email=f"user{n}@example.org")
        with pytest.raises(RateLimited):
            await sign_up(harness, email="user2@example.org")
        await sign_up(harness, email="user2@example.org", client_ip=THERE)
        assert await people(harness) == [f"user{n}@example.org" for n in range(3)]


async def test_mistakes_while_signing_up_cost_no_account(database: DatabaseUnderTest) -> None:
    async with auth_harness(database, limit_sign_up_address="1/hour") as harness:
        for _ in range(3):
            with pytest.raises(WeakPassword):
                await sign_up(harness, password="password123")
        assert await sign_up(harness)
