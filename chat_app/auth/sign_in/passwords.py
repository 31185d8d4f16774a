"""Passwords: hashing with argon2id, strength by zxcvbn, and sign-up and sign-in by password.

Hashing runs in two threads: a burst of sign-ins queues there and leaves the event loop alone.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update
from zxcvbn import zxcvbn

from chat_app import audit
from chat_app.auth.account.profile import clean_display_name
from chat_app.auth.emails import normalise
from chat_app.auth.errors import (
    PASSWORD_MAX_LENGTH,
    AccountNotLinked,
    EmailTaken,
    InvalidCredentials,
    InvalidEmail,
    PasswordTooLong,
    PasswordTooShort,
    SignUpClosed,
    WeakPassword,
)
from chat_app.auth.principal import Principal, UserProfile
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.auth.sign_in.policy import SignUpPolicies
from chat_app.core.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Account, User
from chat_app.settings import Settings

_T = TypeVar("_T")

_JUDGED_LENGTH = 72
"""zxcvbn's work grows faster than the square of the length (1,000 characters: 3 s)."""


def default_hasher() -> PasswordHasher:
    """argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet)."""
    return PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)


class PasswordHashing:
    """Hashes, verifies and judges passwords.

    Args:
        settings: The minimum length and score of a new password.
        hasher: Hashes; tests pass one that counts.
    """

    def __init__(self, settings: Settings, hasher: PasswordHasher | None = None) -> None:
        self._settings = settings
        self._hasher = hasher or default_hasher()
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")
        self._dummy_hash = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            PasswordTooLong: It has more than 1,024 characters.
        """
        encoded = _encode(password)
        if encoded is None:
            raise PasswordTooLong(max_length=PASSWORD_MAX_LENGTH)
        return await self._off_loop(lambda: self._hasher.hash(encoded))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether a password matches a hash.

        Without a hash a dummy is verified, so that the time does not reveal which accounts exist.
        """
        encoded = _encode(password)
        if encoded is None:
            return False
        matches = await self._off_loop(lambda: self._matches(stored or self._dummy_hash, encoded))
        return matches and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash has other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)

    async def judge(self, password: str, known: Iterable[str]) -> None:
        """Reject a weak password, as `judge_password` does."""
        await self._off_loop(lambda: judge_password(self._settings, password, known))

    def close(self) -> None:
        """Stop the threads; queued work is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, encoded: bytes) -> bool:
        try:
            return self._hasher.verify(stored, encoded)
        except (VerificationError, InvalidHashError):
            return False

    async def _off_loop(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def judge_password(settings: Settings, password: str, known: Iterable[str]) -> None:
    """Reject a new password that is too short, too long or easy to guess.

    Args:
        settings: The minimum length and score.
        password: As typed.
        known: Words that an attacker would try first, such as the user's name.

    Raises:
        PasswordTooLong: It has more than 1,024 characters.
        PasswordTooShort: It has fewer than the settings ask for.
        WeakPassword: zxcvbn's score is below the settings'.
    """
    if _encode(password) is None:
        raise PasswordTooLong(max_length=PASSWORD_MAX_LENGTH)
    if len(password) < settings.password_min_length:
        raise PasswordTooShort(min_length=settings.password_min_length)
    words = [word[:100] for word in known if word]
    if zxcvbn(password[:_JUDGED_LENGTH], user_inputs=words)["score"] < settings.password_min_score:
        raise WeakPassword


def _encode(password: str) -> bytes | None:
    if len(password) > PASSWORD_MAX_LENGTH:
        return None
    # One keyboard writes é as one character and another as two (RFC 8265 §4.2.2: NFC).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


PASSWORD_ISSUER = "password"  # noqa: S105 - an issuer
"""The issuer of an account with a password; its subject is the normalised email."""

_INVALID_EMAIL = "?"  # no email has this form: one rate limit for all invalid ones


@dataclass(frozen=True, slots=True)
class PasswordAccounts:
    """Sign-up and sign-in by password.

    Args:
        db: Stores users and accounts.
        passwords: Hashes and judges passwords.
        rate_limits: Limits failures.
        policies: Who may create an account.
        clock: The time.
    """

    db: Database
    passwords: PasswordHashing
    rate_limits: AuthRateLimits
    policies: SignUpPolicies
    clock: Clock

    async def sign_up(
        self,
        *,
        email: str,
        password: str,
        name: str,
        client_ip: str,
        check: Callable[[VerifiedIdentity], Awaitable[object]],
    ) -> VerifiedIdentity:
        """Create a user, without verifying the email.

        Args:
            email: As typed.
            password: As typed.
            name: As typed; may be empty.
            client_ip: For the rate limits.
            check: `SignInService.check`; no user is created when it raises.

        Returns:
            The identity that signs the new user in.

        Raises:
            SignUpClosed: Not everyone may create an account.
            InvalidEmail, InvalidName: Invalid input.
            PasswordTooShort, PasswordTooLong, WeakPassword: See `judge`.
            EmailTaken: The email has an account.
            AccessDenied: `check` refuses.
            TooManyAttempts: Too many sign-ups of this client.
        """
        if (await self.policies.current()).mode != "open":
            raise SignUpClosed  # the others need a verified email
        subject, name = normalise(email), clean_display_name(name)
        async with self.rate_limits.new_password(client_ip):
            await self.passwords.judge(password, known_words(subject, name))
        identity = VerifiedIdentity("password", PASSWORD_ISSUER, subject, email=subject, name=name)
        async with self.rate_limits.sign_up(client_ip):
            try:
                await check(identity)
            except AccountNotLinked:
                raise EmailTaken from None
            await self._create(subject, password, name, signs_up=identity)
        return identity

    async def add(
        self, email: str, password: str, name: str, *, actor: audit.Actor = "command line"
    ) -> UUID:
        """Create a user for the operator, who vouches for the email: no rate limit, never closed.

        Args:
            email: As typed.
            password: As typed.
            name: As typed; may be empty.
            actor: Who does it, for the audit log.

        Raises:
            InvalidEmail, InvalidName, PasswordTooShort, PasswordTooLong, WeakPassword, EmailTaken:
                As in `sign_up`.
        """
        subject, name = normalise(email), clean_display_name(name)
        await self.passwords.judge(password, known_words(subject, name))
        return await self._create(subject, password, name, email_verified=True, actor=actor)

    async def sign_in(
        self, *, email: str, password: str, client_ip: str, known: str = ""
    ) -> VerifiedIdentity:
        """Verify an email and its password.

        The work and the response are the same for an unknown email, an incorrect password and a
        disabled user (ASVS 6.3.8).

        Args:
            email: As typed.
            password: As typed.
            client_ip: For the rate limits.
            known: `KnownBrowsers.find` of this browser and email.

        Raises:
            InvalidCredentials: One of the three.
            TooManyAttempts: Too many failures; the password was not checked.
        """
        try:
            subject = normalise(email)
        except InvalidEmail:
            subject = _INVALID_EMAIL
        async with self.rate_limits.sign_in(subject, client_ip, known):
            user_id, stored, is_enabled = await self._look_up(subject)
            matches = await self.passwords.verify(stored, password)
            if user_id is None or stored is None or not matches or not is_enabled:
                raise InvalidCredentials
        if self.passwords.is_outdated(stored):
            await self._rehash(user_id, stored, await self.passwords.hash(password))
        return VerifiedIdentity("password", PASSWORD_ISSUER, subject, email=subject)

    async def profile(self, principal: Principal) -> UserProfile:
        """The user's profile.

        Raises:
            NotFound: The user was deleted.
        """
        async with self.db.system("auth") as session:
            user = await session.require(User, principal.user_id)
        return UserProfile(user.id, user.email, user.name)

    async def _look_up(self, subject: str) -> tuple[UUID | None, str | None, bool]:
        async with self.db.system("auth") as session:
            found = await session.exec(
                select(User.id, Account.password_hash, User.disabled_at)
                .join(Account, col(Account.user_id) == col(User.id))
                .where(Account.issuer == PASSWORD_ISSUER, Account.subject == subject)
            )
            row = found.first()
        return (None, None, False) if row is None else (row[0], row[1], row[2] is None)

    async def _create(
        self,
        subject: str,
        password: str,
        name: str,
        *,
        email_verified: bool = False,
        actor: audit.Actor | None = None,
        signs_up: VerifiedIdentity | None = None,
    ) -> UUID:
        password_hash = await self.passwords.hash(password)
        now = self.clock()
        verified_at = now if email_verified else None
        user = User(email=subject, name=name, created_at=now, email_verified_at=verified_at)
        try:
            async with self.db.system("auth", write=True) as session:
                if signs_up is not None:
                    await self.policies.require(session, signs_up, lock=True)
                user_id = await add_user(session, user, password_hash)
                await audit.append(
                    session,
                    "user_created",
                    actor=actor or user_id,
                    subject=audit.Subject("user", user_id),
                    clock=self.clock,
                )
        except IntegrityError:
            raise EmailTaken from None
        return user_id

    async def _rehash(self, user_id: UUID, old: str, new: str) -> None:
        async with self.db.system("auth", write=True) as session:
            await session.exec(
                update(Account)
                .where(
                    col(Account.user_id) == user_id,
                    col(Account.issuer) == PASSWORD_ISSUER,
                    # a password changed in the meantime stays changed
                    col(Account.password_hash) == old,
                )
                .values(password_hash=new)
            )


async def add_user(session: SystemSession, user: User, password_hash: str) -> UUID:
    """Add a user with a password in the caller's transaction.

    Args:
        session: The transaction.
        user: With a normalised email and a clean name.
        password_hash: From `PasswordHashing.hash`.

    Raises:
        IntegrityError: The email has an account.
    """
    session.add(user)
    await session.flush()
    session.add(password_account(user, user.created_at, password_hash))
    await session.flush()
    return user.id


def password_account(user: User, now: datetime, password_hash: str | None = None) -> Account:
    """The row that lets a user sign in with a password."""
    return Account(
        user_id=user.id,
        issuer=PASSWORD_ISSUER,
        subject=user.email,
        password_hash=password_hash,
        created_at=now,
    )


def known_words(subject: str, name: str) -> list[str]:
    """What an attacker would try first as a user's password."""
    return [subject, *subject.split("@"), name, *name.split()]
