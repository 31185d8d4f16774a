"""Magic links: sign-in by a link in an email. `MailContext` is what every email flow needs."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chat_app.auth.emails import normalise
from chat_app.auth.errors import AccessDenied, AuthError
from chat_app.auth.one_time_tokens import OneTimeTokens
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sign_in.identity import (
    Browser,
    CreateUser,
    MfaRequired,
    SignedIn,
    VerifiedIdentity,
    domain_of,
)
from chat_app.auth.sign_in.service import SignInService
from chat_app.mail.mailer import Mailer
from chat_app.mail.templates import EmailTemplates
from chat_app.settings import Settings

EMAIL_ISSUER = "email"
"""The issuer of an account that signs in by magic link; its subject is the email."""

LINK_LIFETIME = timedelta(minutes=10)
"""How long a link is valid."""
SIGN_UP_LIFETIME = timedelta(hours=24)
"""How long a sign-up can be confirmed. Its link alone does not sign in, so it may be this long."""


@dataclass(frozen=True, slots=True)
class MailContext:
    """What an email is written with, sent with and limited by.

    Args:
        mailer: Sends emails.
        templates: The texts.
        rate_limits: Emails per client and recipient; shared with password sign-in.
        settings: Allowed domains and the sign-up rules.
    """

    mailer: Mailer
    templates: EmailTemplates
    rate_limits: AuthRateLimits
    settings: Settings

    @classmethod
    def create(
        cls, mailer: Mailer, rate_limits: AuthRateLimits, settings: Settings
    ) -> "MailContext":
        """With the templates for this application's URL."""
        templates = EmailTemplates(
            settings.url,
            minutes=int(LINK_LIFETIME.total_seconds()) // 60,
            hours=int(SIGN_UP_LIFETIME.total_seconds()) // 3600,
        )
        return cls(mailer, templates, rate_limits, settings)

    def recipient(self, email: str) -> str:
        """The normalised recipient of an email that a client requests.

        Raises:
            MailUnavailable: No email can be sent.
            InvalidEmail: It is not an email address.
            AccessDenied: Its domain is not allowed to sign in.
        """
        self.mailer.require_available()
        recipient = normalise(email)
        self.require_allowed_domain(recipient)
        return recipient

    def require_allowed_domain(self, email: str) -> None:
        """Refuse an email that no user could sign in with; reveals nothing about users.

        Raises:
            AccessDenied: Its domain is not among `AUTH_ALLOWED_DOMAINS`.
        """
        domains = self.settings.auth_allowed_domains
        if domains and domain_of(email) not in domains:
            raise AccessDenied


class MagicLinks:
    """Sends links and signs in with them.

    Args:
        tokens: Creates the token of a link.
        sign_in_service: Decides who may sign in.
        mail: Sends the email.
    """

    def __init__(
        self, tokens: OneTimeTokens, sign_in_service: SignInService, mail: MailContext
    ) -> None:
        self._tokens = tokens
        self._sign_in_service = sign_in_service
        self._mail = mail

    async def send(self, email: str, client_ip: str, callback_url: str = "") -> None:
        """Send a link, or an email that says why there is none.

        Args:
            email: As typed.
            client_ip: For the rate limits.
            callback_url: The page after the sign-in, checked by the caller.

        Raises:
            MailUnavailable, InvalidEmail, AccessDenied: See `MailContext.recipient`.
            TooManyAttempts: Too many emails.
        """
        recipient = self._mail.recipient(email)
        async with self._mail.rate_limits.email(recipient, client_ip):
            is_allowed, user_id = await self._check(identity_of_email(recipient))
            # Created in either case, so that the work reveals nothing.
            token = await self._tokens.create(
                "sign_in_link",
                lifetime=LINK_LIFETIME,
                user_id=user_id,
                subject=recipient,
                data={"goes_to": callback_url},
            )
        templates = self._mail.templates
        self._mail.mailer.send(
            templates.sign_in(recipient, token) if is_allowed else templates.no_account(recipient)
        )

    async def follow(self, token: str, browser: Browser) -> SignedIn | MfaRequired:
        """Consume a link and sign in.

        Raises:
            InvalidToken: It is used, expired or unknown.
            AccessDenied, AccountNotLinked, SignUpClosed: No longer allowed.
        """
        link = await self._tokens.consume(token, "sign_in_link")
        return await self._sign_in_service.sign_in(identity_of_email(link.subject), browser)

    async def _check(self, identity: VerifiedIdentity) -> tuple[bool, UUID | None]:
        """Whether an identity may sign in, and as which existing user."""
        try:
            decision = await self._sign_in_service.check(identity)
        except AuthError:
            return False, None
        return True, None if isinstance(decision, CreateUser) else decision.user.user_id


def identity_of_email(email: str) -> VerifiedIdentity:
    """The identity of a client that can read an email's mailbox."""
    return VerifiedIdentity("email", EMAIL_ISSUER, email, email=email, email_verified=True)
