"""Who may sign in, how, and for how long."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from chat_app.settings.secret import refuse_weak_secret

_RATE = re.compile(r"^\d+/(\d+ )?(second|minute|hour|day)s?$")


def _rate(value: str) -> str:
    if not _RATE.match(value):
        raise ValueError("must look like 5/15 minutes")
    return value


Rate = Annotated[str, AfterValidator(_rate)]
"""So many in so long, for example `5/15 minutes`."""


class SignInSettings(BaseSettings):
    """Signing in."""

    auth_secret: SecretStr = Field(
        SecretStr(""),
        description="At least 32 characters; keys for sockets and cookies are derived from it. "
        "Empty makes one and keeps it in DATA_DIR.",
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

    @field_validator("auth_secret")
    @classmethod
    def _is_hard_to_guess(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            refuse_weak_secret(value.get_secret_value())
        return value
