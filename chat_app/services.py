"""Dependency wiring: builds the services, starts and stops them, runs the background jobs."""

import asyncio
import logging
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
from chat_app.core.keyring import KeyRing
from chat_app.core.signals import Bus
from chat_app.core.tasks import every
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
"""Interval of the job that ends expired sessions."""
PURGE_SECONDS = 3600.0
"""Interval of the job that removes deleted threads and used tokens for good."""
CLOSE_SECONDS = 0.7
"""Timeout for closing models and the database."""


@dataclass
class Services:
    """All services of this process. `build` wires them; tests may replace some."""

    settings: Settings
    clock: Clock
    db: Database
    bus: Bus
    models: Models
    keyring: KeyRing
    passwords: PasswordHashing
    sessions: SessionService
    tokens: OneTimeTokens
    accounts: PasswordAccounts
    sign_in_service: SignInService
    two_factor: TwoFactor
    devices: RememberedDevices
    passkeys: Passkeys
    step_up: StepUp
    oauth: OAuthService
    linked_accounts: LinkedAccounts
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
        """Build every service. Nothing is started or connected yet.

        Args:
            settings: The settings.
            clock: The source of timestamps.
            flush_throttle: Decides when run events are flushed; None for the real one.

        Raises:
            ConfigError: A setting names a function or model that does not exist.
        """
        db = Database(settings.sqlalchemy_url)
        bus = Bus()
        flush_throttle = flush_throttle or FlushThrottle()
        models = Models(settings)
        passwords = PasswordHashing(settings)
        keyring = KeyRing(settings)
        sessions = SessionService.create(db, bus, settings, clock, keyring)
        tokens = OneTimeTokens(db, clock)
        rate_limits = AuthRateLimits(settings)
        sign_in_service = SignInService(db, sessions, tokens, settings, clock)
        two_factor = TwoFactor(db, tokens, keyring, settings, clock)
        passkeys = Passkeys(db, tokens, rate_limits, settings, clock)
        return cls(
            settings=settings,
            clock=clock,
            db=db,
            bus=bus,
            models=models,
            keyring=keyring,
            passwords=passwords,
            sessions=sessions,
            tokens=tokens,
            accounts=PasswordAccounts(db, passwords, rate_limits, settings, clock),
            two_factor=two_factor,
            devices=RememberedDevices(db, settings, clock),
            passkeys=passkeys,
            step_up=StepUp(db, sessions, passwords, rate_limits, two_factor, passkeys),
            oauth=OAuthService(settings, tokens, rate_limits),
            linked_accounts=LinkedAccounts(db, bus, sessions, settings, clock),
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
        """Finalize interrupted runs, then start. The database must be migrated."""
        await self.runs.start()
        for seconds, job in ((SWEEP_SECONDS, self.sweep), (PURGE_SECONDS, self.purge)):
            self._timers.append(asyncio.create_task(every(seconds, job)))

    async def stop(self) -> None:
        """Stop the runs, keeping their text, then close everything. Takes less than 3.7 s."""
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
        """End expired sessions, and the runs of sessions that another process revoked."""
        await self.sessions.expire_due()
        await self.sessions.revalidate(self.runs.session_ids())

    async def purge(self) -> None:
        """Remove deleted threads, and expired tokens and devices, for good."""
        await self.tokens.purge()
        await self.devices.purge()
        await self.threads.purge()


_installed: Services | None = None


def install(installed: Services | None) -> None:
    """Set the services of this process; None removes them."""
    global _installed
    _installed = installed


def services() -> Services:
    """The services of this process.

    Raises:
        RuntimeError: The server has not started.
    """
    if _installed is None:
        raise RuntimeError("The services are not installed.")
    return _installed
