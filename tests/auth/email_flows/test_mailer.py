import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest

from chat_app.mail import mailer as module
from chat_app.mail.mailer import Mailer, MailUnavailable, SmtpConfig, smtp_config
from chat_app.mail.templates import Email, EmailTemplates
from testing.auth_api import everything_logged
from testing.certificates import contexts
from testing.mail_server import Mailbox, flush, link_of, listening, text_of

SENDER = "Chat <chat@chat.example>"
TEMPLATES = EmailTemplates("https://chat.example", minutes=10, hours=24, days=7)
EMAIL = TEMPLATES.sign_in("ada@example.org", "t0ken-t0ken")


class FakeSleep:
    """Records the delays without waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


Encryption = Literal["none", "tls", "starttls"]


def mailer(
    mailbox: Mailbox,
    encryption: Encryption = "none",
    username: str | None = None,
    password: str | None = None,
    **more: Any,
) -> Mailer:
    use_tls, start_tls = encryption == "tls", encryption == "starttls"
    smtp = SmtpConfig("127.0.0.1", mailbox.port, use_tls, start_tls, username, password)
    return Mailer(smtp, SENDER, **more)


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with listening() as one:
        yield one


async def delivered(sender: Mailer, email: Email = EMAIL) -> None:
    sender.send(email)
    await flush(sender)


async def test_an_email_arrives_as_it_was_written(mailbox: Mailbox) -> None:
    await delivered(mailer(mailbox))
    (email,) = mailbox.emails
    assert email["From"] == SENDER
    assert email["To"] == "ada@example.org"
    assert email["Subject"] == "Your sign-in link for chat.example"
    assert email["Auto-Submitted"] == "auto-generated"
    assert email["Message-ID"].endswith("@chat.example>")
    assert link_of(email) == "https://chat.example/confirm#sign_in_link.t0ken-t0ken"
    assert "expires in 10 minutes" in text_of(email)
    page = email.get_body(("html",))
    assert page is not None
    assert 'href="https://chat.example/confirm#sign_in_link.t0ken-t0ken"' in page.get_content()
    (envelope,) = mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("chat@chat.example", ["ada@example.org"])


async def test_sending_does_not_wait_for_the_server() -> None:
    sender = Mailer(SmtpConfig("127.0.0.1", 9), SENDER, sleep=FakeSleep())
    sender.send(EMAIL)
    assert len(sender._deliveries) == 1
    await flush(sender)
    assert not sender._deliveries


async def test_a_temporary_error_is_retried(mailbox: Mailbox) -> None:
    mailbox.answers += ["451 come back", "421 later"]
    sleep = FakeSleep()
    await delivered(mailer(mailbox, sleep=sleep))
    assert len(mailbox.emails) == 1
    assert sleep.seconds == [2, 10]


async def test_a_permanent_error_is_not_retried(mailbox: Mailbox) -> None:
    mailbox.answers += ["550 no such mailbox"]
    sleep = FakeSleep()
    await delivered(mailer(mailbox, sleep=sleep))
    assert (mailbox.emails, mailbox.tries, sleep.seconds) == ([], 1, [])


async def test_an_unreachable_server_is_given_up_after_the_last_retry() -> None:
    sleep = FakeSleep()
    async with listening() as gone:
        sender = mailer(gone, sleep=sleep)
    await delivered(sender)
    assert sleep.seconds == [2, 10, 30]


async def test_a_failed_delivery_is_logged_in_the_servers_words_without_the_recipient(
    mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.answers += ["550 5.1.1 Ada@Example.org is unknown"]
    with everything_logged(caplog):
        await delivered(mailer(mailbox))
    # The test's own server logs everything it hears.
    said = {one.getMessage() for one in caplog.records if one.name.startswith("chat_app")}
    assert said == {"An email was not sent: SMTPDataError: 550 5.1.1 … is unknown"}


async def test_what_is_wrong_is_logged_before_the_first_retry_and_once(
    mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    def said() -> list[str]:
        ours = (one for one in caplog.records if one.name.startswith("chat_app"))
        return [one.getMessage() for one in ours if one.levelno >= logging.WARNING]

    at_each_retry: list[list[str]] = []

    async def sleep(_: float) -> None:
        at_each_retry.append(said())

    mailbox.answers += ["451 4.3.0 greylisted"] * 2 + ["421 too many"] + ["451 4.3.0 greylisted"]
    with everything_logged(caplog):
        await delivered(mailer(mailbox, sleep=sleep))
    retried = "An email could not be sent and will be tried again: SMTPDataError: "
    first, second = f"{retried}451 4.3.0 greylisted", f"{retried}421 too many"
    assert at_each_retry == [[first], [first], [first, second]]
    assert said()[2:] == ["An email was not sent: SMTPDataError: 451 4.3.0 greylisted"]


async def test_an_unreachable_server_is_logged_in_the_networks_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening() as gone:
        sender = mailer(gone, sleep=FakeSleep())
    with everything_logged(caplog):
        await delivered(sender)
    first, last = [one.getMessage() for one in caplog.records if one.name.startswith("chat_app")]
    words = f"SMTPConnectError: Error connecting to 127.0.0.1 on port {gone.port}: "
    assert first.startswith(f"An email could not be sent and will be tried again: {words}")
    assert last.startswith(f"An email was not sent: {words}")


async def test_it_authenticates_to_the_server(tmp_path: Path) -> None:
    server, client = contexts(tmp_path)
    async with listening(starttls=server, login=True) as mailbox:
        sender = mailer(mailbox, "starttls", "chat", "s3cret pass", tls_context=client)
        await delivered(sender)
        assert len(mailbox.emails) == 1
        assert mailbox.logins == [("chat", "s3cret pass")]


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
async def test_email_crosses_a_network_encrypted(tmp_path: Path, encryption: Encryption) -> None:
    server, client = contexts(tmp_path)
    offers: dict[str, Any] = {encryption: server}
    async with listening(**offers) as mailbox:
        await delivered(mailer(mailbox, encryption, tls_context=client))
        assert mailbox.was_encrypted == [True]


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
async def test_email_is_not_sent_without_encryption(
    mailbox: Mailbox, encryption: Encryption
) -> None:
    await delivered(mailer(mailbox, encryption, sleep=FakeSleep()))
    assert (mailbox.emails, mailbox.tries) == ([], 0)


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
async def test_an_untrusted_certificate_gets_no_email(
    tmp_path: Path, encryption: Encryption
) -> None:
    server, _ = contexts(tmp_path)
    offers: dict[str, Any] = {encryption: server}
    async with listening(**offers) as mailbox:
        await delivered(mailer(mailbox, encryption, sleep=FakeSleep()))
        assert (mailbox.emails, mailbox.tries) == ([], 0)


@pytest.mark.parametrize(
    ("url", "smtp"),
    [
        ("smtp://mail.example", SmtpConfig("mail.example", 587, start_tls=True)),
        ("smtps://mail.example", SmtpConfig("mail.example", 465, use_tls=True)),
        (
            "smtp://u%40x:p%3A%2F@mail.example:25",
            SmtpConfig("mail.example", 25, False, True, "u@x", "p:/"),
        ),
        ("smtp://localhost", SmtpConfig("localhost", 25)),
        ("smtp://[::1]:1025", SmtpConfig("::1", 1025)),
        (
            "smtp://localhost.evil.example",
            SmtpConfig("localhost.evil.example", 587, start_tls=True),
        ),
    ],
)
def test_the_url_decides_the_encryption(url: str, smtp: SmtpConfig) -> None:
    assert smtp_config(url) == smtp


def test_the_password_is_in_no_repr() -> None:
    assert "p4ss" not in repr(smtp_config("smtp://u:p4ss@mail.example"))


async def test_without_a_server_the_link_is_logged_in_development(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender = Mailer(None, log_emails=True)
    with everything_logged(caplog):
        await delivered(sender)
    assert sender.delivery == "log"
    record = caplog.records[0]
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith(
        "Your sign-in link for chat.example: https://chat.example/confirm#sign_in_link.t0ken-t0ken"
    )


async def test_without_a_server_email_is_refused_in_production(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender = Mailer(None)
    with everything_logged(caplog), pytest.raises(MailUnavailable):
        sender.send(EMAIL)
    assert sender.delivery == "none"
    assert caplog.text == ""


async def test_the_queue_is_bounded(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED", 3)
    sender = mailer(mailbox)
    for _ in range(3):
        sender.send(EMAIL)
    with pytest.raises(MailUnavailable):
        sender.send(EMAIL)
    await flush(sender)
    assert len(mailbox.emails) == 3
    sender.send(EMAIL)
    await flush(sender)


async def test_stop_drops_what_cannot_be_delivered(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.0)
    sender = Mailer(SmtpConfig("127.0.0.1", mailbox.port, use_tls=True), SENDER)
    with everything_logged(caplog):
        sender.send(EMAIL)
        await sender.stop()
    assert not sender._deliveries
    assert "1 emails not delivered" in caplog.text
