"""Backups that the operator makes beside a running server, and restores without one."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chat_app.core.errors import DatabaseFull
from chat_app.db import backups, migrations
from chat_app.db.backups import BackupFailed, save_backup
from chat_app.db.migrations import RevisionMismatch
from chat_app.db.restore import restore_backup
from chat_app.settings import Settings, read_settings

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
USER = (
    'INSERT INTO "user" (id, email, name, created_at, session_epoch)'
    " VALUES ('{0}', '{0}@b', '', '2026-01-01', 3)"
)
SESSION = (
    "INSERT INTO auth_session (id, token_hash, user_id, created_at, last_seen_at,"
    " authenticated_at, idle_expires_at, expires_at, remember, method, address, user_agent,"
    " revoked_reason) VALUES ('{0}', '{0}', '{0}', '2026-01-01', '2026-01-01', '2026-01-01',"
    " '2027-01-01', '2027-01-01', 0, 'password', '', '', '')"
)
TOKEN = (
    "INSERT INTO one_time_token (id, token_hash, purpose, user_id, subject, binding_hash, data,"
    " attempts, created_at, expires_at) VALUES ('{0}', '{0}', 'reset_password', '{0}', '', '',"
    " '{{}}', 0, '2026-01-01', '2027-01-01')"
)

KEY = (
    "INSERT INTO api_key (id, token_hash, user_id, name, scopes, created_at)"
    " VALUES ('{0}', '{0}', '{0}', 'Script', '[]', '2026-01-01')"
)


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Path:
    """The database of an installation with one user, who is signed in."""
    path = tmp_path / "data" / "chat.db"
    path.parent.mkdir()
    path.write_bytes(migrated.read_bytes())
    _execute(path, *(statement.format("ada") for statement in (USER, SESSION, TOKEN, KEY)))
    return path


@pytest.fixture
def server(database: Path) -> Iterator[sqlite3.Connection]:
    """A server that has the database open and has written to its journal."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        yield connection


def _execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        return [row for statement in statements for row in file.execute(statement)]


def _emails(path: Path) -> list[object]:
    return [email for (email,) in _execute(path, 'SELECT email FROM "user" ORDER BY email')]


def _files(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir() if file.is_file()}


def test_a_backup_holds_what_a_running_server_has_committed(
    server: sqlite3.Connection, database: Path, tmp_path: Path
) -> None:
    server.execute(USER.format("bob"))
    server.execute("BEGIN IMMEDIATE")
    server.execute(USER.format("eve"))
    saved = save_backup(database, tmp_path / "saved.db", now=NOW)
    assert saved == tmp_path / "saved.db"
    assert saved.stat().st_mode & 0o777 == 0o600
    assert _execute(saved, "PRAGMA integrity_check", "PRAGMA journal_mode") == [
        ("ok",),
        ("delete",),
    ]
    assert _emails(saved) == ["ada@b", "bob@b"]
    assert {file.name for file in tmp_path.iterdir()} == {"data", "saved.db"}


def test_a_backup_into_a_folder_is_named_after_the_time(database: Path, tmp_path: Path) -> None:
    saved = save_backup(database, tmp_path, now=NOW)
    assert saved.name == "backup-20260102T030405Z.db"
    with pytest.raises(BackupFailed, match="exists already"):
        save_backup(database, tmp_path, now=NOW)


def test_a_backup_that_cannot_be_made_is_one_sentence(database: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match=r"^There is no database at .*\.$"):
        save_backup(tmp_path / "missing.db", tmp_path, now=NOW)
    with pytest.raises(BackupFailed, match=r"^There is no folder .*\.$"):
        save_backup(database, tmp_path / "missing" / "saved.db", now=NOW)
    assert not (tmp_path / "missing").exists()


