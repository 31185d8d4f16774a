"""Accounts with a password: making one, and proving that one has it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from chat_app.auth.emails import normalise
from chat_app.auth.names import clean_name
from chat_app.auth.passwords import Passwords
from chat_app.auth.person import Person
from chat_app.auth.principal import Principal
from chat_app.auth.proof import Proof
from chat_app.auth.refusals import (
    AccountNotLinked,
    EmailTaken,
    InvalidEmail,
    SignUpClosed,
    WrongCredentials,
)
from chat_app.auth.throttle import Throttle
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.system import SystemSession
from chat_app.db.tables import Account, User
from chat_app.errors import NotFound
from chat_app.settings import Settings

ISSUER = "password"
"""The issuer of an account with a password; its subject is the normalised address."""

_NO_ACCOUNT = "?"  # no address has this form, so it is the one budget of everything unreadable


class Accounts:
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
        passwords: Passwords,
        throttle: Throttle,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._throttle = throttle
        self._settings = settings
        self._clock = clock

    async def sign_up(
        self,
        *,
        email: str,
        password: str,
        name: str,
        address: str,
        welcome: Callable[[Proof], Awaitable[object]],
    ) -> Proof:
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
            PasswordTooShort, PasswordTooLong, WeakPassword: See `Passwords.judge`.
            EmailTaken: There is an account already.
            AccessDenied: `welcome` says no.
            RateLimited: Too many from this address.
        """
        if not self._settings.sign_up_is_open:
            raise SignUpClosed
        subject, name = normalise(email), clean_name(name)
        async with self._throttle.new_password(address):
            await self._passwords.judge(password, known_words(subject, name))
        proof = Proof("password", ISSUER, subject, email=subject, name=name)
        async with self._throttle.sign_up(address):
            try:
                await welcome(proof)
            except AccountNotLinked:
                raise EmailTaken from None
            await self._make(subject, password, name)
        return proof

    async def add(self, email: str, password: str, name: str) -> UUID:
        """Make an account for the operator: the same rules, but open and without limits.

        The operator vouches for the address.

        Raises:
            InvalidEmail, InvalidName, PasswordTooShort, PasswordTooLong, WeakPassword, EmailTaken:
                As in `sign_up`.
        """
        subject, name = normalise(email), clean_name(name)
        await self._passwords.judge(password, known_words(subject, name))
        return await self._make(subject, password, name, is_vouched_for=True)

    async def sign_in(self, *, email: str, password: str, address: str) -> Proof:
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
        async with self._throttle.sign_in(subject, address):
            user_id, stored, may_enter = await self._look_up(subject)
            right = await self._passwords.verify(stored, password)
            if user_id is None or stored is None or not right or not may_enter:
                raise WrongCredentials
        if self._passwords.is_outdated(stored):
            await self._renew(user_id, stored, await self._passwords.hash(password))
        return Proof("password", ISSUER, subject, email=subject)

    async def person(self, principal: Principal) -> Person:
        """How the faces show the one who asks.

        Raises:
            NotFound: They are gone.
        """
        async with self._db.system("auth") as session:
            user = await session.get(User, principal.user_id)
        if user is None:
            raise NotFound
        return Person(user.id, user.email, user.name)

    async def _look_up(self, subject: str) -> tuple[UUID | None, str | None, bool]:
        async with self._db.system("auth") as session:
            found = await session.exec(
                select(User.id, Account.password_hash, User.disabled_at)
                .join(Account, col(Account.user_id) == col(User.id))
                .where(Account.issuer == ISSUER, Account.subject == subject)
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
                return await add_person(
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
                    col(Account.issuer) == ISSUER,
                    # a password changed in the meantime stays changed
                    col(Account.password_hash) == old,
                )
                .values(password_hash=new)
            )


async def add_person(
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
        password_hash: From `Passwords.hash`.
        name: From `clean_name`.
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
        issuer=ISSUER,
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
