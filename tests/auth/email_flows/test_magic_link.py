"""Signing in by email."""

import pytest
from sqlmodel import select

from chat_app.auth.errors import AccessDenied, InvalidEmail, InvalidToken
from chat_app.auth.sign_in.identity import Browser, MfaRequired, SignedIn
from chat_app.core.errors import RateLimited
from chat_app.db.tables import Account, OneTimeToken, Totp, User
from chat_app.mail.mailer import MailUnavailable
from testing.auth_services import PASSWORD, auth_harness
from testing.database import DatabaseUnderTest
from testing.email_flows import ADA, BOB, BROWSER, HERE, EmailHarness, email_harness, entered
from testing.mail_server import flush, link_of, text_of


def says_no(*_: object) -> bool:
    """An operator's function."""
    return False


async def send(harness: EmailHarness, email: str = ADA, address: str = HERE) -> None:
    await harness.auth.magic_links.send(email, address)


async def follow(harness: EmailHarness, token: str) -> object:
    return entered(await harness.auth.magic_links.follow(token, BROWSER))


async def test_a_link_lets_its_reader_in(harness: EmailHarness) -> None:
    ada = await harness.person()
    await send(harness, " Ada@Example.org ")
    email = await harness.read()
    assert email["To"] == ADA
    assert link_of(email).startswith("http://localhost:3000/confirm#sign_in_link.")
    assert await follow(harness, await harness.token()) == ada


async def test_it_works_once(harness: EmailHarness) -> None:
    await harness.person()
    await send(harness)
    token = await harness.token()
    await follow(harness, token)
    with pytest.raises(InvalidToken):
        await follow(harness, token)


async def test_it_works_for_ten_minutes(harness: EmailHarness) -> None:
    await harness.person()
    await send(harness)
    harness.auth.time.passes(minutes=10)
    with pytest.raises(InvalidToken):
        await follow(harness, await harness.token())


async def test_a_new_user_gets_an_account_where_sign_up_is_open(harness: EmailHarness) -> None:
    await send(harness, BOB)
    assert await harness.people() == []
    bob = await follow(harness, await harness.token())
    (user,) = await harness.all(User)
    assert (user.id, user.email) == (bob, BOB)
    assert user.email_verified_at is not None
    (account,) = await harness.all(Account)
    assert (account.issuer, account.subject) == ("email", BOB)


async def test_a_new_user_gets_no_link_where_sign_up_is_closed(
    database: DatabaseUnderTest,
) -> None:
    async with email_harness(database, sign_up="closed") as harness:
        await send(harness, BOB)
        email = await harness.read()
        assert "http" not in text_of(email)
        assert "no account for it" in text_of(email)


async def test_an_unverified_account_is_cleared(harness: EmailHarness) -> None:
    ada = await harness.person(is_verified=False)
    planted = await harness.auth.sign_in(ada)
    await send(harness)
    assert await follow(harness, await harness.token()) == ada
    assert not await harness.knows(PASSWORD)
    assert (planted.session_id, "taken_over") in harness.auth.ended
    assert [one.issuer for one in await harness.all(Account)] == ["email"]


async def test_an_encrypted_session_of_a_cleared_account_is_valid(
    database: DatabaseUnderTest,
) -> None:
    async with email_harness(database, auth_session_strategy="jwt") as harness:
        ada = await harness.person(is_verified=False)
        planted = await harness.auth.sign_in(ada)
        await send(harness)
        result = await harness.auth.magic_links.follow(await harness.token(), BROWSER)
        assert isinstance(result, SignedIn)
        assert await harness.auth.sessions.resolve(planted.token) is None
        resolved = await harness.auth.sessions.resolve(result.issued.token)
        assert resolved is not None
        assert resolved.principal.user_id == ada


async def test_or_it_stays_closed_where_the_operator_wants_that(
    database: DatabaseUnderTest,
) -> None:
    async with email_harness(database, auth_unverified_accounts="refuse") as harness:
        await harness.person(is_verified=False)
        await send(harness)
        assert "http" not in text_of(await harness.read())
        assert await harness.knows(PASSWORD)


