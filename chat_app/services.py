"""Dependency wiring: builds the services, starts and stops them, runs the background jobs."""

import asyncio
import contextlib
import logging
import os
from datetime import datetime
from functools import partial
from typing import Literal

from argon2 import PasswordHasher

from chat_app.audit.failures import FailureCounts
from chat_app.audit.sealer import Sealer
from chat_app.auth.account.administration import UserAdministration
from chat_app.auth.account.change_email import EmailChanges
from chat_app.auth.account.disable import UserAccess
from chat_app.auth.account.linked_accounts import LinkedAccounts
from chat_app.auth.account.password import PasswordChanges
from chat_app.auth.account.people import People
from chat_app.auth.account.profile import Profiles
from chat_app.auth.account.roles import SiteRoles
from chat_app.auth.account.setup import SetupLinks
from chat_app.auth.cloud_tokens import CloudTokens
from chat_app.auth.devices import RememberedDevices
from chat_app.auth.keys.service import ApiKeys
from chat_app.auth.known_browsers import KnownBrowsers
from chat_app.auth.oauth.service import OAuthService
from chat_app.auth.one_time_tokens import OneTimeTokens
from chat_app.auth.passkeys import Passkeys
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sessions.codecs import create_token_codec
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.email_flows import MailContext
from chat_app.auth.sign_in.magic_link import MagicLinks
from chat_app.auth.sign_in.passwords import PasswordAccounts, PasswordHashing
from chat_app.auth.sign_in.policy import SignUpPolicies
from chat_app.auth.sign_in.service import SignInService
from chat_app.auth.sign_in.sign_up import EmailSignUps
from chat_app.auth.sign_in.step_up import StepUp
from chat_app.auth.two_factor import TwoFactor
from chat_app.core.clock import Clock, Sleep, attempt, every, utc_now
from chat_app.core.control import log_forwarded_event
from chat_app.core.crypto import KeyRing
from chat_app.core.logging import log_security_event
from chat_app.core.signals import CREDENTIALS, SECURITY_EVENTS, UNLOCKED_USERS, Bus, Signal
from chat_app.db import migrations
from chat_app.db.engine import DATABASE_ERRORS, Database
from chat_app.db.outbox import OutboxReader
from chat_app.llm.registry import Models
from chat_app.mail.mailer import Mailer
from chat_app.orgs.administration import OrganisationAdministration
from chat_app.orgs.announcements import Announcements
from chat_app.orgs.audit_log import OrganisationAuditLog
from chat_app.orgs.invitations import Invitations
from chat_app.orgs.members import Members
from chat_app.orgs.model_rules import ModelRules
from chat_app.orgs.organisations import Organisations
from chat_app.orgs.readers import Readers
from chat_app.orgs.reading import ReadingGrants
from chat_app.orgs.received_invitations import ReceivedInvitations
from chat_app.runs.executor import CANCEL_TIMEOUT_SECONDS
from chat_app.runs.flush import FlushThrottle
from chat_app.runs.model_access import ModelAccess
from chat_app.runs.service import RunService
from chat_app.settings import Settings, start_warnings
from chat_app.threads.actions import Threads
from chat_app.threads.chat_defaults import NewChatOptions
from chat_app.threads.client_messages import ClientMessages
from chat_app.threads.client_reports import ClientReports
from chat_app.threads.reading import GrantedThreads
from chat_app.threads.search import Search
from chat_app.threads.search_backlog import index_missing
from chat_app.threads.user_limits import UserLimits
from chat_app.usage.ledger import sweep_deleted_users

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0
"""Interval of the job that ends expired sessions."""
PURGE_SECONDS = 3600.0
"""Interval of the job that removes deleted threads, used tokens and old reports for good."""
_MERGED_AFTER = 500  # threads
CLOSE_SECONDS = 0.7
"""Timeout for closing models and the database."""
READINESS_SECONDS = 3.0
"""Timeout of a readiness check: a database that does not answer for so long is not ready."""

NotReady = Literal["draining", "database", "revision"]
"""Why this server should get no requests: it stops, or its database fails, or is another one."""


