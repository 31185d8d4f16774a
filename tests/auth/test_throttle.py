import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path

import pytest

from chat_app.auth.refusals import EmailTaken, WeakPassword, WrongCredentials
from chat_app.auth.throttle import Throttle
from chat_app.db.errors import DatabaseBusy
from chat_app.errors import RateLimited
from testing.auth_services import settings_of

HERE, THERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def throttle(tmp_path: Path) -> Throttle:
    return Throttle(
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
    throttle: Throttle, account: str, address: str, error: BaseException | None = None
) -> bool:
    """Try once; whether the password was looked at."""
    looked = False
    with suppress(RateLimited, type(error) if error else RateLimited):
        async with throttle.sign_in(account, address):
            looked = True
            await asyncio.sleep(0)
            if error is not None:
                raise error
    return looked


async def fail(throttle: Throttle, account: str, address: str) -> bool:
    return await guess(throttle, account, address, WrongCredentials())


async def looked(*tries: Awaitable[bool]) -> int:
    return sum(await asyncio.gather(*tries))


async def test_a_burst_gets_exactly_the_budget(throttle: Throttle) -> None:
    assert await looked(*(fail(throttle, "ada", HERE) for _ in range(50))) == 5


async def test_one_after_the_other_gets_exactly_the_budget(throttle: Throttle) -> None:
    assert [await fail(throttle, "ada", HERE) for _ in range(7)] == [True] * 5 + [False] * 2


async def test_of_two_at_once_for_the_last_place_one_passes(throttle: Throttle) -> None:
    for _ in range(4):
        await fail(throttle, "ada", HERE)
    assert await looked(fail(throttle, "ada", HERE), fail(throttle, "ada", HERE)) == 1


async def test_right_passwords_are_never_too_many(throttle: Throttle) -> None:
    assert await looked(*(guess(throttle, "ada", HERE) for _ in range(40))) == 40
    assert await fail(throttle, "ada", HERE)


async def test_our_own_failure_costs_nobody_a_try(throttle: Throttle) -> None:
    for error in [RuntimeError("bug"), DatabaseBusy()] * 10:
        assert await guess(throttle, "ada", HERE, error)
    assert await looked(*(fail(throttle, "ada", HERE) for _ in range(9))) == 5


async def test_a_try_that_was_cancelled_still_counts(throttle: Throttle) -> None:
    for _ in range(5):
        assert await guess(throttle, "ada", HERE, asyncio.CancelledError())
    assert not await fail(throttle, "ada", HERE)


async def test_the_refusal_says_when_to_come_back(throttle: Throttle) -> None:
    for _ in range(5):
        await fail(throttle, "ada", HERE)
    with pytest.raises(RateLimited) as refused:
        async with throttle.sign_in("ada", HERE):
            pytest.fail("the password was looked at")
    assert 1 <= refused.value.retry_after <= 900


async def test_the_owner_can_sign_in_from_elsewhere(throttle: Throttle) -> None:
    for _ in range(6):
        await fail(throttle, "ada", HERE)
    assert not await guess(throttle, "ada", HERE)
    assert await guess(throttle, "ada", THERE)


async def test_others_at_the_address_can_sign_in(throttle: Throttle) -> None:
    for _ in range(6):
        await fail(throttle, "ada", HERE)
    assert await guess(throttle, "bob", HERE)


async def test_one_address_cannot_try_many_accounts(throttle: Throttle) -> None:
    assert await looked(*(fail(throttle, f"user{n}", HERE) for n in range(50))) == 8


async def test_many_addresses_cannot_try_one_account(throttle: Throttle) -> None:
    assert await looked(*(fail(throttle, "ada", f"192.0.2.{n}") for n in range(50))) == 8


async def test_a_refused_try_takes_no_place_in_another_budget(throttle: Throttle) -> None:
    for _ in range(50):
        await fail(throttle, "ada", HERE)
    assert await looked(*(fail(throttle, "bob", HERE) for _ in range(9))) == 3


async def test_a_whole_ipv6_network_is_one_address(throttle: Throttle) -> None:
    tries = (fail(throttle, "ada", f"2001:db8:0:1::{n:x}") for n in range(50))
    assert await looked(*tries) == 5
    assert await fail(throttle, "ada", "2001:db8:0:2::1")


async def test_unknown_addresses_share_one_budget(throttle: Throttle) -> None:
    tries = [fail(throttle, "ada", address) for address in ["", "unknown", "x"] * 4]
    assert await looked(*tries) == 5


async def test_new_accounts_of_an_address_are_counted_when_they_succeed(
    throttle: Throttle,
) -> None:
    for _ in range(3):
        async with throttle.sign_up(HERE):
            pass
    with pytest.raises(RateLimited):
        async with throttle.sign_up(HERE):
            pytest.fail("a fourth account")
    async with throttle.sign_up(THERE):
        pass


async def test_asking_which_addresses_are_taken_is_counted_too(throttle: Throttle) -> None:
    for _ in range(3):
        with pytest.raises(EmailTaken):
            async with throttle.sign_up(HERE):
                raise EmailTaken
    with pytest.raises(RateLimited):
        async with throttle.sign_up(HERE):
            pytest.fail("a fourth answer")


async def test_weak_passwords_cost_the_address_but_no_account(throttle: Throttle) -> None:
    for _ in range(8):
        with pytest.raises(WeakPassword):
            async with throttle.new_password(HERE):
                raise WeakPassword
    with pytest.raises(RateLimited):
        async with throttle.new_password(HERE):
            pytest.fail("judged once more")
    async with throttle.sign_up(HERE):
        pass


async def test_good_new_passwords_cost_nothing(throttle: Throttle) -> None:
    for _ in range(20):
        async with throttle.new_password(HERE):
            pass


async def mail(throttle: Throttle, recipient: str, address: str) -> bool:
    """Ask for a letter; whether it was sent."""
    with suppress(RateLimited):
        async with throttle.mail(recipient, address):
            await asyncio.sleep(0)
            return True
    return False


async def test_a_mailbox_gets_a_few_letters_whoever_asks(throttle: Throttle) -> None:
    assert await looked(*(mail(throttle, "ada", f"192.0.2.{n}") for n in range(50))) == 3
    assert await mail(throttle, "bob", HERE)


async def test_an_address_can_ask_for_a_few_letters_whoever_gets_them(throttle: Throttle) -> None:
    assert await looked(*(mail(throttle, f"user{n}", HERE) for n in range(50))) == 8
    assert await mail(throttle, "user50", THERE)


async def test_letters_that_were_refused_count_for_no_mailbox(throttle: Throttle) -> None:
    await looked(*(mail(throttle, f"user{n}", HERE) for n in range(8)))
    assert not await mail(throttle, "ada", HERE)
    assert await looked(*(mail(throttle, "ada", THERE) for _ in range(9))) == 3


async def test_a_letter_we_failed_to_send_counts_for_nobody(throttle: Throttle) -> None:
    for _ in range(9):
        with pytest.raises(DatabaseBusy):
            async with throttle.mail("ada", HERE):
                raise DatabaseBusy
    assert await mail(throttle, "ada", HERE)


async def test_an_address_can_begin_a_few_sign_ins(throttle: Throttle) -> None:
    for _ in range(4):
        async with throttle.start(HERE):
            pass
    with pytest.raises(RateLimited):
        async with throttle.start(HERE):
            pytest.fail("a fifth row")
    async with throttle.start(THERE):
        pass
