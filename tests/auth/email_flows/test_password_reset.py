"""Choosing a new password by letter."""

from datetime import timedelta
from pathlib import Path

import pytest

from chat_app.auth.errors import InvalidToken, PasswordTooShort, WeakPassword
from chat_app.core.errors import RateLimited
from chat_app.db.tables import Account, Passkey, RememberedDevice, User
from testing.auth_services import PASSWORD
from testing.email_flows import ADA, BOB, HERE, Office, opened
from testing.mail_server import link_of, text_of

NEW = "another-Lemon-44-chair"


async def send(office: Office, email: str = ADA) -> str:
    await office.stage.password_changes.send_reset(email, HERE)
    return await office.token()


async def finish(office: Office, token: str, password: str = NEW) -> None:
    await office.stage.password_changes.reset(token, password, HERE)


async def test_the_new_password_opens_the_account_and_the_old_one_does_not(office: Office) -> None:
    await office.person()
    token = await send(office)
    assert link_of(await office.read()) == f"http://localhost:3000/reset/new#{token}"
    await finish(office, token)
    assert await office.knows(NEW)
    assert not await office.knows(PASSWORD)


async def test_every_session_ends(office: Office) -> None:
    ada = await office.person()
    one, two = await office.stage.sign_in(ada), await office.stage.sign_in(ada)
    other = await office.stage.sign_in(await office.person(BOB))
    await finish(office, await send(office))
    reason = "password_reset"
    assert set(office.stage.ended) == {(one.session_id, reason), (two.session_id, reason)}
    assert await office.stage.sessions.resolve(one.token) is None
    assert await office.stage.sessions.resolve(other.token) is not None


async def test_nobody_is_signed_in_by_it(office: Office) -> None:
    await office.person()
    before = (await office.counts())[2]
    await finish(office, await send(office))
    assert (await office.counts())[2] == before


async def test_devices_are_forgotten_and_other_letters_are_worth_nothing(office: Office) -> None:
    ada = await office.person()
    now = office.stage.time()
    device = {"token_hash": "x", "created_at": now, "expires_at": now + timedelta(days=30)}
    async with office.stage.db.system("auth", write=True) as session:
        session.add(RememberedDevice(user_id=ada, **device))
    first = await send(office)
    await office.stage.magic_links.send(ADA, HERE)
    link = await office.token()
    await finish(office, await send(office))
    assert await office.all(RememberedDevice) == []
    with pytest.raises(InvalidToken):
        await finish(office, first)
    with pytest.raises(InvalidToken):
        await office.stage.tokens.peek(link, "sign_in_link")


async def test_it_works_once(office: Office) -> None:
    await office.person()
    token = await send(office)
    await finish(office, token)
    with pytest.raises(InvalidToken):
        await finish(office, token, "yet-Another-91-door")
    assert await office.knows(NEW)


async def test_it_works_for_ten_minutes(office: Office) -> None:
    await office.person()
    token = await send(office)
    office.stage.time.passes(minutes=10)
    with pytest.raises(InvalidToken):
        await finish(office, token)
    assert await office.knows(PASSWORD)


@pytest.mark.parametrize(
    ("password", "refusal"), [("short-7x", PasswordTooShort), ("ada@example.org", WeakPassword)]
)
async def test_a_refused_password_leaves_the_link_as_it_is(
    office: Office, password: str, refusal: type[Exception]
) -> None:
    await office.person()
    token = await send(office)
    with pytest.raises(refusal):
        await finish(office, token, password)
    assert await office.knows(PASSWORD)
    await finish(office, token)
    assert await office.knows(NEW)


async def test_refused_passwords_are_counted(tmp_path: Path) -> None:
    async with opened(tmp_path, limit_sign_in_address="3/hour") as office:
        await office.person()
        token = await send(office)
        for _ in range(3):
            with pytest.raises(PasswordTooShort):
                await finish(office, token, "x")
        with pytest.raises(RateLimited):
            await finish(office, token)


async def test_guessed_links_cost_no_hashing(office: Office) -> None:
    await office.person()
    before = office.stage.hasher.hashed
    for token in ("", "x" * 43, "\ud800", "é" * 300_000):
        with pytest.raises(InvalidToken):
            await finish(office, token)
    assert office.stage.hasher.hashed == before


async def test_the_mailbox_is_told(office: Office) -> None:
    await office.person()
    await finish(office, await send(office))
    letter = await office.read()
    assert letter["To"] == ADA
    assert "has a new password" in text_of(letter)


async def test_somebody_without_a_password_gets_one(office: Office) -> None:
    ada = await office.stage.person(ADA)
    async with office.stage.db.system("auth", write=True) as session:
        user = await session.get(User, ada)
        assert user is not None
        user.email_verified_at = office.stage.time()
        session.add_all([user, Account(user_id=ada, issuer="https://idp.example", subject="1")])
    await finish(office, await send(office))
    assert await office.knows(NEW)
    assert {one.issuer for one in await office.all(Account)} == {"password", "https://idp.example"}


async def test_an_account_that_nobody_proved_is_cleared(office: Office) -> None:
    ada = await office.person(is_verified=False)
    planted = Passkey(
        user_id=ada, credential_id="x", public_key=b"", created_at=office.stage.time()
    )
    async with office.stage.db.system("auth", write=True) as session:
        session.add_all([planted, Account(user_id=ada, issuer="https://idp.example", subject="1")])
    session_of = await office.stage.sign_in(ada)
    await finish(office, await send(office))
    assert await office.all(Passkey) == []
    assert [one.issuer for one in await office.all(Account)] == ["password"]
    assert office.stage.ended == [(session_of.session_id, "taken_over")]
    assert (await office.all(User))[0].email_verified_at is not None
    assert await office.knows(NEW)


async def test_or_it_stays_closed_where_the_operator_wants_that(tmp_path: Path) -> None:
    async with opened(tmp_path, auth_unverified_accounts="refuse") as office:
        await office.person(is_verified=False)
        await office.stage.password_changes.send_reset(ADA, HERE)
        assert "http" not in text_of(await office.read())


@pytest.mark.parametrize("is_there", [True, False])
async def test_who_may_not_come_in_gets_no_link(office: Office, is_there: bool) -> None:
    if is_there:
        await office.stage.disable(await office.person())
    await office.stage.password_changes.send_reset(ADA, HERE)
    letter = await office.read()
    assert letter["To"] == ADA
    assert "http" not in text_of(letter)


async def test_who_was_disabled_after_the_letter_gets_no_new_password(office: Office) -> None:
    ada = await office.person()
    token = await send(office)
    await office.stage.disable(ada)
    with pytest.raises(InvalidToken):
        await finish(office, token)
    assert len(await office.all(Account)) == 1
    assert office.stage.ended == []


async def test_who_has_moved_to_another_address_is_out_of_its_reach(office: Office) -> None:
    ada = await office.person()
    token = await send(office)
    async with office.stage.db.system("auth", write=True) as session:
        user = await session.get(User, ada)
        assert user is not None
        user.email = BOB
        session.add(user)
    with pytest.raises(InvalidToken):
        await finish(office, token)
