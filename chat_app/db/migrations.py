"""Migrate the database at start (Alembic).

Alembic itself is imported only when there is something to migrate, so that the start is fast.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect

from chat_app.core.clock import Clock, utc_now
from chat_app.core.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseUnreachable,
)
from chat_app.core.logging import error_words
from chat_app.db.backups import back_up, failing_as
from chat_app.db.dialect import broken_references, enable_vacuum, migration_engine
from chat_app.db.postgres_roles import (
    check_grantor,
    check_isolation,
    check_owner,
    protect_tables,
    serialize_migrations,
)
from chat_app.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
"""The folder of `alembic.ini`."""

_VERSIONS = PROJECT / "alembic" / "versions"
_REVISION = re.compile(r"""^(down_)?revision\b[^=]*=\s*["'](\w+)["']""", re.MULTILINE)

_NO_VACUUM = (
    "The file %s does not shrink when chats are deleted; with the server stopped, run: "
    "sqlite3 FILE 'PRAGMA auto_vacuum=INCREMENTAL; VACUUM'"
)

_WAS_EMPTY = "The file %s was empty: a new database is made in it."

logger = logging.getLogger(__name__)


class RevisionMismatch(DatabaseError):
    """The database has a revision of another version of the program."""

    code = "wrong_revision"


class DatabaseOverwritten(DatabaseError):
    """The database file was emptied, and its journal was not."""

    code = "overwritten"


class MigrationFailed(DatabaseError):
    """A migration failed. It is one transaction, so the database is as it was."""

    code = "migration_failed"


def upgrade(settings: Settings, *, clock: Clock = utc_now, busy_seconds: float = 5) -> bool:
    """Migrate the database to the newest revision; a SQLite file is backed up first.

    It is synchronous and needs no event loop; call it in a thread where one runs.

    Args:
        settings: The settings of the database.
        clock: The time in the name of the backup.
        busy_seconds: How long to wait for another process's lock, in seconds.

    Returns:
        Whether anything was migrated.

    Raises:
        RevisionMismatch: The revision of the database is unknown.
        DatabaseOverwritten: The file was emptied.
        MigrationFailed: A migration failed; nothing has changed.
        DatabaseBusy: Another process holds the database.
        DatabaseFull: The disk has no space for the backup or the change.
        DatabaseUnreachable, BackupFailed: The file, or the folder of backups, cannot be used.
        ConfigError: The roles of PostgreSQL do not keep users' rows apart.
    """
    file = settings.sqlite_path
    if file is None:
        return _upgrade_postgres(settings, busy_seconds)
    _check_empty(file)
    engine = migration_engine(settings.sqlalchemy_url, busy_seconds)
    try:
        with engine.connect() as connection:
            revision = revision_of(connection)
        if revision and not enable_vacuum(file):
            logger.warning(_NO_VACUUM, file)
        if revision == head():
            return False
        backup = None
        if revision:
            folder = settings.data_dir / "backups"
            with failing_as(f"The database could not be backed up into {folder}"):
                backup = back_up(file, folder, revision=revision, now=clock())
        with _explained(revision, backup), engine.begin() as connection:
            migrate(connection)
    finally:
        engine.dispose()
    return True


def _check_empty(file: Path) -> None:
    """Warn that an empty file becomes a new database; beside a journal it is refused.

    An operator has overwritten it, or the first start was cut off before it wrote anything. SQLite
    deletes a journal beside an empty file, with every change in it.

    Raises:
        DatabaseOverwritten: It has a journal.
    """
    if _size(file) != 0:
        return
    journal = file.with_name(f"{file.name}-wal")
    if _size(journal):
        raise DatabaseOverwritten(
            f"The file {file} is empty, but {journal.name} beside it is not, so it was "
            "overwritten. Restore a backup, or move both away for a new database."
        )
    logger.warning(_WAS_EMPTY, file)


def _size(file: Path) -> int | None:
    """The size of a file, in bytes; None when there is none."""
    try:
        return file.stat().st_size
    except OSError:
        return None


def _upgrade_postgres(settings: Settings, busy_seconds: float) -> bool:
    """Migrate a PostgreSQL database, if this process has a role for it, and check the roles."""
    if settings.migration_url is None:
        check(settings)
        is_older = False
    else:
        with _connection(settings.migration_url, busy_seconds) as connection:
            serialize_migrations(connection)
            check_owner(connection)
            if settings.database_system_url:
                check_grantor(connection)
            revision = revision_of(connection)
            is_older = revision != head()
            if is_older:
                with _explained(revision, backup=None):
                    migrate(connection)
            protect_tables(connection, settings)
    if settings.database_system_url:
        with (
            _connection(settings.sqlalchemy_url, busy_seconds) as app,
            _connection(settings.system_url, busy_seconds) as system,
        ):
            check_isolation(app, system)
    return is_older


@contextmanager
def _connection(url: str, busy_seconds: float) -> Iterator[Connection]:
    """A connection in a transaction, for synchronous work at the start."""
    engine = migration_engine(url, busy_seconds)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def check(settings: Settings) -> None:
    """Refuse a database that is not at the newest revision.

    Raises:
        RevisionMismatch: It is older, newer or empty.
    """
    with _connection(settings.system_url, busy_seconds=5) as connection:
        revision = revision_of(connection)
    if revision != head():
        raise RevisionMismatch("The database is older than the program; run: chat-app migrate")


def revision_of(connection: Connection) -> str:
    """The revision of a database; empty for an empty one.

    Raises:
        RevisionMismatch: It is unknown, or the tables are not ours.
    """
    tables = set(inspect(connection).get_table_names())
    revision = ""
    if "alembic_version" in tables:
        query = "SELECT version_num FROM alembic_version"
        revision = connection.exec_driver_sql(query).scalar() or ""
    if revision and revision not in _revisions():
        raise RevisionMismatch(
            f"The database has revision {revision}, which this program does not know; "
            "use the newer program that made it, or restore a backup."
        )
    if not revision and tables - {"alembic_version"}:
        raise RevisionMismatch("The database has tables but no revision; use an empty database.")
    return revision


@contextmanager
def _explained(revision: str, backup: Path | None) -> Iterator[None]:
    """Around a migration: its failure becomes one sentence that says what to do.

    Args:
        revision: The revision of the database; empty for an empty one.
        backup: What was saved before.

    Raises:
        MigrationFailed: The migration failed, and its transaction was rolled back.
        DatabaseBusy, DatabaseFull, DatabaseUnreachable: They say themselves what to do.
    """
    try:
        yield
    except (DatabaseBusy, DatabaseFull, DatabaseUnreachable):
        raise
    except Exception as error:
        words = error_words(str(error).partition("\n")[0]).removesuffix(".")
        reason = words if isinstance(error, MigrationFailed) else f"{type(error).__name__}: {words}"
        failed = f"The migration from revision {revision}" if revision else "The first migration"
        saved = f" A backup of it is {backup}, for chat-app restore." if backup else ""
        raise MigrationFailed(
            f"{failed} failed ({reason}). The database is as it was before: use the version of the "
            f"program that made it.{saved}"
        ) from error


def migrate(connection: Connection) -> None:
    """Migrate a database within the transaction of a connection.

    Raises:
        MigrationFailed: Rows would lose their parents.
    """
    from alembic.config import Config

    from alembic import command

    config = Config(PROJECT / "alembic.ini")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if broken := broken_references(connection):
        raise MigrationFailed(f"{broken} rows would be without their parents")


def _revisions() -> dict[str, str]:
    """Every revision in the migrations folder, with its predecessor."""
    revisions: dict[str, str] = {}
    for file in _VERSIONS.glob("*.py"):
        names = {bool(down): name for down, name in _REVISION.findall(file.read_text())}
        revisions[names[False]] = names.get(True, "")
    return revisions


def head() -> str:
    """The newest revision: the one that this program works with."""
    revisions = _revisions()
    (head,) = revisions.keys() - revisions.values()
    return head
