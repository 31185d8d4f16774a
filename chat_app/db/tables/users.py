"""The tables of a user: login methods, sessions, keys, second factors, picture."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field

from chat_app.core.clock import utc_now
from chat_app.db.tables.base import EMPTY, LARGE, Row, Table


class User(Row, table=True):
    """A user. `role` is an `auth.principal.SiteRole`."""

    email: str = Field(max_length=254, unique=True)
    name: str = Field(default="", max_length=100)
    created_at: datetime = Field(default_factory=utc_now)
    disabled_at: datetime | None = None
    email_verified_at: datetime | None = None
    session_epoch: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    chosen_model: str = Field(default="", max_length=200, sa_column_kwargs=EMPTY)
    role: str = Field(default="", max_length=20, sa_column_kwargs=EMPTY)


class Account(Row, table=True):
    """A login method: a password or a linked account. Its key is issuer and subject, not email."""

    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE", index=True)
    issuer: str = Field(max_length=255)
    subject: str = Field(max_length=255)
    password_hash: str | None = Field(default=None, max_length=255)
    provider: str = Field(default="", max_length=40, sa_column_kwargs=EMPTY)
    email: str = Field(default="", max_length=254, sa_column_kwargs=EMPTY)
    name: str = Field(default="", max_length=100, sa_column_kwargs=EMPTY)
    created_at: datetime = Field(default_factory=utc_now)
    last_used_at: datetime | None = None


class AuthSession(Row, table=True):
    """A session: one sign-in on one device. The token itself is never stored.

    With encrypted tokens (jwt) `token_hash` is `sealed:` and the id, which is no token's hash.
    """

    token_hash: str = Field(max_length=64, unique=True)
    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE", index=True)
    created_at: datetime
    last_seen_at: datetime
    authenticated_at: datetime
    idle_expires_at: datetime
    expires_at: datetime
    remember: bool = False
    method: str = Field(max_length=20)
    provider: str = Field(default="", max_length=40, sa_column_kwargs=EMPTY)
    second_factor: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})
    claims: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )
    address: str = Field(default="", max_length=50)
    user_agent: str = Field(default="", max_length=200)
    revoked_at: datetime | None = None
    revoked_reason: str = Field(default="", max_length=20)


class DeniedSession(Table, table=True):
    """A revoked session whose encrypted tokens are refused until they have all expired."""

    session_id: UUID = Field(primary_key=True)
    expires_at: datetime = Field(index=True)


class OneTimeToken(Row, table=True):
    """A token that can be used once; only its hash is stored."""

    token_hash: str = Field(max_length=64, unique=True)
    purpose: str = Field(max_length=20)
    user_id: UUID | None = Field(
        default=None, foreign_key="user.id", ondelete="CASCADE", index=True
    )
    subject: str = Field(default="", max_length=254)
    binding_hash: str = Field(default="", max_length=64)
    data: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    attempts: int = 0
    created_at: datetime
    expires_at: datetime = Field(index=True)
    used_at: datetime | None = None


class Passkey(Row, table=True):
    """A passkey (WebAuthn): the public key of a credential."""

    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE", index=True)
    credential_id: str = Field(max_length=1364, unique=True)
    public_key: bytes
    # 32 bits, unsigned
    sign_count: int = Field(default=0, sa_column=Column(LARGE, nullable=False))
    aaguid: str = Field(default="", max_length=36)
    transports: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    backed_up: bool = False
    name: str = Field(default="", max_length=100)
    created_at: datetime
    last_used_at: datetime | None = None


class ApiKey(Row, table=True):
    """An API key, with which a program acts for its user. The key itself is never stored."""

    token_hash: str = Field(max_length=64, unique=True)
    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE", index=True)
    name: str = Field(max_length=100)
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class Totp(Table, table=True):
    """The authenticator app (TOTP) of a user. The secret is encrypted."""

    user_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    secret: str = Field(max_length=500)
    created_at: datetime
    confirmed_at: datetime | None = None
    last_step: int = 0
    failures: int = 0
    locked_until: datetime | None = None


class BackupCode(Row, table=True):
    """A backup code of the second factor. It has 80 random bits, so a plain hash is enough."""

    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)

    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    code_hash: str = Field(max_length=64)
    created_at: datetime
    used_at: datetime | None = None


class RememberedDevice(Row, table=True):
    """A browser that is not asked for the second factor until it expires."""

    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE", index=True)
    token_hash: str = Field(max_length=64, unique=True)
    user_agent: str = Field(default="", max_length=200)
    created_at: datetime
    expires_at: datetime = Field(index=True)


class Picture(Table, table=True):
    """The profile picture of a user."""

    user_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    media_type: str = Field(max_length=20)
    digest: str = Field(max_length=64)
    content: bytes
    updated_at: datetime