def test_a_path_without_permission_is_one_sentence(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, stat = tmp_path / "other.db", Path.stat

    def refuse(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == other:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    problem = rf"^{database} could not be backed up into {other}: Permission denied\.$"
    with pytest.raises(BackupFailed, match=problem):
        save_backup(database, other, now=NOW)
    with pytest.raises(
        BackupFailed, match=rf"^{other} could not be read or copied: Permission denied\.$"
    ):
        restore_backup(other, database, now=NOW)


def test_a_full_disk_leaves_no_half_of_a_backup(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups.os, "fsync", full)
    with pytest.raises(DatabaseFull):
        save_backup(database, tmp_path / "saved.db", now=NOW)
    assert {file.name for file in tmp_path.iterdir()} == {"data"}


def test_a_restored_database_is_that_of_the_backup_and_the_former_one_is_kept(
    database: Path, tmp_path: Path
) -> None:
    saved = save_backup(database, tmp_path, now=NOW)
    _execute(database, USER.format("bob"))
    kept = restore_backup(saved, database, now=NOW)
    assert kept is not None
    assert _emails(database) == ["ada@b"]
    assert kept == database.with_name("chat-before-restore-20260102T030405Z.db")
    assert _emails(kept) == ["ada@b", "bob@b"]
    assert _files(database) == {"chat.db", kept.name}
    assert database.stat().st_mode & 0o777 == 0o600
    assert _emails(saved) == ["ada@b"]


def test_the_journal_of_a_killed_server_is_not_applied_to_the_restored_database(
    server: sqlite3.Connection, database: Path, tmp_path: Path
) -> None:
    saved = save_backup(database, tmp_path, now=NOW)
    server.execute(USER.format("bob"))
    assert database.with_name("chat.db-wal").stat().st_size
    # the connection stays open, so the journal stays as a kill would leave it
    kept = restore_backup(saved, database, now=NOW)
    assert kept is not None
    assert _emails(database) == ["ada@b"]
    assert _emails(kept) == ["ada@b", "bob@b"]


def test_nothing_that_ended_after_a_backup_works_again(database: Path, tmp_path: Path) -> None:
    saved = save_backup(database, tmp_path, now=NOW)
    restore_backup(saved, database, now=NOW)
    (session,) = _execute(database, "SELECT revoked_at, revoked_reason FROM auth_session")
    assert session == ("2026-01-02 03:04:05.000000", "restored")
    for table in ("one_time_token", "api_key"):
        assert _execute(database, f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize("epoch", [3, 2**30 - 2, 2**31 - 1])
def test_no_token_from_after_a_backup_is_of_the_restored_epoch(
    database: Path, tmp_path: Path, epoch: int
) -> None:
    _execute(database, f'UPDATE "user" SET session_epoch = {epoch}')
    saved = save_backup(database, tmp_path, now=NOW)
    restored = set[int]()
    for day in range(1, 4):
        restore_backup(saved, database, now=NOW.replace(day=day))
        ((now,),) = _execute(database, 'SELECT session_epoch FROM "user"')
        assert isinstance(now, int)
        assert 0 <= now < 2**31
        assert abs(now - epoch) > 1_000, "sessions may have ended this often since"
        restored.add(now)
    assert len(restored) == 3, "nor after a restore of the same backup"


def test_a_database_is_restored_where_there_is_none(database: Path, tmp_path: Path) -> None:
    saved = save_backup(database, tmp_path, now=NOW)
    other = tmp_path / "other" / "chat.db"
    other.parent.mkdir()
    assert restore_backup(saved, other, now=NOW) is None
    assert _emails(other) == ["ada@b"]


def test_a_backup_of_the_first_release_is_restored(database: Path, settings: Settings) -> None:
    assert settings.sqlite_path is not None
    migrations.upgrade(settings)
    _execute(settings.sqlite_path, "UPDATE alembic_version SET version_num = '0001'")
    for table in ("one_time_token", "remembered_device"):
        _execute(settings.sqlite_path, f"DROP TABLE {table}")
    restore_backup(settings.sqlite_path, database, now=NOW)
    assert _emails(database) == []


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(data_dir=tmp_path / "first", database_url="")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a backup of this program"),
        (b"not a database, but longer than the header of one" * 20, "file is not a database"),
        (None, "There is no backup at"),
    ],
)
def test_what_is_no_backup_is_refused_and_nothing_has_changed(
    database: Path, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "backup.db"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BackupFailed, match=problem):
        restore_backup(file, database, now=NOW)
    assert _emails(database) == ["ada@b"]
    assert _files(database) == {"chat.db"}


def test_a_damaged_backup_is_refused(database: Path, tmp_path: Path) -> None:
    saved = save_backup(database, tmp_path, now=NOW)
    content = bytearray(saved.read_bytes())
    content[4096:-4096] = b"\xff" * (len(content) - 8192)
    saved.write_bytes(content)
    with pytest.raises(BackupFailed, match=r"damaged|malformed"):
        restore_backup(saved, database, now=NOW)
    assert _emails(database) == ["ada@b"]


def test_a_backup_of_a_newer_program_is_refused(database: Path, tmp_path: Path) -> None:
    saved = save_backup(database, tmp_path, now=NOW)
    _execute(saved, "UPDATE alembic_version SET version_num = 'ffff'")
    with pytest.raises(RevisionMismatch, match="ffff"):
        restore_backup(saved, database, now=NOW)
    assert _emails(database) == ["ada@b"]


def test_a_database_of_another_program_is_refused(database: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.db"
    _execute(other, "CREATE TABLE notes (text)")
    with pytest.raises(BackupFailed, match="not a backup of this program"):
        restore_backup(other, database, now=NOW)
