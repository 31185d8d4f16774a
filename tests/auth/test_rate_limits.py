import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path

import pytest

from chat_app.auth.errors import EmailTaken, InvalidCredentials, WeakPassword
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.core.errors import DatabaseBusy, RateLimited
from testing.auth_services import settings_of

HERE, THERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def rate_limits(tmp_path: Path) -> AuthRateLimits:
    return AuthRateLimits(
        settings_of(
            tmp_path,
            limit_sign_in_pair="5/15 minutes",
            limit_sign_in_address="8/hour",
            limit_sign_in_account="8/hour",
            limit_sign_up_address="3/hour",
            limit_mail_address="8/hour",
            limit_mail_recipient="3/hour",
            limit_start_address="4/hour",
        )
    )


async def guess(
    rate_limits: AuthRateLimits, account: str, address: str, error: BaseException | None = None
) -> bool:
    """Try once; whether the password was looked at."""
    looked = False
    with suppress(RateLimited, type(error) if error else RateLimited):
        async with rate_limits.sign_in(account, address):
            looked = True
            await asyncio.sleep(0)
            if error is not None:
                raise error
    return looked


async def fail(rate_limits: AuthRateLimits, account: str, address: str) -> bool:
    return await guess(rate_limits, account, address, InvalidCredentials())


async def looked(*tries: Awaitable[bool]) -> int:
    return sum(await asyncio.gather(*tries))


async def test_a_burst_gets_exactly_the_budget(rate_limits: AuthRateLimits) -> None:
    assert await looked(*(fail(rate_limits, "ada", HERE) for _ in range(50))) == 5


async def test_one_after_the_other_gets_exactly_the_budget(rate_limits: AuthRateLimits) -> None:
    assert [await fail(rate_limits, "ada", HERE) for _ in range(7)] == [True] * 5 + [False] * 2


async def test_of_two_at_once_for_the_last_place_one_passes(rate_limits: AuthRateLimits) -> None:
    for _ in range(4):
        await fail(rate_limits, "ada", HERE)
    assert await looked(fail(rate_limits, "ada", HERE), fail(rate_limits, "ada", HERE)) == 1


async def test_right_passwords_are_never_too_many(rate_limits: AuthRateLimits) -> None:
    assert await looked(*(guess(rate_limits, "ada", HERE) for _ in range(40))) == 40
    assert await fail(rate_limits, "ada", HERE)


async def test_our_own_failure_costs_nobody_a_try(rate_limits: AuthRateLimits) -> None:
    for error in [RuntimeError("bug"), DatabaseBusy()] * 10:
        assert await guess(rate_limits, "ada", HERE, error)
    assert await looked(*(fail(rate_limits, "ada", HERE) for _ in range(9))) == 5


async def test_a_try_that_was_cancelled_still_counts(rate_limits: AuthRateLimits) -> None:
    for _ in range(5):
        assert await guess(rate_limits, "ada", HERE, asyncio.CancelledError())
    assert not await fail(rate_limits, "ada", HERE)


async def test_the_refusal_says_when_to_come_back(rate_limits: AuthRateLimits) -> None:
    for _ in range(5):
        await fail(rate_limits, "ada", HERE)
    with pytest.raises(RateLimited) as refused:
        async with rate_limits.sign_in("ada", HERE):
            pytest.fail("the password was looked at")
    assert 1 <= refused.value.retry_after <= 900


async def test_the_owner_can_sign_in_from_elsewhere(rate_limits: AuthRateLimits) -> None:
    for _ in range(6):
        await fail(rate_limits, "ada", HERE)
    assert not await guess(rate_limits, "ada", HERE)
    assert await guess(rate_limits, "ada", THERE)


async def test_others_at_the_address_can_sign_in(rate_limits: AuthRateLimits) -> None:
    for _ in range(6):
        await fail(rate_limits, "ada", HERE)
    assert await guess(rate_limits, "bob", HERE)


async def test_one_address_cannot_try_many_accounts(rate_limits: AuthRateLimits) -> None:
    assert await looked(*(fail(rate_limits, f"user{n}", HERE) for n in range(50))) == 8


async def test_many_addresses_cannot_try_one_account(rate_limits: AuthRateLimits) -> None:
    assert await looked(*(fail(rate_limits, "ada", f"192.0.2.{n}") for n in range(50))) == 8


