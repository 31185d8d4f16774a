"""The auth services on a real database, with a fake clock."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

from argon2 import PasswordHasher
from sqlmodel import col, delete, update

from chat_app.audit.failures import FailureCounts
from chat_app.auth.account.change_email import EmailChanges
from chat_app.auth.account.password import PasswordChanges
from chat_app.auth.account.profile import Profiles
from chat_app.auth.devices import RememberedDevices
from chat_app.auth.keys.service import ApiKeys
from chat_app.auth.known_browsers import KnownBrowsers
from chat_app.auth.one_time_tokens import OneTimeTokens
from chat_app.auth.passkeys import Passkeys
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sessions.codecs import create_token_codec
from chat_app.auth.sessions.models import IssuedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.email_flows import MailContext
from chat_app.auth.sign_in.magic_link import MagicLinks
from chat_app.auth.sign_in.passwords import PasswordAccounts, PasswordHashing
from chat_app.auth.sign_in.policy import SignUpPolicies
from chat_app.auth.sign_in.service import SignInService
from chat_app.auth.sign_in.sign_up import EmailSignUps
from chat_app.auth.sign_in.step_up import StepUp
from chat_app.auth.two_factor import TwoFactor
from chat_app.core.crypto import KeyRing
from chat_app.core.signals import CREDENTIALS, Bus, Signal
from chat_app.db.engine import Database
from chat_app.db.tables import AuthSession, User
from chat_app.mail.mailer import Mailer
from chat_app.settings import Settings
from testing.database import DatabaseUnderTest

PASSWORD = "plum-Otter-teapot-91"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Time:
    """A clock; call it for the time, add to it to let time pass."""

    hour = timedelta(hours=1)

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **much: float) -> None:
        self.now += timedelta(**much)

    async def sleep(self, seconds: float) -> None:
        """Let the time pass instead of waiting."""
        self.passes(seconds=seconds)


class HasSessions(Protocol):
    """The services, or those of them that tests of sign-in have."""

    db: Database
    sessions: SessionService


async def issue_session(live: HasSessions, user_id: UUID, **given: Any) -> IssuedSession:
    """Start a session of a user without a sign-in.

    Args:
        live: The services.
        user_id: The user.
        given: Arguments of `SessionService.issue` that matter to the test.
    """
    rest = {"method": "password", "remember": False, "client_ip": "127.0.0.1", "user_agent": ""}
    async with live.db.system("auth", write=True) as session:
        return await live.sessions.issue(session, user_id, **{**rest, **given})


class CountingHasher(PasswordHasher):
    """The real hasher at the least cost, that counts its work; the cost is not what is tested."""

    def __init__(self, **parameters: int) -> None:
        cost: dict[str, Any] = {"memory_cost": 8, "time_cost": 1, "parallelism": 1}
        super().__init__(**{**cost, **parameters})
        self.hashed = 0
        self.verified = 0

    def hash(self, password: str | bytes, **rest: Any) -> str:
        self.hashed += 1
        return super().hash(password, **rest)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.verified += 1
        return super().verify(hash, password)


def settings_of(folder: Path, **given: Any) -> Settings:
    """Settings that neither the environment's `.env` nor the machine decides."""
    return Settings(
        **{
            "_env_file": None,
            "data_dir": folder,
            "auth_secret": "9c41e7d2-the-tests-own-key-b3a86f50",
            **given,
        }
    )


