"""Everything that a letter does, put together."""

from dataclasses import dataclass
from typing import Literal

from chat_app.auth.account.change_email import EmailChanges
from chat_app.auth.account.password import PasswordResets
from chat_app.auth.errors import InvalidToken
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens, Purpose
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in import magic_link, sign_up
from chat_app.auth.sign_in.magic_link import MagicLinks, MailContext
from chat_app.auth.sign_in.passwords import PasswordHashing
from chat_app.auth.sign_in.service import SignInService
from chat_app.auth.sign_in.sign_up import EmailSignUps
from chat_app.core.clock import Clock
from chat_app.db.engine import Database
from chat_app.mail.mailer import Mailer
from chat_app.mail.templates import EmailTemplates
from chat_app.settings import Settings

LinkRequirement = Literal["click", "password", "session"]
"""What a letter's reader must add: nothing, the password they chose, or being signed in."""

_PURPOSES: tuple[Purpose, ...] = (
    "sign_in_link",
    "sign_up",
    "verify_email",
    "change_email",
    "reset_password",
)


@dataclass(frozen=True, slots=True)
class EmailLinkPreview:
    """What the token of a letter stands for.

    Args:
        email: The address it was sent to.
        needs: What else it takes.
        goes_to: Where its reader wanted to go; may be empty.
    """

    email: str
    needs: LinkRequirement
    goes_to: str


@dataclass(frozen=True)
class EmailFlows:
    """What people do by letter.

    Args:
        postman: Delivers.
        links: Signing in.
        resets: Choosing a new password.
        sign_ups: Making an account.
        addresses: Proving an address, and changing it.
        tokens: Says what stands in a link.
    """

    mailer: Mailer
    magic_links: MagicLinks
    resets: PasswordResets
    sign_ups: EmailSignUps
    addresses: EmailChanges
    tokens: OneTimeTokens

    @classmethod
    def build(
        cls,
        mailer: Mailer,
        db: Database,
        sessions: SessionService,
        tokens: OneTimeTokens,
        sign_in_service: SignInService,
        passwords: PasswordHashing,
        rate_limits: AuthRateLimits,
        settings: Settings,
        clock: Clock,
    ) -> "EmailFlows":
        """Wire every part.

        Args:
            postman: Delivers.
            db: Where people are kept.
            sessions: Ends what an old password opened.
            tokens: Makes what stands in a link.
            admission: Decides who may come in.
            passwords: Judges and hashes.
            throttle: Counts; the one that passwords are counted with.
            settings: What the operator decided.
            clock: The time.
        """
        letters = EmailTemplates(
            settings.url,
            minutes=int(magic_link.LINK_LIFETIME.total_seconds()) // 60,
            hours=int(sign_up.SIGN_UP_LIFETIME.total_seconds()) // 3600,
        )
        sends = MailContext(mailer, letters, rate_limits, settings)
        return cls(
            mailer=mailer,
            magic_links=MagicLinks(tokens, sign_in_service, sends),
            resets=PasswordResets(db, tokens, sessions, passwords, sends, clock),
            sign_ups=EmailSignUps(db, tokens, sign_in_service, passwords, sends, clock),
            addresses=EmailChanges(db, tokens, sends, clock),
            tokens=tokens,
        )

    async def look(
        self, purpose: str, token: str, *, known_as: str | None, principal: Principal | None
    ) -> EmailLinkPreview:
        """What a token would do for who has it; it can still be used.

        Args:
            purpose: What it is for, as the link says.
            token: The rest of the link.
            known_as: The secret that `EmailSignUps.begin` gave this browser, if any.
            principal: Who is signed in there, if anybody.

        Raises:
            InvalidToken: It is used, expired or none of ours.
        """
        for known in _PURPOSES:
            if known == purpose:
                seen = await self.tokens.peek(token, known)
                return EmailLinkPreview(
                    seen.subject,
                    _requirement(seen, known_as, principal),
                    seen.data.get("goes_to", ""),
                )
        raise InvalidToken


def _requirement(
    seen: ConsumedToken, known_as: str | None, principal: Principal | None
) -> LinkRequirement:
    if seen.purpose == "sign_up":
        return "click" if sign_up.is_from(seen, known_as) else "password"
    if seen.purpose in ("verify_email", "change_email"):
        is_theirs = principal is not None and principal.user_id == seen.user_id
        return "click" if is_theirs else "session"
    return "password" if seen.purpose == "reset_password" else "click"
