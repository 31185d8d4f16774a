"""Restoring a backup of a SQLite database, while no server runs."""

import contextlib
import os
import secrets
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, delete, inspect, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from chat_app.core.errors import DatabaseUnreachable
from chat_app.db.backups import BackupFailed, copy_database, failing_as
from chat_app.db.dialect import migration_engine
from chat_app.db.migrations import revision_of
from chat_app.db.tables import ApiKey, AuthSession, OneTimeToken, RememberedDevice, User

_JOURNALS = ("-wal", "-shm")
_EPOCHS = 2**30
"""How many epochs a restore chooses from; the column has room for as many after them."""
_FORMER_EPOCHS = 2**20
"""How many epochs before and after that of the backup may have been in use."""


def restore_backup(backup: Path, database: Path, *, now: datetime) -> Path | None:
    """Put a backup in the place of the database; the former one is kept beside it.

    A backup knows nothing of what ended after it was made, so all sessions, one-time tokens,
    remembered devices and API keys in it are ended: users sign in again.

    Args:
        backup: A file of `chat-app backup`, or a backup of before a migration.
        database: The SQLite file; the caller owns the data folder.
        now: The time, in UTC.

    Returns:
        Where the former database is kept; None when there was none.

    Raises:
        BackupFailed: The backup is missing or damaged, or a file could not be written.
        RevisionMismatch: It is of a newer version of the program.
        DatabaseFull: The disk is full.
    """
    new = database.with_name(f"{database.name}.restored")
    try:
        with failing_as(f"{backup} could not be read or copied"):
            if not backup.is_file():
                raise BackupFailed(f"There is no backup at {backup}.")
            copy_database(backup, new)
        _prepare(new, backup, now)
        with failing_as(f"{database} could not be replaced"):
            return _replace(database, new, now)
    finally:
        _remove(new)


def _prepare(new: Path, backup: Path, now: datetime) -> None:
    """Check a copy of the backup, and end the sessions in it."""
    engine = migration_engine(f"sqlite+aiosqlite:///{new}")
    try:
        with engine.begin() as connection:
            if connection.exec_driver_sql("PRAGMA quick_check").scalar() != "ok":
                raise BackupFailed(f"{backup} is damaged.")
            if "alembic_version" not in inspect(connection).get_table_names():
                raise BackupFailed(f"{backup} is not a backup of this program.")
            revision_of(connection)
            _end_sessions(connection, now)
    except (SQLAlchemyError, DatabaseUnreachable):
        raise BackupFailed(f"{backup} is damaged.") from None
    finally:
        engine.dispose()


def _end_sessions(connection: Connection, now: datetime) -> None:
    """End every session, token and key, in whatever of the tables a backup of any revision has."""
    is_open = col(AuthSession.revoked_at).is_(None)
    ended = update(AuthSession).where(is_open).values(revoked_at=now, revoked_reason="restored")
    connection.execute(ended)
    tables = inspect(connection).get_table_names()
    for table in (OneTimeToken, RememberedDevice, ApiKey):
        if table.__tablename__ in tables:
            connection.execute(delete(table))
    columns = {column["name"] for column in inspect(connection).get_columns("user")}
    if "session_epoch" in columns:
        # The next epochs may have been given out after the backup, in tokens that were revoked.
        step = _FORMER_EPOCHS + secrets.randbelow(_EPOCHS - 2 * _FORMER_EPOCHS)
        epoch = (col(User.session_epoch) + step) % _EPOCHS
        connection.execute(update(User).values(session_epoch=epoch))


def _replace(database: Path, new: Path, now: datetime) -> Path | None:
    """Keep the former database with its journal under another name, then move the new one in.

    A journal must be gone before: SQLite would write its pages into the new database.
    """
    kept = None
    if database.exists():
        kept = database.with_name(f"{database.stem}-before-restore-{now:%Y%m%dT%H%M%SZ}.db")
        os.link(database, kept)
        with contextlib.suppress(FileNotFoundError):
            os.link(f"{database}-wal", f"{kept}-wal")
    for journal in _JOURNALS:
        Path(f"{database}{journal}").unlink(missing_ok=True)
    new.replace(database)
    return kept


def _remove(database: Path) -> None:
    for name in (str(database), *(f"{database}{journal}" for journal in _JOURNALS)):
        Path(name).unlink(missing_ok=True)
