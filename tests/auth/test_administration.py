"""What the operator does to users from the command line."""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import SQLModel, select

from chat_app.auth.account.administration import UserAdministration
from chat_app.auth.errors import (
    AccountTaken,
    InvalidCredentials,
    InvalidToken,
    InvalidTwoFactorCode,
    PasswordTooShort,
    TooManyAttempts,
    TwoFactorLocked,
)
from chat_app.core.errors import NotFound
from chat_app.core.signals import UNLOCKED_USERS, Signal, user_topic
from chat_app.db.tables import (
    Account,
    AuditEvent,
    AuthSession,
    OneTimeToken,
    RememberedDevice,
    Totp,
    User,
)
from testing.auth_services import PASSWORD, AuthHarness
from testing.second_factor import mfa_user

ADA, BOB = "ada@example.org", "bob@example.org"
HERE = "192.0.2.7"
NEW = "violet kettle harbour thirty eight"


@pytest.fixture
def administration(harness: AuthHarness) -> UserAdministration:
    harness.bus.subscribe_callback(
        UNLOCKED_USERS, lambda signal: harness.rate_limits.clear(signal.account)
    )
    return UserAdministration(
        harness.db,
        harness.bus,
        harness.sessions,
        harness.passwords,
        harness.two_factor,
        harness.time,
    )


async def _rows(harness: AuthHarness, table: type[SQLModel]) -> list[Any]:
    async with harness.db.system("auth") as session:
        return list((await session.exec(select(table))).all())


async def _user(harness: AuthHarness, user_id: UUID) -> User:
    async with harness.db.system("auth") as session:
        return await session.require(User, user_id)


async def _sign_in(harness: AuthHarness, password: str, email: str = ADA) -> None:
    await harness.accounts.sign_in(email=email, password=password, client_ip=HERE)


async def _guess(harness: AuthHarness, many: int) -> None:
    for _ in range(many):
        with suppress(InvalidCredentials):
            await _sign_in(harness, "wrong")


