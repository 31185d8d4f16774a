"""The auth services with a mailer that sends to an SMTP server, and the emails it received."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from uuid import UUID

from sqlmodel import select

from chat_app.auth.errors import InvalidCredentials
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.identity import Browser, MfaRequired, SignedIn
from chat_app.db.tables import Account, AuthSession, OneTimeToken, User
from testing.auth_services import PASSWORD, AuthHarness, auth_harness
from testing.database import DatabaseUnderTest
from testing.mail_server import Mailbox, flush, listening, token_of

HERE = "192.0.2.1"
BROWSER = Browser(client_ip=HERE, user_agent="test")
ADA, BOB = "ada@example.org", "bob@example.org"
ROOMY = {"limit_mail_address": "1000/hour", "limit_mail_recipient": "1000/hour"}


@dataclass
class EmailHarness:
    """The auth services and the mailbox of all users."""

    auth: AuthHarness
    mailbox: Mailbox

    async def read(self) -> EmailMessage:
        """The newest email, once all are delivered."""
        await flush(self.auth.mailer)
        return self.mailbox.emails[-1]

    async def token(self) -> str:
        """What the newest email's link carries, without the purpose."""
        return token_of(await self.read()).rpartition(".")[2]

    async def person(self, email: str = ADA, *, is_verified: bool = True) -> UUID:
        """Add a user with a password."""
        user_id = await self.auth.accounts.add(email, PASSWORD, "Ada")
        if not is_verified:
            async with self.auth.db.system("auth", write=True) as session:
                user = await session.get(User, user_id)
                assert user is not None
                user.email_verified_at = None
                session.add(user)
        return user_id

    async def principal(self, user_id: UUID) -> Principal:
        """The same, signed in."""
        return await self.auth.principal_of(await self.auth.sign_in(user_id))

    async def knows(self, password: str, email: str = ADA) -> bool:
        """Whether a password opens an account."""
        with suppress(InvalidCredentials):
            await self.auth.accounts.sign_in(email=email, password=password, client_ip=HERE)
            return True
        return False

    async def all(self, table: type[Any]) -> list[Any]:
        """Every row of a table."""
        async with self.auth.db.system("auth") as session:
            return list((await session.exec(select(table))).all())

    async def people(self) -> list[str]:
        """The address of all users."""
        return sorted(user.email for user in await self.all(User))

    async def counts(self) -> tuple[int, int, int, int, int]:
        """What has been done: people, accounts, sessions, tokens, emails."""
        await flush(self.auth.mailer)
        tables = (User, Account, AuthSession, OneTimeToken)
        rows = [len(await self.all(table)) for table in tables]
        return rows[0], rows[1], rows[2], rows[3], len(self.mailbox.emails)


def entered(result: SignedIn | MfaRequired) -> UUID:
    """Who came in."""
    assert isinstance(result, SignedIn)
    return result.user_id


@asynccontextmanager
async def email_harness(database: DatabaseUnderTest, **given: Any) -> AsyncIterator[EmailHarness]:
    """A harness on a database, with these settings."""
    async with listening() as mailbox:
        server = {"smtp_url": f"smtp://127.0.0.1:{mailbox.port}", "mail_from": "c@chat.example"}
        async with auth_harness(database, **{**server, **ROOMY, **given}) as auth:
            yield EmailHarness(auth, mailbox)