class Readiness:
    """Whether this server can work now: one check at a time, and its result is shared.

    A result counts only for those who asked before the check began: a database that fails is never
    called ready because of an earlier check.

    Args:
        db: The database.
        revision: The revision that the program works with.
        timeout: How long a check may take, in seconds.
    """

    def __init__(self, db: Database, revision: str, timeout: float = READINESS_SECONDS) -> None:
        self._db = db
        self._revision = revision
        self._timeout = timeout
        self._is_draining = False
        self._running: asyncio.Task[NotReady | None] | None = None
        self._next: asyncio.Task[NotReady | None] | None = None

    def drain(self) -> None:
        """Report `draining` from now on, because the server stops."""
        self._is_draining = True

    async def check(self) -> NotReady | None:
        """Why this server is not ready now; None when it is."""
        if self._is_draining:
            return "draining"
        if self._next is None:
            self._next = asyncio.create_task(self._check_after(self._running))
        task = self._next
        await asyncio.wait({task}, timeout=self._timeout)
        return task.result() if task.done() else "database"

    async def _check_after(self, running: asyncio.Task[NotReady | None] | None) -> NotReady | None:
        """Check when the running check is over. Later callers wait for the check after this one."""
        if running is not None:
            await asyncio.wait({running})
        self._running, self._next = self._next, None
        try:
            revision = await self._db.revision()
        except DATABASE_ERRORS:
            return "database"
        return None if revision == self._revision else "revision"


