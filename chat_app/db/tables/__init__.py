"""Every table (SQLModel). A user's rows have `owner_id`, and child rows repeat it.

A child references its parent by a composite key, so the database itself refuses a child of another
user's parent.
"""

from chat_app.db.tables.audit import AuditEvent, AuditIdentity
from chat_app.db.tables.base import PRIVATE, InOrganisation, Owned, Row, Table, metadata
from chat_app.db.tables.installation import (
    Announcement,
    AnnouncementDismissal,
    OutboxSignal,
    SignUpChoice,
)
from chat_app.db.tables.organisations import Invitation, Membership, ModelRule, Organisation
from chat_app.db.tables.readings import ReadingGrant, ThreadReading
from chat_app.db.tables.threads import (
    ACTIVE,
    ChatDefaults,
    ClientReport,
    Message,
    MessageStatus,
    Run,
    RunEvent,
    RunStatus,
    SearchEntry,
    Thread,
    ThreadStatus,
)
from chat_app.db.tables.usage import NO_USER, UsageLedger
from chat_app.db.tables.users import (
    Account,
    ApiKey,
    AuthSession,
    BackupCode,
    DeniedSession,
    OneTimeToken,
    Passkey,
    Picture,
    RememberedDevice,
    Totp,
    User,
)

__all__ = [
    "ACTIVE",
    "NEED_ROOM",
    "NO_USER",
    "ONLY_READ",
    "OWNED",
    "PRIVATE",
    "READ_BY_GRANT",
    "Account",
    "Announcement",
    "AnnouncementDismissal",
    "ApiKey",
    "AuditEvent",
    "AuditIdentity",
    "AuthSession",
    "BackupCode",
    "ChatDefaults",
    "ClientReport",
    "DeniedSession",
    "InOrganisation",
    "Invitation",
    "Membership",
    "Message",
    "MessageStatus",
    "ModelRule",
    "OneTimeToken",
    "Organisation",
    "OutboxSignal",
    "Owned",
    "Passkey",
    "Picture",
    "ReadingGrant",
    "RememberedDevice",
    "Row",
    "Run",
    "RunEvent",
    "RunStatus",
    "SearchEntry",
    "SignUpChoice",
    "Table",
    "Thread",
    "ThreadReading",
    "ThreadStatus",
    "Totp",
    "UsageLedger",
    "User",
    "metadata",
]

OWNED: tuple[type[Owned], ...] = (
    *(Thread, Message, Run, RunEvent, SearchEntry, ChatDefaults, ClientReport, AuditIdentity),
    *(UsageLedger, AnnouncementDismissal, ReadingGrant, ThreadReading),
)
"""Every owned table; a scoped session reaches these only. A test compares the models."""

ONLY_READ: tuple[type[Owned], ...] = (AuditIdentity, ReadingGrant, ThreadReading)
"""Owned tables that a scoped session does not write."""

READ_BY_GRANT: tuple[type[InOrganisation], ...] = (Thread, Message)
"""Owned tables that a session of `Database.read_as` reaches; no other."""

NEED_ROOM: tuple[type[Table], ...] = (
    *(Thread, Message, Run, RunEvent, ChatDefaults, ClientReport, User, Picture),
    *(ReadingGrant, ThreadReading),
)
"""Tables to which nothing is added while the disk is full; sign-in, deleting and purging go on.

A search entry is part of the row that it is of: the end of a running answer is stored with it."""
