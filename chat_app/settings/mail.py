"""The mail server (SMTP) and the sender of emails."""

from email.utils import parseaddr
from typing import Self

from pydantic import SecretStr, model_validator

from chat_app.settings.validation import SettingsGroup, split_url


class MailSettings(SettingsGroup):
    """Email."""

    smtp_url: SecretStr = SecretStr("")
    """smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465. Empty: a local
    server writes links to the log; a public one sends no emails."""

    mail_from: str = ""
    """The sender, for example Chat <chat@chat.example>."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        url = self.smtp_url.get_secret_value()
        if not url:
            return self
        if not _is_smtp_url(url):
            raise ValueError("SMTP_URL must look like smtp://user:password@host:587")
        sender = parseaddr(self.mail_from)[1]
        if not sender.isascii() or "@" not in sender.strip("@"):
            raise ValueError("MAIL_FROM must be an email address when SMTP_URL is set")
        return self


def _is_smtp_url(url: str) -> bool:
    parts = split_url(url)
    if parts is None or parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        return False
    return parts.path in ("", "/") and not parts.query and not parts.fragment
