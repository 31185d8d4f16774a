"""Everything that a letter does, put together."""

from dataclasses import dataclass

from chat_app.auth import links, sign_up
from chat_app.auth.admission import Admission
from chat_app.auth.change_email import Addresses
from chat_app.auth.links import SignInLinks
from chat_app.auth.mail.letters import Letters
from chat_app.auth.mail.postman import Postman
from chat_app.auth.passwords import Passwords
from chat_app.auth.reset import Resets
from chat_app.auth.sessions import Sessions
from chat_app.auth.sign_up import SignUps
from chat_app.auth.throttle import Throttle
from chat_app.auth.tokens import OneTimeTokens
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.settings import Settings


@dataclass(frozen=True)
class ByMail:
    """What people do by letter.

    Args:
        postman: Delivers.
        links: Signing in.
        resets: Choosing a new password.
        sign_ups: Making an account.
        addresses: Proving an address, and changing it.
    """

    postman: Postman
    links: SignInLinks
    resets: Resets
    sign_ups: SignUps
    addresses: Addresses

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
        sends = (postman, letters, throttle, settings)
        return cls(
            postman=postman,
            links=SignInLinks(tokens, admission, *sends),
            resets=Resets(db, tokens, sessions, passwords, *sends, clock),
            sign_ups=SignUps(db, tokens, admission, passwords, *sends, clock),
            addresses=Addresses(db, tokens, *sends, clock),
        )
