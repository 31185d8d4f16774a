"""Session and cookie life: what the session cookie holds, and when a session expires.

The cookies are `chat_session`, `chat_device` (a remembered browser), `chat_known` (whose failed
sign-ins count apart in a browser), `chat_csrf`, `chat_challenge`, `chat_signup`, `chat_passkey` and
`chat_oauth_…` (one OAuth sign-in), with the prefix `__Host-` over HTTPS. Their attributes are in
`gateway/cookies.py`.
"""

from typing import Literal

from pydantic import Field

from chat_app.settings.validation import FunctionPath, SettingsGroup


class SessionSettings(SettingsGroup):
    """Sessions and cookies.

    A session expires by its idle time or by its age, whichever comes first.
    """

    auth_session_strategy: Literal["database", "jwt"] = "database"
    """What the session cookie holds: a random token that is looked up in the database, or (jwt) an
    encrypted token. Both kinds can be revoked at once."""

    session_token_minutes: int = Field(15, ge=5, le=60)
    """Lifetime of an encrypted session token (jwt), in minutes."""

    session_idle_hours: int = Field(12, ge=1)
    """A session that is not used for this many hours expires."""

    session_max_hours: int = Field(24, ge=1)
    """A session expires this many hours after sign-in."""

    session_remember_idle_hours: int = Field(168, ge=1)
    """SESSION_IDLE_HOURS for users who chose "Keep me signed in"."""

    session_remember_max_hours: int = Field(720, ge=1)
    """SESSION_MAX_HOURS for users who chose "Keep me signed in"."""

    sessions_per_user: int = Field(20, ge=1)
    """Maximum number of sessions of one user; a new one ends the oldest."""

    fresh_minutes: int = Field(10, ge=1)
    """Sensitive changes need a sign-in or a confirmation (step-up) no older than this, in
    minutes."""

    remember_device_days: int = Field(30, ge=0, le=365)
    """Days for which a remembered browser is not asked for the second factor. 0 always asks."""

    api_key_max_days: int = Field(0, ge=0, le=3650)
    """The longest lifetime of a new API key, in days. 0 allows keys that do not expire."""

    auth_session_hook: FunctionPath = ""
    """module:function that is called for every resolved session or API key and returns additional
    claims of the principal."""
