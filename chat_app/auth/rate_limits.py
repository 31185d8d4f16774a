"""The rate limits of sign-in, sign-up and email.

Of sign-ins only failures count; of what leaves a row or sends an email, everything does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from limits import parse

from chat_app.auth.errors import TooManyAttempts
from chat_app.core.network import client_network_of
from chat_app.core.rate_limit import Budget, RateLimiter
from chat_app.settings import Settings

_MAX_CONCURRENT_CHECKS = 2
"""As many as there are threads to hash in. Others wait without reserving an attempt, so that
correct passwords are not refused for being many."""


class AuthRateLimits:
    """Budgets per client network, account and recipient.

    Args:
        settings: The rates, as `limit_…`.
    """

    def __init__(self, settings: Settings) -> None:
        self._pair = parse(settings.limit_sign_in_pair)
        self._client = parse(settings.limit_sign_in_address)
        self._account = parse(settings.limit_sign_in_account)
        self._sign_up = parse(settings.limit_sign_up_address)
        self._email_client = parse(settings.limit_mail_address)
        self._email_recipient = parse(settings.limit_mail_recipient)
        self._start = parse(settings.limit_start_address)
        self._limiter = RateLimiter(TooManyAttempts)
        self._checks = asyncio.Semaphore(_MAX_CONCURRENT_CHECKS)
        self._cleared: dict[str, int] = {}

    @asynccontextmanager
    async def sign_in(self, account: str, client_ip: str) -> AsyncIterator[None]:
        """Around one password check. Failures count.

        Args:
            account: The normalised email, whether or not it has an account.
            client_ip: The client's IP address.

        Raises:
            TooManyAttempts: Before the password is checked.
        """
        network = client_network_of(client_ip)
        budgets = (
            Budget(self._client, ("client", network)),
            Budget(self._account, self._key("account", account)),
            Budget(self._pair, self._key("pair", account, network)),
        )
        await self._limiter.check(budgets)
        async with self._checks, self._limiter.attempt(*budgets, release_on_success=True):
            yield

    def clear(self, account: str) -> None:
        """Forget the failed sign-ins of an account and the emails to it, from every client.

        Args:
            account: The normalised email.
        """
        # Counters are named by client too, so they are left to expire under their former name.
        self._cleared[account] = self._cleared.get(account, 0) + 1

    def _key(self, kind: str, account: str, *others: str) -> tuple[str, ...]:
        """The key of a budget of an account, which `clear` replaces."""
        return kind, *others, account, str(self._cleared.get(account, 0))

    def new_password(self, client_ip: str) -> AbstractAsyncContextManager[None]:
        """Around judging a new password, which costs up to a second of work.

        A refused password counts as a failed sign-in of the client.

        Raises:
            TooManyAttempts: Before it is judged.
        """
        budget = Budget(self._client, ("client", client_network_of(client_ip)))
        return self._limiter.attempt(budget, release_on_success=True)

    def sign_up(self, client_ip: str) -> AbstractAsyncContextManager[None]:
        """Around creating an account. Success and a taken email count.

        Raises:
            TooManyAttempts: Before it is created.
        """
        return self._limiter.attempt(
            Budget(self._sign_up, ("sign-up", client_network_of(client_ip)))
        )

    def email(self, recipient: str, client_ip: str) -> AbstractAsyncContextManager[None]:
        """Around sending an email, whether or not there is an account.

        Args:
            recipient: The normalised email.
            client_ip: The client's IP address.

        Raises:
            TooManyAttempts: Of this client, or to this recipient.
        """
        return self._limiter.attempt(
            Budget(self._email_client, ("mail-from", client_network_of(client_ip))),
            Budget(self._email_recipient, self._key("mail-to", recipient)),
        )

    def start(self, client_ip: str) -> AbstractAsyncContextManager[None]:
        """Around an anonymous action that stores a row.

        Raises:
            TooManyAttempts: Of this client.
        """
        return self._limiter.attempt(Budget(self._start, ("start", client_network_of(client_ip))))
