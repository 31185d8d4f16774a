"""The second factor on a real database: turning it on, proving it, and being wrong about it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pyotp.totp import TOTP
from sqlmodel import SQLModel, select

from chat_app.auth.account.disable import UserAccess
from chat_app.auth.errors import InvalidToken, InvalidTwoFactorCode, TwoFactorLocked
from chat_app.auth.sign_in.identity import Browser, MfaRequired, SignedIn, VerifiedIdentity
from chat_app.auth.two_factor import TwoFactor
from chat_app.core.crypto import KeyRing
from chat_app.core.errors import Conflict, Unavailable
from chat_app.db.tables import BackupCode, OneTimeToken, RememberedDevice, Totp
from testing.auth_services import FIREFOX, Stage, settings_of, staged
from testing.second_factor import Holder, holder, turned_on

HERE = Browser("192.0.2.7", FIREFOX)


NEW = "5d0a93b1-a-key-of-the-next-year-77c2"


def with_keys(stage: Stage, **given: Any) -> TwoFactor:
    """The same second factors in a program with other keys."""
    keys = KeyRing(settings_of(stage.settings.data_dir, **given))
    return TwoFactor(stage.db, stage.tokens, keys, stage.settings, stage.time)


async def all_of(stage: Stage, table: type[SQLModel]) -> list[Any]:
    async with stage.db.system("auth") as session:
        return list((await session.exec(select(table))).all())


@pytest.fixture
async def ada(stage: Stage) -> Holder:
    return await holder(stage)


async def wrong_ones(ada: Holder, many: int) -> None:
    for _ in range(many):
        with pytest.raises(InvalidTwoFactorCode):
            await ada.stage.two_factor.check(ada.user_id, ada.wrong())


async def test_it_asks_for_nothing_until_the_first_code_was_right(stage: Stage) -> None:
    principal = await stage.principal_of(await stage.sign_in(await stage.person()))
    secret = await stage.two_factor.begin(principal)
    assert (await stage.two_factor.status(principal)).since is None
    with pytest.raises(InvalidTwoFactorCode):
        await stage.two_factor.confirm(principal, "not a code")
    with pytest.raises(InvalidToken):
        await stage.two_factor.check(principal.user_id, TOTP(secret).at(stage.time()))
    codes = await stage.two_factor.confirm(principal, TOTP(secret).at(stage.time()))
    factor = await stage.two_factor.status(principal)
    assert (factor.since, factor.codes_left, factor.devices) == (stage.time(), len(codes), 0)


async def test_whoever_begins_again_confirms_the_newer_secret(stage: Stage) -> None:
    principal = await stage.principal_of(await stage.sign_in(await stage.person()))
    older, newer = [await stage.two_factor.begin(principal) for _ in range(2)]
    with pytest.raises(InvalidTwoFactorCode):
        await stage.two_factor.confirm(principal, TOTP(older).at(stage.time()))
    await stage.two_factor.confirm(principal, TOTP(newer).at(stage.time()))


async def test_what_is_on_cannot_be_put_on_another_authenticator(ada: Holder) -> None:
    with pytest.raises(Conflict):
        await ada.stage.two_factor.begin(ada.principal)
    with pytest.raises(Conflict):
        await ada.stage.two_factor.confirm(ada.principal, ada.code())
    await ada.stage.two_factor.check(ada.user_id, ada.code())


async def test_a_code_works_once(ada: Holder) -> None:
    await ada.stage.two_factor.check(ada.user_id, ada.code())
    with pytest.raises(InvalidTwoFactorCode):
        await ada.stage.two_factor.check(ada.user_id, ada.code())
    with pytest.raises(InvalidTwoFactorCode):  # nor an older one than the last
        await ada.stage.two_factor.check(ada.user_id, ada.code(-1))
    await ada.stage.two_factor.check(ada.user_id, ada.code(1))


async def test_the_code_that_turned_it_on_signs_nobody_in(stage: Stage) -> None:
    ada = await holder(stage)
    stage.time.passes(seconds=-30)
    with pytest.raises(InvalidTwoFactorCode):
        await stage.two_factor.check(ada.user_id, ada.code())


async def test_of_twenty_with_one_code_one_gets_in(ada: Holder) -> None:
    for code in (ada.code(), ada.backup[0]):
        ada.stage.time.passes(hours=1)
        tokens = [await ada.challenge() for _ in range(20)]
        code = ada.code() if len(code) == 6 else code
        found = await asyncio.gather(
            *(ada.stage.two_factor.pass_challenge(token, code) for token in tokens),
            return_exceptions=True,
        )
        assert sum(not isinstance(one, BaseException) for one in found) == 1, code


async def test_a_backup_code_works_once(ada: Holder) -> None:
    await ada.stage.two_factor.check(ada.user_id, ada.backup[3].lower().replace("-", " "))
    with pytest.raises(InvalidTwoFactorCode):
        await ada.stage.two_factor.check(ada.user_id, ada.backup[3])
    await ada.stage.two_factor.check(ada.user_id, ada.backup[4])
    assert (await ada.stage.two_factor.status(ada.principal)).codes_left == 8


async def test_somebody_elses_codes_are_wrong(ada: Holder) -> None:
    eve = await holder(ada.stage, "eve@example.org")
    for code in (eve.backup[0], eve.code()):
        with pytest.raises(InvalidTwoFactorCode):
            await ada.stage.two_factor.check(ada.user_id, code)
    await ada.stage.two_factor.check(eve.user_id, eve.backup[0])


async def test_new_backup_codes_end_the_old_ones(ada: Holder) -> None:
    newer = await ada.stage.two_factor.renew_codes(ada.principal)
    with pytest.raises(InvalidTwoFactorCode):
        await ada.stage.two_factor.check(ada.user_id, ada.backup[0])
    await ada.stage.two_factor.check(ada.user_id, newer[0])


async def test_codes_are_kept_as_hashes_and_the_secret_sealed(ada: Holder) -> None:
    kept = str([*await all_of(ada.stage, BackupCode), *await all_of(ada.stage, Totp)])
    assert ada.secret not in kept
    assert not any(code.replace("-", "") in kept or code in kept for code in ada.backup)


async def test_a_burst_gets_no_further_than_one_after_the_other(ada: Holder) -> None:
    tokens = [await ada.challenge() for _ in range(50)]
    found = await asyncio.gather(
        *(ada.stage.two_factor.pass_challenge(token, ada.wrong()) for token in tokens),
        return_exceptions=True,
    )
    assert sum(isinstance(one, InvalidTwoFactorCode) for one in found) == 5
    assert sum(isinstance(one, TwoFactorLocked) for one in found) == 45


async def test_a_burst_at_one_challenge_gets_no_further_either(ada: Holder) -> None:
    token = await ada.challenge()
    found = await asyncio.gather(
        *(ada.stage.two_factor.pass_challenge(token, ada.wrong()) for _ in range(50)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, InvalidTwoFactorCode) for one in found) == 5
    assert not [one for one in found if not isinstance(one, Exception)]


async def test_after_five_wrong_ones_the_right_one_is_not_looked_at(ada: Holder) -> None:
    await wrong_ones(ada, 5)
    for code in (ada.code(), ada.backup[0]):
        with pytest.raises(TwoFactorLocked) as refused:
            await ada.stage.two_factor.check(ada.user_id, code)
        assert refused.value.retry_after == 900
    ada.stage.time.passes(minutes=15)
    await ada.stage.two_factor.check(ada.user_id, ada.backup[0])


async def test_the_lock_survives_another_challenge_another_kind_and_another_start(
    ada: Holder,
) -> None:
    stage = ada.stage
    for code in (ada.wrong(), ada.wrong(), "AAAA-BBBB-CCCC-DDDD", "not a code"):
        with pytest.raises(InvalidTwoFactorCode):
            await stage.two_factor.pass_challenge(await ada.challenge(), code)
    with pytest.raises(InvalidTwoFactorCode):
        await stage.two_factor.check(ada.user_id, "1")
    again = TwoFactor(stage.db, stage.tokens, stage.keyring, stage.settings, stage.time)
    with pytest.raises(TwoFactorLocked):
        await again.pass_challenge(await ada.challenge(), ada.code())


async def test_a_right_code_begins_the_count_anew(ada: Holder) -> None:
    for _ in range(3):
        await wrong_ones(ada, 4)
        await ada.stage.two_factor.check(ada.user_id, ada.code())
        ada.stage.time.passes(seconds=30)


async def test_a_lock_that_is_over_leaves_all_tries_again(ada: Holder) -> None:
    await wrong_ones(ada, 5)
    ada.stage.time.passes(minutes=15)
    await wrong_ones(ada, 5)
    with pytest.raises(TwoFactorLocked):
        await ada.stage.two_factor.check(ada.user_id, ada.code())


async def test_being_wrong_locks_nobody_else(ada: Holder) -> None:
    eve = await holder(ada.stage, "eve@example.org")
    await wrong_ones(eve, 5)
    await ada.stage.two_factor.check(ada.user_id, ada.code())


async def test_our_own_failure_spends_no_try(ada: Holder) -> None:
    stage = ada.stage
    broken = with_keys(stage, auth_secret=NEW)
    token = await ada.challenge()
    for _ in range(7):
        with pytest.raises(Unavailable):
            await broken.pass_challenge(token, ada.code())
    await broken.pass_challenge(token, ada.backup[0])


async def test_a_secret_moves_to_the_newest_key_when_it_is_used(ada: Holder) -> None:
    stage = ada.stage
    old = stage.settings.auth_secret.get_secret_value()
    for given in ({"auth_secret_previous": old}, {}):
        await with_keys(stage, auth_secret=NEW, **given).check(ada.user_id, ada.code())
        stage.time.passes(seconds=30)


async def test_a_challenge_is_good_for_one_sign_in(ada: Holder) -> None:
    token = await ada.challenge()
    spent = await ada.stage.two_factor.pass_challenge(token, ada.code())
    assert spent.user_id == ada.user_id
    with pytest.raises(InvalidToken):
        await ada.stage.two_factor.pass_challenge(token, ada.backup[0])
    await ada.stage.two_factor.check(ada.user_id, ada.backup[0])  # it was not spent


@pytest.mark.parametrize("token", ["", "x" * 43, "\ud800", "x" * 100_000])
async def test_nobody_passes_without_a_challenge(ada: Holder, token: str) -> None:
    with pytest.raises(InvalidToken):
        await ada.stage.two_factor.pass_challenge(token, ada.code())


async def test_a_challenge_expires_and_no_other_token_is_one(ada: Holder) -> None:
    late = await ada.challenge()
    other = await ada.stage.tokens.create(
        "reset_password", lifetime=ada.stage.time.hour, user_id=ada.user_id
    )
    with pytest.raises(InvalidToken):
        await ada.stage.two_factor.pass_challenge(other, ada.code())
    ada.stage.time.passes(hours=1)
    with pytest.raises(InvalidToken):
        await ada.stage.two_factor.pass_challenge(late, ada.code())


async def test_turning_it_off_takes_everything_with_it(ada: Holder) -> None:
    stage = ada.stage
    token = await ada.challenge()
    await stage.devices.remember(ada.user_id, FIREFOX)
    await stage.two_factor.turn_off(ada.principal)
    for table in (Totp, BackupCode, RememberedDevice, OneTimeToken):
        assert await all_of(stage, table) == [], table
    with pytest.raises(InvalidToken):
        await stage.two_factor.pass_challenge(token, ada.backup[0])
    with pytest.raises(Conflict):
        await stage.two_factor.renew_codes(ada.principal)


async def test_turning_it_off_touches_nobody_elses(ada: Holder) -> None:
    eve = await holder(ada.stage, "eve@example.org")
    await ada.stage.two_factor.turn_off(eve.principal)
    await ada.stage.two_factor.check(ada.user_id, ada.backup[0])


async def test_a_remembered_browser_is_not_asked_for_as_long_as_the_setting_says(
    stage: Stage,
) -> None:
    letter = VerifiedIdentity(
        "email", "email", "ada@example.org", "ada@example.org", email_verified=True
    )
    entered = await stage.sign_in_service.sign_in(letter, HERE)
    assert isinstance(entered, SignedIn)
    ada = await turned_on(stage, entered.user_id)
    device = await stage.devices.remember(ada.user_id, FIREFOX)
    known = Browser("192.0.2.7", FIREFOX, device=device)
    assert isinstance(await stage.sign_in_service.sign_in(letter, known), SignedIn)
    assert (await stage.two_factor.status(ada.principal)).devices == 1
    eve = await turned_on(stage, await stage.person("eve@example.org"))
    hers = Browser("192.0.2.7", FIREFOX, device=await stage.devices.remember(eve.user_id, FIREFOX))
    assert isinstance(await stage.sign_in_service.sign_in(letter, hers), MfaRequired)
    stage.time.passes(days=30)
    await stage.tokens.purge()
    assert isinstance(await stage.sign_in_service.sign_in(letter, known), MfaRequired)
    assert await all_of(stage, RememberedDevice) == []


async def test_a_device_of_before_is_unknown_after_turning_it_on_again(ada: Holder) -> None:
    await ada.stage.devices.remember(ada.user_id, FIREFOX)
    await ada.stage.two_factor.turn_off(ada.principal)
    await turned_on(ada.stage, ada.user_id)
    assert await all_of(ada.stage, RememberedDevice) == []


async def leaves(ada: Holder) -> None:
    await ada.stage.account_deletion.remove(ada.principal, "ada@example.org")


async def is_shut_out_for_a_while(ada: Holder) -> None:
    stage = ada.stage
    user_access = UserAccess(stage.db, stage.sessions, stage.time)
    await user_access.disable(ada.user_id)
    await user_access.enable(ada.user_id)


@pytest.mark.parametrize("ends", [leaves, is_shut_out_for_a_while])
async def test_a_remembered_browser_dies_with_the_person(
    stage: Stage, ends: Callable[[Holder], Awaitable[None]]
) -> None:
    letter = VerifiedIdentity(
        "email", "email", "ada@example.org", "ada@example.org", email_verified=True
    )
    entered = await stage.sign_in_service.sign_in(letter, HERE)
    assert isinstance(entered, SignedIn)
    ada = await turned_on(stage, entered.user_id)
    device = await stage.devices.remember(ada.user_id, FIREFOX)
    known = Browser("192.0.2.7", FIREFOX, device=device)
    assert isinstance(await stage.sign_in_service.sign_in(letter, known), SignedIn)
    await ends(ada)
    assert await all_of(stage, RememberedDevice) == []
    again = await stage.sign_in_service.sign_in(letter, known)
    if isinstance(again, SignedIn):
        assert again.user_id != ada.user_id
        await turned_on(stage, again.user_id)
        again = await stage.sign_in_service.sign_in(letter, known)
    assert isinstance(again, MfaRequired)


async def test_the_operator_decides_how_often(tmp_path: Path) -> None:
    async with staged(tmp_path, limit_second_factor="2/hour") as stage:
        ada = await holder(stage)
        await wrong_ones(ada, 2)
        with pytest.raises(TwoFactorLocked) as refused:
            await stage.two_factor.check(ada.user_id, ada.code())
        assert refused.value.retry_after == 3600
