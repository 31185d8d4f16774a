import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from chat_app.auth.errors import EmailTaken, InvalidCredentials, SignInPaused, WeakPassword
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.core.errors import DatabaseBusy, RateLimited
from testing.auth_services import Time, settings_of

HERE, THERE = "192.0.2.1", "198.51.100.1"
PHONE, LAPTOP = "0a", "0b"
"""Known browsers of Ada."""
LIMITS = {
    "limit_sign_in_known": "5/15 minutes",
    "limit_sign_in_pair": "5/15 minutes",
    "limit_sign_in_address": "8/hour",
    "limit_sign_in_account": "8/hour",
    "limit_sign_up_address": "3/hour",
    "limit_mail_known": "1/hour",
    "limit_mail_address": "8/hour",
    "limit_mail_recipient": "3/hour",
    "limit_start_address": "4/hour",
}


class Waits:
    """Takes the place of sleep: notes the seconds, and holds while it is shut."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self.is_open.wait()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def rate_limits(tmp_path: Path, time: Time, waits: Waits) -> AuthRateLimits:
    return AuthRateLimits(settings_of(tmp_path, **LIMITS), time, waits)


async def guess(
    rate_limits: AuthRateLimits,
    account: str,
    address: str,
    error: BaseException | None = None,
    known: str = "",
) -> bool:
    """Try once; whether the password was looked at."""
    looked = False
    with suppress(RateLimited, type(error) if error else RateLimited):
        async with rate_limits.sign_in(account, address, known):
            looked = True
            await asyncio.sleep(0)
            if error is not None:
                raise error
    return looked


async def fail(rate_limits: AuthRateLimits, account: str, address: str, known: str = "") -> bool:
    return await guess(rate_limits, account, address, InvalidCredentials(), known)


async def looked(*tries: Awaitable[bool]) -> int:
    return sum(await asyncio.gather(*tries))


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until a condition holds."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it did not come about")


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


async def test_our_own_failure_costs_no_try(rate_limits: AuthRateLimits) -> None:
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


async def fail_often(rate_limits: AuthRateLimits, address: str = HERE) -> None:
    """Use up the budget of a client, with invented accounts."""
    for number in range(8):
        assert await fail(rate_limits, f"invented{number}", address)


async def test_one_who_tries_many_accounts_waits_longer_each_time(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    await fail_often(rate_limits)
    assert waits.seconds == []
    for number in range(7):
        assert await fail(rate_limits, f"user{number}", HERE)
    assert waits.seconds == [2, 4, 8, 16, 30, 30, 30]


async def test_everyone_else_at_the_address_comes_in_after_a_wait(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    await fail_often(rate_limits)
    for number in range(4):
        assert await guess(rate_limits, f"colleague{number}", HERE)
    assert waits.seconds == [2, 2, 2, 2]  # a right password makes it no longer
    assert await guess(rate_limits, "bob", THERE)
    assert len(waits.seconds) == 4


async def test_of_a_burst_twenty_wait_and_the_rest_may_come_back_soon(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    waits.is_open.clear()
    seen: list[str] = []

    async def attempt(number: int) -> int:
        try:
            async with rate_limits.sign_in(f"user{number}", HERE):
                seen.append(f"user{number}")
                await asyncio.sleep(0)
                raise InvalidCredentials
        except RateLimited as refused:
            return refused.retry_after
        except InvalidCredentials:
            return 0

    tries = [asyncio.create_task(attempt(number)) for number in range(50)]
    await until(lambda: sum(task.done() for task in tries) == 30)
    assert len(seen) == 8
    assert {task.result() for task in tries if task.done()} == {0, 30}
    assert sorted(waits.seconds) == [2, 4, 8, 16] + [30] * 16
    waits.is_open.set()
    await asyncio.gather(*tries)
    assert len(seen) == 28


async def test_a_place_in_the_queue_is_free_again_when_its_wait_ends(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    await fail_often(rate_limits)
    waits.is_open.clear()
    tries = [asyncio.create_task(guess(rate_limits, f"user{n}", HERE)) for n in range(20)]
    await until(lambda: len(waits.seconds) == 20)
    assert not await guess(rate_limits, "ada", HERE)
    tries.pop().cancel()
    tries.append(asyncio.create_task(guess(rate_limits, "ada", HERE)))
    await until(lambda: len(waits.seconds) == 21)
    assert not await guess(rate_limits, "bob", HERE)
    waits.is_open.set()
    assert await looked(*tries) == 20


async def test_the_waiting_ends_with_the_hour(
    rate_limits: AuthRateLimits, time: Time, waits: Waits
) -> None:
    await fail_often(rate_limits)
    time.passes(minutes=59)
    assert await fail(rate_limits, "ada", HERE)
    time.passes(minutes=1)
    assert await fail(rate_limits, "bob", HERE)
    assert waits.seconds == [2]


async def test_a_known_browser_comes_in_whatever_others_do(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    await fail_often(rate_limits)
    for number in range(20):
        await fail(rate_limits, "ada", f"2001:db8:0:{number:x}::1")
    waits.seconds.clear()
    for address in (HERE, THERE, "2001:db8:0:1::1"):
        assert await guess(rate_limits, "ada", address, known=PHONE)
    assert waits.seconds == []
    with pytest.raises(SignInPaused):
        async with rate_limits.sign_in("ada", THERE):
            pytest.fail("the password was looked at")


async def test_after_five_failures_a_known_browser_counts_as_unknown(
    rate_limits: AuthRateLimits, time: Time
) -> None:
    tries = [await fail(rate_limits, "ada", HERE, PHONE) for _ in range(12)]
    assert tries == [True] * 10 + [False] * 2
    assert await looked(*(fail(rate_limits, "ada", HERE, LAPTOP) for _ in range(50))) == 5
    time.passes(minutes=15)
    assert await fail(rate_limits, "ada", HERE, PHONE)


async def test_failures_in_a_known_browser_count_for_it_alone(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    for browser in range(20):
        for _ in range(5):
            assert await fail(rate_limits, "ada", HERE, f"{browser:x}")
    assert await looked(*(fail(rate_limits, "ada", HERE) for _ in range(9))) == 5
    assert await fail(rate_limits, "bob", HERE)
    assert waits.seconds == []


async def test_forty_right_passwords_in_a_known_browser_are_not_too_many(
    rate_limits: AuthRateLimits,
) -> None:
    assert await looked(*(guess(rate_limits, "ada", HERE, known=PHONE) for _ in range(40))) == 40
    assert await looked(*(fail(rate_limits, "ada", HERE, PHONE) for _ in range(5))) == 5


async def test_the_operator_unlocks_an_account_and_no_client(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    for number in range(20):
        await fail(rate_limits, "ada", f"192.0.2.{number % 5}")
        await fail(rate_limits, "bob", f"192.0.2.{number % 5}")
        await mail(rate_limits, "ada", f"192.0.2.{number % 5}")
    await fail_often(rate_limits, THERE)
    assert not await guess(rate_limits, "ada", HERE)
    rate_limits.clear("ada")
    assert await guess(rate_limits, "ada", HERE)
    assert await looked(*(fail(rate_limits, "ada", HERE) for _ in range(9))) == 5
    assert await mail(rate_limits, "ada", THERE)
    assert not await guess(rate_limits, "bob", HERE)
    waits.seconds.clear()
    assert await guess(rate_limits, "ada", THERE)
    assert waits.seconds == [2]


@pytest.mark.parametrize("proxy", ["127.0.0.1", "::1", "10.0.0.1", "172.18.0.1", "fd00::1"])
async def test_where_every_peer_is_the_proxy_no_client_has_a_budget(
    tmp_path: Path, time: Time, waits: Waits, proxy: str
) -> None:
    public = settings_of(tmp_path, app_url="https://chat.example", fake_models=False, **LIMITS)
    limits = AuthRateLimits(public, time, waits)
    assert await looked(*(fail(limits, f"user{n}", proxy) for n in range(50))) == 50
    assert await looked(*(fail(limits, "ada", proxy) for n in range(50))) == 8
    assert await looked(*(mail(limits, f"user{n}", proxy) for n in range(50))) == 50
    for _ in range(50):
        async with limits.start(proxy), limits.sign_up(proxy):
            pass
    assert waits.seconds == []
    await fail_often(limits, "93.184.216.34")
    assert await fail(limits, "bob", "93.184.216.34")
    assert waits.seconds == [2]


async def test_many_addresses_cannot_try_one_account(rate_limits: AuthRateLimits) -> None:
    assert await looked(*(fail(rate_limits, "ada", f"192.0.2.{n}") for n in range(50))) == 8


async def test_a_refused_try_takes_no_place_in_another_budget(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    for _ in range(50):
        await fail(rate_limits, "ada", HERE)
    for _ in range(3):
        assert await fail(rate_limits, "bob", HERE)
    assert waits.seconds == []
    assert await fail(rate_limits, "bob", HERE)
    assert waits.seconds == [2]


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


async def test_weak_passwords_cost_the_address_but_no_account(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    for _ in range(8):
        with pytest.raises(WeakPassword):
            async with rate_limits.new_password(HERE):
                raise WeakPassword
    async with rate_limits.new_password(HERE):
        pass
    assert waits.seconds == [2]
    assert await guess(rate_limits, "ada", HERE)
    assert waits.seconds == [2, 2]
    async with rate_limits.sign_up(HERE):
        pass


async def test_good_new_passwords_cost_nothing(rate_limits: AuthRateLimits) -> None:
    for _ in range(20):
        async with rate_limits.new_password(HERE):
            pass


async def mail(rate_limits: AuthRateLimits, recipient: str, address: str, known: str = "") -> bool:
    """Ask for an email; whether it was sent."""
    with suppress(RateLimited):
        async with rate_limits.email(recipient, address, known):
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


async def test_an_email_we_failed_to_send_is_not_counted(rate_limits: AuthRateLimits) -> None:
    for _ in range(9):
        with pytest.raises(DatabaseBusy):
            async with rate_limits.email("ada", HERE):
                raise DatabaseBusy
    assert await mail(rate_limits, "ada", HERE)


async def test_a_known_browser_always_has_a_letter_of_its_own(
    rate_limits: AuthRateLimits, time: Time
) -> None:
    for number in range(50):
        await mail(rate_limits, f"user{number % 9}" if number % 2 else "ada", HERE)
    assert not await mail(rate_limits, "ada", THERE)
    assert await looked(*(mail(rate_limits, "ada", HERE, PHONE) for _ in range(9))) == 1
    assert await mail(rate_limits, "ada", HERE, LAPTOP)
    time.passes(hours=1)
    assert await looked(*(mail(rate_limits, "ada", HERE, PHONE) for _ in range(9))) == 4


async def test_an_address_that_begins_many_sign_ins_waits(
    rate_limits: AuthRateLimits, waits: Waits
) -> None:
    for _ in range(7):
        async with rate_limits.start(HERE):
            pass
    assert waits.seconds == [2, 4, 8]
    async with rate_limits.start(THERE):
        pass
    assert len(waits.seconds) == 3
