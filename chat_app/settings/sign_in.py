"""Who may sign in and sign up, and what a password must be.

Session lifetimes are in `sessions.py`, attempts in `rate_limits.py`, GitHub, Google and OpenID
Connect in `identity_providers.py`.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from chat_app.settings.validation import CommaList, FunctionPath, SettingsGroup


def _validate_domain(value: str) -> str:
    domain = value.lower().removeprefix("@")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", domain):
        raise ValueError(f"{domain!r} is not a domain such as chat.example")
    return domain


class SignInSettings(SettingsGroup):
    """Sign-in and sign-up."""

    sign_up: Literal["auto", "open", "closed"] = "auto"
    """Who may create an account; auto means open on loopback only."""

    sign_up_verify: Literal["auto", "required", "off"] = "auto"
    """Whether a new account must verify its email first; auto means yes when there is a mail
    server."""

    auth_allowed_domains: CommaList[Annotated[str, AfterValidator(_validate_domain)]] = ()
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
