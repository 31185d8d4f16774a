import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chat_app.mail import mailer as module
from chat_app.mail.mailer import Mailer, MailUnavailable, Security, SmtpConfig, smtp_config
from chat_app.mail.templates import Email, EmailTemplates
from testing.auth_api import everything_logged
from testing.certificates import contexts
from testing.mail_server import Mailbox, link_of, listening, text_of

SENDER = "Chat <chat@chat.example>"
WRITES = EmailTemplates("https://chat.example", minutes=10, hours=24)
LETTER = WRITES.sign_in("ada@example.org", "t0ken-t0ken")


class Pauses:
    """Waits for nothing and remembers for how long it was asked to."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def mailer(mailbox: Mailbox, security: Security = "none", **more: object) -> Mailer:
    user, password = str(more.pop("user", "")), str(more.pop("password", ""))
    relay = SmtpConfig("127.0.0.1", mailbox.port, security, user, password)
    return Mailer(relay, SENDER, **more)  # pyright: ignore[reportArgumentType]


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with listening() as one:
        yield one


async def delivered(sends: Mailer, letter: Email = LETTER) -> None:
    sends.post(letter)
    await sends.empty()


async def test_a_letter_arrives_as_it_was_written(mailbox: Mailbox) -> None:
    await delivered(mailer(mailbox))
    (letter,) = mailbox.letters
    assert letter["From"] == SENDER
    assert letter["To"] == "ada@example.org"
    assert letter["Subject"] == "Your link to sign in to chat.example"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"].endswith("@chat.example>")
    assert link_of(letter) == "https://chat.example/confirm#sign_in_link.t0ken-t0ken"
    assert "within 10 minutes" in text_of(letter)
    page = letter.get_body(("html",))
    assert page is not None
    assert 'href="https://chat.example/confirm#sign_in_link.t0ken-t0ken"' in page.get_content()
    (envelope,) = mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("chat@chat.example", ["ada@example.org"])


async def test_who_posts_a_letter_does_not_wait_for_the_server() -> None:
    sends = Mailer(SmtpConfig("127.0.0.1", 9, "none"), SENDER, pause=Pauses())
    sends.post(LETTER)
    assert sends.on_the_way == 1
    await sends.empty()
    assert sends.on_the_way == 0


async def test_a_server_that_is_busy_is_asked_again(mailbox: Mailbox) -> None:
    mailbox.answers += ["451 come back", "421 later"]
    pauses = Pauses()
    await delivered(mailer(mailbox, pause=pauses))
    assert len(mailbox.letters) == 1
    assert pauses.seconds == [2, 10]


async def test_a_server_that_says_never_is_believed(mailbox: Mailbox) -> None:
    mailbox.answers += ["550 no such mailbox"]
    pauses = Pauses()
    await delivered(mailer(mailbox, pause=pauses))
    assert (mailbox.letters, mailbox.tries, pauses.seconds) == ([], 1, [])


async def test_a_server_that_is_away_is_given_up_at_last() -> None:
    pauses = Pauses()
    async with listening() as gone:
        sends = mailer(gone, pause=pauses)
    await delivered(sends)
    assert pauses.seconds == [2, 10, 30]


async def test_the_log_says_that_a_letter_failed_but_not_whose(
    mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.answers += ["550 ada@example.org is unknown"]
    with everything_logged(caplog):
        await delivered(mailer(mailbox))
    # The test's own server logs everything it hears.
    said = {one.getMessage() for one in caplog.records if one.name.startswith("chat_app")}
    assert said == {"The mail server did not take a letter: SMTPDataError 550"}


async def test_it_signs_in_where_it_must(tmp_path: Path) -> None:
    server, client = contexts(tmp_path)
    async with listening(starttls=server, login=True) as mailbox:
        known = {"user": "chat", "password": "s3cret pass"}
        await delivered(mailer(mailbox, "starttls", trust=client, **known))
        assert len(mailbox.letters) == 1
        assert mailbox.logins == [("chat", "s3cret pass")]


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_letter_crosses_a_network_encrypted(tmp_path: Path, security: Security) -> None:
    server, client = contexts(tmp_path)
    offers: dict[str, Any] = {security: server}
    async with listening(**offers) as mailbox:
        await delivered(mailer(mailbox, security, trust=client))
        assert mailbox.was_encrypted == [True]


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_or_it_does_not_leave(mailbox: Mailbox, security: Security) -> None:
    await delivered(mailer(mailbox, security, pause=Pauses()))
    assert (mailbox.letters, mailbox.tries) == ([], 0)


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_server_that_nobody_vouches_for_gets_no_letter(
    tmp_path: Path, security: Security
) -> None:
    server, _ = contexts(tmp_path)
    offers: dict[str, Any] = {security: server}
    async with listening(**offers) as mailbox:
        await delivered(mailer(mailbox, security, pause=Pauses()))
        assert (mailbox.letters, mailbox.tries) == ([], 0)


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://mail.example", SmtpConfig("mail.example", 587, "starttls")),
        ("smtps://mail.example", SmtpConfig("mail.example", 465, "tls")),
        (
            "smtp://u%40x:p%3A%2F@mail.example:25",
            SmtpConfig("mail.example", 25, "starttls", "u@x", "p:/"),
        ),
        ("smtp://localhost", SmtpConfig("localhost", 25, "none")),
        ("smtp://[::1]:1025", SmtpConfig("::1", 1025, "none")),
        ("smtp://localhost.evil.example", SmtpConfig("localhost.evil.example", 587, "starttls")),
    ],
)
def test_the_url_says_how_the_server_is_spoken_to(url: str, relay: SmtpConfig) -> None:
    assert smtp_config(url) == relay


def test_the_password_is_in_no_repr() -> None:
    assert "p4ss" not in repr(smtp_config("smtp://u:p4ss@mail.example"))


async def test_without_a_server_a_developer_reads_the_link_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sends = Mailer(None, logs=True)
    with everything_logged(caplog):
        await delivered(sends)
    assert sends.delivery == "logged"
    record = caplog.records[0]
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith(
        "Your link to sign in to chat.example: "
        "https://chat.example/confirm#sign_in_link.t0ken-t0ken"
    )


async def test_without_a_server_nothing_is_promised_to_strangers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sends = Mailer(None)
    with everything_logged(caplog), pytest.raises(MailUnavailable):
        sends.post(LETTER)
    assert sends.delivery == "none"
    assert caplog.text == ""


async def test_letters_cannot_pile_up_without_end(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED", 3)
    sends = mailer(mailbox)
    for _ in range(3):
        sends.post(LETTER)
    with pytest.raises(MailUnavailable):
        sends.post(LETTER)
    await sends.empty()
    assert len(mailbox.letters) == 3
    sends.post(LETTER)
    await sends.empty()


async def test_stopping_lets_go_of_what_cannot_be_delivered(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.0)
    sends = Mailer(SmtpConfig("127.0.0.1", mailbox.port, "tls"), SENDER)
    with everything_logged(caplog):
        sends.post(LETTER)
        await sends.stop()
    assert sends.on_the_way == 0
    assert "1 letters not delivered" in caplog.text
