"""Dependency wiring: builds the services, starts and stops them, runs the background jobs."""

import asyncio
import contextlib
import logging
import os
from datetime import UTC, datetime, timedelta

from chat_app.auth.account.administration import UserAdministration
from chat_app.auth.account.change_email import EmailChanges
from chat_app.auth.account.disable import UserAccess
from chat_app.auth.account.linked_accounts import LinkedAccounts
from chat_app.auth.account.password import PasswordChanges
from chat_app.auth.account.profile import Profiles
from chat_app.auth.devices import RememberedDevices
from chat_app.auth.oauth.service import OAuthService
from chat_app.auth.one_time_tokens import OneTimeTokens
from chat_app.auth.passkeys import Passkeys
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sessions.codecs import create_token_codec
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.email_flows import MailContext
from chat_app.auth.sign_in.magic_link import MagicLinks
from chat_app.auth.sign_in.passwords import PasswordAccounts, PasswordHashing
from chat_app.auth.sign_in.service import SignInService
from chat_app.auth.sign_in.sign_up import EmailSignUps
from chat_app.auth.sign_in.step_up import StepUp
from chat_app.auth.two_factor import TwoFactor
from chat_app.core.clock import Clock, every, utc_now
from chat_app.core.crypto import KeyRing
from chat_app.core.signals import UNLOCKED_USERS, Bus
from chat_app.db.engine import DATABASE_ERRORS, Database
from chat_app.llm.registry import Models
from chat_app.mail.mailer import Mailer
from chat_app.runs.executor import CANCEL_TIMEOUT_SECONDS
from chat_app.runs.flush import FlushThrottle
from chat_app.runs.service import RunService
from chat_app.settings import Settings, start_warnings
from chat_app.threads.actions import Threads
from chat_app.threads.user_limits import UserLimits

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0
"""Interval of the job that ends expired sessions."""
PURGE_SECONDS = 3600.0
"""Interval of the job that removes deleted threads and used tokens for good."""
CLOSE_SECONDS = 0.7
"""Timeout for closing models and the database."""
READINESS_LIFETIME = timedelta(seconds=1)
"""How long the result of a readiness check counts."""


class Readiness:
    """Whether the database answers: one check at a time, and its result is shared.

    Args:
        db: The database; a check takes one of its connections.
        clock: The time.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._lock = asyncio.Lock()
        self._checked_at = datetime.min.replace(tzinfo=UTC)
        self._is_ready = False

    async def check(self) -> bool:
        """Whether the database answers now, or did so within the last second."""
        async with self._lock:
            if not timedelta() <= self._clock() - self._checked_at < READINESS_LIFETIME:
                self._is_ready = False
                with contextlib.suppress(*DATABASE_ERRORS):
                    await self._db.ping()
                    self._is_ready = True
                self._checked_at = self._clock()
            return self._is_ready


class Services:
    """All services of this process. Nothing is started or connected before `start`.

    Args:
        settings: The settings.
        clock: The source of timestamps.
        flush_throttle: Decides when run events are flushed; None for the real one.
        bus: Receives the signals; None for a new one.

    Raises:
        ConfigError: A setting names a function or model that does not exist.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = utc_now,
        flush_throttle: FlushThrottle | None = None,
        bus: Bus | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.db = db = Database(settings.sqlalchemy_url)
        self.readiness = Readiness(db, clock)
        self.bus = bus = bus or Bus()
        self.models = Models(settings)
        self.keyring = KeyRing(settings)
        self.passwords = passwords = PasswordHashing(settings)
        codec = create_token_codec(settings, self.keyring)
        self.sessions = sessions = SessionService(db, bus, codec, settings, clock)
        self.tokens = tokens = OneTimeTokens(db, clock)
        limits = AuthRateLimits(settings)
        bus.subscribe_callback(UNLOCKED_USERS, lambda signal: limits.clear(signal.account))
        self.mailer = mailer = Mailer.from_settings(settings)
        self.accounts = PasswordAccounts(db, passwords, limits, settings, clock)
        self.sign_in_service = sign_in = SignInService(db, sessions, tokens, settings, clock)
        self.two_factor = TwoFactor(db, tokens, self.keyring, settings, clock)
        self.devices = RememberedDevices(db, settings, clock)
        self.passkeys = Passkeys(db, tokens, limits, settings, clock)
        self.step_up = StepUp(db, sessions, passwords, limits, self.two_factor, self.passkeys)
        self.oauth = OAuthService(settings, tokens, limits)
        self.linked_accounts = LinkedAccounts(db, bus, sessions, settings, clock)
        flow = (db, tokens, MailContext.create(mailer, limits, settings), clock)
        self.magic_links = MagicLinks(*flow, sign_in)
        self.email_sign_ups = EmailSignUps(*flow, sign_in, passwords)
        self.email_changes = EmailChanges(*flow)
        self.password_changes = PasswordChanges(*flow, passwords, sessions)
        self.user_access = UserAccess(db, sessions, clock)
        self.administration = UserAdministration(
            db, bus, sessions, passwords, self.two_factor, clock
        )
        self.profiles = Profiles(db, bus, clock)
        user_limits = UserLimits(settings)
        self.threads = Threads(db, bus, settings, clock, user_limits)
        throttle = flush_throttle or FlushThrottle()
        self.runs = RunService(db, bus, self.models, settings, clock, throttle, user_limits)
        self._timers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Finalize interrupted runs, then start. The database must be migrated."""
        for message in start_warnings(self.settings, os.environ):
            logger.warning(message)
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
        await asyncio.gather(self.mailer.stop(), self.models.close(), self.db.close())

    async def sweep(self) -> None:
        """End expired sessions, and the runs of sessions that another process revoked."""
        await self.sessions.expire_due()
        await self.sessions.revalidate(self.runs.session_ids())

    async def purge(self) -> None:
        """Remove deleted threads, and expired tokens and devices, for good."""
        await self.tokens.purge()
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
