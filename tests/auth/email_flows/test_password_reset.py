"""Choosing a new password by email."""

from datetime import timedelta

import pytest

from chat_app.auth.errors import InvalidToken, PasswordTooShort, WeakPassword
from chat_app.auth.rate_limits import FIRST_WAIT_SECONDS
from chat_app.db.tables import Account, Passkey, RememberedDevice, User
from testing.auth_services import PASSWORD
from testing.database import DatabaseUnderTest
from testing.email_flows import ADA, BOB, HERE, EmailHarness, email_harness
from testing.mail_server import link_of, text_of

NEW = "another-Lemon-44-chair"


async def send(harness: EmailHarness, email: str = ADA) -> str:
    await harness.auth.password_changes.send_reset(email, HERE)
    return await harness.token()


async def finish(harness: EmailHarness, token: str, password: str = NEW) -> None:
    await harness.auth.password_changes.reset(token, password, HERE)


async def test_the_new_password_opens_the_account_and_the_old_one_does_not(
    harness: EmailHarness,
) -> None:
    await harness.person()
    token = await send(harness)
    assert link_of(await harness.read()) == f"http://localhost:3000/reset/new#{token}"
    await finish(harness, token)
    assert await harness.knows(NEW)
    assert not await harness.knows(PASSWORD)


async def test_every_session_ends(harness: EmailHarness) -> None:
    ada = await harness.person()
    one, two = await harness.auth.sign_in(ada), await harness.auth.sign_in(ada)
    other = await harness.auth.sign_in(await harness.person(BOB))
    await finish(harness, await send(harness))
    reason = "password_reset"
    assert set(harness.auth.ended) == {(one.session_id, reason), (two.session_id, reason)}
    assert await harness.auth.sessions.resolve(one.token) is None
    assert await harness.auth.sessions.resolve(other.token) is not None


async def test_it_signs_no_user_in(harness: EmailHarness) -> None:
    await harness.person()
    before = (await harness.counts())[2]
    await finish(harness, await send(harness))
    assert (await harness.counts())[2] == before


async def test_devices_are_forgotten_and_other_letters_are_worth_nothing(
    harness: EmailHarness,
) -> None:
    ada = await harness.person()
    now = harness.auth.time()
    device = {"token_hash": "x", "created_at": now, "expires_at": now + timedelta(days=30)}
    async with harness.auth.db.system("auth", write=True) as session:
        session.add(RememberedDevice(user_id=ada, **device))
    first = await send(harness)
    await harness.auth.magic_links.send(ADA, HERE)
    link = await harness.token()
    await finish(harness, await send(harness))
    assert await harness.all(RememberedDevice) == []
    with pytest.raises(InvalidToken):
        await finish(harness, first)
    with pytest.raises(InvalidToken):
        await harness.auth.tokens.peek(link, "sign_in_link")


async def test_it_works_once(harness: EmailHarness) -> None:
    await harness.person()
    token = await send(harness)
    await finish(harness, token)
    with pytest.raises(InvalidToken):
        await finish(harness, token, "yet-Another-91-door")
    assert await harness.knows(NEW)


async def test_it_works_for_ten_minutes(harness: EmailHarness) -> None:
    await harness.person()
    token = await send(harness)
    harness.auth.time.passes(minutes=10)
    with pytest.raises(InvalidToken):
        await finish(harness, token)
    assert await harness.knows(PASSWORD)


@pytest.mark.parametrize(
    ("password", "refusal"), [("short-7x", PasswordTooShort), ("ada@example.org", WeakPassword)]
)
async def test_a_refused_password_leaves_the_link_as_it_is(
    harness: EmailHarness, password: str, refusal: type[Exception]
) -> None:
    await harness.person()
    token = await send(harness)
    with pytest.raises(refusal):
        await finish(harness, token, password)
    assert await harness.knows(PASSWORD)
    await finish(harness, token)
    assert await harness.knows(NEW)


