"""Everything that a letter does, put together."""

from dataclasses import dataclass
from typing import Literal

from chat_app.auth import links, sign_up
from chat_app.auth.admission import Admission
from chat_app.auth.change_email import Addresses
from chat_app.auth.links import SignInLinks
from chat_app.auth.mail.letters import Letters
from chat_app.auth.mail.postman import Postman
from chat_app.auth.mail.sending import Sending
from chat_app.auth.passwords import Passwords
from chat_app.auth.principal import Principal
from chat_app.auth.refusals import InvalidToken
from chat_app.auth.reset import Resets
from chat_app.auth.sessions import Sessions
from chat_app.auth.sign_up import SignUps
from chat_app.auth.throttle import Throttle
from chat_app.auth.tokens import OneTimeTokens, Purpose, Spent
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.settings import Settings

Needs = Literal["click", "password", "session"]
"""What a letter's reader must add: nothing, the password they chose, or being signed in."""

_PURPOSES: tuple[Purpose, ...] = (
    "sign_in_link",
    "sign_up",
    "verify_email",
    "change_email",
    "reset_password",
)


@dataclass(frozen=True, slots=True)
class Look:
    """What the token of a letter stands for.

    Args:
        email: The address it was sent to.
        needs: What else it takes.
        goes_to: Where its reader wanted to go; may be empty.
    """

    email: str
    needs: Needs
    goes_to: str


@dataclass(frozen=True)
class ByMail:
    """What people do by letter.

    Args:
        postman: Delivers.
        links: Signing in.
        resets: Choosing a new password.
        sign_ups: Making an account.
        addresses: Proving an address, and changing it.
        tokens: Says what stands in a link.
    """

    postman: Postman
    links: SignInLinks
    resets: Resets
    sign_ups: SignUps
    addresses: Addresses
    tokens: OneTimeTokens

    @classmethod
    def build(
        cls,
        postman: Postman,
        db: Database,
        sessions: Sessions,
        tokens: OneTimeTokens,
        admission: Admission,
        passwords: Passwords,
        throttle: Throttle,
        settings: Settings,
        clock: Clock,
    ) -> "ByMail":
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
        letters = Letters(
            settings.url,
            minutes=int(links.LASTS.total_seconds()) // 60,
            hours=int(sign_up.LASTS.total_seconds()) // 3600,
        )
        sends = Sending(postman, letters, throttle, settings)
        return cls(
            postman=postman,
            links=SignInLinks(tokens, admission, sends),
            resets=Resets(db, tokens, sessions, passwords, sends, clock),
            sign_ups=SignUps(db, tokens, admission, passwords, sends, clock),
            addresses=Addresses(db, tokens, sends, clock),
            tokens=tokens,
        )

    async def look(
        self, purpose: str, token: str, *, known_as: str | None, principal: Principal | None
    ) -> Look:
        """What a token would do for who has it; it can still be used.

        Args:
            purpose: What it is for, as the link says.
            token: The rest of the link.
            known_as: The secret that `SignUps.begin` gave this browser, if any.
            principal: Who is signed in there, if anybody.

        Raises:
            InvalidToken: It is used, expired or none of ours.
        """
        for known in _PURPOSES:
            if known == purpose:
                seen = await self.tokens.peek(token, known)
                return Look(
                    seen.subject, _needs(seen, known_as, principal), seen.data.get("goes_to", "")
                )
        raise InvalidToken


def _needs(seen: Spent, known_as: str | None, principal: Principal | None) -> Needs:
    if seen.purpose == "sign_up":
        return "click" if sign_up.is_from(seen, known_as) else "password"
    if seen.purpose in ("verify_email", "change_email"):
        is_theirs = principal is not None and principal.user_id == seen.user_id
        return "click" if is_theirs else "session"
    return "password" if seen.purpose == "reset_password" else "click"
