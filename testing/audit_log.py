"""The audit log of a database under test: its rows, and a way past the triggers that protect it."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from chat_app import audit
from chat_app.audit.actions import Action
from chat_app.audit.failures import FailureCounts
from chat_app.audit.sealer import Sealer
from chat_app.core.crypto import KeyRing
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.tables import AuditEvent, AuditIdentity
from chat_app.settings import Settings, read_settings
from testing.auth_services import Time
from testing.database import DatabaseUnderTest, SqliteDatabase
from testing.postgres import PostgresDatabase

SECRET = "an-audit-key-that-is-long-enough-0123456789"


def settings_of(database: DatabaseUnderTest, *previous: str, secret: str = SECRET) -> Settings:
    """The settings of a program with a key, and with those before it."""
    return read_settings(
        _env_file=None,
        **database.settings,
        auth_secret=secret,
        auth_secret_previous=",".join(previous),
    )


def sealer_of(db: Database, settings: Settings, **more: Any) -> Sealer:
    """A sealer with a clock of its own."""
    return Sealer(db, KeyRing(settings), more.pop("clock", Time()), FailureCounts(), **more)


async def write_events(db: Database, count: int, action: Action = "organisation_changed") -> None:
    """Add rows, in one transaction."""
    entries = [
        audit.entry(action, actor="system", details={"setting": f"number-{number}"})
        for number in range(count)
    ]

    def write(one: Transaction) -> None:
        for each in entries:
            each.append_to(one)

    await db.system_transact("audit", write)


async def events_of(db: Database, *actions: Action) -> list[AuditEvent]:
    """The rows of these actions, or every row, in the order in which they were written."""
    query = select(AuditEvent).order_by(col(AuditEvent.id))
    if actions:
        query = query.where(col(AuditEvent.action).in_(actions))
    async with db.system("audit") as session:
        return list((await session.exec(query)).all())


async def identity_of(db: Database, user_id: UUID) -> str:
    """The random id of a user."""
    async with db.system("audit") as session:
        return (await session.require(AuditIdentity, user_id)).audit_id


def tamper(database: DatabaseUnderTest, *statements: str) -> None:
    """Change the rows as the owner of the database can, who drops the triggers first."""
    _execute(database, [*_without_triggers(database), *statements])


def _without_triggers(database: DatabaseUnderTest) -> Iterable[str]:
    names = ("audit_event_changed", "audit_event_removed", "audit_event_added")
    if isinstance(database, SqliteDatabase):
        return [f"DROP TRIGGER IF EXISTS {name}" for name in names]
    return ["SET session_replication_role = replica"]


def _execute(database: DatabaseUnderTest, statements: Iterable[str]) -> None:
    if isinstance(database, PostgresDatabase):
        database.rows("; ".join(statements))
        return
    for statement in statements:
        database.rows(statement)
