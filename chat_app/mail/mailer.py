"""The mail server that takes the program's letters, and how safely it is spoken to. Pure."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr
from html import escape
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib

from chat_app.core.errors import Unavailable
from chat_app.mail.templates import Email
from chat_app.settings import Settings
from chat_app.settings.validation import is_loopback

Security = Literal["tls", "starttls", "none"]
"""TLS from the first byte; STARTTLS, or the letter does not leave; none at all."""


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """A mail server.

    Args:
        host: Its name.
        port: Its port.
        security: How the connection is encrypted.
        user: Who signs in there; empty for nobody.
        password: With what.
    """

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)


def smtp_config(url: str) -> SmtpConfig:
    """Read `smtp://user:password@host:587` or `smtps://…`.

    A letter carries a key to somebody's account, so it crosses a network encrypted or not at all
    (RFC 8314 §3). What stays on this machine crosses none.

    Args:
        url: A URL that the settings have checked.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "smtps":
        security, port = "tls", 465
    else:
        security, port = ("none", 25) if is_loopback(host) else ("starttls", 587)
    return SmtpConfig(
        host,
        parts.port or port,
        security,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>{subject}</title>
<body style="margin:0;padding:2rem 1rem;font:16px/1.6 system-ui,sans-serif">
<div style="max-width:34rem;margin:0 auto">
{body}
</div>
</body>
</html>
"""
_PARAGRAPH = '<p style="margin:0 0 1rem">{words}</p>'
_BUTTON = (
    '<p style="margin:0 0 1rem"><a href="{link}" style="display:inline-block;padding:.7rem 1.2rem;'
    'border-radius:.6rem;background:#3b5bdb;color:#fff;text-decoration:none;font-weight:600">'
    "{words}</a></p>"
)


def mime_message(letter: Email, sender: str) -> EmailMessage:
    """The mail that carries a letter.

    Args:
        letter: What it says, and to whom.
        sender: `Name <address>` or an address.
    """
    name, address = parseaddr(sender)
    local, _, domain = address.rpartition("@")
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(name, local, domain)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = letter.subject
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(domain=domain)
    # Nobody's holiday reply should come back (RFC 3834 §5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text_of(letter))
    message.add_alternative(_html_of(letter), subtype="html")
    return message


def text_of(letter: Email) -> str:
    """A letter as plain text."""
    link = (letter.link,) if letter.link else ()
    return "\n\n".join((*letter.before, *link, *letter.after)) + "\n"


def _html_of(letter: Email) -> str:
    def said(paragraphs: tuple[str, ...]) -> list[str]:
        return [_PARAGRAPH.format(words=escape(words)) for words in paragraphs]

    button = []
    if letter.link:
        button = [_BUTTON.format(link=escape(letter.link), words=escape(letter.words))]
    body = "\n".join([*said(letter.before), *button, *said(letter.after)])
    return _PAGE.format(subject=escape(letter.subject), body=body)


logger = logging.getLogger(__name__)

Delivery = Literal["mailed", "logged", "none"]
"""What becomes of a letter."""

RETRY_DELAYS: tuple[float, ...] = (0, 2, 10, 30)
"""Seconds before each try; a link is worth nothing after ten minutes."""
_AT_ONCE = 4
MAX_QUEUED = 1_000
"""Letters that may be on the way at once."""
STOP_SECONDS = 0.5
"""How long the end of the program waits for letters."""
_SMTP_SECONDS = 20.0


class MailUnavailable(Unavailable):
    """This server sends no letters, or has too many to send."""

    code = "no_letters"


class Mailer:
    """Delivers letters.

    Args:
        relay: The mail server; None when there is none.
        sender: Who the letters are from.
        logs: Whether letters are written to the log when there is no mail server.
        pause: Waits so many seconds; tests pass one that does not.
        trust: What vouches for the mail server; None for the system's own roots.
    """

    def __init__(
        self,
        relay: SmtpConfig | None,
        sender: str = "",
        *,
        logs: bool = False,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._relay = relay
        self._sender = sender
        self._pause = pause
        self._trust = trust
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._on_the_way: set[asyncio.Task[None]] = set()
        self.delivery: Delivery = "mailed" if relay else "logged" if logs else "none"

    @classmethod
    def of(cls, settings: Settings) -> "Mailer":
        """The postman that the operator has set up."""
        url = settings.smtp_url.get_secret_value()
        return cls(
            smtp_config(url) if url else None,
            settings.mail_from,
            logs=settings.email_delivery == "log",
        )

    @property
    def on_the_way(self) -> int:
        """How many letters are taken and not delivered yet."""
        return len(self._on_the_way)

    def require_available(self) -> None:
        """Refuse before anything is done that only a letter would finish.

        Raises:
            NoLetters: No letter would go out now.
        """
        if self.delivery == "none":
            raise MailUnavailable("This server sends no letters; ask the people who run it.")
        if len(self._on_the_way) >= MAX_QUEUED:
            raise MailUnavailable("Too many letters are waiting; try again in a while.")

    def post(self, letter: Email) -> None:
        """Take a letter; it is delivered later.

        Raises:
            NoLetters: No letter goes out now.
        """
        self.require_available()
        if self._relay is None:
            logger.warning(
                "There is no mail server (SMTP_URL), so this letter stays here: %s%s",
                letter.subject,
                f": {letter.link}" if letter.link else "",
            )
            return
        task = asyncio.create_task(self._deliver(letter, self._relay))
        self._on_the_way.add(task)
        task.add_done_callback(self._on_the_way.discard)

    async def empty(self) -> None:
        """Wait until every letter is delivered or given up."""
        while self._on_the_way:
            await asyncio.wait(self._on_the_way)

    async def stop(self) -> None:
        """Give what is on the way a moment, and drop the rest. Takes at most half a second."""
        if not self._on_the_way:
            return
        _, late = await asyncio.wait(self._on_the_way, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if late:
            logger.warning("%d letters not delivered before the end.", len(late))

    async def _deliver(self, letter: Email, relay: SmtpConfig) -> None:
        what = ""
        for seconds in RETRY_DELAYS:
            if seconds:
                await self._pause(seconds)
            try:
                async with self._turns:
                    await self._hand_over(letter, relay)
                return
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                what = _named(error)
                if _is_final(error):
                    break
        # To whom and what about is nobody's business who reads the log.
        logger.error("The mail server did not take a letter: %s", what)

    async def _hand_over(self, letter: Email, relay: SmtpConfig) -> None:
        await aiosmtplib.send(
            mime_message(letter, self._sender),
            hostname=relay.host,
            port=relay.port,
            username=relay.user or None,
            password=relay.password or None,
            use_tls=relay.security == "tls",
            start_tls=relay.security == "starttls",
            tls_context=self._trust,
            timeout=_SMTP_SECONDS,
        )


def _is_final(error: Exception) -> bool:
    """Whether another try would end the same (RFC 5321 §4.2.1: 5yz is for good)."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(_is_final(one) for one in error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return error.code >= 500
    return isinstance(error, aiosmtplib.SMTPNotSupported)


def _named(error: Exception) -> str:
    code = getattr(error, "code", "")
    return f"{type(error).__name__} {code}".rstrip()