async def test_a_disabled_person_gets_no_link(harness: EmailHarness) -> None:
    await harness.auth.disable(await harness.person())
    await send(harness)
    assert "http" not in text_of(await harness.read())


async def test_who_was_disabled_after_the_letter_does_not_come_in(harness: EmailHarness) -> None:
    ada = await harness.person()
    await send(harness)
    await harness.auth.disable(ada)
    token = await harness.token()
    with pytest.raises(AccessDenied):
        await follow(harness, token)
    # a refusal leaves the link valid
    async with harness.auth.db.system("auth", write=True) as session:
        (await session.require(User, ada)).disabled_at = None
    assert await follow(harness, token) == ada


async def test_who_the_operator_refuses_is_refused_before_a_link_is_sent(
    database: DatabaseUnderTest,
) -> None:
    async with email_harness(database, auth_on_sign_in=f"{__name__}:says_no") as harness:
        await harness.person()
        await send(harness)
        assert "http" not in text_of(await harness.read())


async def test_a_foreign_domain_is_refused_before_anything_is_done(
    database: DatabaseUnderTest,
) -> None:
    async with email_harness(database, auth_allowed_domains="chat.example") as harness:
        await harness.person()
        before = await harness.counts()
        for email in (ADA, BOB):
            with pytest.raises(AccessDenied):
                await send(harness, email)
        assert await harness.counts() == before


async def test_what_is_no_address_is_refused_before_anything_is_done(harness: EmailHarness) -> None:
    for email in ("ada", "ada@example.org,bob@example.org", "ada\uff20example.org", "a\r\nb@x.y"):
        with pytest.raises(InvalidEmail):
            await send(harness, email)
    assert await harness.counts() == (0, 0, 0, 0, 0)


async def test_the_second_factor_is_asked_for(harness: EmailHarness) -> None:
    ada = await harness.person()
    now = harness.auth.time()
    async with harness.auth.db.system("auth", write=True) as session:
        session.add(Totp(user_id=ada, secret="sealed", created_at=now, confirmed_at=now))
    await send(harness)
    before = (await harness.counts())[2]
    token = await harness.token()
    assert isinstance(await harness.auth.magic_links.follow(token, BROWSER), MfaRequired)
    assert (await harness.counts())[2] == before


async def test_a_mailbox_is_not_flooded(database: DatabaseUnderTest) -> None:
    async with email_harness(database, limit_mail_recipient="3/hour") as harness:
        for number in range(3):
            await send(harness, ADA, f"192.0.2.{number}")
        with pytest.raises(RateLimited):
            await send(harness, ADA.upper(), "192.0.2.9")
        await send(harness, BOB)
        await flush(harness.auth.mailer)
        assert [email["To"] for email in harness.mailbox.emails] == [ADA] * 3 + [BOB]


async def test_a_link_is_worth_nothing_for_anything_else(harness: EmailHarness) -> None:
    await harness.person()
    await send(harness)
    token = await harness.token()
    with pytest.raises(InvalidToken):
        await harness.auth.password_changes.reset(token, "another-Lemon-44-chair", HERE)
    with pytest.raises(InvalidToken):
        await harness.auth.email_sign_ups.finish(
            token, browser_secret=None, password="", browser=BROWSER
        )


async def test_the_browsers_old_session_ends(harness: EmailHarness) -> None:
    old = await harness.auth.sign_in(await harness.person(BOB))
    await harness.person()
    await send(harness)
    here = Browser(client_ip=HERE, user_agent="test", replaces=old.session_id)
    await harness.auth.magic_links.follow(await harness.token(), here)
    assert (old.session_id, "replaced") in harness.auth.ended


async def test_without_letters_nothing_is_promised(database: DatabaseUnderTest) -> None:
    public = {"app_url": "https://chat.example", "fake_models": False}
    async with auth_harness(database, **public) as harness:
        with pytest.raises(MailUnavailable):
            await harness.magic_links.send(ADA, HERE)
        async with harness.db.system("auth") as session:
            assert (await session.exec(select(OneTimeToken))).all() == []
