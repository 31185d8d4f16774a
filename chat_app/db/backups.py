"""Backups of a SQLite database, with SQLite's backup API: also while a server writes."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from chat_app.core.errors import DatabaseBusy, DatabaseError, DatabaseFull
from chat_app.db.data_folder import make_private_file, make_private_folder
from chat_app.db.dialect import convert_error

MAX_BACKUPS = 5
"""Number of backups before a migration to keep; the oldest are deleted."""


class BackupFailed(DatabaseError):
    """A backup could not be made or restored; nothing has changed."""

    code = "backup_failed"


def back_up(database: Path, folder: Path, *, revision: str, now: datetime) -> Path:
    """Back up a SQLite file before a migration, and delete the oldest of these backups.

    Args:
        database: The SQLite file.
        folder: The folder of the backups.
        revision: The revision of the database, for the name.
        now: The time, for the name.

    Returns:
        The new backup.

    Raises:
        sqlite3.Error, OSError: The backup failed; no partial file is left.
    """
    make_private_folder(folder)
    backup = folder / f"{database.stem}-{now:%Y%m%dT%H%M%S%f}-{revision}.db"
    copy_database(database, backup)
    for old in sorted(folder.glob(f"{database.stem}-*.db"))[:-MAX_BACKUPS]:
        old.unlink()
    return backup


def save_backup(database: Path, target: Path, *, now: datetime) -> Path:
    """Save a backup for the operator. A server may be running.

    Args:
        database: The SQLite file.
        target: A new file, or a folder, in which the backup is named after the time.
        now: The time, in UTC.

    Returns:
        The new backup.

    Raises:
        BackupFailed: It could not be made; no partial file is left.
        DatabaseFull: The disk is full.
    """
    if not database.is_file():
        raise BackupFailed(f"There is no database at {database}.")
    with failing_as(f"{database} could not be backed up into {target}"):
        if target.is_dir():
            target = target / f"backup-{now:%Y%m%dT%H%M%SZ}.db"
        if not target.parent.is_dir():
            raise BackupFailed(f"There is no folder {target.parent}.")
        if target.exists():
            raise BackupFailed(f"{target} exists already; name another file.")
        copy_database(database, target)
    return target


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database into a file of its own, mode 0600, whole or not at all.

    Args:
        source: The database; other processes may use it.
        target: The copy; an existing file is replaced.

    Raises:
        sqlite3.Error, OSError: The copy failed; no partial file is left.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        make_private_file(part)
        with (
            contextlib.closing(sqlite3.connect(source)) as live,
            contextlib.closing(sqlite3.connect(part)) as copy,
        ):
            live.backup(copy)
            # In WAL mode a file could not be read from a medium that is not writable.
            copy.execute("PRAGMA journal_mode=DELETE")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def failing_as(problem: str) -> Iterator[None]:
    """Around work on files: an error of SQLite or of the file system is one sentence.

    Args:
        problem: Its beginning.

    Raises:
        BackupFailed: With the reason.
        DatabaseFull, DatabaseBusy: See `convert_error`.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        known = convert_error(error)
        if isinstance(known, DatabaseFull | DatabaseBusy):
            raise known from error
        raise BackupFailed(f"{problem}: {reason}.") from error
