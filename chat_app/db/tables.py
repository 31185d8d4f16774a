"""Every table (SQLModel). A user's rows have `owner_id`, and child rows repeat it.

A child references its parent by a composite key, so the database itself refuses a child of another
user's parent. This module must not postpone annotations: SQLModel reads them.
"""

import re
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Column,
    Connection,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    UniqueConstraint,
    event,
    insert,
    text,
)
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel

from chat_app.core.clock import utc_now
from chat_app.core.parts import native_size, size_of

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: MetaData = SQLModel.metadata

MessageStatus = Literal["running", "complete", "stopped", "failed", "interrupted", "revoked"]
RunStatus = Literal["queued", "running", "complete", "stopped", "failed", "interrupted", "revoked"]
ThreadStatus = Literal["regular", "archived"]
ACTIVE: tuple[RunStatus, ...] = ("queued", "running")
"""The statuses of an active run."""


# SQLite: its integers have 64 bits, and only an INTEGER can be its rowid
_LARGE = BigInteger().with_variant(Integer(), "sqlite")
_EMPTY: dict[str, Any] = {"server_default": ""}  # rows of an older revision have no value

PRIVATE = UUID(int=0)
"""The `org_id` of what is in no organisation. It is no NULL: that would disable a composite key."""


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows that meet a condition."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


