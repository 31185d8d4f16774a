"""The flows that need an email: magic links, password reset, sign-up, verifying and changing."""

from dataclasses import dataclass
from typing import Literal

from chat_app.auth.account.change_email import EmailChanges
from chat_app.auth.account.password import PasswordResets
from chat_app.auth.errors import InvalidToken
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens, Purpose
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.magic_link import MagicLinks, MailContext
from chat_app.auth.sign_in.passwords import PasswordHashing
from chat_app.auth.sign_in.service import SignInService
from chat_app.auth.sign_in.sign_up import EmailSignUps, is_same_browser
from chat_app.core.clock import Clock
from chat_app.db.engine import Database

LinkRequirement = Literal["click", "password", "session"]
"""What a link needs besides its token: nothing, the chosen password, or a signed-in user."""

_PURPOSES: tuple[Purpose, ...] = (
    "sign_in_link",
    "sign_up",
    "verify_email",
    "change_email",
    "reset_password",
)


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


class EmailFlows:
    """All email flows.

    Args:
        mail: Sends emails.
        db: Users and accounts.
        sessions: Revoked by a password reset.
        tokens: Creates the tokens of links.
        sign_in_service: Decides who may sign in.
        passwords: Judges and hashes passwords.
        clock: The time.
    """

    def __init__(
        self,
        mail: MailContext,
        db: Database,
        sessions: SessionService,
        tokens: OneTimeTokens,
        sign_in_service: SignInService,
        passwords: PasswordHashing,
        clock: Clock,
    ) -> None:
        self.mailer = mail.mailer
        self.magic_links = MagicLinks(tokens, sign_in_service, mail)
        self.password_resets = PasswordResets(db, tokens, sessions, passwords, mail, clock)
        self.sign_ups = EmailSignUps(db, tokens, sign_in_service, passwords, mail, clock)
        self.email_changes = EmailChanges(db, tokens, mail, clock)
        self._tokens = tokens

    async def preview(
        self,
        purpose: str,
        token: str,
        *,
        browser_secret: str | None,
        principal: Principal | None,
    ) -> EmailLinkPreview:
        """What a link would do; its token stays valid.

        Args:
            purpose: From the link.
            token: From the link.
            browser_secret: What `EmailSignUps.begin` gave this browser, if anything.
            principal: The signed-in user, if any.

        Raises:
            InvalidToken: It is used, expired or unknown.
        """
        for known in _PURPOSES:
            if known == purpose:
                link = await self._tokens.peek(token, known)
                return EmailLinkPreview(
                    link.subject,
                    _requirement(link, browser_secret, principal),
                    link.data.get("goes_to", ""),
                )
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