async def test_users_are_listed_by_email_with_their_state(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    bob = await harness.accounts.add(BOB, PASSWORD, "Bob")
    await harness.disable(bob)
    ada = await mfa_user(harness, ADA)
    seen_at = (await harness.sessions.list(ada.principal))[0].last_seen_at
    first, second = await administration.list()
    assert (first.email, first.name, first.last_seen_at) == (ADA, "Ada", seen_at)
    assert (first.is_disabled, first.is_verified, first.has_two_factor) == (False, False, True)
    assert (second.email, second.name, second.last_seen_at) == (BOB, "Bob", None)
    assert (second.is_disabled, second.is_verified, second.has_two_factor) == (True, True, False)


async def test_a_deleted_user_leaves_nothing_and_their_sessions_end(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    ada, bob = [await harness.accounts.add(email, PASSWORD, "") for email in (ADA, BOB)]
    session = await harness.sign_in(ada)
    await harness.tokens.create("sign_up", lifetime=timedelta(hours=1), subject=ADA)
    await administration.delete(ada)
    assert harness.ended == [(session.session_id, "removed")]
    assert [user.id for user in await _rows(harness, User)] == [bob]
    assert [row.user_id for row in await _rows(harness, Account)] == [bob]
    assert await _rows(harness, AuthSession) == await _rows(harness, OneTimeToken) == []
    with pytest.raises(NotFound):
        await administration.delete(ada)


async def test_a_new_password_signs_in_at_once_and_the_old_one_and_all_sessions_end(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    ada = await harness.accounts.add(ADA, PASSWORD, "")
    sessions = [await harness.sign_in(ada) for _ in range(2)]
    reset = await harness.tokens.create("reset_password", lifetime=timedelta(hours=1), user_id=ada)
    await harness.devices.remember(ada, "")
    await _guess(harness, 5)
    assert await administration.set_password(ada, NEW) == 2
    assert await _rows(harness, RememberedDevice) == []
    assert {session_id for session_id, _ in harness.ended} == {one.session_id for one in sessions}
    await _sign_in(harness, NEW)
    with pytest.raises(InvalidCredentials):
        await _sign_in(harness, PASSWORD)
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(reset, "reset_password")


async def test_a_user_without_a_password_gets_one(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    ada = await harness.person(ADA)
    await administration.set_password(ada, NEW)
    await _sign_in(harness, NEW)


async def test_a_password_with_which_another_user_signs_in_is_refused(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    ada = await harness.person(ADA)
    bob = await harness.accounts.add(BOB, PASSWORD, "")
    await harness.sign_in(ada)
    async with harness.db.system("auth", write=True) as session:
        (account,) = await session.exec(select(Account).where(Account.user_id == bob))
        account.subject = ADA
    with pytest.raises(AccountTaken):
        await administration.set_password(ada, NEW)
    assert harness.ended == []
    assert [row.user_id for row in await _rows(harness, Account)] == [bob]


async def test_a_weak_password_changes_nothing(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    ada = await harness.accounts.add(ADA, PASSWORD, "")
    await harness.sign_in(ada)
    with pytest.raises(PasswordTooShort):
        await administration.set_password(ada, "short")
    assert harness.ended == []
    await _sign_in(harness, PASSWORD)


async def test_a_verified_email_is_told_to_the_users_tabs(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    ada, told = await harness.person(ADA), list[Signal]()
    harness.bus.subscribe_callback(user_topic(ada), told.append)
    link = await harness.tokens.create("verify_email", lifetime=timedelta(hours=1), user_id=ada)
    assert await administration.verify(ada)
    assert (await _user(harness, ada)).email_verified_at == harness.time()
    assert told == [Signal("user")]
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(link, "verify_email")
    harness.time.passes(hours=1)
    assert not await administration.verify(ada)
    rows = await _rows(harness, AuditEvent)
    verified = [row.actor for row in rows if row.action == "email_verified"]
    assert verified == ["command line"]
    assert (await _user(harness, ada)).email_verified_at != harness.time()


async def test_a_lost_second_factor_is_removed_and_the_sessions_stay(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    ada = await mfa_user(harness, ADA)
    await harness.devices.remember(ada.user_id, "")
    told = list[Signal]()
    harness.bus.subscribe_callback(user_topic(ada.user_id), told.append)
    assert await administration.reset_two_factor(ada.user_id)
    assert told == [Signal("user")]
    status = await harness.two_factor.status(ada.principal)
    assert (status.since, status.codes_left, status.devices) == (None, 0, 0)
    assert harness.ended == []
    assert not await administration.reset_two_factor(ada.user_id)


async def test_an_unlocked_user_signs_in_after_too_many_wrong_passwords(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    ada = await harness.accounts.add(ADA, PASSWORD, "")
    await _guess(harness, 5)
    with pytest.raises(TooManyAttempts):
        await _sign_in(harness, PASSWORD)
    await administration.unlock(ada)
    await _guess(harness, 4)
    await _sign_in(harness, PASSWORD)


async def test_an_unlocked_user_is_asked_for_a_code_again(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    ada = await mfa_user(harness, ADA)
    with pytest.raises(TwoFactorLocked):  # noqa: PT012
        for _ in range(9):
            with suppress(InvalidTwoFactorCode):
                await harness.two_factor.check(ada.user_id, ada.wrong())
    await administration.unlock(ada.user_id)
    await harness.two_factor.check(ada.user_id, ada.code())
    assert [row.failures for row in await _rows(harness, Totp)] == [0]


async def test_unlocking_one_user_unlocks_no_other(
    harness: AuthHarness, administration: UserAdministration
) -> None:
    await harness.accounts.add(ADA, PASSWORD, "")
    bob = await harness.accounts.add(BOB, PASSWORD, "")
    await _guess(harness, 5)
    await administration.unlock(bob)
    with pytest.raises(TooManyAttempts):
        await _sign_in(harness, PASSWORD)