class Table(SQLModel):
    """A table named after its class, in snake case."""

    @declared_attr.directive
    def __tablename__(cls) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class Row(Table):
    """A row whose key is a random id."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)


class Owned(Table):
    """A row of one user: reached only through a session scoped to that user."""

    owner_id: UUID


class InOrganisation(Owned):
    """A row of one user that may be in an organisation; it is reached by its members only.

    The rows below a thread repeat its organisation: a composite key keeps them equal, also when the
    thread moves.
    """

    org_id: UUID = Field(default=PRIVATE, sa_column_kwargs={"server_default": PRIVATE.hex})


def _of_thread() -> ForeignKeyConstraint:
    """The key of a row below a thread."""
    return ForeignKeyConstraint(
        ["thread_id", "owner_id", "org_id"],
        ["thread.id", "thread.owner_id", "thread.org_id"],
        ondelete="CASCADE",
        onupdate="CASCADE",
    )


class User(Row, table=True):
    """A user. `role` is an `auth.principal.SiteRole`."""

    email: str = Field(max_length=254, unique=True)
    name: str = Field(default="", max_length=100)
    created_at: datetime = Field(default_factory=utc_now)
    disabled_at: datetime | None = None
    email_verified_at: datetime | None = None
    session_epoch: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    chosen_model: str = Field(default="", max_length=200, sa_column_kwargs=_EMPTY)
    role: str = Field(default="", max_length=20, sa_column_kwargs=_EMPTY)


class Account(Row, table=True):
    """A login method: a password or a linked account. Its key is issuer and subject, not email."""

    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE", index=True)
    issuer: str = Field(max_length=255)
    subject: str = Field(max_length=255)
    password_hash: str | None = Field(default=None, max_length=255)
    provider: str = Field(default="", max_length=40, sa_column_kwargs=_EMPTY)
    email: str = Field(default="", max_length=254, sa_column_kwargs=_EMPTY)
    name: str = Field(default="", max_length=100, sa_column_kwargs=_EMPTY)
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
    provider: str = Field(default="", max_length=40, sa_column_kwargs=_EMPTY)
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
    sign_count: int = Field(default=0, sa_column=Column(_LARGE, nullable=False))
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


class AuditEvent(Table, table=True):
    """An entry of the audit log: who did what to whom, and from where. See `chat_app.audit`.

    It names no table, so it outlives what it is about. `actor` is the `AuditIdentity` of a user or
    a word such as `system`, `subject` the same or the id of a row; `network` is the /24 or the /64
    of the client; `details` is canonical JSON. The last four columns are empty until one writer
    seals the row; triggers refuse a new row that has a seal, and a change of a sealed one. `seq`
    counts sealed rows without a gap, `seal` is made with the key `key_id`, and `anchor_seal` with
    the key before it, in the one row that a change of keys writes.
    """

    __table_args__ = (
        UniqueConstraint("seq"),
        Index("ix_audit_event_action_id", "action", "id"),
        Index("ix_audit_event_actor_id", "actor", "id"),
        Index("ix_audit_event_subject_id", "subject", "id"),
        Index("ix_audit_event_org_id_id", "org_id", "id"),
        _partial("ix_audit_event_unsealed", "id", where="seal IS NULL"),
    )

    # in the order in which the rows were written
    id: int | None = Field(
        default=None,
        sa_column=Column(_LARGE, Identity(), primary_key=True),
    )
    at: datetime
    action: str = Field(max_length=40)
    actor: str = Field(max_length=40)
    subject_kind: str = Field(default="", max_length=20)
    subject: str = Field(default="", max_length=40)
    org_id: UUID | None = None
    network: str = Field(default="", max_length=50)
    request_id: str = Field(default="", max_length=100)
    details: str = ""
    seq: int | None = Field(default=None, sa_type=BigInteger)
    seal: str | None = Field(default=None, max_length=64)
    key_id: str | None = Field(default=None, max_length=16)
    anchor_seal: str | None = Field(default=None, max_length=64)


_REFUSED = "A sealed row of the audit log cannot be changed."
_PRESEALED = "A row of the audit log is added without a seal."
_HAS_SEAL = "coalesce(new.seal, new.key_id, new.anchor_seal) IS NOT NULL OR new.seq IS NOT NULL"
_AUDIT_TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER audit_event_changed BEFORE UPDATE ON audit_event "
        f"WHEN old.seal IS NOT NULL BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
        "CREATE TRIGGER audit_event_removed BEFORE DELETE ON audit_event "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
        "CREATE TRIGGER audit_event_added BEFORE INSERT ON audit_event "
        f"WHEN {_HAS_SEAL} BEGIN SELECT RAISE(ABORT, '{_PRESEALED}'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF TG_OP = 'INSERT' THEN RAISE EXCEPTION '{_PRESEALED}'; END IF; "
        f"RAISE EXCEPTION '{_REFUSED}'; END $$",
        "CREATE TRIGGER audit_event_changed BEFORE UPDATE ON audit_event FOR EACH ROW "
        "WHEN (old.seal IS NOT NULL) EXECUTE FUNCTION refuse_audit_change()",
        "CREATE TRIGGER audit_event_removed BEFORE DELETE ON audit_event FOR EACH ROW "
        "EXECUTE FUNCTION refuse_audit_change()",
        "CREATE TRIGGER audit_event_added BEFORE INSERT ON audit_event FOR EACH ROW "
        f"WHEN ({_HAS_SEAL}) EXECUTE FUNCTION refuse_audit_change()",
    ),
}
for _dialect, _statements in _AUDIT_TRIGGERS.items():
    for _statement in _statements:
        _made = DDL(_statement).execute_if(dialect=_dialect)
        event.listen(metadata.tables["audit_event"], "after_create", _made)


class Picture(Table, table=True):
    """The profile picture of a user."""

    user_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    media_type: str = Field(max_length=20)
    digest: str = Field(max_length=64)
    content: bytes
    updated_at: datetime


class Organisation(Row, table=True):
    """An organisation: its members have threads in it, which only they reach.

    `allows_admin_reading` is whether its admins may read a member's threads there, with a reason.
    """

    name: str = Field(max_length=100)
    created_at: datetime = Field(default_factory=utc_now)
    allows_admin_reading: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})


class Membership(Table, table=True):
    """That a user belongs to an organisation, and as what (`auth.principal.Role`)."""

    user_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    org_id: UUID = Field(
        primary_key=True, foreign_key="organisation.id", ondelete="CASCADE", index=True
    )
    role: str = Field(max_length=10)
    created_at: datetime = Field(default_factory=utc_now)


class Invitation(Row, table=True):
    """An invitation of an email address to an organisation; the hash of its token is stored.

    It is open until it is accepted, revoked or expired.
    """

    __table_args__ = (
        _partial(
            *("uq_invitation_org_id_email", "org_id", "email"),
            where="accepted_at IS NULL AND revoked_at IS NULL",
            unique=True,
        ),
    )

    token_hash: str = Field(max_length=64, unique=True)
    org_id: UUID = Field(foreign_key="organisation.id", ondelete="CASCADE")
    email: str = Field(max_length=254, index=True)
    role: str = Field(max_length=10)
    invited_by: UUID | None = Field(
        default=None, foreign_key="user.id", ondelete="SET NULL", index=True
    )
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None


class Thread(InOrganisation, table=True):
    """A conversation. `head_id` is the chosen leaf of its message tree.

    `options` are `threads.options.ChatOptions` as a row; `status` is a `ThreadStatus`;
    `external_id` is the name that a program gave it, which no other of its owner's threads has
    unless it is deleted; `custom` is what programs keep with it, a JSON object.
    """

    __table_args__ = (
        UniqueConstraint("id", "owner_id"),
        # the key of a thread with its organisation, which its rows refer to
        Index("uq_thread_id_owner_id_org_id", "id", "owner_id", "org_id", unique=True),
        Index("ix_thread_owner_id_updated_at_id", "owner_id", "updated_at", "id"),
        Index("ix_thread_owner_id_status_updated_at_id", "owner_id", "status", "updated_at", "id"),
        Index("ix_thread_list", *("owner_id", "org_id", "status", "updated_at", "id")),
        _partial(
            *("uq_thread_owner_id_external_id", "owner_id", "external_id"),
            where="deleted_at IS NULL",
            unique=True,
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    title: str = Field(default="", max_length=200)
    title_origin: str = Field(default="start", max_length=10)
    model: str = Field(default="", max_length=200)
    head_id: UUID | None = None
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    deleted_at: datetime | None = None
    options: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )
    status: str = Field(
        default="regular", max_length=10, sa_column_kwargs={"server_default": "regular"}
    )
    external_id: str | None = Field(default=None, max_length=64)
    custom: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )


class Message(InOrganisation, table=True):
    """A node of a thread's message tree.

    `parts` is a list of `core.parts.Part`; `error` is a key of `core.errors.MESSAGES`, and
    `error_params` are the parameters of its message; `finish_reason` is why an answer ended: a
    `runs.follow.StopReason` if it was stopped, else the model's reason, or empty if unknown;
    `native` is a list of `core.parts.NativeItem`; `size` is that of both lists in bytes, measured
    whenever the row is written; `chosen_at` is when its thread got it as the head again, if it did;
    `origin` is `client` if a program appended it, else empty: it was sent, or a model wrote it.
    """

    __table_args__ = (
        UniqueConstraint("id", "owner_id"),
        UniqueConstraint("id", "thread_id"),
        UniqueConstraint("owner_id", "client_id"),
        _of_thread(),
        ForeignKeyConstraint(
            # no cascade here: SQLite would recurse once per level of a long thread
            ["parent_id", "thread_id"],
            ["message.id", "message.thread_id"],
        ),
        Index("ix_message_thread_id_created_at", "thread_id", "created_at"),
        Index("ix_message_parent_id", "parent_id"),
        Index("ix_message_stored", "owner_id", "org_id", "size"),
        Index(  # all that a tree without its texts, its size and its version are read from
            "ix_message_tree",
            *("thread_id", "owner_id", "org_id", "deleted_at", "created_at", "size"),
            *("chosen_at", "id", "parent_id"),
        ),
        _partial("ix_message_root", "thread_id", where="parent_id IS NULL"),
        _partial("ix_message_deleted_at", "deleted_at", where="deleted_at IS NOT NULL"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID
    thread_id: UUID
    parent_id: UUID | None = None
    role: str = Field(max_length=10)
    parts: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    native: list[Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True), nullable=True)
    )
    size: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    status: str = Field(default="complete", max_length=12)
    finish_reason: str = Field(default="", max_length=20, sa_column_kwargs=_EMPTY)
    error: str = Field(default="", max_length=300)
    error_params: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )
    model: str = Field(default="", max_length=200)
    client_id: str | None = Field(default=None, max_length=64)
    created_at: datetime = Field(default_factory=utc_now)
    chosen_at: datetime | None = None
    deleted_at: datetime | None = None
    origin: str = Field(default="", max_length=10, sa_column_kwargs=_EMPTY)


@event.listens_for(Message, "before_insert")
@event.listens_for(Message, "before_update")
def _measure(_mapper: object, _connection: object, message: Message) -> None:
    message.size = size_of(message.parts) + native_size(message.native)


class Run(InOrganisation, table=True):
    """The generation of one answer.

    `finish_reason`, `error` and `error_params` are those of its message row, but for a run that
    only adds a summary to an answer: its `finish_reason` is `compaction`, from its beginning;
    `cost_nanodollars` is in billionths of a US dollar, by the prices at its end.
    """

    __table_args__ = (
        UniqueConstraint("id", "owner_id"),
        _of_thread(),
        ForeignKeyConstraint(
            ["message_id", "owner_id"], ["message.id", "message.owner_id"], ondelete="CASCADE"
        ),
        # the key of a run with its organisation, which its log refers to
        Index("uq_run_id_owner_id_org_id", "id", "owner_id", "org_id", unique=True),
        Index("ix_run_owner_id_status", "owner_id", "status"),
        Index("ix_run_thread_id_status", "thread_id", "status"),
        Index("ix_run_message_id", "message_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID
    thread_id: UUID
    message_id: UUID
    session_id: UUID
    """The session or API key that started it (a `credential_id`)."""
    model: str = Field(max_length=200)
    status: str = Field(default="queued", max_length=12)
    finish_reason: str = Field(default="", max_length=20, sa_column_kwargs=_EMPTY)
    error: str = Field(default="", max_length=300)
    error_params: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )
    last_seq: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    cost_nanodollars: int | None = Field(default=None, sa_type=BigInteger)
    created_at: datetime = Field(default_factory=utc_now)
    first_event_at: datetime | None = None
    finished_at: datetime | None = None


class RunEvent(InOrganisation, table=True):
    """An entry of an active run's log; folded into the message when the run ends.

    `kind` and `payload` are those of a `core.events.Event`.
    """

    __table_args__ = (
        ForeignKeyConstraint(
            ["run_id", "owner_id", "org_id"],
            ["run.id", "run.owner_id", "run.org_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )

    run_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    owner_id: UUID
    kind: str = Field(max_length=20)
    payload: str = ""


class ChatDefaults(Owned, table=True):
    """What new chats of a user begin with: `threads.options.ChatOptions` as a row."""

    owner_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    options: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )


class ClientReport(InOrganisation, table=True):
    """What a client reports of its user's chats, for `CLIENT_REPORTS_DAYS`.

    `kind` is a `threads.client_reports.ReportKind`; `content` is what the client sent, a JSON
    object, and `size` that of it in bytes. `thread_id` and `message_id` are None where it names
    none, or an event none that is there. A message has one feedback.
    """

    __table_args__ = (
        _of_thread(),
        ForeignKeyConstraint(
            ["message_id", "owner_id"], ["message.id", "message.owner_id"], ondelete="CASCADE"
        ),
        Index("ix_client_report_stored", "owner_id", "org_id", "size"),
        Index("ix_client_report_thread_id", "thread_id"),
        Index("ix_client_report_message_id", "message_id"),
        Index("ix_client_report_created_at", "created_at"),
        _partial(
            *("uq_client_report_feedback", "owner_id", "message_id"),
            where="kind = 'feedback'",
            unique=True,
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    kind: str = Field(max_length=10)
    thread_id: UUID | None = None
    message_id: UUID | None = None
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    size: int
    created_at: datetime = Field(default_factory=utc_now)


class AuditIdentity(Owned, table=True):
    """The random id that stands for a user in the audit log; it is deleted with the user.

    A scoped session reads it and never writes it.
    """

    owner_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    audit_id: str = Field(max_length=36, unique=True)


@event.listens_for(User, "after_insert")
def _identify(_mapper: object, connection: Connection, user: User) -> None:
    row = {"owner_id": user.id, "audit_id": str(uuid4())}
    connection.execute(insert(metadata.tables["audit_identity"]), row)


class SearchEntry(InOrganisation, table=True):
    """What full-text search finds a title or a message by; see `db.full_text`.

    Args:
        message_id: The message; None for the title of the thread.
        role: That of the message, or `title`.
        tokens: Those of the text (`core.search_tokens`), separated by spaces.
        created_at: When the message or the thread was created.
    """

    __table_args__ = (
        _of_thread(),
        ForeignKeyConstraint(
            ["message_id", "owner_id"], ["message.id", "message.owner_id"], ondelete="CASCADE"
        ),
        Index("ix_search_entry_thread_id", "thread_id"),
        Index("ix_search_entry_message_id", "message_id"),
    )

    # SQLite: its rowid, which the index refers to; without a name, a VACUUM would change it
    id: int | None = Field(
        default=None,
        sa_column=Column(_LARGE, Identity(), primary_key=True),
    )
    owner_id: UUID
    thread_id: UUID
    message_id: UUID | None = None
    role: str = Field(max_length=10)
    created_at: datetime
    tokens: str = ""


OWNED: tuple[type[Owned], ...] = (
    *(Thread, Message, Run, RunEvent, SearchEntry, ChatDefaults, ClientReport, AuditIdentity),
)
"""Every owned table; a scoped session reaches these only. A test compares the models."""

ONLY_READ: tuple[type[Owned], ...] = (AuditIdentity,)
"""Owned tables that a scoped session does not write."""

NEED_ROOM: tuple[type[Table], ...] = (
    *(Thread, Message, Run, RunEvent, ChatDefaults, ClientReport, User, Picture),
)
"""Tables to which nothing is added while the disk is full; sign-in, deleting and purging go on.

A search entry is part of the row that it is of: the end of a running answer is stored with it."""
