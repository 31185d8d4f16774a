"""Setting, removing and resetting a password."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select

from chat_app.auth.account.login_methods import claim_unverified_account, require_login_method
from chat_app.auth.devices import forget_devices
from chat_app.auth.errors import AccountTaken, InvalidToken
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens, revoke_tokens
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sessions.models import IssuedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.magic_link import LINK_LIFETIME, MailContext
from chat_app.auth.sign_in.passwords import PASSWORD_ISSUER, PasswordHashing, known_words
from chat_app.core.clock import Clock
from chat_app.core.errors import NotFound
from chat_app.db.engine import Database
from chat_app.db.sessions import SystemSession
from chat_app.db.tables import Account, User

PASSWORD_CHANGED = "password"  # noqa: S105 - a reason
"""The reason for which a new password revokes the other sessions."""


class PasswordChange:
    """Sets and removes the password of a user whose session is fresh.

    Args:
        db: Stores accounts.
        passwords: Judges and hashes passwords.
        rate_limits: Limits rejected passwords.
        sessions: Revokes the other sessions.
        clock: The time.
    """

    def __init__(
        self,
        db: Database,
        passwords: PasswordHashing,
        rate_limits: AuthRateLimits,
        sessions: SessionService,
        clock: Clock,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._rate_limits = rate_limits
        self._sessions = sessions
        self._clock = clock

    async def is_set(self, principal: Principal) -> bool:
        """Whether the user has a password."""
        async with self._db.system("auth") as session:
            found = await session.exec(select(Account.id).where(*_mine(principal)))
            return found.first() is not None

    async def set(self, principal: Principal, password: str, client_ip: str) -> IssuedSession:
        """Set the password.

        Every other session is revoked, reset links and remembered devices become invalid, and this
        session gets a new token (ASVS 7.4.3).

        Args:
            principal: The user; the caller has checked that the session is fresh.
            password: As typed.
            client_ip: For the rate limits.

        Returns:
            This session's new token.

        Raises:
            PasswordTooShort, PasswordTooLong, WeakPassword: See `PasswordHashing.judge`.
            AccountTaken: Another user signs in with this email.
            NotFound: The user was deleted.
            TooManyAttempts: Too many rejected passwords.
            Unauthenticated: The session ended meanwhile.
        """
        async with self._db.system("auth") as session:
            user = await session.get(User, principal.user_id)
        if user is None:
            raise NotFound
        async with self._rate_limits.new_password(client_ip):
            await self._passwords.judge(password, known_words(user.email, user.name))
        hashed = await self._passwords.hash(password)
        try:
            async with self._db.system("auth", write=True) as session:
                found = await session.exec(select(Account).where(*_mine(principal)))
                account = found.first() or Account(
                    user_id=user.id,
                    issuer=PASSWORD_ISSUER,
                    subject=user.email,
                    created_at=self._clock(),
                )
                account.password_hash = hashed
                session.add(account)
                await forget_devices(session, user.id)
                await revoke_tokens(session, user.id, "reset_password", "second_factor")
                ended = await self._sessions.revoke_all(
                    session, user.id, reason=PASSWORD_CHANGED, keep=principal.credential_id
                )
        except IntegrityError:
            raise AccountTaken from None
        self._sessions.publish_revoked(ended, PASSWORD_CHANGED)
        return await self._sessions.step_up(principal, method="password")

    async def remove(self, principal: Principal) -> None:
        """Remove the password.

        Raises:
            LastLoginMethod: It is the only login method.
            NotFound: There is no password.
        """
        async with self._db.system("auth", write=True) as session:
            deleted = await session.exec(delete(Account).where(*_mine(principal)))
            if not deleted.rowcount:
                raise NotFound
            await require_login_method(session, principal.user_id)
            await revoke_tokens(session, principal.user_id, "reset_password")


def _mine(principal: Principal) -> tuple:
    return col(Account.user_id) == principal.user_id, col(Account.issuer) == PASSWORD_ISSUER


PASSWORD_RESET = "password_reset"  # noqa: S105 - a reason
"""The reason for which a password reset revokes sessions."""


class PasswordResets:
    """Resets passwords by email.

    Args:
        db: Stores accounts.
        tokens: Creates the tokens of links.
        sessions: Revoked by a reset.
        passwords: Judges and hashes passwords.
        mail: Sends emails.
        clock: The time.
    """

    def __init__(
        self,
        db: Database,
        tokens: OneTimeTokens,
        sessions: SessionService,
        passwords: PasswordHashing,
        mail: MailContext,
        clock: Clock,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._sessions = sessions
        self._passwords = passwords
        self._mail = mail
        self._clock = clock

    async def send(self, email: str, client_ip: str) -> None:
        """Send a reset link, or an email that says why there is none.

        Raises:
            MailUnavailable, InvalidEmail, AccessDenied: See `MailContext.recipient`.
            TooManyAttempts: Too many emails.
        """
        subject = self._mail.recipient(email)
        async with self._mail.rate_limits.email(subject, client_ip):
            user_id = await self._user_id_of(subject)
            token = await self._tokens.create(
                "reset_password", lifetime=LINK_LIFETIME, user_id=user_id, subject=subject
            )
        templates = self._mail.templates
        self._mail.mailer.send(
            templates.reset_password(subject, token) if user_id else templates.no_account(subject)
        )

    async def finish(self, token: str, password: str, client_ip: str) -> None:
        """Set a new password with the token of a link, and revoke every session.

        An account whose email was never verified loses every other login method.

        Args:
            token: From the link.
            password: As typed. A rejected one leaves the link valid.
            client_ip: For the rate limits.

        Raises:
            InvalidToken: It is used, expired or unknown.
            PasswordTooLong, PasswordTooShort, WeakPassword: See `PasswordHashing.judge`.
            TooManyAttempts: Too many rejected passwords.
        """
        link = await self._tokens.peek(token, "reset_password")
        async with self._mail.rate_limits.new_password(client_ip):
            await self._passwords.judge(password, known_words(link.subject, ""))
        password_hash = await self._passwords.hash(password)
        async with self._db.system("auth", write=True) as session:
            link = await self._tokens.consume_in(session, token, "reset_password")
            ended = await self._change(session, link, password_hash)
        self._sessions.publish_revoked(ended, PASSWORD_RESET)
        self._mail.mailer.send(self._mail.templates.password_changed(link.subject))

    async def _user_id_of(self, subject: str) -> UUID | None:
        async with self._db.system("auth") as session:
            user = (await session.exec(select(User).where(User.email == subject))).first()
        return user.id if user is not None and self._may_reset(user) else None

    def _may_reset(self, user: User) -> bool:
        """Whether a user's mailbox is enough to reset the password."""
        is_verified = user.email_verified_at is not None
        may_claim = self._mail.settings.auth_unverified_accounts == "take_over"
        return user.disabled_at is None and (is_verified or may_claim)

    async def _change(
        self, session: SystemSession, link: ConsumedToken, password_hash: str
    ) -> Sequence[UUID]:
        user = await session.get(User, link.user_id) if link.user_id else None
        # The user may have been disabled or have changed the email meanwhile.
        if user is None or user.email != link.subject or not self._may_reset(user):
            raise InvalidToken
        now = self._clock()
        ended = await self._clear(session, user, now)
        account = Account(
            user_id=user.id,
            issuer=PASSWORD_ISSUER,
            subject=user.email,
            password_hash=password_hash,
            created_at=now,
        )
        session.add(account)
        await session.flush()
        return ended

    async def _clear(self, session: SystemSession, user: User, now: datetime) -> Sequence[UUID]:
        """Revoke what the old password gave access to; everything if the email is unverified."""
        if user.email_verified_at is None:
            return await claim_unverified_account(session, self._sessions, user.id, now)
        old = col(Account.issuer) == PASSWORD_ISSUER
        await session.exec(delete(Account).where(col(Account.user_id) == user.id, old))
        await forget_devices(session, user.id)
        await revoke_tokens(session, user.id)
        return await self._sessions.revoke_all(session, user.id, reason=PASSWORD_RESET)
