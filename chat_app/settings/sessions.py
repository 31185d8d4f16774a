"""Session and cookie life: what the session cookie holds, and when a session expires.

The cookies are `chat_session`, `chat_device` (a remembered browser), `chat_csrf`,
`chat_challenge`, `chat_signup`, `chat_passkey` and `chat_tx_…` (one OAuth sign-in), with the
prefix `__Host-` over HTTPS. Their attributes are in `gateway/cookies.py`.
"""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from chat_app.settings.validation import FunctionPath


class SessionSettings(BaseSettings):
    """Sessions and cookies."""

    auth_session_strategy: Literal["database", "jwt"] = Field(
        "database",
        description="What the session cookie holds: a random token that is looked up in the "
        "database, or (jwt) an encrypted token. Both kinds can be revoked at once.",
    )
    session_token_minutes: int = Field(
        15, ge=5, le=60, description="Lifetime of an encrypted session token (jwt), in minutes."
    )
    session_idle_hours: int = Field(
        12, ge=1, description="A session that is not used for this many hours expires."
    )
    session_max_hours: int = Field(
        24, ge=1, description="A session expires this many hours after sign-in."
    )
    session_remember_idle_hours: int = Field(
        168, ge=1, description='SESSION_IDLE_HOURS for users who chose "stay signed in".'
    )
    session_remember_max_hours: int = Field(
        720, ge=1, description='SESSION_MAX_HOURS for users who chose "stay signed in".'
    )
    sessions_per_user: int = Field(
        20, ge=1, description="Maximum number of sessions of one user; a new one ends the oldest."
    )
    fresh_minutes: int = Field(
        10,
        ge=1,
        description="Sensitive changes need a sign-in or a confirmation (step-up) no older than "
        "this, in minutes.",
    )
    remember_device_days: int = Field(
        30,
        ge=0,
        le=365,
        description="Days for which a remembered browser is not asked for the second factor. "
        "0 always asks.",
    )
    auth_session_hook: FunctionPath = Field(
        "",
        description="module:function that is called for every resolved session and returns "
        "additional claims of the principal.",
    )
