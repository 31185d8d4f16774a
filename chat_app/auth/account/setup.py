"""The setup link: makes the first admin of an installation, where no other user can have seen it.

A start without an admin prints a link with a token; it works once, within an hour, and until the
next start. Its page is offered only where the URL of the installation is this machine: elsewhere
the output of the start may be read by more people than those who may be admin.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import col, delete

from chat_app import audit
from chat_app.auth.account.roles import enabled_admins, set_role
from chat_app.auth.errors import InvalidToken
from chat_app.auth.one_time_tokens import OneTimeTokens
from chat_app.auth.principal import Principal
from chat_app.core.errors import Forbidden, NotFound
from chat_app.core.signals import Bus
from chat_app.db.engine import Database
from chat_app.db.tables import OneTimeToken
from chat_app.settings import Settings

SETUP_PAGE = "/setup"
"""The page of the link, where the URL of the installation is this machine."""
LIFETIME = timedelta(hours=1)


class SetupLinkInvalid(Forbidden):
    """The link is used, expired, or of an earlier start, or there is an admin by now."""

    code = "setup_link_invalid"

    def __init__(self) -> None:
        super().__init__(
            "This link doesn't work any more. Restart the server for a new one, or use "
            "chat-app user promote."
        )


@dataclass(frozen=True, slots=True)
class SetupLinks:
    """Makes and redeems the link.

    Args:
        db: Stores the hash of its token.
        bus: Receives a signal when there is an admin.
        tokens: Creates and consumes the token.
        settings: The URL of the installation.
    """

    db: Database
    bus: Bus
    tokens: OneTimeTokens
    settings: Settings

    async def notice(self) -> str:
        """What a start prints while there is no admin: how to make one. Earlier links die.

        Returns:
            Lines, with a new link where its page is offered; empty where there is an admin.
        """
        async with self.db.system("auth", write=True) as session:
            await session.exec(delete(OneTimeToken).where(col(OneTimeToken.purpose) == "setup"))
            if await enabled_admins(session):
                return ""
        if not self.settings.has_loopback_url:
            return "There is no admin yet. To make a user one: chat-app user promote EMAIL"
        token = await self.tokens.create("setup", lifetime=LIFETIME)
        url = f"{self.settings.url}{SETUP_PAGE}#{token}"
        return f"There is no admin yet. To become one, open within an hour:\n  {url}"

    async def use(self, principal: Principal, token: str) -> None:
        """Make a user the first admin.

        Raises:
            NotFound: The page is not offered here.
            SetupLinkInvalid: The link does not work any more; nothing has changed.
        """
        if not self.settings.has_loopback_url:
            raise NotFound
        async with self.db.system("auth", write=True) as session:
            try:
                await self.tokens.consume_in(session, token, "setup")
            except InvalidToken:
                raise SetupLinkInvalid from None
            if await enabled_admins(session):
                raise SetupLinkInvalid
            await audit.append(session, "setup_link_used", actor=principal)
            await set_role(session, self.bus, principal.user_id, "admin", actor=principal)
