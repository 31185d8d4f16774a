"""Proving an address, and moving to another one."""

from uuid import UUID

import pytest

from chat_app.auth.errors import AccessDenied, InvalidEmail, InvalidToken, NewEmailTaken
from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict
from chat_app.db.tables import Account, User
from testing.auth_services import PASSWORD
from testing.database import DatabaseUnderTest
from testing.email_flows import ADA, BOB, BROWSER, HERE, EmailHarness, email_harness, entered
from testing.mail_server import link_of, text_of

NEW = "ada@new.example"


async def signed_in(harness: EmailHarness, email: str = ADA, **given: bool) -> Principal:
    return await harness.principal(await harness.person(email, **given))


async def verified(harness: EmailHarness, user_id: UUID) -> bool:
    (user,) = [one for one in await harness.all(User) if one.id == user_id]
    return user.email_verified_at is not None


async def ask(harness: EmailHarness, who: Principal, email: str = NEW) -> str:
    await harness.auth.email_changes.send_change(who, email, HERE)
    return await harness.token()


async def test_a_letter_proves_ones_address(harness: EmailHarness) -> None:
    ada = await signed_in(harness, is_verified=False)
    await harness.auth.email_changes.send_verification(ada, HERE)
    assert link_of(await harness.read()).startswith("http://localhost:3000/confirm#verify_email.")
    assert not await verified(harness, ada.user_id)
    await harness.auth.email_changes.verify(ada, await harness.token())
    assert await verified(harness, ada.user_id)
    assert await harness.knows(PASSWORD)


async def test_nothing_is_sent_for_what_is_proved(harness: EmailHarness) -> None:
    ada = await signed_in(harness)
    await harness.auth.email_changes.send_verification(ada, HERE)
    assert (await harness.counts())[3:] == (0, 0)


async def test_a_click_of_the_mailboxs_owner_verifies_no_other_account(
    harness: EmailHarness,
) -> None:
    eve = await signed_in(harness, ADA, is_verified=False)
    await harness.auth.email_changes.send_verification(eve, HERE)
    token = await harness.token()
    ada = await signed_in(harness, BOB)
    with pytest.raises(InvalidToken):
        await harness.auth.email_changes.verify(ada, token)
    assert not await verified(harness, eve.user_id)
    await harness.auth.email_changes.verify(eve, token)


async def test_a_confirmed_address_is_the_persons_from_then_on(harness: EmailHarness) -> None:
    ada = await signed_in(harness)
    token = await ask(harness, ada)
    email = await harness.read()
    assert email["To"] == NEW
    assert link_of(email).startswith("http://localhost:3000/confirm#change_email.")
    assert await harness.people() == [ADA]
    await harness.auth.email_changes.change(ada, token)
    assert await harness.people() == [NEW]
    assert await harness.knows(PASSWORD, NEW)
    assert not await harness.knows(PASSWORD, ADA)


async def test_the_old_address_is_told(harness: EmailHarness) -> None:
    ada = await signed_in(harness)
    await harness.auth.email_changes.change(ada, await ask(harness, ada))
    email = await harness.read()
    assert email["To"] == ADA
    assert "now uses another email address" in text_of(email)
    assert NEW not in text_of(email)


async def test_the_old_mailbox_opens_nothing_any_more(harness: EmailHarness) -> None:
    ada = await signed_in(harness)
    await harness.auth.magic_links.send(ADA, HERE)
    link = await harness.token()
    await harness.auth.password_changes.send_reset(ADA, HERE)
    reset = await harness.token()
    await harness.auth.email_changes.change(ada, await ask(harness, ada))
    with pytest.raises(InvalidToken):
        await harness.auth.magic_links.follow(link, BROWSER)
    with pytest.raises(InvalidToken):
        await harness.auth.password_changes.reset(reset, "another-Lemon-44-chair", HERE)


async def test_who_came_in_by_letter_comes_in_by_the_new_address(harness: EmailHarness) -> None:
    await harness.auth.magic_links.send(ADA, HERE)
    outcome = await harness.auth.magic_links.follow(await harness.token(), BROWSER)
    ada = await harness.principal(entered(outcome))
    await harness.auth.email_changes.change(ada, await ask(harness, ada))
    await harness.auth.magic_links.send(NEW, HERE)
    outcome = await harness.auth.magic_links.follow(await harness.token(), BROWSER)
    assert entered(outcome) == ada.user_id
    assert [one.subject for one in await harness.all(Account)] == [NEW]
    await harness.auth.magic_links.send(ADA, HERE)
    outcome = await harness.auth.magic_links.follow(await harness.token(), BROWSER)
    assert entered(outcome) != ada.user_id


async def test_a_click_of_the_new_mailboxs_owner_gives_them_no_account(
    harness: EmailHarness,
) -> None:
    eve = await signed_in(harness, "eve@evil.example")
    token = await ask(harness, eve, ADA)
    bob = await signed_in(harness, BOB)
    with pytest.raises(InvalidToken):
        await harness.auth.email_changes.change(bob, token)
    assert await harness.people() == [BOB, "eve@evil.example"]


async def test_only_its_mailbox_learns_that_an_address_is_taken(harness: EmailHarness) -> None:
    ada, _ = await signed_in(harness), await harness.person(BOB)
    await harness.auth.email_changes.send_change(ada, BOB, HERE)
    email = await harness.read()
    assert email["To"] == BOB
    assert "http" not in text_of(email)
    assert ADA not in text_of(email)


async def test_an_address_that_is_taken_meanwhile_stays_its_users(
    harness: EmailHarness,
) -> None:
    ada = await signed_in(harness)
    token = await ask(harness, ada)
    await harness.person(NEW)
    # the user is signed in, and stays who they are
    with pytest.raises(NewEmailTaken, match=r"Another account .*, so yours has not changed\.$"):
        await harness.auth.email_changes.change(ada, token)
    assert await harness.people() == [ADA, NEW]
    assert await harness.knows(PASSWORD, ADA)


async def test_ones_own_address_and_what_is_none_are_refused(harness: EmailHarness) -> None:
    ada = await signed_in(harness)
    with pytest.raises(Conflict):
        await harness.auth.email_changes.send_change(ada, ADA.upper(), HERE)
    with pytest.raises(InvalidEmail):
        await harness.auth.email_changes.send_change(ada, "a@b, c@d", HERE)
    assert (await harness.counts())[3:] == (0, 0)


async def test_a_foreign_domain_is_refused(database: DatabaseUnderTest) -> None:
    async with email_harness(database, auth_allowed_domains="example.org") as harness:
        ada = await signed_in(harness)
        with pytest.raises(AccessDenied):
            await harness.auth.email_changes.send_change(ada, NEW, HERE)


async def test_an_old_letter_proves_no_other_address(harness: EmailHarness) -> None:
    ada = await signed_in(harness, is_verified=False)
    await harness.auth.email_changes.send_verification(ada, HERE)
    token = await harness.token()
    async with harness.auth.db.system("auth", write=True) as session:
        user = await session.get(User, ada.user_id)
        assert user is not None
        user.email = BOB
        session.add(user)
    with pytest.raises(InvalidToken):
        await harness.auth.email_changes.verify(ada, token)
    assert not await verified(harness, ada.user_id)
