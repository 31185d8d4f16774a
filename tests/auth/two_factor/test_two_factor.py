"""The second factor on a real database: turning it on, proving it, and being wrong about it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pyotp.totp import TOTP
from sqlmodel import SQLModel, select

from chat_app.auth.account.delete import delete_account
from chat_app.auth.account.disable import UserAccess
from chat_app.auth.errors import InvalidToken, InvalidTwoFactorCode, TwoFactorLocked
from chat_app.auth.sign_in.identity import Browser, MfaRequired, SignedIn, VerifiedIdentity
from chat_app.auth.two_factor import TwoFactor
from chat_app.core.crypto import KeyRing
from chat_app.core.errors import Conflict, Unavailable
from chat_app.db.tables import BackupCode, OneTimeToken, RememberedDevice, Totp
from testing.auth_services import FIREFOX, AuthHarness, auth_harness, settings_of
from testing.database import DatabaseUnderTest
from testing.second_factor import MfaUser, enable_mfa, mfa_user

HERE = Browser("192.0.2.7", FIREFOX)


NEW = "5d0a93b1-a-key-of-the-next-year-77c2"


def with_keys(harness: AuthHarness, **given: Any) -> TwoFactor:
    """The same second factors in a program with other keys."""
    keys = KeyRing(settings_of(harness.settings.data_dir, **given))
    return TwoFactor(harness.db, harness.tokens, keys, harness.settings, harness.time)


async def all_of(harness: AuthHarness, table: type[SQLModel]) -> list[Any]:
    async with harness.db.system("auth") as session:
        return list((await session.exec(select(table))).all())


@pytest.fixture
async def ada(harness: AuthHarness) -> MfaUser:
    return await mfa_user(harness)


async def wrong_ones(ada: MfaUser, many: int) -> None:
    for _ in range(many):
        with pytest.raises(InvalidTwoFactorCode):
            await ada.harness.two_factor.check(ada.user_id, ada.wrong())


async def test_it_asks_for_nothing_until_the_first_code_was_right(harness: AuthHarness) -> None:
    principal = await harness.principal_of(await harness.sign_in(await harness.person()))
    secret = await harness.two_factor.begin(principal)
    assert (await harness.two_factor.status(principal)).since is None
    with pytest.raises(InvalidTwoFactorCode):
        await harness.two_factor.confirm(principal, "not a code")
    with pytest.raises(InvalidToken):
        await harness.two_factor.check(principal.user_id, TOTP(secret).at(harness.time()))
    codes = await harness.two_factor.confirm(principal, TOTP(secret).at(harness.time()))
    factor = await harness.two_factor.status(principal)
    assert (factor.since, factor.codes_left, factor.devices) == (harness.time(), len(codes), 0)


async def test_whoever_begins_again_confirms_the_newer_secret(harness: AuthHarness) -> None:
    principal = await harness.principal_of(await harness.sign_in(await harness.person()))
    older, newer = [await harness.two_factor.begin(principal) for _ in range(2)]
    with pytest.raises(InvalidTwoFactorCode):
        await harness.two_factor.confirm(principal, TOTP(older).at(harness.time()))
    await harness.two_factor.confirm(principal, TOTP(newer).at(harness.time()))


async def test_what_is_on_cannot_be_put_on_another_authenticator(ada: MfaUser) -> None:
    with pytest.raises(Conflict):
        await ada.harness.two_factor.begin(ada.principal)
    with pytest.raises(Conflict):
        await ada.harness.two_factor.confirm(ada.principal, ada.code())
    await ada.harness.two_factor.check(ada.user_id, ada.code())


async def test_a_code_works_once(ada: MfaUser) -> None:
    await ada.harness.two_factor.check(ada.user_id, ada.code())
    with pytest.raises(InvalidTwoFactorCode):
        await ada.harness.two_factor.check(ada.user_id, ada.code())
    with pytest.raises(InvalidTwoFactorCode):  # nor an older one than the last
        await ada.harness.two_factor.check(ada.user_id, ada.code(-1))
    await ada.harness.two_factor.check(ada.user_id, ada.code(1))


async def test_the_code_that_turned_it_on_signs_no_user_in(harness: AuthHarness) -> None:
    ada = await mfa_user(harness)
    harness.time.passes(seconds=-30)
    with pytest.raises(InvalidTwoFactorCode):
        await harness.two_factor.check(ada.user_id, ada.code())


async def test_of_twenty_with_one_code_one_gets_in(ada: MfaUser) -> None:
    for code in (ada.code(), ada.backup[0]):
        ada.harness.time.passes(hours=1)
        tokens = [await ada.challenge() for _ in range(20)]
        code = ada.code() if len(code) == 6 else code
        found = await asyncio.gather(
            *(ada.harness.two_factor.pass_challenge(token, code) for token in tokens),
            return_exceptions=True,
        )
        assert sum(not isinstance(one, BaseException) for one in found) == 1, code


async def test_a_backup_code_works_once(ada: MfaUser) -> None:
    await ada.harness.two_factor.check(ada.user_id, ada.backup[3].lower().replace("-", " "))
    with pytest.raises(InvalidTwoFactorCode):
        await ada.harness.two_factor.check(ada.user_id, ada.backup[3])
    await ada.harness.two_factor.check(ada.user_id, ada.backup[4])
    assert (await ada.harness.two_factor.status(ada.principal)).codes_left == 8


async def test_the_codes_of_another_user_are_wrong(ada: MfaUser) -> None:
    eve = await mfa_user(ada.harness, "eve@example.org")
    for code in (eve.backup[0], eve.code()):
        with pytest.raises(InvalidTwoFactorCode):
            await ada.harness.two_factor.check(ada.user_id, code)
    await ada.harness.two_factor.check(eve.user_id, eve.backup[0])


async def test_new_backup_codes_end_the_old_ones(ada: MfaUser) -> None:
    newer = await ada.harness.two_factor.renew_codes(ada.principal)
    with pytest.raises(InvalidTwoFactorCode):
        await ada.harness.two_factor.check(ada.user_id, ada.backup[0])
    await ada.harness.two_factor.check(ada.user_id, newer[0])


async def test_codes_are_kept_as_hashes_and_the_secret_sealed(ada: MfaUser) -> None:
    kept = str([*await all_of(ada.harness, BackupCode), *await all_of(ada.harness, Totp)])
    assert ada.secret not in kept
    assert not any(code.replace("-", "") in kept or code in kept for code in ada.backup)


async def test_a_burst_gets_no_further_than_one_after_the_other(ada: MfaUser) -> None:
    tokens = [await ada.challenge() for _ in range(50)]
    found = await asyncio.gather(
        *(ada.harness.two_factor.pass_challenge(token, ada.wrong()) for token in tokens),
        return_exceptions=True,
    )
    assert sum(isinstance(one, InvalidTwoFactorCode) for one in found) == 5
    assert sum(isinstance(one, TwoFactorLocked) for one in found) == 45


async def test_a_burst_at_one_challenge_gets_no_further_either(ada: MfaUser) -> None:
    token = await ada.challenge()
    found = await asyncio.gather(
        *(ada.harness.two_factor.pass_challenge(token, ada.wrong()) for _ in range(50)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, InvalidTwoFactorCode) for one in found) == 5
    assert not [one for one in found if not isinstance(one, Exception)]


async def test_after_five_wrong_ones_the_right_one_is_not_looked_at(ada: MfaUser) -> None:
    await wrong_ones(ada, 5)
    for code in (ada.code(), ada.backup[0]):
        with pytest.raises(TwoFactorLocked) as refused:
            await ada.harness.two_factor.check(ada.user_id, code)
        assert refused.value.retry_after == 900
    ada.harness.time.passes(minutes=15)
    await ada.harness.two_factor.check(ada.user_id, ada.backup[0])


async def test_the_lock_survives_another_challenge_another_kind_and_another_start(
    ada: MfaUser,
) -> None:
    harness = ada.harness
    for code in (ada.wrong(), ada.wrong(), "AAAA-BBBB-CCCC-DDDD", "not a code"):
        with pytest.raises(InvalidTwoFactorCode):
            await harness.two_factor.pass_challenge(await ada.challenge(), code)
    with pytest.raises(InvalidTwoFactorCode):
        await harness.two_factor.check(ada.user_id, "1")
    again = TwoFactor(harness.db, harness.tokens, harness.keyring, harness.settings, harness.time)
    with pytest.raises(TwoFactorLocked):
        await again.pass_challenge(await ada.challenge(), ada.code())


async def test_a_right_code_begins_the_count_anew(ada: MfaUser) -> None:
    for _ in range(3):
        await wrong_ones(ada, 4)
        await ada.harness.two_factor.check(ada.user_id, ada.code())
        ada.harness.time.passes(seconds=30)


async def test_a_lock_that_is_over_leaves_all_tries_again(ada: MfaUser) -> None:
    await wrong_ones(ada, 5)
    ada.harness.time.passes(minutes=15)
    await wrong_ones(ada, 5)
    with pytest.raises(TwoFactorLocked):
        await ada.harness.two_factor.check(ada.user_id, ada.code())


async def test_being_wrong_locks_no_other_user(ada: MfaUser) -> None:
    eve = await mfa_user(ada.harness, "eve@example.org")
    await wrong_ones(eve, 5)
    await ada.harness.two_factor.check(ada.user_id, ada.code())


async def test_our_own_failure_spends_no_try(ada: MfaUser) -> None:
    harness = ada.harness
    broken = with_keys(harness, auth_secret=NEW)
    token = await ada.challenge()
    for _ in range(7):
        with pytest.raises(Unavailable):
            await broken.pass_challenge(token, ada.code())
    await broken.pass_challenge(token, ada.backup[0])


async def test_a_secret_moves_to_the_newest_key_when_it_is_used(ada: MfaUser) -> None:
    harness = ada.harness
    old = harness.settings.auth_secret.get_secret_value()
    for given in ({"auth_secret_previous": old}, {}):
        await with_keys(harness, auth_secret=NEW, **given).check(ada.user_id, ada.code())
        harness.time.passes(seconds=30)


async def test_a_challenge_is_good_for_one_sign_in(ada: MfaUser) -> None:
    token = await ada.challenge()
    spent = await ada.harness.two_factor.pass_challenge(token, ada.code())
    assert spent.user_id == ada.user_id
    with pytest.raises(InvalidToken):
        await ada.harness.two_factor.pass_challenge(token, ada.backup[0])
    await ada.harness.two_factor.check(ada.user_id, ada.backup[0])  # it was not spent


@pytest.mark.parametrize("token", ["", "x" * 43, "\ud800", "x" * 100_000])
async def test_no_code_is_accepted_without_a_challenge(ada: MfaUser, token: str) -> None:
    with pytest.raises(InvalidToken):
        await ada.harness.two_factor.pass_challenge(token, ada.code())


async def test_a_challenge_expires_and_no_other_token_is_one(ada: MfaUser) -> None:
    late = await ada.challenge()
    other = await ada.harness.tokens.create(
        "reset_password", lifetime=ada.harness.time.hour, user_id=ada.user_id
    )
    with pytest.raises(InvalidToken):
        await ada.harness.two_factor.pass_challenge(other, ada.code())
    ada.harness.time.passes(hours=1)
    with pytest.raises(InvalidToken):
        await ada.harness.two_factor.pass_challenge(late, ada.code())


async def test_turning_it_off_takes_everything_with_it(ada: MfaUser) -> None:
    harness = ada.harness
    token = await ada.challenge()
    await harness.devices.remember(ada.user_id, FIREFOX)
    await harness.two_factor.turn_off(ada.principal)
    for table in (Totp, BackupCode, RememberedDevice, OneTimeToken):
        assert await all_of(harness, table) == [], table
    with pytest.raises(InvalidToken):
        await harness.two_factor.pass_challenge(token, ada.backup[0])
    with pytest.raises(Conflict):
        await harness.two_factor.renew_codes(ada.principal)


async def test_turning_it_off_touches_no_other_users(ada: MfaUser) -> None:
    eve = await mfa_user(ada.harness, "eve@example.org")
    await ada.harness.two_factor.turn_off(eve.principal)
    await ada.harness.two_factor.check(ada.user_id, ada.backup[0])


async def test_a_remembered_browser_is_not_asked_for_as_long_as_the_setting_says(
    harness: AuthHarness,
) -> None:
    identity = VerifiedIdentity(
        "email", "email", "ada@example.org", "ada@example.org", email_verified=True
    )
    entered = await harness.sign_in_service.sign_in(identity, HERE)
    assert isinstance(entered, SignedIn)
    ada = await enable_mfa(harness, entered.user_id)
    device = await harness.devices.remember(ada.user_id, FIREFOX)
    known = Browser("192.0.2.7", FIREFOX, device=device)
    assert isinstance(await harness.sign_in_service.sign_in(identity, known), SignedIn)
    assert (await harness.two_factor.status(ada.principal)).devices == 1
    eve = await enable_mfa(harness, await harness.person("eve@example.org"))
    hers = Browser(
        "192.0.2.7", FIREFOX, device=await harness.devices.remember(eve.user_id, FIREFOX)
    )
    assert isinstance(await harness.sign_in_service.sign_in(identity, hers), MfaRequired)
    harness.time.passes(days=30)
    await harness.tokens.purge()
    assert isinstance(await harness.sign_in_service.sign_in(identity, known), MfaRequired)
    assert await all_of(harness, RememberedDevice) == []


async def test_a_device_of_before_is_unknown_after_turning_it_on_again(ada: MfaUser) -> None:
    await ada.harness.devices.remember(ada.user_id, FIREFOX)
    await ada.harness.two_factor.turn_off(ada.principal)
    await enable_mfa(ada.harness, ada.user_id)
    assert await all_of(ada.harness, RememberedDevice) == []


async def leaves(ada: MfaUser) -> None:
    harness = ada.harness
    await delete_account(harness.db, harness.sessions, ada.principal, "ada@example.org")


async def is_shut_out_for_a_while(ada: MfaUser) -> None:
    harness = ada.harness
    user_access = UserAccess(harness.db, harness.sessions, harness.time)
    await user_access.disable(ada.user_id)
    await user_access.enable(ada.user_id)


@pytest.mark.parametrize("ends", [leaves, is_shut_out_for_a_while])
async def test_a_remembered_browser_dies_with_the_person(
    harness: AuthHarness, ends: Callable[[MfaUser], Awaitable[None]]
) -> None:
    identity = VerifiedIdentity(
        "email", "email", "ada@example.org", "ada@example.org", email_verified=True
    )
    entered = await harness.sign_in_service.sign_in(identity, HERE)
    assert isinstance(entered, SignedIn)
    ada = await enable_mfa(harness, entered.user_id)
    device = await harness.devices.remember(ada.user_id, FIREFOX)
    known = Browser("192.0.2.7", FIREFOX, device=device)
    assert isinstance(await harness.sign_in_service.sign_in(identity, known), SignedIn)
    await ends(ada)
    assert await all_of(harness, RememberedDevice) == []
    again = await harness.sign_in_service.sign_in(identity, known)
    if isinstance(again, SignedIn):
        assert again.user_id != ada.user_id
        await enable_mfa(harness, again.user_id)
        again = await harness.sign_in_service.sign_in(identity, known)
    assert isinstance(again, MfaRequired)


async def test_the_operator_decides_how_often(database: DatabaseUnderTest) -> None:
    async with auth_harness(database, limit_second_factor="2/hour") as harness:
        ada = await mfa_user(harness)
        await wrong_ones(ada, 2)
        with pytest.raises(TwoFactorLocked) as refused:
            await harness.two_factor.check(ada.user_id, ada.code())
        assert refused.value.retry_after == 3600
