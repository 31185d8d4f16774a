"""An SMTP server in the event loop of the test, with the emails it received."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from aiosmtpd.smtp import Session as SMTPSession

from chat_app.mail.mailer import Mailer

PATIENCE = 30
"""Seconds; only a test that will fail waits so long."""

_LINK = re.compile(r"^https?://[^\s]+(?=\s*$)", re.MULTILINE)


@dataclass
class Mailbox:
    """Takes every email, unless told to answer otherwise first.

    Attributes:
        answers: What the server says to the next emails instead of taking them.
        tries: How many emails it was shown.
    """

    port: int = 0
    answers: list[str] = field(default_factory=list)
    tries: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """aiosmtpd's hook: one email, whole."""
        self.tries += 1
        if self.answers:
            return self.answers.pop(0)
        async with self._news:
            self.envelopes.append(envelope)
            assert server.transport is not None
            self.was_encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
            self._news.notify_all()
        return "250 OK"

    def sign_in(self, server: SMTP, session: SMTPSession, *rest: Any) -> AuthResult:
        """aiosmtpd's authenticator: accepts the one password."""
        given = cast(LoginPassword, rest[-1])
        self.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=given.password == b"s3cret pass")

    async def until(self, count: int) -> None:
        """Wait until so many emails have come."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(self.envelopes) >= count)

    @property
    def emails(self) -> list[EmailMessage]:
        """What came, in order."""
        contents = (cast(bytes, envelope.content) for envelope in self.envelopes)
        return [message_from_bytes(content, policy=default) for content in contents]

    def to(self, address: str) -> list[EmailMessage]:
        """What came for one address."""
        return [email for email in self.emails if email["To"] == address]


class _Hooks:
    """What aiosmtpd sees of a mailbox: it asks for every attribute at each connection, and
    `emails` would be read anew each time.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self.handle_DATA = mailbox.handle_DATA


async def flush(mailer: Mailer) -> None:
    """Wait until every email is delivered or given up."""
    while mailer._deliveries:
        await asyncio.wait(mailer._deliveries)


def text_of(email: EmailMessage) -> str:
    """The plain text of an email."""
    body = email.get_body(("plain",))
    assert body is not None
    return body.get_content()


def link_of(email: EmailMessage) -> str:
    """The one address in an email."""
    (link,) = _LINK.findall(text_of(email))
    return link


def token_of(email: EmailMessage) -> str:
    """What stands behind the `#` of its address: for `/confirm` with the purpose before it."""
    return link_of(email).partition("#")[2]


@asynccontextmanager
async def listening(
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    login: bool = False,
) -> AsyncIterator[Mailbox]:
    """A mail server on a free port of this machine.

    Args:
        tls: Speak TLS from the first byte.
        starttls: Offer STARTTLS.
        login: Take emails only from who signs in; they must have said STARTTLS.
    """
    mailbox = Mailbox()
    more: dict[str, Any] = {"auth_require_tls": starttls is not None}
    if login:
        more |= {"authenticator": mailbox.sign_in, "auth_required": True}
    sessions: set[SMTP] = set()

    def begin() -> SMTP:
        one = SMTP(_Hooks(mailbox), tls_context=starttls, **more)
        sessions.add(one)
        return one

    loop = asyncio.get_running_loop()
    server = await loop.create_server(begin, "127.0.0.1", 0, ssl=tls)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
        for one in sessions:
            if one.transport is not None:
                cast(asyncio.Transport, one.transport).abort()
        await server.wait_closed()
