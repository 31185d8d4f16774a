"""The rate limits of sign-in, sign-up and email.

Of sign-ins only failures count; of what leaves a row or sends an email, everything does. Failures
in a known browser (`known_browsers.py`) count for it alone, so that no other client can lock its
user out. A client that fails too often waits, so that it does not lock out others behind its
address.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from limits import RateLimitItem, parse

from chat_app.auth.errors import SignInPaused, TooManyAttempts
from chat_app.core.clock import Clock, Sleep
from chat_app.core.network import limited_network
from chat_app.core.rate_limit import Budget, RateLimiter, releasing
from chat_app.settings import Settings

FIRST_WAIT_SECONDS = 2.0
"""The wait of a client's first attempt beyond its budget; each further one doubles it."""
LONGEST_WAIT_SECONDS = 30.0
"""The longest wait: proxies in front often give up after a minute."""
MAX_WAITING = 20
"""Attempts of one client that wait at the same time; further ones are refused."""

_MAX_CONCURRENT_CHECKS = 2
"""As many as there are threads to hash in. Others queue without reserving an attempt, so that
correct passwords are not refused for being many. Known browsers have a queue of their own, so that
they do not stand behind an attacker's attempts."""


class AuthRateLimits:
    """Budgets per known browser, account, recipient and client network.

    Args:
        settings: The rates, as `limit_…`, and whether an address is the client's.
        clock: The time.
        sleep: Waits so many seconds; tests pass one that does not.
    """

    def __init__(self, settings: Settings, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._settings = settings
        self._known = parse(settings.limit_sign_in_known)
        self._pair = parse(settings.limit_sign_in_pair)
        self._client = parse(settings.limit_sign_in_address)
        self._account = parse(settings.limit_sign_in_account)
        self._sign_up = parse(settings.limit_sign_up_address)
        self._email_known = parse(settings.limit_mail_known)
        self._email_client = parse(settings.limit_mail_address)
        self._email_recipient = parse(settings.limit_mail_recipient)
        self._start = parse(settings.limit_start_address)
        self._sleep = sleep
        self._limiter = RateLimiter(TooManyAttempts, clock)
        self._checks = asyncio.Semaphore(_MAX_CONCURRENT_CHECKS)
        self._known_checks = asyncio.Semaphore(_MAX_CONCURRENT_CHECKS)
        self._waiting: Counter[tuple[str, ...]] = Counter()
        self._cleared: Counter[str] = Counter()

    @asynccontextmanager
    async def sign_in(self, account: str, client_ip: str, known: str = "") -> AsyncIterator[None]:
        """Around one password check. Failures count.

        A known browser has a budget of its own. When that is used up, it counts as an unknown one:
        those have a budget per client and account, and one for all of them per account. A client
        with too many failures waits before its password is checked.

        Args:
            account: The normalised email, whether or not it has an account.
            client_ip: The client's IP address.
            known: `KnownBrowsers.find` of this browser and account.

        Raises:
            SignInPaused: Too many failures of the account in unknown browsers.
            TooManyAttempts: Too many failures of this client, or too many of its attempts wait.
        """
        subject = self._subject(account)
        if known:
            own = Budget(self._known, ("known", known, *subject))
            async with self._known_checks:
                if await self._limiter.reserve(own) is None:
                    async with releasing(lambda: self._limiter.release(own), on_success=True):
                        yield
                    return
        client = self._per_client(self._client, client_ip, "client", refuses=False)
        budgets = (
            Budget(self._account, ("account", *subject), SignInPaused),
            *self._per_client(self._pair, client_ip, "pair", *subject),
        )
        waited = False
        while True:
            await self._limiter.check(budgets)
            waited = waited or await self._wait(client)
            async with self._checks:
                # Others of this client may have failed while this attempt was in the queue.
                if not waited and await self._is_over(client):
                    continue
                async with self._limiter.attempt(*budgets, *client, release_on_success=True):
                    yield
                return

    @asynccontextmanager
    async def new_password(self, client_ip: str) -> AsyncIterator[None]:
        """Around judging a new password, which costs up to a second of work.

        A refused password counts as a failed sign-in of the client, which waits as it does there.

        Raises:
            TooManyAttempts: Too many attempts of this client wait.
        """
        client = self._per_client(self._client, client_ip, "client", refuses=False)
        await self._wait(client)
        async with self._limiter.attempt(*client, release_on_success=True):
            yield

    def sign_up(self, client_ip: str) -> AbstractAsyncContextManager[None]:
        """Around creating an account. Success and a taken email count.

        Raises:
            TooManyAttempts: Before it is created.
        """
        return self._limiter.attempt(*self._per_client(self._sign_up, client_ip, "sign-up"))

    @asynccontextmanager
    async def email(self, recipient: str, client_ip: str, known: str = "") -> AsyncIterator[None]:
        """Around sending an email, whether or not there is an account.

        A known browser has a budget of its own, which no other client can use up; the shared ones
        come after it.

        Args:
            recipient: The normalised email.
            client_ip: The client's IP address.
            known: `KnownBrowsers.find` of this browser and recipient.

        Raises:
            TooManyAttempts: Of this client, or to this recipient.
        """
        subject = self._subject(recipient)
        own = Budget(self._email_known, ("mail-known", known, *subject))
        if known and await self._limiter.reserve(own) is None:
            async with releasing(lambda: self._limiter.release(own)):
                yield
            return
        async with self._limiter.attempt(
            *self._per_client(self._email_client, client_ip, "mail-from"),
            Budget(self._email_recipient, ("mail-to", *subject)),
        ):
            yield

    @asynccontextmanager
    async def start(self, client_ip: str) -> AsyncIterator[None]:
        """Around an anonymous action that stores a row; a client with too many of them waits.

        Raises:
            TooManyAttempts: Too many attempts of this client wait.
        """
        client = self._per_client(self._start, client_ip, "start", refuses=False)
        await self._wait(client)
        async with self._limiter.attempt(*client):
            yield

    def clear(self, account: str) -> None:
        """Forget the failed sign-ins of an account and the emails to it, from every client.

        What the same clients did to other accounts still counts.

        Args:
            account: The normalised email.
        """
        self._cleared[account] += 1

    def _subject(self, account: str) -> tuple[str, str]:
        # What was counted before `clear` is left to expire under its former name.
        return account, str(self._cleared[account])

    def _per_client(
        self, rate: RateLimitItem, client_ip: str, kind: str, *rest: str, refuses: bool = True
    ) -> tuple[Budget, ...]:
        """The budget of a client; none where its address is not known."""
        network = limited_network(client_ip, self._settings)
        return () if network is None else (Budget(rate, (kind, network, *rest), refuses=refuses),)

    async def _is_over(self, budgets: Sequence[Budget]) -> bool:
        return any([await self._limiter.count(one) >= one.rate.amount for one in budgets])

    async def _wait(self, budgets: Sequence[Budget]) -> bool:
        """Wait if a budget is used up, the longer the more attempts are beyond it.

        Returns:
            Whether it waited.

        Raises:
            TooManyAttempts: Too many wait already.
        """
        waited = False
        for budget in budgets:
            beyond = await self._limiter.count(budget) - budget.rate.amount
            if beyond < 0:
                continue
            waiting = self._waiting[budget.key]
            seconds = min(FIRST_WAIT_SECONDS * 2 ** min(beyond + waiting, 8), LONGEST_WAIT_SECONDS)
            if waiting >= MAX_WAITING:
                raise TooManyAttempts(math.ceil(seconds))
            waited = True
            self._waiting[budget.key] += 1
            try:
                await self._sleep(seconds)
            finally:
                self._waiting[budget.key] -= 1
                if not self._waiting[budget.key]:
                    del self._waiting[budget.key]
        return waited
