"""Proving an address, and moving to another one."""

from pathlib import Path
from uuid import UUID

import pytest

from chat_app.auth.errors import AccessDenied, EmailTaken, InvalidEmail, InvalidToken
from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict
from chat_app.db.tables import Account, User
from testing.auth_services import PASSWORD
from testing.email_flows import ADA, BOB, BROWSER, HERE, Office, entered, opened
from testing.mail_server import link_of, text_of

NEW = "ada@new.example"


async def signed_in(office: Office, email: str = ADA, **given: bool) -> Principal:
    return await office.principal(await office.person(email, **given))


async def verified(office: Office, user_id: UUID) -> bool:
    (user,) = [one for one in await office.all(User) if one.id == user_id]
    return user.email_verified_at is not None


async def ask(office: Office, who: Principal, email: str = NEW) -> str:
    await office.stage.email_changes.send_change(who, email, HERE)
    return await office.token()


async def test_a_letter_proves_ones_address(office: Office) -> None:
    ada = await signed_in(office, is_verified=False)
    await office.stage.email_changes.send_verification(ada, HERE)
    assert link_of(await office.read()).startswith("http://localhost:3000/confirm#verify_email.")
    assert not await verified(office, ada.user_id)
    await office.stage.email_changes.verify(ada, await office.token())
    assert await verified(office, ada.user_id)
    assert await office.knows(PASSWORD)


async def test_nothing_is_sent_for_what_is_proved(office: Office) -> None:
    ada = await signed_in(office)
    await office.stage.email_changes.send_verification(ada, HERE)
    assert (await office.counts())[3:] == (0, 0)


async def test_a_click_of_the_mailboxs_owner_proves_nobody_elses_account(office: Office) -> None:
    eve = await signed_in(office, ADA, is_verified=False)
    await office.stage.email_changes.send_verification(eve, HERE)
    token = await office.token()
    ada = await signed_in(office, BOB)
    with pytest.raises(InvalidToken):
        await office.stage.email_changes.verify(ada, token)
    assert not await verified(office, eve.user_id)
    await office.stage.email_changes.verify(eve, token)


async def test_a_confirmed_address_is_the_persons_from_then_on(office: Office) -> None:
    ada = await signed_in(office)
    token = await ask(office, ada)
    letter = await office.read()
    assert letter["To"] == NEW
    assert link_of(letter).startswith("http://localhost:3000/confirm#change_email.")
    assert await office.people() == [ADA]
    await office.stage.email_changes.change(ada, token)
    assert await office.people() == [NEW]
    assert await office.knows(PASSWORD, NEW)
    assert not await office.knows(PASSWORD, ADA)


async def test_the_old_address_is_told(office: Office) -> None:
    ada = await signed_in(office)
    await office.stage.email_changes.change(ada, await ask(office, ada))
    letter = await office.read()
    assert letter["To"] == ADA
    assert "now uses another email address" in text_of(letter)
    assert NEW not in text_of(letter)


async def test_the_old_mailbox_opens_nothing_any_more(office: Office) -> None:
    ada = await signed_in(office)
    await office.stage.magic_links.send(ADA, HERE)
    link = await office.token()
    await office.stage.password_changes.send_reset(ADA, HERE)
    reset = await office.token()
    await office.stage.email_changes.change(ada, await ask(office, ada))
    with pytest.raises(InvalidToken):
        await office.stage.magic_links.follow(link, BROWSER)
    with pytest.raises(InvalidToken):
        await office.stage.password_changes.reset(reset, "another-Lemon-44-chair", HERE)


async def test_who_came_in_by_letter_comes_in_by_the_new_address(office: Office) -> None:
    await office.stage.magic_links.send(ADA, HERE)
    outcome = await office.stage.magic_links.follow(await office.token(), BROWSER)
    ada = await office.principal(entered(outcome))
    await office.stage.email_changes.change(ada, await ask(office, ada))
    await office.stage.magic_links.send(NEW, HERE)
    outcome = await office.stage.magic_links.follow(await office.token(), BROWSER)
    assert entered(outcome) == ada.user_id
    assert [one.subject for one in await office.all(Account)] == [NEW]
    await office.stage.magic_links.send(ADA, HERE)
    outcome = await office.stage.magic_links.follow(await office.token(), BROWSER)
    assert entered(outcome) != ada.user_id


async def test_a_click_of_the_new_mailboxs_owner_gives_them_nobodys_account(office: Office) -> None:
    eve = await signed_in(office, "eve@evil.example")
    token = await ask(office, eve, ADA)
    bob = await signed_in(office, BOB)
    with pytest.raises(InvalidToken):
        await office.stage.email_changes.change(bob, token)
    assert await office.people() == [BOB, "eve@evil.example"]


async def test_an_address_that_is_somebodys_only_its_mailbox_learns(office: Office) -> None:
    ada, _ = await signed_in(office), await office.person(BOB)
    await office.stage.email_changes.send_change(ada, BOB, HERE)
    letter = await office.read()
    assert letter["To"] == BOB
    assert "http" not in text_of(letter)
    assert ADA not in text_of(letter)


async def test_an_address_that_becomes_somebodys_meanwhile_stays_theirs(office: Office) -> None:
    ada = await signed_in(office)
    token = await ask(office, ada)
    await office.person(NEW)
    with pytest.raises(EmailTaken):
        await office.stage.email_changes.change(ada, token)
    assert await office.people() == [ADA, NEW]
    assert await office.knows(PASSWORD, ADA)


async def test_ones_own_address_and_what_is_none_are_refused(office: Office) -> None:
    ada = await signed_in(office)
    with pytest.raises(Conflict):
        await office.stage.email_changes.send_change(ada, ADA.upper(), HERE)
    with pytest.raises(InvalidEmail):
        await office.stage.email_changes.send_change(ada, "a@b, c@d", HERE)
    assert (await office.counts())[3:] == (0, 0)


async def test_a_foreign_domain_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, auth_allowed_domains="example.org") as office:
        ada = await signed_in(office)
        with pytest.raises(AccessDenied):
            await office.stage.email_changes.send_change(ada, NEW, HERE)


async def test_an_old_letter_proves_no_other_address(office: Office) -> None:
    ada = await signed_in(office, is_verified=False)
    await office.stage.email_changes.send_verification(ada, HERE)
    token = await office.token()
    async with office.stage.db.system("auth", write=True) as session:
        user = await session.get(User, ada.user_id)
        assert user is not None
        user.email = BOB
        session.add(user)
    with pytest.raises(InvalidToken):
        await office.stage.email_changes.verify(ada, token)
    assert not await verified(office, ada.user_id)
