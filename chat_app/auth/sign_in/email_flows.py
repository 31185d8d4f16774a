"""What the email flows share: magic links, sign-up, password resets, verifying and changing emails.

Each issues a one-time token, sends it in a link, and consumes it when the link is used.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from chat_app.auth.emails import normalise
from chat_app.auth.errors import AccessDenied, InvalidToken
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sign_in.identity import domain_of
from chat_app.core.clock import Clock
from chat_app.core.crypto import hash_token
from chat_app.db.engine import Database
from chat_app.mail.mailer import Mailer
from chat_app.mail.templates import EmailTemplates
from chat_app.settings import Settings

LINK_LIFETIME = timedelta(minutes=10)
"""How long a link is valid."""
SIGN_UP_LIFETIME = timedelta(hours=24)
"""How long a sign-up can be confirmed. Its link alone does not sign in, so it may be this long."""

INVITATION_LIFETIME = timedelta(days=7)
"""How long an invitation to an organisation can be accepted."""

LinkPurpose = Literal["sign_in_link", "sign_up", "verify_email", "change_email", "reset_password"]
"""The purposes of tokens that are sent in links."""
LinkRequirement = Literal["click", "password", "session"]
"""What a link needs besides its token: nothing, the chosen password, or a signed-in user."""


def email_templates(settings: Settings) -> EmailTemplates:
    """The templates for this application's URL and the lifetimes of its links."""
    return EmailTemplates(
        settings.url,
        minutes=int(LINK_LIFETIME.total_seconds()) // 60,
        hours=int(SIGN_UP_LIFETIME.total_seconds()) // 3600,
        days=INVITATION_LIFETIME.days,
    )


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
        return cls(mailer, email_templates(settings), rate_limits, settings)

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


@dataclass(frozen=True, slots=True)
class EmailFlow:
    """What every email flow works with.

    Args:
        db: Stores users and accounts.
        tokens: Creates the tokens of links.
        mail: Sends emails.
        clock: The time.
    """

    db: Database
    tokens: OneTimeTokens
    mail: MailContext
    clock: Clock


@dataclass(frozen=True, slots=True)
class EmailLinkPreview:
    """What a link would do.

    Args:
        email: The email it was sent to.
        requirement: What else it needs.
        callback_url: The page to open afterwards; may be empty.
    """

    email: str
    requirement: LinkRequirement
    callback_url: str


async def preview_link(
    tokens: OneTimeTokens,
    purpose: str,
    token: str,
    *,
    browser_secret: str | None,
    principal: Principal | None,
) -> EmailLinkPreview:
    """What a link would do; its token stays valid.

    Args:
        tokens: Reads the token.
        purpose: From the link.
        token: From the link.
        browser_secret: What `EmailSignUps.begin` gave this browser, if anything.
        principal: The signed-in user, if any.

    Raises:
        InvalidToken: It is used, expired or unknown.
    """
    known: LinkPurpose
    for known in get_args(LinkPurpose):
        if known == purpose:
            link = await tokens.peek(token, known)
            requirement = _requirement(link, browser_secret, principal)
            return EmailLinkPreview(link.subject, requirement, link.data.get("goes_to", ""))
    raise InvalidToken


def _requirement(
    link: ConsumedToken, browser_secret: str | None, principal: Principal | None
) -> LinkRequirement:
    if link.purpose == "sign_up":
        return "click" if is_same_browser(link, browser_secret) else "password"
    if link.purpose in ("verify_email", "change_email"):
        is_own = principal is not None and principal.user_id == link.user_id
        return "click" if is_own else "session"
    return "password" if link.purpose == "reset_password" else "click"


def is_same_browser(pending: ConsumedToken, browser_secret: str | None) -> bool:
    """Whether a sign-up was started in the browser with this secret."""
    return hmac.compare_digest(pending.data["browser"], hash_token(browser_secret or ""))
