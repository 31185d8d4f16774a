"""Backups of a SQLite file, made with the backup API of SQLite."""

import contextlib
import sqlite3
from datetime import datetime
from pathlib import Path

from chat_app.db.data_folder import make_private_file, make_private_folder

MAX_BACKUPS = 5
"""Number of backups to keep; the oldest are deleted."""


def back_up(database: Path, folder: Path, *, revision: str, now: datetime) -> Path:
    """Back up a database and delete the oldest backups.

    Args:
        database: The SQLite file.
        folder: The folder of the backups.
        revision: The revision of the database, for the name.
        now: The time, for the name.

    Returns:
        The new backup.

    Raises:
        sqlite3.Error: The backup failed; no partial file is left.
    """
    make_private_folder(folder)
    backup = folder / f"{database.stem}-{now:%Y%m%dT%H%M%S%f}-{revision}.db"
    part = backup.with_suffix(".part")
    try:
        make_private_file(part)
        with (
            contextlib.closing(sqlite3.connect(database)) as source,
            contextlib.closing(sqlite3.connect(part)) as target,
        ):
            source.backup(target)
        part.rename(backup)
    finally:
        part.unlink(missing_ok=True)
    for old in sorted(folder.glob(f"{database.stem}-*.db"))[:-MAX_BACKUPS]:
        old.unlink()
    return backup
