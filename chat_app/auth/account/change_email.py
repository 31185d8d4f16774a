"""Verifying and changing the email of a signed-in user.

A link works only while the user who requested it is signed in. Otherwise an attacker could have the
owner of a mailbox verify, with one click, an account that the attacker created for that email.
"""

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from chat_app import audit
from chat_app.auth.errors import InvalidToken, NewEmailTaken
from chat_app.auth.one_time_tokens import Purpose, revoke_tokens
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.email_flows import LINK_LIFETIME, EmailFlow
from chat_app.auth.sign_in.magic_link import EMAIL_ISSUER as EMAIL
from chat_app.auth.sign_in.passwords import PASSWORD_ISSUER as PASSWORD
from chat_app.core.errors import Conflict
from chat_app.db.tables import Account, User


class EmailChanges(EmailFlow):
    """Verifies and changes emails."""

    async def send_verification(
        self, principal: Principal, client_ip: str, known: str = ""
    ) -> None:
        """Send a link that verifies the user's email, unless it is verified.

        Args:
            principal: The user.
            client_ip: For the rate limits.
            known: `KnownBrowsers.find` of this browser and the user's email.

        Raises:
            MailUnavailable: No email can be sent.
            NotFound: The user was deleted.
            TooManyAttempts: Too many emails.
        """
        self.mail.mailer.require_available()
        async with self.db.system("auth") as session:
            user = await session.require(User, principal.user_id)
        if user.email_verified_at is not None:
            return
        async with self.mail.rate_limits.email(user.email, client_ip, known):
            token = await self.tokens.create(
                "verify_email", lifetime=LINK_LIFETIME, user_id=user.id, subject=user.email
            )
        self.mail.mailer.send(self.mail.templates.verify_email(user.email, token))

    async def send_change(self, principal: Principal, email: str, client_ip: str) -> None:
        """Send a link to the new email. Only its mailbox learns whether it has an account.

        Args:
            principal: The user; the caller has checked that the session is fresh.
            email: As typed.
            client_ip: For the rate limits.

        Raises:
            MailUnavailable, InvalidEmail, AccessDenied: See `MailContext.recipient`.
            Conflict: It is the user's email.
            TooManyAttempts: Too many emails.
        """
        subject = self.mail.recipient(email)
        async with self.mail.rate_limits.email(subject, client_ip):
            async with self.db.system("auth") as session:
                found = await session.exec(select(User.id).where(User.email == subject))
                owner_id = found.first()
            if owner_id == principal.user_id:
                raise Conflict("This is already your email.")
            token = await self.tokens.create(
                "change_email", lifetime=LINK_LIFETIME, user_id=principal.user_id, subject=subject
            )
        templates = self.mail.templates
        self.mail.mailer.send(
            templates.change_email(subject, token)
            if owner_id is None
            else templates.email_in_use(subject)
        )

    async def verify(self, principal: Principal, token: str) -> None:
        """Verify the user's email with the token of a link.

        Raises:
            InvalidToken: It is used, expired, unknown or another user's, or the email has changed.
        """
        await self._apply(principal, token, "verify_email")

    async def change(self, principal: Principal, token: str) -> None:
        """Change the email with the token of a link, and notify the previous email.

        Raises:
            InvalidToken: It is used, expired, unknown or another user's.
            NewEmailTaken: The email has an account by now.
        """
        try:
            old = await self._apply(principal, token, "change_email")
        except IntegrityError:
            raise NewEmailTaken from None
        self.mail.mailer.send(self.mail.templates.email_changed(old))

    async def _apply(self, principal: Principal, token: str, purpose: Purpose) -> str:
        """Consume a token and set its email; return the previous one."""
        now = self.clock()
        async with self.db.system("auth", write=True) as session:
            link = await self.tokens.consume_in(session, token, purpose)
            user = await session.get(User, principal.user_id)
            # Raised inside the transaction, so that the token stays valid for its user.
            if user is None or link.user_id != user.id:
                raise InvalidToken
            if purpose == "verify_email" and link.subject != user.email:
                raise InvalidToken
            old, user.email = user.email, link.subject
            user.email_verified_at = now
            session.add(user)
            await session.flush()
            await session.exec(
                update(Account)
                .where(col(Account.user_id) == user.id, col(Account.issuer).in_([PASSWORD, EMAIL]))
                .values(subject=link.subject)
            )
            await revoke_tokens(
                session, user.id, "verify_email", "change_email", "reset_password", "sign_in_link"
            )
            changed = "email_changed" if purpose == "change_email" else "email_verified"
            await audit.append(session, changed, actor=principal, clock=self.clock)
        return old
