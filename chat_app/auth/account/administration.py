"""What the operator does to users' accounts: list, delete, new password, verify, reset, unlock.

Disabling is in `disable.py`. Each change publishes its signals after the commit, so that open tabs
and the limits in memory follow.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import case, col, delete, distinct, func, select, update

from chat_app import audit
from chat_app.audit.actions import Action
from chat_app.auth.account.delete import delete_user
from chat_app.auth.account.roles import require_admin, require_other_admin
from chat_app.auth.devices import forget_devices
from chat_app.auth.errors import AccountTaken
from chat_app.auth.keys.revocation import revoke_credentials
from chat_app.auth.one_time_tokens import revoke_tokens
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.passwords import (
    PASSWORD_ISSUER,
    PasswordHashing,
    known_words,
    password_account,
)
from chat_app.auth.two_factor import TwoFactor
from chat_app.core.clock import Clock
from chat_app.core.signals import UNLOCKED_USERS, Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Account, AuthSession, Totp, User


@dataclass(frozen=True, slots=True)
class UserSummary:
    """A user in the operator's list.

    Args:
        email: The normalised email.
        name: The display name; may be empty.
        created_at: When the account was created.
        last_seen_at: The last use of a session; None when there was none in the last month.
        is_disabled: Whether the operator disabled the user.
        is_verified: Whether the email is verified.
        has_two_factor: Whether two-factor authentication is on.
        is_admin: Whether the user administers the installation.
    """

    email: str
    name: str
    created_at: datetime
    last_seen_at: datetime | None
    is_disabled: bool
    is_verified: bool
    has_two_factor: bool
    is_admin: bool


@dataclass(frozen=True, slots=True)
class UserCounts:
    """How many users there are.

    Args:
        users: All of them.
        disabled: Those whom the operator or an admin disabled.
        admins: Those who administer the installation.
        seen_today: Those with a session that was used in the last 24 hours.
    """

    users: int
    disabled: int
    admins: int
    seen_today: int


@dataclass(frozen=True, slots=True)
class UserAdministration:
    """Lists and changes users for the operator.

    Args:
        db: Stores users.
        bus: Receives a signal after every change.
        sessions: Revokes sessions.
        passwords: Judges and hashes passwords.
        two_factor: Removes second factors.
        clock: The time.
    """

    db: Database
    bus: Bus
    sessions: SessionService
    passwords: PasswordHashing
    two_factor: TwoFactor
    clock: Clock

    async def list(self) -> list[UserSummary]:
        """Every user, by email."""
        last_seen = (
            select(AuthSession.user_id, func.max(AuthSession.last_seen_at).label("at"))
            .group_by(col(AuthSession.user_id))
            .subquery()
        )
        query = (
            select(User, last_seen.c.at, Totp.confirmed_at)
            .outerjoin(last_seen, last_seen.c.user_id == col(User.id))
            .outerjoin(Totp, col(Totp.user_id) == col(User.id))
            .order_by(col(User.email))
        )
        async with self.db.system("command line") as session:
            rows = (await session.exec(query)).all()
        return [
            UserSummary(
                email=user.email,
                name=user.name,
                created_at=user.created_at,
                last_seen_at=seen_at,
                is_disabled=user.disabled_at is not None,
                is_verified=user.email_verified_at is not None,
                has_two_factor=confirmed_at is not None,
                is_admin=user.role == "admin",
            )
            for user, seen_at, confirmed_at in rows
        ]

    async def counts(self) -> UserCounts:
        """How many users there are."""
        seen = col(AuthSession.last_seen_at) > self.clock() - timedelta(days=1)
        async with self.db.system("administration") as session:
            users = await session.exec(
                select(
                    func.count(),
                    func.count(col(User.disabled_at)),
                    func.count(case((col(User.role) == "admin", 1))),
                ).select_from(User)
            )
            today = await session.exec(
                select(func.count(distinct(col(AuthSession.user_id)))).where(seen)
            )
            return UserCounts(*users.one(), today.one())

    async def delete(
        self,
        user_id: UUID,
        *,
        actor: audit.Actor = "command line",
        keeps_an_admin: bool = False,
    ) -> None:
        """Delete a user and everything they own. This can't be undone.

        Where they are the only owner of an organisation, another member becomes one.

        Args:
            user_id: The user.
            actor: Who does it, for the audit log.
            keeps_an_admin: Whether to refuse to delete the only admin.

        Raises:
            Forbidden: The actor is no admin any more.
            LastAdmin: The user is the only admin, who is to be kept.
            NotFound: There is no such user.
        """
        async with self.db.system("account changes", write=True, read_committed=True) as session:
            await require_admin(session, actor)
            user = await session.require(User, user_id)
            if keeps_an_admin:
                await require_other_admin(session, user_id)
            await delete_user(session, self.sessions, user, actor=actor, clock=self.clock)

    async def set_password(self, user_id: UUID, password: str) -> int:
        """Set a new password and end every session and API key, as a reset does; unlock the user.

        Args:
            user_id: The user.
            password: As typed.

        Returns:
            How many sessions were revoked.

        Raises:
            PasswordTooShort, PasswordTooLong, WeakPassword: See `PasswordHashing.judge`.
            AccountTaken: Another user signs in with this email.
            NotFound: There is no such user.
        """
        async with self.db.system("command line") as session:
            user = await session.require(User, user_id)
        await self.passwords.judge(password, known_words(user.email, user.name))
        hashed = await self.passwords.hash(password)
        of_user = col(Account.user_id) == user_id, col(Account.issuer) == PASSWORD_ISSUER
        try:
            async with self.db.system("command line", write=True) as session:
                user = await session.require(User, user_id)
                await session.exec(delete(Account).where(*of_user))
                session.add(password_account(user, self.clock(), hashed))
                await forget_devices(session, user_id)
                await revoke_tokens(session, user_id)
                revoked = await revoke_credentials(
                    session, self.sessions, user_id, reason="password_reset"
                )
                await self._append(session, "password_reset", user_id, "command line")
        except IntegrityError:
            raise AccountTaken from None
        await self.unlock(user_id)
        return len(revoked)

    async def verify(self, user_id: UUID) -> bool:
        """Mark the email as verified, because the operator vouches for it.

        Returns:
            Whether it was not verified before.

        Raises:
            NotFound: There is no such user.
        """
        async with self.db.system("command line", write=True) as session:
            user = await session.require(User, user_id)
            if user.email_verified_at is not None:
                return False
            user.email_verified_at = self.clock()
            await revoke_tokens(session, user_id, "verify_email")
            await self._append(session, "email_verified", user_id, "command line")
            session.publish(self.bus, user_topic(user_id), Signal("user"))
        return True

    async def user(self, user_id: UUID) -> User:
        """The user.

        Raises:
            NotFound: There is no such user.
        """
        async with self.db.system("command line") as session:
            return await session.require(User, user_id)

    async def reset_two_factor(self, user_id: UUID, *, actor: audit.Actor = "command line") -> bool:
        """Turn off two-factor authentication, for a user who lost the phone and the backup codes.

        Args:
            user_id: The user.
            actor: Who does it, for the audit log.

        Returns:
            Whether it was on.
        """
        removed = await self.two_factor.remove(user_id, actor=actor)
        self.bus.publish(user_topic(user_id), Signal("user"))
        return removed

    async def unlock(self, user_id: UUID, *, actor: audit.Actor = "command line") -> None:
        """Forget the failed sign-ins and the wrong second-factor codes of a user.

        Args:
            user_id: The user.
            actor: Who does it, for the audit log.

        Raises:
            NotFound: There is no such user.
        """
        async with self.db.system("command line", write=True) as session:
            user = await session.require(User, user_id)
            await session.exec(
                update(Totp)
                .where(col(Totp.user_id) == user_id)
                .values(failures=0, locked_until=None)
            )
            await self._append(session, "user_unlocked", user_id, actor)
            unlocked = Signal("user_unlocked", account=user.email)
            session.publish(self.bus, UNLOCKED_USERS, unlocked)

    async def _append(
        self, session: SystemSession, action: Action, user_id: UUID, actor: audit.Actor
    ) -> None:
        subject = audit.Subject("user", user_id)
        await audit.append(session, action, actor=actor, subject=subject, clock=self.clock)
