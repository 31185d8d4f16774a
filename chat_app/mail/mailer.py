"""The mailer: renders emails and sends them over SMTP in the background, with retries.

An email with a link is a key to an account, so it crosses a network encrypted or not at all
(RFC 8314 §3).
"""

import asyncio
import logging
import ssl
from dataclasses import asdict, dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr
from functools import partial
from html import escape
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib

from chat_app.core.clock import Sleep, retry
from chat_app.core.errors import Unavailable
from chat_app.core.logging import error_words
from chat_app.mail.templates import Email
from chat_app.settings import Settings
from chat_app.settings.validation import is_loopback

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """How to reach the mail server; the names are those of `aiosmtplib.send`.

    Args:
        hostname: Host name.
        port: TCP port.
        use_tls: Whether the connection is encrypted from the first byte.
        start_tls: Whether it must be encrypted by STARTTLS.
        username: The SMTP user name; None for no authentication.
        password: The SMTP password.
    """

    hostname: str
    port: int
    use_tls: bool = False
    start_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def smtp_config(url: str) -> SmtpConfig:
    """Parse `smtp://user:password@host:587` or `smtps://…`, validated by the settings.

    `smtp` to another machine requires STARTTLS; to this machine it is not encrypted.
    """
    parts = urlsplit(url)
    hostname = parts.hostname or ""
    use_tls = parts.scheme == "smtps"
    start_tls = not use_tls and not is_loopback(hostname)
    return SmtpConfig(
        hostname,
        parts.port or (465 if use_tls else 587 if start_tls else 25),
        use_tls,
        start_tls,
        unquote(parts.username or "") or None,
        unquote(parts.password or "") or None,
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
_PARAGRAPH = '<p style="margin:0 0 1rem">{text}</p>'
_BUTTON = (
    '<p style="margin:0 0 1rem"><a href="{link}" style="display:inline-block;padding:.7rem 1.2rem;'
    'border-radius:.6rem;background:#3b5bdb;color:#fff;text-decoration:none;font-weight:600">'
    "{label}</a></p>"
)


def mime_message(email: Email, sender: str) -> EmailMessage:
    """Render an email as a MIME message with a plain text and an HTML part.

    Args:
        email: The email.
        sender: `Name <address>`, or only the address.
    """
    name, sender_email = parseaddr(sender)
    local_part, _, domain = sender_email.rpartition("@")
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(name, local_part, domain)
    message["To"] = Address(addr_spec=email.to)
    message["Subject"] = email.subject
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(domain=domain)
    # Suppresses automatic replies (RFC 3834 §5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(plain_text(email))
    message.add_alternative(_html(email), subtype="html")
    return message


def plain_text(email: Email) -> str:
    """An email as plain text."""
    link = (email.link,) if email.link else ()
    return "\n\n".join((*email.intro, *link, *email.outro)) + "\n"


def _html(email: Email) -> str:
    def paragraphs(texts: tuple[str, ...]) -> list[str]:
        return [_PARAGRAPH.format(text=escape(text)) for text in texts]

    button = []
    if email.link:
        button = [_BUTTON.format(link=escape(email.link), label=escape(email.link_label))]
    body = "\n".join([*paragraphs(email.intro), *button, *paragraphs(email.outro)])
    return _PAGE.format(subject=escape(email.subject), body=body)


EmailDelivery = Literal["smtp", "log", "none"]
"""Whether emails are sent, written to the log, or refused."""

RETRY_DELAYS = (2.0, 10.0, 30.0)
"""Seconds before each further attempt. A link expires after ten minutes."""
_MAX_CONNECTIONS = 4
MAX_QUEUED = 1_000
"""How many emails may be queued or in delivery."""
STOP_SECONDS = 0.5
"""How long `Mailer.stop` waits for emails in delivery."""
_SMTP_TIMEOUT_SECONDS = 20.0
_SMTP_ERRORS = (aiosmtplib.SMTPException, OSError, TimeoutError)


class MailUnavailable(Unavailable):
    """This server sends no email, or its queue is full."""

    code = "no_letters"


class MailRefused(Unavailable):
    """The mail server did not take an email, or could not be reached."""

    code = "mail_refused"


@dataclass(eq=False)
class Mailer:
    """Sends emails in the background.

    Args:
        smtp: The mail server; None when there is none.
        sender: The From header.
        log_emails: Whether links are written to the log when there is no mail server.
        sleep: Waits a number of seconds; tests pass a fake.
        tls_context: Verifies the mail server; None for the system's trust store.
    """

    smtp: SmtpConfig | None
    sender: str = ""
    log_emails: bool = False
    sleep: Sleep = asyncio.sleep
    tls_context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self.delivery: EmailDelivery = "smtp" if self.smtp else "log" if self.log_emails else "none"
        self._connections = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._deliveries: set[asyncio.Task[None]] = set()

    @classmethod
    def from_settings(cls, settings: Settings) -> "Mailer":
        """The mailer that the operator configured."""
        url = settings.smtp_url.get_secret_value()
        return cls(
            smtp_config(url) if url else None,
            settings.mail_from,
            log_emails=settings.email_delivery == "log",
        )

    def require_available(self) -> None:
        """Check before an action that only an email can complete.

        Raises:
            MailUnavailable: No email can be sent now.
        """
        if self.delivery == "none":
            raise MailUnavailable("This server can't send email. Ask your administrator.")
        if len(self._deliveries) >= MAX_QUEUED:
            raise MailUnavailable("Too many emails are waiting to be sent. Try again later.")

    def send(self, email: Email) -> None:
        """Queue an email; it is delivered in the background.

        Raises:
            MailUnavailable: No email can be sent now.
        """
        self.require_available()
        if self.smtp is None:
            logger.warning(
                "No mail server is set up (SMTP_URL), so this email was not sent: %s%s",
                email.subject,
                f": {email.link}" if email.link else "",
            )
            return
        task = asyncio.create_task(self._deliver(email, self.smtp))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def send_now(self, email: Email) -> None:
        """Send an email in one attempt and wait for the mail server's answer.

        Raises:
            MailUnavailable: There is no mail server.
            MailRefused: It was not sent; the message has the words of the mail server.
        """
        if self.smtp is None:
            raise MailUnavailable("No mail server is set up. Set SMTP_URL and MAIL_FROM.")
        try:
            await self._transmit(email, self.smtp)
        except _SMTP_ERRORS as error:
            raise MailRefused(f"The email was not sent. {_words(error, self.smtp)}") from None

    async def stop(self) -> None:
        """Wait at most half a second for emails in delivery, then drop the rest."""
        if not self._deliveries:
            return
        _, late = await asyncio.wait(self._deliveries, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if late:
            logger.warning("%d emails not delivered before shutdown.", len(late))

    async def _deliver(self, email: Email, smtp: SmtpConfig) -> None:
        said: set[str] = set()

        def should_retry(error: Exception) -> bool:
            """Whether to try again; what is wrong is logged now, not after the last attempt."""
            will_retry = _is_temporary(error)
            if will_retry and (words := _words(error, smtp, email.to)) not in said:
                said.add(words)
                logger.warning("An email could not be sent and will be tried again: %s", words)
            return will_retry

        try:
            await retry(
                partial(self._transmit, email, smtp),
                RETRY_DELAYS,
                should_retry=should_retry,
                sleep=self.sleep,
            )
        except _SMTP_ERRORS as error:
            # The log names neither recipient nor subject.
            logger.error("An email was not sent: %s", _words(error, smtp, email.to))

    async def _transmit(self, email: Email, smtp: SmtpConfig) -> None:
        async with self._connections:
            await aiosmtplib.send(
                mime_message(email, self.sender),
                **asdict(smtp),
                tls_context=self.tls_context,
                timeout=_SMTP_TIMEOUT_SECONDS,
            )


def _words(error: Exception, smtp: SmtpConfig, recipient: str = "") -> str:
    """What went wrong, in the words of the mail server or the network.

    Args:
        error: One of `_SMTP_ERRORS`.
        smtp: The mail server; its password is not repeated.
        recipient: Not repeated either; empty to repeat it.
    """
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    words = error.message if isinstance(error, aiosmtplib.SMTPException) else str(error)
    code = f"{error.code} " if isinstance(error, aiosmtplib.SMTPResponseException) else ""
    said = error_words(f"{code}{words}", smtp.password or "", recipient)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _is_temporary(error: Exception) -> bool:
    """Whether a retry could succeed (RFC 5321 §4.2.1: 5yz is permanent)."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return any(_is_temporary(refused) for refused in error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return error.code < 500
    return isinstance(error, _SMTP_ERRORS) and not isinstance(error, aiosmtplib.SMTPNotSupported)
