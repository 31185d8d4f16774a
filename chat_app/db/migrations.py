"""Bring a database to the program's revision before anything else uses it.

Alembic itself is loaded only when there is something to do: start-up must be quick.
"""

import re
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, inspect

from chat_app.core.clock import Clock, utc_now
from chat_app.db.backup import back_up
from chat_app.db.dialect import broken_references, explained, migration_engine
from chat_app.db.errors import WrongRevision
from chat_app.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
"""The folder of `alembic.ini`."""

_VERSIONS = PROJECT / "alembic" / "versions"
_REVISION = re.compile(r"""^(down_)?revision\b[^=]*=\s*["'](\w+)["']""", re.MULTILINE)


def upgrade(settings: Settings, *, clock: Clock = utc_now, busy_seconds: float = 5) -> bool:
    """Migrate the database to the newest revision; a SQLite file is copied first.

    It is synchronous and needs no event loop; call it in a thread where one runs.

    Args:
        settings: Where the database is.
        clock: Names the copy.
        busy_seconds: How long to wait for another process's lock, in seconds.

    Returns:
        Whether there was anything to do.

    Raises:
        WrongRevision: The database was made by a program this one does not know.
        DatabaseBusy: Another process holds the database.
        DatabaseFull: The disk has no room for the copy or the change.
    """
    engine = migration_engine(settings.sqlalchemy_url, busy_seconds)
    try:
        with engine.connect() as connection:
            found = _revision(connection)
        if found == _head():
            return False
        if found and settings.sqlite_path:
            folder = settings.data_dir / "backups"
            back_up(settings.sqlite_path, folder, revision=found, now=clock())
        with engine.begin() as connection:
            _run_alembic(connection)
    except (sqlite3.Error, OSError) as error:  # of the copy; the engine explains its own
        sentence = explained(error)
        if sentence is None:
            raise
        raise sentence from error
    finally:
        engine.dispose()
    return True


def check(settings: Settings) -> None:
    """Refuse a database that is not at the newest revision.

    Raises:
        WrongRevision: It is older, newer or empty.
    """
    engine = migration_engine(settings.sqlalchemy_url)
    try:
        with engine.connect() as connection:
            found = _revision(connection)
    finally:
        engine.dispose()
    if found != _head():
        raise WrongRevision("The database is older than the program; run: chat-app migrate")


def _revision(connection: Connection) -> str:
    """The database's revision, or nothing for an empty one."""
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all()
        found = rows[0][0] if rows else ""
        if found and found not in _known():
            raise WrongRevision(
                f"The database has revision {found}, which this program does not know; "
                "use the newer program that made it, or restore a backup."
            )
        if found:
            return found
    if tables - {"alembic_version"}:
        raise WrongRevision("The database has tables but no revision; give the program its own.")
    return ""


def _run_alembic(connection: Connection) -> None:
    from alembic.config import Config

    from alembic import command

    config = Config(PROJECT / "alembic.ini")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if broken := broken_references(connection):
        raise WrongRevision(f"The migration would leave {broken} rows without their parents.")


def _known() -> dict[str, str]:
    """Every revision in the project's folder, with the one before it."""
    known: dict[str, str] = {}
    for file in _VERSIONS.glob("*.py"):
        found = {bool(down): name for down, name in _REVISION.findall(file.read_text())}
        known[found[False]] = found.get(True, "")
    return known


def _head() -> str:
    known = _known()
    (head,) = known.keys() - known.values()
    return head