async def test_refused_passwords_are_counted(database: DatabaseUnderTest) -> None:
    async with email_harness(database, limit_sign_in_address="3/hour") as harness:
        await harness.person()
        token = await send(harness)
        for _ in range(3):
            with pytest.raises(PasswordTooShort):
                await finish(harness, token, "x")
        before = harness.auth.time()
        await finish(harness, token)
        assert (harness.auth.time() - before).total_seconds() == FIRST_WAIT_SECONDS


async def test_guessed_links_cost_no_hashing(harness: EmailHarness) -> None:
    await harness.person()
    before = harness.auth.hasher.hashed
    for token in ("", "x" * 43, "\ud800", "é" * 300_000):
        with pytest.raises(InvalidToken):
            await finish(harness, token)
    assert harness.auth.hasher.hashed == before


async def test_the_mailbox_is_told(harness: EmailHarness) -> None:
    await harness.person()
    await finish(harness, await send(harness))
    email = await harness.read()
    assert email["To"] == ADA
    assert "has a new password" in text_of(email)


async def test_a_user_without_a_password_gets_one(harness: EmailHarness) -> None:
    ada = await harness.auth.person(ADA)
    async with harness.auth.db.system("auth", write=True) as session:
        user = await session.get(User, ada)
        assert user is not None
        user.email_verified_at = harness.auth.time()
        session.add_all([user, Account(user_id=ada, issuer="https://idp.example", subject="1")])
    await finish(harness, await send(harness))
    assert await harness.knows(NEW)
    assert {one.issuer for one in await harness.all(Account)} == {"password", "https://idp.example"}


async def test_an_unverified_account_is_cleared(harness: EmailHarness) -> None:
    ada = await harness.person(is_verified=False)
    planted = Passkey(
        user_id=ada, credential_id="x", public_key=b"", created_at=harness.auth.time()
    )
    async with harness.auth.db.system("auth", write=True) as session:
        session.add_all([planted, Account(user_id=ada, issuer="https://idp.example", subject="1")])
    session_of = await harness.auth.sign_in(ada)
    await finish(harness, await send(harness))
    assert await harness.all(Passkey) == []
    assert [one.issuer for one in await harness.all(Account)] == ["password"]
    assert harness.auth.ended == [(session_of.session_id, "taken_over")]
    assert (await harness.all(User))[0].email_verified_at is not None
    assert await harness.knows(NEW)


async def test_or_it_stays_closed_where_the_operator_wants_that(
    database: DatabaseUnderTest,
) -> None:
    async with email_harness(database, auth_unverified_accounts="refuse") as harness:
        await harness.person(is_verified=False)
        await harness.auth.password_changes.send_reset(ADA, HERE)
        assert "http" not in text_of(await harness.read())


@pytest.mark.parametrize("is_there", [True, False])
async def test_who_may_not_come_in_gets_no_link(harness: EmailHarness, is_there: bool) -> None:
    if is_there:
        await harness.auth.disable(await harness.person())
    await harness.auth.password_changes.send_reset(ADA, HERE)
    email = await harness.read()
    assert email["To"] == ADA
    assert "http" not in text_of(email)


async def test_who_was_disabled_after_the_letter_gets_no_new_password(
    harness: EmailHarness,
) -> None:
    ada = await harness.person()
    token = await send(harness)
    await harness.auth.disable(ada)
    with pytest.raises(InvalidToken):
        await finish(harness, token)
    assert len(await harness.all(Account)) == 1
    assert harness.auth.ended == []


async def test_who_has_moved_to_another_address_is_out_of_its_reach(harness: EmailHarness) -> None:
    ada = await harness.person()
    token = await send(harness)
    async with harness.auth.db.system("auth", write=True) as session:
        user = await session.get(User, ada)
        assert user is not None
        user.email = BOB
        session.add(user)
    with pytest.raises(InvalidToken):
        await finish(harness, token)
