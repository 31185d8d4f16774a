"""Who may sign in, how, and for how long."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from chat_app.settings.identity_providers import IdentityProvider
from chat_app.settings.secret import refuse_weak_secret
from chat_app.settings.types import CommaList, SecretList

_DOMAIN = re.compile(r"^[a-z0-9-]+(\.[a-z0-9-]+)*$")
_FUNCTION = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
_RATE = re.compile(r"^\d+/(\d+ )?(second|minute|hour|day)s?$")


def _rate(value: str) -> str:
    if not _RATE.match(value):
        raise ValueError("must look like 5/15 minutes")
    return value


Rate = Annotated[str, AfterValidator(_rate)]
"""So many in so long, for example `5/15 minutes`."""


class SignInSettings(BaseSettings):
    """Signing in."""

    by_pattern: ClassVar[dict[str, str]] = {
        "AUTH_GITHUB_ID": "What GitHub calls this program; AUTH_GITHUB_SECRET goes with it. Send "
        "people back to APP_URL/api/auth/callback/github. A second one: AUTH_GITHUB_WORK_ID…",
        "AUTH_GITHUB_URL": "An Enterprise server; AUTH_GITHUB_API_URL when its API is not below.",
        "AUTH_GOOGLE_ID": "What Google calls this program; AUTH_GOOGLE_SECRET goes with it.",
        "AUTH_OIDC_ACME_ISSUER": "Any OpenID Connect issuer under a name of yours, here ACME; "
        "AUTH_OIDC_ACME_ID and AUTH_OIDC_ACME_SECRET go with it.",
        "AUTH_OIDC_ACME_LABEL": "Each provider may also have a LABEL and a SCOPE,",
        "AUTH_OIDC_ACME_REQUIRE": "a claim that everybody must have (groups:staff),",
        "AUTH_OIDC_ACME_SIGN_UP": "and may give an account to whoever it lets in (true).",
        "AUTH_PROVIDERS": "Their order on the page by id, for example github,acme.",
        "AUTH_URL": "Another name of APP_URL.",
    }
    """Settings whose names people choose, or that are read elsewhere, with what they mean."""

    auth_secret: SecretStr = Field(
        SecretStr(""),
        description="At least 32 characters; keys for sockets and cookies are derived from it. "
        "Empty makes one and keeps it in DATA_DIR.",
    )
    auth_secret_previous: SecretList = Field(
        (),
        description="Earlier values of AUTH_SECRET, comma separated: what they sealed is still "
        "opened, and nothing new is sealed with them.",
    )
    auth_session_strategy: Literal["database", "jwt"] = Field(
        "database",
        description="What the browser holds: a random token whose row is looked up, or (jwt) an "
        "encrypted one that proves itself for a while. Both can be ended at once.",
    )
    session_token_minutes: int = Field(
        15, ge=5, le=60, description="How long an encrypted token proves itself, in minutes."
    )
    auth_session_hook: str = Field(
        "",
        description="module:function that is told of a session each time it is used, and says "
        "what else pages and routes shall know of the person (claims).",
    )
    auth_allowed_domains: CommaList = Field(
        (),
        description="Only e-mail addresses of these domains may sign in, comma separated; they "
        "also get an account where strangers do not. Empty allows all.",
    )
    auth_unverified_accounts: Literal["take_over", "refuse"] = Field(
        "take_over",
        description="What happens when somebody proves an address that an account holds without "
        "proof: that account becomes theirs with every other way in removed, or they are refused.",
    )
    auth_on_sign_in: str = Field(
        "", description="module:function that is asked before every sign-in and may say no."
    )
    sign_up: Literal["auto", "open", "closed"] = Field(
        "auto", description="Who may create an account; auto means open on loopback only."
    )
    password_min_length: int = Field(10, ge=8, le=128, description="Characters.")
    password_min_score: int = Field(2, ge=0, le=4, description="zxcvbn's score, 0 to 4.")
    session_idle_hours: int = Field(12, ge=1, description="A session unused this long ends.")
    session_max_hours: int = Field(24, ge=1, description="A session this old ends.")
    session_remember_idle_hours: int = Field(
        168, ge=1, description="The same for people who asked to stay signed in."
    )
    session_remember_max_hours: int = Field(720, ge=1, description="And its age.")
    sessions_per_user: int = Field(20, ge=1, description="One more ends the oldest.")
    limit_sign_in_pair: Rate = Field(
        "5/15 minutes", description="Failed sign-ins per account and address."
    )
    limit_sign_in_address: Rate = Field("100/hour", description="Failed sign-ins per address.")
    limit_sign_in_account: Rate = Field("100/hour", description="Failed sign-ins per account.")
    limit_sign_up_address: Rate = Field("20/hour", description="New accounts per address.")
    limit_start_address: Rate = Field(
        "600/hour", description="Sign-ins with a provider or a passkey begun per address."
    )
    limit_second_factor: Rate = Field(
        "5/15 minutes", description="Wrong codes of a second factor per person, in a row."
    )
    remember_device_days: int = Field(
        30,
        ge=0,
        le=365,
        description="How long a browser need not show the second factor again, if its person "
        "wants that. 0 asks each time.",
    )

    fresh_minutes: int = Field(
        10, ge=1, description="How old a proof may be for sensitive changes, in minutes."
    )

    # Read by pattern, not by name (`providers.py`).
    identity_providers: Annotated[tuple[IdentityProvider, ...], NoDecode] = Field((), repr=False)

    @field_validator("auth_allowed_domains")
    @classmethod
    def _are_domains(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        values = tuple(value.lower().removeprefix("@") for value in values)
        for value in values:
            if not _DOMAIN.match(value):
                raise ValueError(f"{value!r} is not a domain such as chat.example")
        return values

    @field_validator("auth_on_sign_in", "auth_session_hook")
    @classmethod
    def _names_a_function(cls, value: str) -> str:
        if value and not _FUNCTION.match(value):
            raise ValueError("must look like package.module:function")
        return value

    @field_validator("auth_secret")
    @classmethod
    def _is_hard_to_guess(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            refuse_weak_secret(value.get_secret_value())
        return value

    @field_validator("auth_secret_previous")
    @classmethod
    def _are_hard_to_guess(cls, values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for value in values:
            refuse_weak_secret(value.get_secret_value())
        return values
