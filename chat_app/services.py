"""The one object that holds the live parts: built once, started and stopped with the server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from chat_app.auth.accounts import Accounts
from chat_app.auth.admission import Admission
from chat_app.auth.by_mail import ByMail
from chat_app.auth.connections import Connections
from chat_app.auth.disabling import Disabling
from chat_app.auth.keyring import KeyRing
from chat_app.auth.mail.postman import Postman
from chat_app.auth.passkeys.passkeys import Passkeys
from chat_app.auth.password_change import PasswordChange
from chat_app.auth.passwords import Passwords
from chat_app.auth.profile import Profiles
from chat_app.auth.providers.sign_in import ProviderSignIn
from chat_app.auth.removal import Removal
from chat_app.auth.second_factor.devices import Devices
from chat_app.auth.second_factor.factors import SecondFactors
from chat_app.auth.sessions import Sessions
from chat_app.auth.step_up import StepUp
from chat_app.auth.strategies import chosen
from chat_app.auth.throttle import Throttle
from chat_app.auth.tokens import OneTimeTokens
from chat_app.bus import Bus
from chat_app.clock import Clock, utc_now
from chat_app.db.engine import Database
from chat_app.errors import ChatError
from chat_app.llm.registry import Models
from chat_app.logs import unexpected
from chat_app.runs.engine import Runs
from chat_app.runs.pace import Pace
from chat_app.runs.serving import LETTING_GO_SECONDS
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
    passwords: Passwords
    sessions: Sessions
    tokens: OneTimeTokens
    accounts: Accounts
    admission: Admission
    second_factors: SecondFactors
    devices: Devices
    passkeys: Passkeys
    step_up: StepUp
    providers: ProviderSignIn
    connections: Connections
    profiles: Profiles
    by_mail: ByMail
    password_change: PasswordChange
    removal: Removal
    disabling: Disabling
    threads: Threads
    runs: Runs
    _timers: list[asyncio.Task[None]] = field(default_factory=list, init=False)

    @classmethod
    def build(
        cls, settings: Settings, *, clock: Clock = utc_now, pace: Pace | None = None
    ) -> "Services":
        """Wire every part. Nothing runs and nothing is opened yet.

        Args:
            settings: What the operator decided.
            clock: The time in rows.
            pace: The run log's clock; None for the real one.

        Raises:
            WrongSettings: A setting names something that is not there.
        """
        db = Database(settings.sqlalchemy_url)
        bus = Bus()
        pace = pace or Pace()
        models = Models(settings)
        passwords = Passwords(settings)
        keys = KeyRing(settings)
        sessions = chosen(db, bus, settings, clock, keys)
        tokens = OneTimeTokens(db, clock)
        throttle = Throttle(settings)
        admission = Admission(db, sessions, tokens, settings, clock)
        second_factors = SecondFactors(db, tokens, keys, settings, clock)
        passkeys = Passkeys(db, tokens, throttle, settings, clock)
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
            accounts=Accounts(db, passwords, throttle, settings, clock),
            second_factors=second_factors,
            devices=Devices(db, settings, clock),
            passkeys=passkeys,
            step_up=StepUp(db, sessions, passwords, throttle, second_factors, passkeys),
            providers=ProviderSignIn(settings, tokens, throttle),
            connections=Connections(db, bus, sessions, settings, clock),
            admission=admission,
            by_mail=ByMail.build(
                Postman.of(settings),
                db,
                sessions,
                tokens,
                admission,
                passwords,
                throttle,
                settings,
                clock,
            ),
            password_change=PasswordChange(db, passwords, throttle, sessions, clock),
            removal=Removal(db, sessions),
            disabling=Disabling(db, sessions, clock),
            profiles=Profiles(db, bus, clock),
            threads=Threads(db, bus, settings, clock),
            runs=Runs(db, bus, models, settings, clock, pace),
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
            await asyncio.wait(self._timers, timeout=LETTING_GO_SECONDS)
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
        await asyncio.gather(self.by_mail.postman.stop(), self.models.close(), self.db.close())

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
            logger.warning("Background work was put off: %s", error.sentence)
        except Exception as error:  # the next round must come whatever this one met
            unexpected(error, "background work")
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
