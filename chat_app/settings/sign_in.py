"""Who may sign in and sign up, what a password must be, and the mail server that sends links.

Session lifetimes are in `sessions.py`, attempts in `rate_limits.py`, GitHub, Google and OpenID
Connect in `identity_providers.py`.
"""

import re
import unicodedata
from email.utils import parseaddr
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from chat_app.settings.validation import CommaList, FunctionPath, SettingsGroup, split_url

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN_PATTERN = rf"{_LABEL}(?:\.{_LABEL})*"
"""The domain of a normalised email."""

_DOMAIN = re.compile(rf"(?=.{{1,252}}\Z)(?!.*\.[0-9]+\Z){DOMAIN_PATTERN}")  # no IP address


def validate_domain(value: str) -> str:
    """A domain as emails have it: lower case, ASCII, without an `@` before or a dot after it.

    Raises:
        ValueError: It is no domain.
    """
    typed = unicodedata.normalize("NFKC", value).lower().removeprefix("@").removesuffix(".")
    try:
        domain = typed.encode("idna").decode()
    except UnicodeError:
        domain = ""
    # browsers and Python encode some letters differently: such a domain would match no email
    is_encoded = domain == typed or domain.encode().decode("idna") == typed
    if not _DOMAIN.fullmatch(domain) or not is_encoded:
        raise ValueError(f"{value!r} is not a domain such as chat.example")
    return domain


class SignInSettings(SettingsGroup):
    """Sign-in and sign-up."""

    sign_up: Literal["auto", "open", "closed"] = "auto"
    """Who may create an account. auto leaves it to the admins, at /admin; until one has chosen, it
    means open on loopback only. open and closed fix it."""

    sign_up_verify: Literal["auto", "required", "off"] = "auto"
    """Whether a new account must verify its email first; auto means yes when there is a mail
    server."""

    auth_allowed_domains: CommaList[Annotated[str, AfterValidator(validate_domain)]] = ()
    """Only emails of these domains may sign in, comma separated; they may also sign up where
    sign-up is closed. Empty allows all."""

    auth_unverified_accounts: Literal["take_over", "refuse"] = "take_over"
    """When a user proves an email that belongs to an account which never verified it: give them the
    account and remove its other login methods, or refuse."""

    auth_on_sign_in: FunctionPath = ""
    """module:function that is called before every sign-in and may refuse it."""

    password_min_length: int = Field(10, ge=8, le=128)
    """Minimum length of a password, in characters."""

    password_min_score: int = Field(2, ge=0, le=4)
    """Minimum strength of a password (zxcvbn score, 0 to 4)."""


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