async def test_a_refused_try_takes_no_place_in_another_budget(rate_limits: AuthRateLimits) -> None:
    for _ in range(50):
        await fail(rate_limits, "ada", HERE)
    assert await looked(*(fail(rate_limits, "bob", HERE) for _ in range(9))) == 3


async def test_a_whole_ipv6_network_is_one_address(rate_limits: AuthRateLimits) -> None:
    tries = (fail(rate_limits, "ada", f"2001:db8:0:1::{n:x}") for n in range(50))
    assert await looked(*tries) == 5
    assert await fail(rate_limits, "ada", "2001:db8:0:2::1")


async def test_unknown_addresses_share_one_budget(rate_limits: AuthRateLimits) -> None:
    tries = [fail(rate_limits, "ada", address) for address in ["", "unknown", "x"] * 4]
    assert await looked(*tries) == 5


async def test_new_accounts_of_an_address_are_counted_when_they_succeed(
    rate_limits: AuthRateLimits,
) -> None:
    for _ in range(3):
        async with rate_limits.sign_up(HERE):
            pass
    with pytest.raises(RateLimited):
        async with rate_limits.sign_up(HERE):
            pytest.fail("a fourth account")
    async with rate_limits.sign_up(THERE):
        pass


async def test_asking_which_addresses_are_taken_is_counted_too(rate_limits: AuthRateLimits) -> None:
    for _ in range(3):
        with pytest.raises(EmailTaken):
            async with rate_limits.sign_up(HERE):
                raise EmailTaken
    with pytest.raises(RateLimited):
        async with rate_limits.sign_up(HERE):
            pytest.fail("a fourth answer")


async def test_weak_passwords_cost_the_address_but_no_account(rate_limits: AuthRateLimits) -> None:
    for _ in range(8):
        with pytest.raises(WeakPassword):
            async with rate_limits.new_password(HERE):
                raise WeakPassword
    with pytest.raises(RateLimited):
        async with rate_limits.new_password(HERE):
            pytest.fail("judged once more")
    async with rate_limits.sign_up(HERE):
        pass


async def test_good_new_passwords_cost_nothing(rate_limits: AuthRateLimits) -> None:
    for _ in range(20):
        async with rate_limits.new_password(HERE):
            pass


async def mail(rate_limits: AuthRateLimits, recipient: str, address: str) -> bool:
    """Ask for a letter; whether it was sent."""
    with suppress(RateLimited):
        async with rate_limits.email(recipient, address):
            await asyncio.sleep(0)
            return True
    return False


async def test_a_mailbox_gets_a_few_letters_whoever_asks(rate_limits: AuthRateLimits) -> None:
    assert await looked(*(mail(rate_limits, "ada", f"192.0.2.{n}") for n in range(50))) == 3
    assert await mail(rate_limits, "bob", HERE)


async def test_an_address_can_ask_for_a_few_letters_whoever_gets_them(
    rate_limits: AuthRateLimits,
) -> None:
    assert await looked(*(mail(rate_limits, f"user{n}", HERE) for n in range(50))) == 8
    assert await mail(rate_limits, "user50", THERE)


async def test_letters_that_were_refused_count_for_no_mailbox(rate_limits: AuthRateLimits) -> None:
    await looked(*(mail(rate_limits, f"user{n}", HERE) for n in range(8)))
    assert not await mail(rate_limits, "ada", HERE)
    assert await looked(*(mail(rate_limits, "ada", THERE) for _ in range(9))) == 3


async def test_a_letter_we_failed_to_send_counts_for_nobody(rate_limits: AuthRateLimits) -> None:
    for _ in range(9):
        with pytest.raises(DatabaseBusy):
            async with rate_limits.email("ada", HERE):
                raise DatabaseBusy
    assert await mail(rate_limits, "ada", HERE)


async def test_an_address_can_begin_a_few_sign_ins(rate_limits: AuthRateLimits) -> None:
    for _ in range(4):
        async with rate_limits.start(HERE):
            pass
    with pytest.raises(RateLimited):
        async with rate_limits.start(HERE):
            pytest.fail("a fifth row")
    async with rate_limits.start(THERE):
        pass
