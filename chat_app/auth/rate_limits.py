"""How often somebody may guess, and how often they may have something done for them.

Of guesses only failures count. A try takes its place in every budget before the password is
looked at and gives it back when it was right, so a burst of fifty cannot get past a budget of
five.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from chat_app.auth.errors import TooManyAttempts
from chat_app.core.errors import ChatError
from chat_app.core.network import client_network_of
from chat_app.settings import Settings

_AT_ONCE = 2
"""Sign-ins checked at the same moment: as many as there are threads to hash in. The others wait
their turn without holding a place, so right passwords are not refused for being many."""


@dataclass(frozen=True, slots=True)
class _Budget:
    rate: RateLimitItem
    key: tuple[str, ...]


class AuthRateLimits:
    """Budgets for sign-in and sign-up, in this process.

    Args:
        settings: The rates, as `limit_…`.
    """

    def __init__(self, settings: Settings) -> None:
        self._pair = parse(settings.limit_sign_in_pair)
        self._address = parse(settings.limit_sign_in_address)
        self._account = parse(settings.limit_sign_in_account)
        self._new = parse(settings.limit_sign_up_address)
        self._mail_from = parse(settings.limit_mail_address)
        self._mail_to = parse(settings.limit_mail_recipient)
        self._start = parse(settings.limit_start_address)
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def sign_in(self, account: str, address: str) -> AsyncIterator[None]:
        """Around one check of a password; a refusal inside costs a place, success does not.

        Args:
            account: The normalised e-mail address, whether or not somebody has it.
            address: The client's address.

        Raises:
            RateLimited: Too many failures; the password is not looked at.
        """
        place = client_network_of(address)
        budgets = (
            _Budget(self._address, ("address", place)),
            _Budget(self._account, ("account", account)),
            _Budget(self._pair, ("pair", place, account)),
        )
        await self._refuse_the_exhausted(budgets)
        async with self._turns, self._place(budgets, back_on_success=True):
            yield

    @asynccontextmanager
    async def new_password(self, address: str) -> AsyncIterator[None]:
        """Around judging a new password, which costs up to a second of work.

        Refused ones count among the failures of the address.

        Raises:
            RateLimited: Too many failures from this address.
        """
        budget = _Budget(self._address, ("address", client_network_of(address)))
        async with self._place((budget,), back_on_success=True):
            yield

    @asynccontextmanager
    async def sign_up(self, address: str) -> AsyncIterator[None]:
        """Around the making of an account. Success counts, and so does learning it exists.

        Raises:
            RateLimited: Too many from this address.
        """
        budget = _Budget(self._new, ("sign-up", client_network_of(address)))
        async with self._place((budget,), back_on_success=False):
            yield

    @asynccontextmanager
    async def mail(self, recipient: str, address: str) -> AsyncIterator[None]:
        """Around the sending of a letter. All count, whether or not there is an account.

        Args:
            recipient: The normalised e-mail address.
            address: The client's address.

        Raises:
            RateLimited: Too many from this address, or too many to this mailbox.
        """
        budgets = (
            _Budget(self._mail_from, ("mail-from", client_network_of(address))),
            _Budget(self._mail_to, ("mail-to", recipient)),
        )
        async with self._place(budgets, back_on_success=False):
            yield

    @asynccontextmanager
    async def start(self, address: str) -> AsyncIterator[None]:
        """Around something that anybody may begin and that leaves a row behind. All count.

        Raises:
            RateLimited: Too many from this address.
        """
        budget = _Budget(self._start, ("start", client_network_of(address)))
        async with self._place((budget,), back_on_success=False):
            yield

    @asynccontextmanager
    async def _place(
        self, budgets: Sequence[_Budget], *, back_on_success: bool
    ) -> AsyncIterator[None]:
        await self._take(budgets)
        try:
            yield
        except ChatError as error:
            if error.status >= 500:
                await self._give_back(budgets)
            raise
        except Exception:
            # Our own failure is nobody's guess. A cancelled try stays counted.
            await self._give_back(budgets)
            raise
        if back_on_success:
            await self._give_back(budgets)

    async def _take(self, budgets: Sequence[_Budget]) -> None:
        for position, budget in enumerate(budgets):
            if not await self._limiter.hit(budget.rate, *budget.key):
                await self._give_back(budgets[: position + 1])
                await self._refuse(budget)

    async def _give_back(self, budgets: Sequence[_Budget]) -> None:
        for budget in budgets:
            await self._storage.decr(budget.rate.key_for(*budget.key))

    async def _refuse_the_exhausted(self, budgets: Sequence[_Budget]) -> None:
        for budget in budgets:
            if not await self._limiter.test(budget.rate, *budget.key):
                await self._refuse(budget)

    async def _refuse(self, budget: _Budget) -> None:
        # The library counts by the system's clock, so what is left is measured with it too.
        window = await self._limiter.get_window_stats(budget.rate, *budget.key)
        raise TooManyAttempts(max(1, math.ceil(window.reset_time - time.time())))
