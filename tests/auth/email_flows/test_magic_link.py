"""Signing in by letter."""

from pathlib import Path

import pytest
from sqlmodel import select

from chat_app.auth.errors import AccessDenied, InvalidEmail, InvalidToken
from chat_app.auth.sign_in.identity import Browser, MfaRequired
from chat_app.core.errors import RateLimited
from chat_app.db.tables import Account, OneTimeToken, Totp, User
from chat_app.mail.mailer import MailUnavailable
from testing.auth_services import PASSWORD, staged
from testing.email_flows import ADA, BOB, BROWSER, HERE, Office, entered, opened
from testing.mail_server import flush, link_of, text_of


def says_no(*_: object) -> bool:
    """An operator's function."""
    return False


async def send(office: Office, email: str = ADA, address: str = HERE) -> None:
    await office.stage.magic_links.send(email, address)


async def follow(office: Office, token: str) -> object:
    return entered(await office.stage.magic_links.follow(token, BROWSER))


async def test_a_link_lets_its_reader_in(office: Office) -> None:
    ada = await office.person()
    await send(office, " Ada@Example.org ")
    letter = await office.read()
    assert letter["To"] == ADA
    assert link_of(letter).startswith("http://localhost:3000/confirm#sign_in_link.")
    assert await follow(office, await office.token()) == ada


async def test_it_works_once(office: Office) -> None:
    await office.person()
    await send(office)
    token = await office.token()
    await follow(office, token)
    with pytest.raises(InvalidToken):
        await follow(office, token)


async def test_it_works_for_ten_minutes(office: Office) -> None:
    await office.person()
    await send(office)
    office.stage.time.passes(minutes=10)
    with pytest.raises(InvalidToken):
        await follow(office, await office.token())


async def test_a_stranger_gets_an_account_where_strangers_do(office: Office) -> None:
    await send(office, BOB)
    assert await office.people() == []
    bob = await follow(office, await office.token())
    (user,) = await office.all(User)
    assert (user.id, user.email) == (bob, BOB)
    assert user.email_verified_at is not None
    (account,) = await office.all(Account)
    assert (account.issuer, account.subject) == ("email", BOB)


async def test_a_stranger_gets_no_link_where_strangers_get_no_account(tmp_path: Path) -> None:
    async with opened(tmp_path, sign_up="closed") as office:
        await send(office, BOB)
        letter = await office.read()
        assert "http" not in text_of(letter)
        assert "no account for it" in text_of(letter)


async def test_an_account_that_nobody_proved_is_cleared(office: Office) -> None:
    ada = await office.person(is_verified=False)
    planted = await office.stage.sign_in(ada)
    await send(office)
    assert await follow(office, await office.token()) == ada
    assert not await office.knows(PASSWORD)
    assert (planted.session_id, "taken_over") in office.stage.ended
    assert [one.issuer for one in await office.all(Account)] == ["email"]


async def test_or_it_stays_closed_where_the_operator_wants_that(tmp_path: Path) -> None:
    async with opened(tmp_path, auth_unverified_accounts="refuse") as office:
        await office.person(is_verified=False)
        await send(office)
        assert "http" not in text_of(await office.read())
        assert await office.knows(PASSWORD)


async def test_a_disabled_person_gets_no_link(office: Office) -> None:
    await office.stage.disable(await office.person())
    await send(office)
    assert "http" not in text_of(await office.read())


async def test_who_was_disabled_after_the_letter_does_not_come_in(office: Office) -> None:
    ada = await office.person()
    await send(office)
    await office.stage.disable(ada)
    with pytest.raises(AccessDenied):
        await follow(office, await office.token())


async def test_who_the_operator_refuses_is_refused_before_a_link_is_sent(tmp_path: Path) -> None:
    async with opened(tmp_path, auth_on_sign_in=f"{__name__}:says_no") as office:
        await office.person()
        await send(office)
        assert "http" not in text_of(await office.read())


async def test_a_foreign_domain_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    async with opened(tmp_path, auth_allowed_domains="chat.example") as office:
        await office.person()
        before = await office.counts()
        for email in (ADA, BOB):
            with pytest.raises(AccessDenied):
                await send(office, email)
        assert await office.counts() == before


async def test_what_is_no_address_is_refused_before_anything_is_done(office: Office) -> None:
    for email in ("ada", "ada@example.org,bob@example.org", "ada\uff20example.org", "a\r\nb@x.y"):
        with pytest.raises(InvalidEmail):
            await send(office, email)
    assert await office.counts() == (0, 0, 0, 0, 0)


async def test_the_second_factor_is_asked_for(office: Office) -> None:
    ada = await office.person()
    now = office.stage.time()
    async with office.stage.db.system("auth", write=True) as session:
        session.add(Totp(user_id=ada, secret="sealed", created_at=now, confirmed_at=now))
    await send(office)
    before = (await office.counts())[2]
    token = await office.token()
    assert isinstance(await office.stage.magic_links.follow(token, BROWSER), MfaRequired)
    assert (await office.counts())[2] == before


async def test_a_mailbox_is_not_flooded(tmp_path: Path) -> None:
    async with opened(tmp_path, limit_mail_recipient="3/hour") as office:
        for number in range(3):
            await send(office, ADA, f"192.0.2.{number}")
        with pytest.raises(RateLimited):
            await send(office, ADA.upper(), "192.0.2.9")
        await send(office, BOB)
        await flush(office.stage.mailer)
        assert [letter["To"] for letter in office.mailbox.letters] == [ADA] * 3 + [BOB]


async def test_a_link_is_worth_nothing_for_anything_else(office: Office) -> None:
    await office.person()
    await send(office)
    token = await office.token()
    with pytest.raises(InvalidToken):
        await office.stage.password_changes.reset(token, "another-Lemon-44-chair", HERE)
    with pytest.raises(InvalidToken):
        await office.stage.email_sign_ups.finish(
            token, browser_secret=None, password="", browser=BROWSER
        )


async def test_the_browsers_old_session_ends(office: Office) -> None:
    old = await office.stage.sign_in(await office.person(BOB))
    await office.person()
    await send(office)
    here = Browser(client_ip=HERE, user_agent="test", replaces=old.session_id)
    await office.stage.magic_links.follow(await office.token(), here)
    assert (old.session_id, "replaced") in office.stage.ended


async def test_without_letters_nothing_is_promised(tmp_path: Path) -> None:
    public = {"app_url": "https://chat.example", "fake_models": False}
    async with staged(tmp_path, **public) as stage:
        with pytest.raises(MailUnavailable):
            await stage.magic_links.send(ADA, HERE)
        async with stage.db.system("auth") as session:
            assert (await session.exec(select(OneTimeToken))).all() == []