class Services:
    """All services of this process. Nothing is started or connected before `start`.

    Args:
        settings: The settings.
        clock: The source of timestamps.
        sleep: Makes clients wait that failed to sign in too often.
        flush_throttle: Decides when run events are flushed; None for the real one.
        bus: Receives the signals; None for a new one.
        hasher: Hashes passwords; None for the real one, with its cost.
        busy_seconds: How long a write waits for others, in seconds.

    Raises:
        ConfigError: A setting names a function or model that does not exist.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = utc_now,
        sleep: Sleep = asyncio.sleep,
        flush_throttle: FlushThrottle | None = None,
        bus: Bus | None = None,
        hasher: PasswordHasher | None = None,
        busy_seconds: float = 5,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.db = db = Database(
            settings.sqlalchemy_url, system_url=settings.system_url, busy_seconds=busy_seconds
        )
        self.readiness = Readiness(db, migrations.head())
        self.bus = bus = bus or Bus()
        bus.subscribe_callback(CREDENTIALS, _log_ended_credential)
        self.models = Models(settings)
        self.keyring = KeyRing(settings)
        self.passwords = passwords = PasswordHashing(settings, hasher)
        codec = create_token_codec(settings, self.keyring)
        self.sessions = sessions = SessionService(db, bus, codec, settings, clock)
        self.api_keys = ApiKeys(db, bus, sessions, settings, clock)
        self.cloud_tokens = CloudTokens(self.keyring, sessions, self.api_keys, clock)
        self.tokens = tokens = OneTimeTokens(db, clock)
        limits = AuthRateLimits(settings, clock, sleep)
        bus.subscribe_callback(UNLOCKED_USERS, lambda signal: limits.clear(signal.account))
        self.known_browsers = KnownBrowsers(db, self.keyring, clock)
        self.mailer = mailer = Mailer.from_settings(settings)
        self.sign_up_policies = policies = SignUpPolicies(db, bus, settings, clock)
        self.accounts = PasswordAccounts(db, passwords, limits, policies, clock)
        self.sign_in_service = sign_in = SignInService(
            db, sessions, tokens, settings, policies, clock
        )
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
        self.site_roles = SiteRoles(db, bus)
        self.setup_links = SetupLinks(db, bus, tokens, settings)
        self.people = People(
            *(db, bus, sessions, tokens, self.user_access, self.administration, settings, clock)
        )
        self.profiles = Profiles(db, bus, clock)
        self.organisations = Organisations(db, bus, clock)
        self.members = Members(db, bus, clock)
        self.organisation_administration = OrganisationAdministration(
            db, bus, self.organisations, self.members, clock
        )
        self.invitations = Invitations(db, bus, flow[2], clock)
        self.received_invitations = ReceivedInvitations(db, bus, clock)
        self.organisation_audit = OrganisationAuditLog(db)
        self.announcements = Announcements(db, bus, clock)
        self.reading_grants = ReadingGrants(db, bus, self.step_up, flow[2], clock)
        self.readers = Readers(db, clock)
        self.granted_threads = GrantedThreads(db, self.reading_grants, settings)
        user_limits = UserLimits(settings)
        self.threads = Threads(db, bus, settings, clock, user_limits)
        self.client_messages = ClientMessages(db, bus, settings, clock, user_limits)
        self.client_reports = ClientReports(db, settings, clock)
        self.new_chat_options = NewChatOptions(db, bus, settings)
        self.search = Search(db, self.keyring)
        self.model_rules = ModelRules(db, bus)
        self.model_access = ModelAccess(self.models, self.model_rules)
        self.runs = RunService(
            *(db, bus, self.models, settings, clock, flush_throttle, user_limits),
            access=self.model_access,
        )
        self.unstored_answers = self.runs.unstored
        self.outbox = OutboxReader(db, bus)
        self.failed_sign_ins = FailureCounts()
        self.sealer = Sealer(db, self.keyring, clock, self.failed_sign_ins)
        self._timers: list[asyncio.Task[None]] = []
        self._has_started = False
        self._purged = 0  # threads since the full-text index was merged

    async def start(self) -> None:
        """Finalize interrupted runs, then start. The database must be migrated."""
        for message in start_warnings(self.settings, os.environ):
            logger.warning(message)
        started = self.clock()
        self._has_started = True
        await self.sign_up_policies.prepare()
        await self.outbox.discard_old()
        self.bus.subscribe_callback(SECURITY_EVENTS, log_forwarded_event)
        if ended := await self.reading_grants.end_if_forbidden():
            logger.info("%d grants to read members' chats were ended (ADMIN_READING).", ended)
        await self.runs.start()
        self._timers.append(asyncio.create_task(self._index_missing(started)))
        self._timers.append(asyncio.create_task(self.sealer.run()))
        self._timers.append(asyncio.create_task(self.outbox.run()))
        for seconds, job in ((SWEEP_SECONDS, self.sweep), (PURGE_SECONDS, self.purge)):
            self._timers.append(asyncio.create_task(every(seconds, job)))

    async def stop(self) -> None:
        """Stop the runs, keeping their text, then close everything. Takes less than 3.7 s."""
        self.readiness.drain()
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

    async def _write_last(self) -> None:
        """Write the uses of API keys, and seal the audit log; else the next start seals it."""
        seals, self._has_started = self._has_started, False
        with contextlib.suppress(TimeoutError, *DATABASE_ERRORS):
            async with asyncio.timeout(CLOSE_SECONDS / 2):
                await self.api_keys.idle()
                if seals:
                    await self.sealer.finish()

    async def _close(self) -> None:
        self.passwords.close()
        await asyncio.gather(self.mailer.stop(), self.models.close(), self._close_database())

    async def _close_database(self) -> None:
        await self._write_last()
        await self.db.close()

    async def _index_missing(self, before: datetime) -> None:
        """Index what an earlier version has written meanwhile, beside everything else."""
        try:
            count = await index_missing(self.db, before)
        except DATABASE_ERRORS as error:
            logger.warning("Not everything can be searched yet: %s", type(error).__name__)
        else:
            if count:
                logger.info("%d messages of an earlier version can be searched now.", count)

    async def sweep(self) -> None:
        """End what has expired and what others have revoked; look for commands; announce."""
        await self.sessions.expire_due()
        await self.reading_grants.end_expired()
        await self.api_keys.revalidate(self.runs.credential_ids())
        await self.outbox.read()
        await self.announcements.publish_due()

    async def purge(self) -> None:
        """Remove deleted threads, old reports and invitations, expired tokens; free their space.

        What frees the most comes first, and what fails keeps nothing else from it: on a full disk
        the rest is what makes room.
        """
        for job in (
            self._purge_threads,
            self.client_reports.purge,
            self.tokens.purge,
            self.invitations.purge,
            partial(sweep_deleted_users, self.db, self.clock),
        ):
            await attempt(job)
        await self._free_space()

    async def _purge_threads(self) -> None:
        self._purged += await self.threads.purge()

    async def _free_space(self) -> None:
        await self.db.vacuum()
        if self._purged >= _MERGED_AFTER and self.db.writes == "ok":
            self._purged = 0
            await self.db.merge_index()
            await self.db.vacuum()


def _log_ended_credential(signal: Signal) -> None:
    if signal.kind == "api_key_ended":
        fields = {"user": signal.user_id, "key": signal.credential_id}
        log_security_event("api_key_ended", **fields, reason=signal.reason)
    else:
        log_security_event("session_ended", session=signal.credential_id, reason=signal.reason)


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
