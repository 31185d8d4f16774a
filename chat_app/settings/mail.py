"""How letters leave, and what waits for one."""

from email.utils import parseaddr
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from chat_app.settings.sign_in import Rate


class MailSettings(BaseSettings):
    """Letters."""

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465. "
        "Empty: on this machine alone, links are written to the log; elsewhere there are none.",
    )
    mail_from: str = Field("", description="The sender, for example Chat <chat@chat.example>.")
    sign_up_verify: Literal["auto", "required", "off"] = Field(
        "auto",
        description="Whether a new account must be confirmed by letter; auto means where there is "
        "a mail server.",
    )
    limit_mail_address: Rate = Field(
        "30/hour", description="Letters that one client address may ask for."
    )
    limit_mail_recipient: Rate = Field("5/hour", description="Letters to one mailbox.")

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        url = self.smtp_url.get_secret_value()
        if not url:
            return self
        if not _is_mail_server(url):
            raise ValueError("SMTP_URL must look like smtp://user:password@host:587")
        sender = parseaddr(self.mail_from)[1]
        if not sender.isascii() or "@" not in sender.strip("@"):
            raise ValueError("MAIL_FROM must be an address when SMTP_URL is set")
        return self


def _is_mail_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # A password that is not written as a URL wants it most often breaks the port.
        fits = parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0
    except ValueError:
        return False
    return bool(fits) and parts.path in ("", "/") and not parts.query and not parts.fragment
