"""Setting, removing and resetting a password."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select

from chat_app import audit
from chat_app.auth.account.login_methods import claim_unverified_account, require_login_method
from chat_app.auth.devices import forget_devices
from chat_app.auth.errors import AccountTaken, InvalidToken
from chat_app.auth.keys.revocation import revoke_credentials
from chat_app.auth.one_time_tokens import ConsumedToken, revoke_tokens
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import IssuedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.email_flows import LINK_LIFETIME, EmailFlow
from chat_app.auth.sign_in.passwords import (
    PASSWORD_ISSUER,
    PasswordHashing,
    known_words,
    password_account,
)
from chat_app.core.errors import NotFound
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Account, User


@dataclass(frozen=True, slots=True)
class PasswordChanges(EmailFlow):
    """Sets and removes the password of a user whose session is fresh; resets one by email.

    Args:
        passwords: Judges and hashes passwords.
        sessions: Revokes sessions.
    """

    passwords: PasswordHashing
    sessions: SessionService

    async def is_set(self, principal: Principal) -> bool:
        """Whether the user has a password."""
        async with self.db.system("auth") as session:
            found = await session.exec(select(Account.id).where(*_password_of(principal.user_id)))
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
        async with self.db.system("auth") as session:
            user = await session.require(User, principal.user_id)
        async with self.mail.rate_limits.new_password(client_ip):
            await self.passwords.judge(password, known_words(user.email, user.name))
        hashed = await self.passwords.hash(password)
        try:
            async with self.db.system("auth", write=True) as session:
                found = await session.exec(select(Account).where(*_password_of(user.id)))
                account = found.first() or password_account(user, self.clock())
                account.password_hash = hashed
                session.add(account)
                await forget_devices(session, user.id)
                await revoke_tokens(session, user.id, "reset_password", "second_factor")
                await self.sessions.revoke_all(
                    session, user.id, reason="password", keep=principal.credential_id
                )
                await audit.append(session, "password_changed", actor=principal, clock=self.clock)
        except IntegrityError:
            raise AccountTaken from None
        return await self.sessions.step_up(principal, method="password")

    async def remove(self, principal: Principal) -> None:
        """Remove the password.

        Raises:
            LastLoginMethod: It is the only login method.
            NotFound: There is no password.
        """
        async with self.db.system("auth", write=True) as session:
            deleted = await session.exec(delete(Account).where(*_password_of(principal.user_id)))
            if not deleted.rowcount:
                raise NotFound
            await require_login_method(session, principal.user_id)
            await revoke_tokens(session, principal.user_id, "reset_password")
            await audit.append(session, "password_removed", actor=principal, clock=self.clock)

    async def send_reset(self, email: str, client_ip: str, known: str = "") -> None:
        """Send a reset link, or an email that says why there is none.

        Args:
            email: As typed.
            client_ip: For the rate limits.
            known: `KnownBrowsers.find` of this browser and email.

        Raises:
            MailUnavailable, InvalidEmail, AccessDenied: See `MailContext.recipient`.
            TooManyAttempts: Too many emails.
        """
        subject = self.mail.recipient(email)
        async with self.mail.rate_limits.email(subject, client_ip, known):
            user_id = await self._user_id_of(subject)
            token = await self.tokens.create(
                "reset_password", lifetime=LINK_LIFETIME, user_id=user_id, subject=subject
            )
        templates = self.mail.templates
        self.mail.mailer.send(
            templates.reset_password(subject, token) if user_id else templates.no_account(subject)
        )

    async def reset(self, token: str, password: str, client_ip: str) -> UUID:
        """Set a new password with the token of a link, and revoke every session.

        An account whose email was never verified loses every other login method.

        Args:
            token: From the link.
            password: As typed. A rejected one leaves the link valid.
            client_ip: For the rate limits.

        Returns:
            The user.

        Raises:
            InvalidToken: It is used, expired or unknown.
            PasswordTooLong, PasswordTooShort, WeakPassword: See `PasswordHashing.judge`.
            TooManyAttempts: Too many rejected passwords.
        """
        link = await self.tokens.peek(token, "reset_password")
        async with self.mail.rate_limits.new_password(client_ip):
            await self.passwords.judge(password, known_words(link.subject, ""))
        password_hash = await self.passwords.hash(password)
        async with self.db.system("auth", write=True) as session:
            link = await self.tokens.consume_in(session, token, "reset_password")
            user_id = await self._replace(session, link, password_hash)
            # Who has an admin's link need not be the user: the row names who made it.
            admin = link.data.get("issued_by")
            await audit.append(
                session,
                "password_reset",
                actor=UUID(admin) if admin else user_id,
                subject=audit.Subject("user", user_id),
                details={"method": "admin_link"} if admin else None,
                request=audit.Origin.of_client(client_ip),
                clock=self.clock,
            )
        self.mail.mailer.send(self.mail.templates.password_changed(link.subject))
        return user_id

    async def _user_id_of(self, subject: str) -> UUID | None:
        async with self.db.system("auth") as session:
            user = (await session.exec(select(User).where(User.email == subject))).first()
        return user.id if user is not None and self._may_reset(user) else None

    def _may_reset(self, user: User) -> bool:
        """Whether a user's mailbox is enough to reset the password."""
        is_verified = user.email_verified_at is not None
        may_claim = self.mail.settings.auth_unverified_accounts == "take_over"
        return user.disabled_at is None and (is_verified or may_claim)

    async def _replace(
        self, session: SystemSession, link: ConsumedToken, password_hash: str
    ) -> UUID:
        """Set a new password and revoke what the old one gave access to.

        If the email was never verified, that is everything.
        """
        user = await session.get(User, link.user_id) if link.user_id else None
        # The user may have been disabled or have changed the email meanwhile.
        if user is None or user.email != link.subject or not self._may_reset(user):
            raise InvalidToken
        now = self.clock()
        if user.email_verified_at is None:
            await claim_unverified_account(session, self.sessions, user.id, now)
        else:
            await session.exec(delete(Account).where(*_password_of(user.id)))
            await forget_devices(session, user.id)
            await revoke_tokens(session, user.id)
            await revoke_credentials(session, self.sessions, user.id, reason="password_reset")
        session.add(password_account(user, now, password_hash))
        await session.flush()
        return user.id


def _password_of(user_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return col(Account.user_id) == user_id, col(Account.issuer) == PASSWORD_ISSUER
