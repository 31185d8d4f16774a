"""Takes letters and delivers them, in nobody's way.

Who posts a letter never waits for the mail server, so that the time an answer takes says nothing
about whether there was a letter.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Literal

import aiosmtplib

from chat_app.auth.mail.letters import Letter
from chat_app.auth.mail.message import message_of
from chat_app.auth.mail.relay import Relay, relay_of
from chat_app.errors import Unavailable
from chat_app.settings import Settings

logger = logging.getLogger(__name__)

Delivery = Literal["mailed", "logged", "none"]
"""What becomes of a letter."""

TRIES_AFTER: tuple[float, ...] = (0, 2, 10, 30)
"""Seconds before each try; a link is worth nothing after ten minutes."""
_AT_ONCE = 4
MOST_WAITING = 1_000
"""Letters that may be on the way at once."""
STOP_SECONDS = 0.5
"""How long the end of the program waits for letters."""
_SMTP_SECONDS = 20.0


class NoLetters(Unavailable):
    """This server sends no letters, or has too many to send."""

    code = "no_letters"


class Postman:
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
        relay: Relay | None,
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
    def of(cls, settings: Settings) -> "Postman":
        """The postman that the operator has set up."""
        url = settings.smtp_url.get_secret_value()
        return cls(
            relay_of(url) if url else None, settings.mail_from, logs=settings.letters == "logged"
        )

    @property
    def on_the_way(self) -> int:
        """How many letters are taken and not delivered yet."""
        return len(self._on_the_way)

    def must_work(self) -> None:
        """Refuse before anything is done that only a letter would finish.

        Raises:
            NoLetters: No letter would go out now.
        """
        if self.delivery == "none":
            raise NoLetters("This server sends no letters; ask the people who run it.")
        if len(self._on_the_way) >= MOST_WAITING:
            raise NoLetters("Too many letters are waiting; try again in a while.")

    def post(self, letter: Letter) -> None:
        """Take a letter; it is delivered later.

        Raises:
            NoLetters: No letter goes out now.
        """
        self.must_work()
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

    async def _deliver(self, letter: Letter, relay: Relay) -> None:
        what = ""
        for seconds in TRIES_AFTER:
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

    async def _hand_over(self, letter: Letter, relay: Relay) -> None:
        await aiosmtplib.send(
            message_of(letter, self._sender),
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
