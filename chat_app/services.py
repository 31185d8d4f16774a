"""The one object that holds the live parts: built once, started and stopped with the server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from chat_app.auth.account.delete import AccountDeletion
from chat_app.auth.account.disable import UserAccess
from chat_app.auth.account.linked_accounts import LinkedAccounts
from chat_app.auth.account.password import PasswordChange
from chat_app.auth.account.profile import Profiles
from chat_app.auth.devices import RememberedDevices
from chat_app.auth.oauth.service import OAuthService
from chat_app.auth.one_time_tokens import OneTimeTokens
from chat_app.auth.passkeys import Passkeys
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.email_flows import EmailFlows
from chat_app.auth.sign_in.passwords import PasswordAccounts, PasswordHashing
from chat_app.auth.sign_in.service import SignInService
from chat_app.auth.sign_in.step_up import StepUp
from chat_app.auth.two_factor import TwoFactor
from chat_app.core.clock import Clock, utc_now
from chat_app.core.errors import ChatError
from chat_app.core.keyring import KeyRing
from chat_app.core.logging import log_unexpected_error
from chat_app.core.signals import Bus
from chat_app.db.engine import Database
from chat_app.llm.registry import Models
from chat_app.mail.mailer import Mailer
from chat_app.runs.executor import CANCEL_TIMEOUT_SECONDS
from chat_app.runs.flush import FlushThrottle
from chat_app.runs.service import RunService
from chat_app.settings import Settings
from chat_app.threads.actions import Threads

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0
"""How often expired sessions are ended."""
PURGE_SECONDS = 3600.0
"""How often what was deleted long ago is removed for good."""
CLOSE_SECONDS = 0.7
"""How long models and the database may take to close, together."""


@dataclass
class Services:
    """The live parts of this process.

    `Services.build` wires them; tests may wire their own.
    """

    settings: Settings
    clock: Clock
    db: Database
    bus: Bus
    models: Models
    keys: KeyRing
    passwords: PasswordHashing
    sessions: SessionService
    tokens: OneTimeTokens
    accounts: PasswordAccounts
    sign_in_service: SignInService
    two_factor: TwoFactor
    devices: RememberedDevices
    passkeys: Passkeys
    step_up: StepUp
    providers: OAuthService
    connections: LinkedAccounts
    profiles: Profiles
    email_flows: EmailFlows
    password_changes: PasswordChange
    account_deletion: AccountDeletion
    user_access: UserAccess
    threads: Threads
    runs: RunService
    _timers: list[asyncio.Task[None]] = field(default_factory=list, init=False)

    @classmethod
    def build(
        cls,
        settings: Settings,
        *,
        clock: Clock = utc_now,
        flush_throttle: FlushThrottle | None = None,
    ) -> "Services":
        """Wire every part. Nothing runs and nothing is opened yet.

        Args:
            settings: What the operator decided.
            clock: The time in rows.
            pace: The run log's clock; None for the real one.

        Raises:
            ConfigError: A setting names something that is not there.
        """
        db = Database(settings.sqlalchemy_url)
        bus = Bus()
        flush_throttle = flush_throttle or FlushThrottle()
        models = Models(settings)
        passwords = PasswordHashing(settings)
        keys = KeyRing(settings)
        sessions = SessionService.create(db, bus, settings, clock, keys)
        tokens = OneTimeTokens(db, clock)
        rate_limits = AuthRateLimits(settings)
        sign_in_service = SignInService(db, sessions, tokens, settings, clock)
        two_factor = TwoFactor(db, tokens, keys, settings, clock)
        passkeys = Passkeys(db, tokens, rate_limits, settings, clock)
        return cls(
            settings=settings,
            clock=clock,
            db=db,
            bus=bus,
            models=models,
            keys=keys,
            passwords=passwords,
            sessions=sessions,
            tokens=tokens,
            accounts=PasswordAccounts(db, passwords, rate_limits, settings, clock),
            two_factor=two_factor,
            devices=RememberedDevices(db, settings, clock),
            passkeys=passkeys,
            step_up=StepUp(db, sessions, passwords, rate_limits, two_factor, passkeys),
            providers=OAuthService(settings, tokens, rate_limits),
            connections=LinkedAccounts(db, bus, sessions, settings, clock),
            sign_in_service=sign_in_service,
            email_flows=EmailFlows.build(
                Mailer.from_settings(settings),
                db,
                sessions,
                tokens,
                sign_in_service,
                passwords,
                rate_limits,
                settings,
                clock,
            ),
            password_changes=PasswordChange(db, passwords, rate_limits, sessions, clock),
            account_deletion=AccountDeletion(db, sessions),
            user_access=UserAccess(db, sessions, clock),
            profiles=Profiles(db, bus, clock),
            threads=Threads(db, bus, settings, clock),
            runs=RunService(db, bus, models, settings, clock, flush_throttle),
        )

    async def start(self) -> None:
        """Close what a lost process left behind, then begin to work. Needs a migrated database."""
        await self.runs.start()
        for seconds, work in ((SWEEP_SECONDS, self.sweep), (PURGE_SECONDS, self.purge)):
            self._timers.append(asyncio.create_task(_every(seconds, work)))

    async def stop(self) -> None:
        """Keep the text of every running answer, then close everything. Takes less than 3.7 s."""
        for timer in self._timers:
            timer.cancel()
        if self._timers:
            await asyncio.wait(self._timers, timeout=CANCEL_TIMEOUT_SECONDS)
        self._timers.clear()
        await self.runs.drain()
        closing = asyncio.create_task(self._close())
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if closing.done():
            closing.result()
        else:
            logger.warning("The models or the database did not close in time.")
            closing.cancel()

    async def _close(self) -> None:
        self.passwords.close()
        await asyncio.gather(self.email_flows.mailer.stop(), self.models.close(), self.db.close())

    async def sweep(self) -> None:
        """End what has expired, and the answers of sessions whose end nobody heard."""
        await self.sessions.expire_due()
        await self.sessions.revalidate(self.runs.session_ids())

    async def purge(self) -> None:
        """Remove for good what was deleted long ago, or can no longer be used."""
        await self.tokens.purge()
        await self.devices.purge()
        await self.threads.purge()


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work now and again and again; a failure is written down and tried again later."""
    while True:
        try:
            await work()
        except ChatError as error:
            logger.warning("Background work was put off: %s", error.message)
        except Exception as error:  # the next round must come whatever this one met
            log_unexpected_error(error, "background work")
        await asyncio.sleep(seconds)


_installed: Services | None = None


def install(live: Services | None) -> None:
    """Make these the services of the process; None takes them away."""
    global _installed
    _installed = live


def services() -> Services:
    """The services of the process.

    Raises:
        RuntimeError: None are installed; the server has not started.
    """
    if _installed is None:
        raise RuntimeError("The services are not installed.")
    return _installed