@dataclass
class AuthHarness:
    """Everything a test of this layer holds."""

    settings: Settings
    db: Database
    time: Time
    hasher: CountingHasher
    bus: Bus = field(default_factory=Bus)
    told: list[Signal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.passwords = PasswordHashing(self.settings, self.hasher)
        self.rate_limits = AuthRateLimits(self.settings, self.time, self.time.sleep)
        self.keyring = KeyRing(self.settings)
        self.known_browsers = KnownBrowsers(self.db, self.keyring, self.time)
        codec = create_token_codec(self.settings, self.keyring)
        self.sessions = SessionService(self.db, self.bus, codec, self.settings, self.time)
        self.api_keys = ApiKeys(self.db, self.bus, self.sessions, self.settings, self.time)
        self.sign_up_policies = SignUpPolicies(self.db, self.bus, self.settings, self.time)
        self.accounts = PasswordAccounts(
            self.db, self.passwords, self.rate_limits, self.sign_up_policies, self.time
        )
        self.tokens = OneTimeTokens(self.db, self.time)
        self.sign_in_service = SignInService(
            *(self.db, self.sessions, self.tokens, self.settings, self.sign_up_policies, self.time)
        )
        self.mailer = Mailer.from_settings(self.settings)
        mail = MailContext.create(self.mailer, self.rate_limits, self.settings)
        flow = (self.db, self.tokens, mail, self.time)
        self.magic_links = MagicLinks(*flow, self.sign_in_service)
        self.email_sign_ups = EmailSignUps(*flow, self.sign_in_service, self.passwords)
        self.email_changes = EmailChanges(*flow)
        self.password_changes = PasswordChanges(*flow, self.passwords, self.sessions)
        self.profiles = Profiles(self.db, self.bus, self.time)
        self.two_factor = TwoFactor(self.db, self.tokens, self.keyring, self.settings, self.time)
        self.devices = RememberedDevices(self.db, self.settings, self.time)
        self.passkeys = Passkeys(self.db, self.tokens, self.rate_limits, self.settings, self.time)
        self.step_up = StepUp(
            self.db,
            self.sessions,
            self.passwords,
            self.rate_limits,
            self.two_factor,
            self.passkeys,
        )
        self.failed_sign_ins = FailureCounts()
        self.bus.subscribe_callback(CREDENTIALS, self.told.append)

    async def person(self, email: str = "ada@example.org") -> UUID:
        """Add a user without a password: enough to have sessions."""
        user = User(email=email, name="Ada")
        async with self.db.system("auth", write=True) as session:
            session.add(user)
        return user.id

    async def sign_in(self, user_id: UUID, *, remember: bool = False, **rest: Any) -> IssuedSession:
        """A new session of a person."""
        given = {"client_ip": "192.0.2.7", "user_agent": FIREFOX, **rest}
        return await issue_session(self, user_id, remember=remember, **given)

    async def principal_of(self, issued: IssuedSession) -> Principal:
        """Who a session belongs to."""
        found = await self.sessions.principal(issued.session_id)
        assert found is not None
        return found

    async def disable(self, user_id: UUID) -> None:
        """What an operator will do to a person."""
        async with self.db.system("auth", write=True) as session:
            user = await session.get(User, user_id)
            assert user is not None
            user.disabled_at = self.time()
            session.add(user)

    async def remove(self, user_id: UUID) -> None:
        """Delete a person and nothing else by name."""
        async with self.db.system("auth", write=True) as session:
            await session.exec(delete(User).where(col(User.id) == user_id))

    async def lose_records(self) -> None:
        """Empty the table of sessions, as a restored backup might."""
        async with self.db.system("auth", write=True) as session:
            await session.exec(delete(AuthSession))

    async def end_unheard(self, session_id: UUID) -> None:
        """End a session by its row alone, as another process might."""
        async with self.db.system("auth", write=True) as session:
            await session.exec(
                update(AuthSession)
                .where(col(AuthSession.id) == session_id)
                .values(revoked_at=self.time.now)
            )

    @property
    def clock(self) -> Time:
        """The time, under the name that the services have for it."""
        return self.time

    @property
    def ended(self) -> list[tuple[UUID | None, str]]:
        """What the bus was told, in order."""
        return [(signal.credential_id, signal.reason) for signal in self.told]


@contextlib.asynccontextmanager
async def auth_harness(
    database: DatabaseUnderTest,
    kind: type[Database] = Database,
    hasher: CountingHasher | None = None,
    **given: Any,
) -> AsyncIterator[AuthHarness]:
    """A harness on a database, with these settings."""
    settings = settings_of(database.folder, **{**database.settings, **given})
    db = database.open(kind)
    harness = AuthHarness(settings, db, Time(), hasher or CountingHasher())
    try:
        yield harness
    finally:
        await harness.api_keys.idle()
        await harness.mailer.stop()
        harness.passwords.close()
        await db.close()


async def renewal_of(sessions: SessionService, token: str) -> IssuedSession | None:
    """Use a session; the token that replaces this one, where there is one."""
    resolved = await sessions.resolve(token)
    return None if resolved is None else resolved.renewed


class OpenAuthHarness(Protocol):
    def __call__(
        self, kind: type[Database] = Database, **given: Any
    ) -> AbstractAsyncContextManager[AuthHarness]: ...
