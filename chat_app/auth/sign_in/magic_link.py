"""What everything needs that sends a letter."""

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


@dataclass(frozen=True, slots=True)
class MailContext:
    """What a letter is written with, goes out by, and is counted by.

    Args:
        postman: Delivers.
        letters: Writes.
        throttle: Counts; the one that passwords are counted with.
        settings: Whose addresses are taken, and who may sign up.
    """

    mailer: Mailer
    letters: EmailTemplates
    rate_limits: AuthRateLimits
    settings: Settings


EMAIL_ISSUER = "email"
"""The issuer of the account of somebody who came in by letter; its subject is the address."""

LINK_LIFETIME = timedelta(minutes=10)
"""How long a link works."""


class MagicLinks:
    """Sends links, and lets in who comes with one.

    Args:
        tokens: Makes what stands in a link.
        admission: Decides who may come in.
        sends: Writes, counts and delivers.
    """

    def __init__(
        self,
        tokens: OneTimeTokens,
        sign_in_service: SignInService,
        sends: MailContext,
    ) -> None:
        self._tokens = tokens
        self._sign_in_service = sign_in_service
        self._sends = sends

    async def send(self, email: str, address: str, goes_to: str = "") -> None:
        """Send a link to an address, or a letter that says why there is none.

        Args:
            email: As typed.
            address: The client's address, for the limits.
            goes_to: Where the link leads in the end; the caller has checked that it is ours.

        Raises:
            NoLetters: No letter goes out.
            InvalidEmail: It is no address.
            AccessDenied: Nobody of that domain may come in, whoever they are.
            RateLimited: Too many letters.
        """
        self._sends.mailer.require_available()
        subject = normalise(email)
        require_allowed_domain(subject, self._sends.settings)
        async with self._sends.rate_limits.email(subject, address):
            is_welcome, user_id = await self._ask(identity_of_email(subject))
            token = await self._tokens.create(
                "sign_in_link",
                lifetime=LINK_LIFETIME,
                user_id=user_id,
                subject=subject,
                data={"goes_to": goes_to},
            )
        # The token of a letter that was not written is known to nobody.
        letter = self._sends.letters.sign_in(subject, token)
        self._sends.mailer.send(letter if is_welcome else self._sends.letters.no_account(subject))

    async def follow(self, token: str, browser: Browser) -> SignedIn | MfaRequired:
        """Let somebody in who has the link, once.

        Raises:
            InvalidToken: It is used, expired or none of ours.
            AccessDenied, AccountNotLinked, SignUpClosed: They were welcome when it was sent.
        """
        spent = await self._tokens.consume(token, "sign_in_link")
        return await self._sign_in_service.sign_in(identity_of_email(spent.subject), browser)

    async def _ask(self, identity: VerifiedIdentity) -> tuple[bool, UUID | None]:
        """Whether somebody would be let in, and who of ours they would be."""
        try:
            decision = await self._sign_in_service.check(identity)
        except AuthError:
            return False, None
        return True, None if isinstance(decision, CreateUser) else decision.user.user_id


def identity_of_email(subject: str) -> VerifiedIdentity:
    """What somebody has proved who reads a letter to an address."""
    return VerifiedIdentity("email", EMAIL_ISSUER, subject, email=subject, email_verified=True)


def require_allowed_domain(subject: str, settings: Settings) -> None:
    """Refuse an address that no person could come in with; that tells of nobody.

    Raises:
        AccessDenied: Its domain is not among those the operator lets in.
    """
    domains = settings.auth_allowed_domains
    if domains and domain_of(subject) not in domains:
        raise AccessDenied
