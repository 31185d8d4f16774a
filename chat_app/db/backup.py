"""Copies of a SQLite file, taken through its backup API so that they are whole."""

import contextlib
import sqlite3
from datetime import datetime
from pathlib import Path

from chat_app.db.data_folder import make_private_file, make_private_folder

KEPT = 5
"""How many backups stay; the oldest go first."""


def back_up(database: Path, folder: Path, *, revision: str, now: datetime) -> Path:
    """Copy a database and forget the oldest copies.

    Args:
        database: The SQLite file.
        folder: Where the copies are kept.
        revision: The database's revision, for the name.
        now: The time, for the name.

    Returns:
        The new copy.

    Raises:
        sqlite3.Error: The copy failed; nothing is left of it.
    """
    make_private_folder(folder)
    copy = folder / f"{database.stem}-{now:%Y%m%dT%H%M%S%f}-{revision}.db"
    part = copy.with_suffix(".part")
    try:
        make_private_file(part)
        with (
            contextlib.closing(sqlite3.connect(database)) as source,
            contextlib.closing(sqlite3.connect(part)) as target,
        ):
            source.backup(target)
        part.rename(copy)
    finally:
        part.unlink(missing_ok=True)
    for old in sorted(folder.glob(f"{database.stem}-*.db"))[:-KEPT]:
        old.unlink()
    return copy
