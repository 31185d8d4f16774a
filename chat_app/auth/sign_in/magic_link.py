"""Magic links: sign-in by a link in an email."""

from dataclasses import dataclass
from functools import partial

from chat_app.auth.errors import AuthError
from chat_app.auth.sign_in.email_flows import LINK_LIFETIME, EmailFlow
from chat_app.auth.sign_in.identity import Browser, MfaRequired, SignedIn, VerifiedIdentity
from chat_app.auth.sign_in.service import SignInService

EMAIL_ISSUER = "email"
"""The issuer of an account that signs in by magic link; its subject is the email."""


@dataclass(frozen=True, slots=True)
class MagicLinks(EmailFlow):
    """Sends links and signs in with them.

    Args:
        sign_in_service: Decides who may sign in.
    """

    sign_in_service: SignInService

    async def send(
        self, email: str, client_ip: str, callback_url: str = "", known: str = ""
    ) -> None:
        """Send a link, or an email that says why there is none.

        Args:
            email: As typed.
            client_ip: For the rate limits.
            callback_url: The page after the sign-in, checked by the caller.
            known: `KnownBrowsers.find` of this browser and email.

        Raises:
            MailUnavailable, InvalidEmail, AccessDenied: See `MailContext.recipient`.
            TooManyAttempts: Too many emails.
        """
        recipient = self.mail.recipient(email)
        async with self.mail.rate_limits.email(recipient, client_ip, known):
            try:
                decision = await self.sign_in_service.check(identity_of_email(recipient))
            except AuthError:
                decision = None
            user = decision.user if decision else None
            # Created in either case, so that the work reveals nothing.
            token = await self.tokens.create(
                "sign_in_link",
                lifetime=LINK_LIFETIME,
                user_id=user.user_id if user else None,
                subject=recipient,
                data={"goes_to": callback_url},
            )
        templates = self.mail.templates
        self.mail.mailer.send(
            templates.sign_in(recipient, token) if decision else templates.no_account(recipient)
        )

    async def follow(self, token: str, browser: Browser) -> SignedIn | MfaRequired:
        """Consume a link and sign in; a refusal leaves the link valid.

        Raises:
            InvalidToken: It is used, expired or unknown.
            AccessDenied, AccountNotLinked, SignUpClosed, SignUpRefused: No longer allowed.
        """
        link = await self.tokens.peek(token, "sign_in_link")
        consume = partial(self.tokens.consume_in, token=token, purpose="sign_in_link")
        identity = identity_of_email(link.subject)
        return await self.sign_in_service.sign_in(identity, browser, consume)


def identity_of_email(email: str) -> VerifiedIdentity:
    """The identity of a client that can read an email's mailbox."""
    return VerifiedIdentity("email", EMAIL_ISSUER, email, email=email, email_verified=True)
