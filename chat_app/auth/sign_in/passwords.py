"""Passwords: hashed with argon2id, judged by zxcvbn, both off the event loop.

Two threads are the whole budget: a storm of sign-ins queues here and leaves the loop and the
other core alone.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update
from zxcvbn import zxcvbn

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
from chat_app.core.clock import Clock
from chat_app.core.errors import NotFound
from chat_app.db.engine import Database
from chat_app.db.sessions import SystemSession
from chat_app.db.tables import Account, User
from chat_app.settings import Settings

_T = TypeVar("_T")

_JUDGED_LENGTH = 72
"""zxcvbn's work grows faster than the square of the length (1,000 characters: 3 s)."""


def default_hasher() -> PasswordHasher:
    """argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet)."""
    return PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)


class PasswordHashing:
    """Makes, checks and judges passwords.

    Args:
        settings: The least length and score of a new password.
        hasher: Hashes; tests pass one that counts.
    """

    def __init__(self, settings: Settings, hasher: PasswordHasher | None = None) -> None:
        self._settings = settings
        self._hasher = hasher or default_hasher()
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            PasswordTooLong: It has more than 1,024 characters.
        """
        given = _given(password)
        if given is None:
            raise PasswordTooLong(max_length=PASSWORD_MAX_LENGTH)
        return await self._off_loop(lambda: self._hasher.hash(given))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether a password fits a hash.

        Without a hash the same work is done on one that fits nothing, so that the time taken does
        not tell which accounts exist.
        """
        given = _given(password)
        if given is None:
            return False
        right = await self._off_loop(lambda: self._fits(stored or self._nobody, given))
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    async def judge(self, password: str, known: Iterable[str]) -> None:
        """Refuse a new password that is too short, too long or easy to guess.

        Args:
            password: What the person chose.
            known: Words an attacker would try first, such as the person's name.

        Raises:
            PasswordTooLong: It has more than 1,024 characters.
            PasswordTooShort: It has fewer than the settings ask for.
            WeakPassword: zxcvbn's score is below the settings'.
        """
        if _given(password) is None:
            raise PasswordTooLong(max_length=PASSWORD_MAX_LENGTH)
        if len(password) < self._settings.password_min_length:
            raise PasswordTooShort(min_length=self._settings.password_min_length)
        words = [word[:100] for word in known if word]
        score = await self._off_loop(
            lambda: zxcvbn(password[:_JUDGED_LENGTH], user_inputs=words)["score"]
        )
        if score < self._settings.password_min_score:
            raise WeakPassword

    def close(self) -> None:
        """Let the threads go; what is queued is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fits(self, stored: str, given: bytes) -> bool:
        try:
            return self._hasher.verify(stored, given)
        except (VerificationError, InvalidHashError):
            return False

    async def _off_loop(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def _given(password: str) -> bytes | None:
    if len(password) > PASSWORD_MAX_LENGTH:
        return None
    # One keyboard writes é as one character and another as two (RFC 8265 §4.2.2: NFC).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


PASSWORD_ISSUER = "password"  # noqa: S105 - an issuer
"""The issuer of an account with a password; its subject is the normalised address."""

_NO_ACCOUNT = "?"  # no address has this form, so it is the one budget of everything unreadable


class PasswordAccounts:
    """Signs people up and in.

    Args:
        db: Where people and their accounts are kept.
        passwords: Hashes and judges.
        throttle: Counts failures.
        settings: Whether strangers may sign up.
        clock: The time.
    """

    def __init__(
        self,
        db: Database,
        passwords: PasswordHashing,
        rate_limits: AuthRateLimits,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._rate_limits = rate_limits
        self._settings = settings
        self._clock = clock

    async def sign_up(
        self,
        *,
        email: str,
        password: str,
        name: str,
        address: str,
        welcome: Callable[[VerifiedIdentity], Awaitable[object]],
    ) -> VerifiedIdentity:
        """Make an account for a stranger.

        Args:
            email: As typed.
            password: As typed.
            name: As typed; may be empty.
            address: The client's address, for the limits.
            welcome: Raises when they would not be let in (`Admission.check`): then no account is
                made.

        Returns:
            What signs the new person in.

        Raises:
            SignUpClosed: The operator makes the accounts here.
            InvalidEmail, InvalidName: What was typed is neither.
            PasswordTooShort, PasswordTooLong, WeakPassword: See `PasswordHashing.judge`.
            EmailTaken: There is an account already.
            AccessDenied: `welcome` says no.
            RateLimited: Too many from this address.
        """
        if not self._settings.sign_up_is_open:
            raise SignUpClosed
        subject, name = normalise(email), clean_display_name(name)
        async with self._rate_limits.new_password(address):
            await self._passwords.judge(password, known_words(subject, name))
        identity = VerifiedIdentity("password", PASSWORD_ISSUER, subject, email=subject, name=name)
        async with self._rate_limits.sign_up(address):
            try:
                await welcome(identity)
            except AccountNotLinked:
                raise EmailTaken from None
            await self._make(subject, password, name)
        return identity

    async def add(self, email: str, password: str, name: str) -> UUID:
        """Make an account for the operator: the same rules, but open and without limits.

        The operator vouches for the address.

        Raises:
            InvalidEmail, InvalidName, PasswordTooShort, PasswordTooLong, WeakPassword, EmailTaken:
                As in `sign_up`.
        """
        subject, name = normalise(email), clean_display_name(name)
        await self._passwords.judge(password, known_words(subject, name))
        return await self._make(subject, password, name, is_vouched_for=True)

    async def sign_in(self, *, email: str, password: str, address: str) -> VerifiedIdentity:
        """The proof of an address and its password.

        The work and the answer are the same for an unknown address, a wrong password and a
        disabled person (ASVS 6.3.8).

        Raises:
            WrongCredentials: Nobody.
            RateLimited: Too many failures; the password was not looked at.
        """
        try:
            subject = normalise(email)
        except InvalidEmail:
            subject = _NO_ACCOUNT
        async with self._rate_limits.sign_in(subject, address):
            user_id, stored, may_enter = await self._look_up(subject)
            right = await self._passwords.verify(stored, password)
            if user_id is None or stored is None or not right or not may_enter:
                raise InvalidCredentials
        if self._passwords.is_outdated(stored):
            await self._renew(user_id, stored, await self._passwords.hash(password))
        return VerifiedIdentity("password", PASSWORD_ISSUER, subject, email=subject)

    async def person(self, principal: Principal) -> UserProfile:
        """How the faces show the one who asks.

        Raises:
            NotFound: They are gone.
        """
        async with self._db.system("auth") as session:
            user = await session.get(User, principal.user_id)
        if user is None:
            raise NotFound
        return UserProfile(user.id, user.email, user.name)

    async def _look_up(self, subject: str) -> tuple[UUID | None, str | None, bool]:
        async with self._db.system("auth") as session:
            found = await session.exec(
                select(User.id, Account.password_hash, User.disabled_at)
                .join(Account, col(Account.user_id) == col(User.id))
                .where(Account.issuer == PASSWORD_ISSUER, Account.subject == subject)
            )
            row = found.first()
        return (None, None, False) if row is None else (row[0], row[1], row[2] is None)

    async def _make(
        self, subject: str, password: str, name: str, *, is_vouched_for: bool = False
    ) -> UUID:
        password_hash = await self._passwords.hash(password)
        now = self._clock()
        verified_at = now if is_vouched_for else None
        try:
            async with self._db.system("auth", write=True) as session:
                return await add_user(
                    session, subject, password_hash, name, now=now, verified_at=verified_at
                )
        except IntegrityError:
            raise EmailTaken from None

    async def _renew(self, user_id: UUID, old: str, new: str) -> None:
        async with self._db.system("auth", write=True) as session:
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


async def add_user(
    session: SystemSession,
    subject: str,
    password_hash: str,
    name: str,
    *,
    now: datetime,
    verified_at: datetime | None,
) -> UUID:
    """Add a person with a password, in a transaction of the caller's.

    Args:
        session: The transaction.
        subject: Their normalised address.
        password_hash: From `PasswordHashing.hash`.
        name: From `clean_display_name`.
        now: The time.
        verified_at: When the address was proved, if it was.

    Raises:
        IntegrityError: Somebody has the address.
    """
    user = User(email=subject, name=name, created_at=now, email_verified_at=verified_at)
    session.add(user)
    await session.flush()
    account = Account(
        user_id=user.id,
        issuer=PASSWORD_ISSUER,
        subject=subject,
        password_hash=password_hash,
        created_at=now,
    )
    session.add(account)
    await session.flush()
    return user.id


def known_words(subject: str, name: str) -> list[str]:
    """What an attacker would try first as the password of a person."""
    return [subject, *subject.split("@"), name, *name.split()]
