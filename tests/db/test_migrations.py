"""Migrations: from empty to the tables, with a copy first, and never over what is not known."""

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlmodel import select

from alembic import command
from chat_app.core.errors import DatabaseBusy, DatabaseFull
from chat_app.core.parts import Part, content_size, notice_part, text_part
from chat_app.db import migrations
from chat_app.db.backups import MAX_BACKUPS, back_up
from chat_app.db.dialect import migration_engine
from chat_app.db.engine import Database
from chat_app.db.migrations import (
    PROJECT,
    DatabaseOverwritten,
    MigrationFailed,
    RevisionMismatch,
    check,
    upgrade,
)
from chat_app.db.tables import User
from chat_app.settings import Settings, read_settings
from testing.database import create_tables
from testing.postgres import PostgresDatabase

HEAD = migrations.head()
MORE = "9999_more.py"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OWNER, THREAD = "0" * 31 + "1", "0" * 31 + "2"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(data_dir=tmp_path / "data", database_url="")


def _execute(settings: Settings, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(str(settings.sqlite_path), isolation_level=None)) as file:
        return [row for statement in statements for row in file.execute(statement)]


def _insert_thread(settings: Settings) -> None:
    """Insert a user and an empty thread of theirs."""
    _execute(
        settings,
        'INSERT INTO "user" (id, email, name, created_at) '
        f"VALUES ('{OWNER}', 'ada@example.org', 'Ada', '2026-01-01')",
        "INSERT INTO thread (id, owner_id, title, title_origin, model, created_at, updated_at) "
        f"VALUES ('{THREAD}', '{OWNER}', '', 'start', '', '2026-01-01', '2026-01-01')",
    )


def _schema(settings: Settings) -> set[tuple[str, ...]]:
    """Every table and index as its parts, in no order: a column added later stands last."""
    rows = _execute(settings, "SELECT sql FROM sqlite_master WHERE sql NOT LIKE '%alembic%'")
    return {tuple(sorted(_parts(str(sql)))) for (sql,) in rows}


def _parts(sql: str) -> list[str]:
    head, _, body = sql.partition("(")
    inside = body.rpartition(")")[0]
    parts = re.split(r",(?![^(]*\))", inside)  # not the commas of a list of columns
    return [head.strip(), *(" ".join(part.split()) for part in parts)]


def _backups(settings: Settings) -> list[Path]:
    return sorted((settings.data_dir / "backups").glob("*"))


@pytest.fixture
def more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A revision that the program has one day; its file."""
    project = tmp_path / "project"
    versions = project / "alembic" / "versions"
    versions.mkdir(parents=True)
    for file in (PROJECT / "alembic" / "versions").glob("*.py"):
        (versions / file.name).write_text(file.read_text())
    for name in ("alembic.ini", "alembic/env.py"):
        (project / name).write_text((PROJECT / name).read_text())
    (versions / MORE).write_text(
        "from alembic import op\n"
        "import sqlalchemy as sa\n"
        'revision: str = "9999"\n'
        f'down_revision: str | None = "{HEAD}"\n'
        "def upgrade() -> None:\n"
        '    is_sqlite = op.get_context().dialect.name == "sqlite"\n'
        '    recreate = "always" if is_sqlite else "never"\n'
        '    with op.batch_alter_table("user", recreate=recreate) as batch:\n'
        '        batch.add_column(sa.Column("more", sa.String(), nullable=True))\n'
    )
    monkeypatch.setattr(migrations, "PROJECT", project)
    monkeypatch.setattr(migrations, "_VERSIONS", versions)
    return versions / MORE


@pytest.fixture
def older(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """A database one revision behind a program that has a second one."""
    upgrade(settings)
    request.getfixturevalue("more")
    return settings


async def test_an_empty_database_gets_every_table(settings: Settings) -> None:
    assert await asyncio.to_thread(upgrade, settings)
    db = Database(settings.sqlalchemy_url)
    async with db.system("auth", write=True) as session:
        session.add(User(email="alice@chat.example"))
    async with db.system("auth") as session:
        assert (await session.exec(select(User.email))).all() == ["alice@chat.example"]
    await db.close()


def test_migrations_and_models_agree(settings: Settings) -> None:
    upgrade(settings)
    config = Config(PROJECT / "alembic.ini")
    engine = migration_engine(settings.sqlalchemy_url)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.check(config)
    engine.dispose()


def test_migrations_make_exactly_what_create_all_makes(settings: Settings, tmp_path: Path) -> None:
    async def make() -> None:
        db = Database(f"sqlite+aiosqlite:///{tmp_path / 'models' / 'chat.db'}")
        await create_tables(db)
        await db.close()

    upgrade(settings)
    asyncio.run(make())
    made = read_settings(data_dir=tmp_path / "models", database_url="")
    assert _schema(settings) == _schema(made)


def _to(settings: Settings, revision: str) -> None:
    config = Config(PROJECT / "alembic.ini")
    engine = migration_engine(settings.sqlalchemy_url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        current = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        step = command.upgrade if current < revision else command.downgrade
        step(config, revision)
    engine.dispose()


def test_people_and_sessions_of_the_first_revision_come_along_and_back(settings: Settings) -> None:
    upgrade(settings)
    _to(settings, "0001")
    ada, session = "0" * 31 + "1", "0" * 31 + "2"
    _execute(
        settings,
        'INSERT INTO "user" (id, email, name, created_at) '
        f"VALUES ('{ada}', 'ada@example.org', 'Ada', '2026-01-01 00:00:00')",
        "INSERT INTO account (id, user_id, issuer, subject, password_hash, created_at) VALUES "
        f"('{session}', '{ada}', 'password', 'ada@example.org', 'hash', '2026-01-01 00:00:00')",
        "INSERT INTO auth_session (id, token_hash, user_id, created_at, last_seen_at, "
        "authenticated_at, idle_expires_at, expires_at, remember, method, address, user_agent, "
        f"revoked_reason) VALUES ('{session}', 'digest', '{ada}', '2026-01-01', '2026-01-01', "
        "'2026-01-01', '2026-01-01', '2026-01-01', 0, 'password', '', '', '')",
    )
    assert upgrade(settings)
    assert _execute(settings, 'SELECT email, email_verified_at, session_epoch FROM "user"') == [
        ("ada@example.org", None, 0)
    ]
    assert _execute(settings, "SELECT password_hash, provider, email FROM account") == [
        ("hash", "", "")
    ]
    assert _execute(settings, "SELECT token_hash, second_factor, claims FROM auth_session") == [
        ("digest", 0, "{}")
    ]
    _to(settings, "0001")
    assert _execute(settings, "SELECT id, token_hash FROM auth_session") == [(session, "digest")]
    assert _execute(settings, 'SELECT email FROM "user"') == [("ada@example.org",)]


def test_error_sentences_of_older_revisions_become_codes_and_back(settings: Settings) -> None:
    sentences = {
        "The provider of a.b (spare) refused the key of this app.": (
            "api_key_rejected",
            {"model": "a.b (spare)"},
        ),
        "alpha is busy or its limit is reached. Try again in 20 seconds.": (
            "rate_limited",
            {"model": "alpha", "retry_after": 20},
        ),
        "alpha is busy or its limit is reached. Try again in a moment.": (
            "rate_limited",
            {"model": "alpha"},
        ),
        "The disk is full; nothing was saved.": ("database_full", {}),
        "Nobody wrote this {model}\nyet.": ("unknown", {"text": "Nobody wrote this {model}\nyet."}),
        "": ("", {}),
    }
    upgrade(settings)
    _to(settings, "0002")
    _insert_thread(settings)
    for number, sentence in enumerate(sentences):
        message = f"{number:032}"
        _execute(
            settings,
            "INSERT INTO message (id, owner_id, thread_id, role, parts, status, error, model, "
            f"created_at) VALUES ('{message}', '{OWNER}', '{THREAD}', 'assistant', '[]', "
            f"'failed', '{sentence}', '', '2026-01-01')",
            "INSERT INTO run (id, owner_id, thread_id, message_id, session_id, model, status, "
            f"error, last_seq, created_at) VALUES ('{message}', '{OWNER}', '{THREAD}', "
            f"'{message}', '{OWNER}', '', 'failed', '{sentence}', 0, '2026-01-01')",
        )
    assert upgrade(settings)
    for table in ("message", "run"):
        rows = _execute(settings, f"SELECT error, error_params FROM {table} ORDER BY id")
        assert [(code, json.loads(str(params))) for code, params in rows] == [*sentences.values()]
    _to(settings, "0002")
    for table in ("message", "run"):
        assert _execute(settings, f"SELECT error FROM {table} ORDER BY id") == [
            (sentence,) for sentence in sentences
        ]


def test_run_events_of_the_third_revision_come_along_and_back(settings: Settings) -> None:
    upgrade(settings)
    _to(settings, "0003")
    _insert_thread(settings)
    message = "0" * 31 + "3"
    _execute(
        settings,
        "INSERT INTO message (id, owner_id, thread_id, role, parts, status, error, model, "
        f"created_at) VALUES ('{message}', '{OWNER}', '{THREAD}', 'assistant', '[]', "
        "'running', '', 'alpha', '2026-01-01')",
        "INSERT INTO run (id, owner_id, thread_id, message_id, session_id, model, status, "
        f"error, last_seq, created_at) VALUES ('{message}', '{OWNER}', '{THREAD}', "
        f"'{message}', '{OWNER}', 'alpha', 'running', '', 0, '2026-01-01')",
        "INSERT INTO run_event (run_id, seq, owner_id, kind, text) VALUES "
        f"('{message}', 1, '{OWNER}', 'reasoning', 'hm'), ('{message}', 2, '{OWNER}', 'text', 'a')",
    )
    assert upgrade(settings)
    texts = [(1, "reasoning", "hm"), (2, "text", "a")]
    assert _execute(settings, "SELECT seq, kind, payload FROM run_event ORDER BY seq") == texts
    assert _execute(settings, "SELECT finish_reason FROM message") == [("",)]
    counts = "finish_reason, reasoning_tokens, cached_input_tokens"
    assert _execute(settings, f"SELECT {counts} FROM run") == [("", None, None)]
    _execute(
        settings,
        "UPDATE message SET finish_reason = 'length'",
        "INSERT INTO run_event (run_id, seq, owner_id, kind, payload) "
        f"VALUES ('{message}', 3, '{OWNER}', 'finish', '{{}}')",
    )
    _to(settings, "0003")
    assert _execute(settings, "SELECT seq, kind, text FROM run_event ORDER BY seq") == texts
    assert _execute(settings, "SELECT status FROM message") == [("running",)]


def test_messages_of_the_fourth_revision_get_the_size_of_their_parts(settings: Settings) -> None:
    parts: list[Part] = [
        text_part("Ünï 😀 \ud800"),
        {"type": "reasoning", "text": "日本", "seconds": 1.5},
        notice_part("unknown", text="日本"),
    ]
    upgrade(settings)
    _to(settings, "0004")
    _insert_thread(settings)
    _execute(
        settings,
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2001) "
        "INSERT INTO message (id, owner_id, thread_id, role, parts, status, error, model, "
        f"created_at) SELECT printf('%032x', n), '{OWNER}', '{THREAD}', 'user', "
        f"iif(n % 2, '{json.dumps(parts)}', '[]'), 'complete', '', '', '2026-01-01' FROM n",
    )
    assert upgrade(settings)
    sizes = _execute(settings, "SELECT size, count(*) FROM message GROUP BY size ORDER BY size")
    assert sizes == [(0, 1000), (content_size(parts), 1001)]


def test_titles_and_messages_of_the_sixth_revision_can_be_searched(settings: Settings) -> None:
    upgrade(settings)
    _to(settings, "0006")
    _insert_thread(settings)
    parts = json.dumps([text_part("Ein Straßenfest"), {"type": "reasoning", "text": "hidden"}])
    _execute(
        settings,
        "UPDATE thread SET title = 'A garden'",
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2001) "
        "INSERT INTO message (id, owner_id, thread_id, role, parts, status, error, model, "
        f"created_at) SELECT printf('%032x', n), '{OWNER}', '{THREAD}', 'user', "
        f"iif(n % 2, '{parts}', '[]'), 'complete', '', '', '2026-01-01' FROM n",
    )
    assert upgrade(settings)
    for term, count in {"strassenfest": 1001, "garden": 1, "_title": 1, "hidden": 0}.items():
        query = f'"_{OWNER}" AND "{term}"'
        assert _execute(
            settings, f"SELECT count(*) FROM search_index WHERE search_index MATCH '{query}'"
        ) == [(count,)], term
    assert _execute(settings, "SELECT created_at FROM search_entry WHERE role = 'title'") == [
        ("2026-01-01 00:00:00.000000",)
    ]


def test_rows_of_the_nineteenth_revision_are_private_and_move_with_their_thread(
    settings: Settings,
) -> None:
    upgrade(settings)
    _to(settings, "0019")
    _insert_thread(settings)
    message, org = "0" * 31 + "3", "0" * 31 + "9"
    _execute(
        settings,
        "INSERT INTO message (id, owner_id, thread_id, role, parts, status, error, model, "
        f"created_at) VALUES ('{message}', '{OWNER}', '{THREAD}', 'user', '[]', 'complete', '', "
        "'', '2026-01-01')",
        "INSERT INTO run (id, owner_id, thread_id, message_id, session_id, model, status, error, "
        f"last_seq, created_at) VALUES ('{message}', '{OWNER}', '{THREAD}', '{message}', "
        f"'{OWNER}', '', 'running', '', 0, '2026-01-01')",
        "INSERT INTO run_event (run_id, seq, owner_id, kind, payload) "
        f"VALUES ('{message}', 1, '{OWNER}', 'text', 'a')",
        "INSERT INTO search_entry (owner_id, thread_id, message_id, role, created_at, tokens) "
        f"VALUES ('{OWNER}', '{THREAD}', '{message}', 'user', '2026-01-01', 'garden')",
        "INSERT INTO client_report (id, owner_id, kind, thread_id, content, size, created_at) "
        f"VALUES ('{message}', '{OWNER}', 'run', '{THREAD}', '{{}}', 2, '2026-01-01')",
    )
    assert upgrade(settings)
    tables = ("thread", "message", "run", "run_event", "search_entry", "client_report")
    found = "SELECT " + ", ".join(f"(SELECT min(org_id) FROM {table})" for table in tables)
    assert _execute(settings, found) == [("0" * 32,) * 6]
    keys = "PRAGMA foreign_keys = ON"
    _execute(settings, keys, f"UPDATE thread SET org_id = '{org}'")
    assert _execute(settings, found) == [(org,) * 6]
    for statement in (
        "UPDATE message SET org_id = '8'",
        "UPDATE run_event SET org_id = '8'",
        "INSERT INTO message (id, owner_id, thread_id, role, parts, status, error, model, "
        f"created_at) VALUES ('4', '{OWNER}', '{THREAD}', 'user', '[]', '', '', '', '')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            _execute(settings, keys, statement)
    assert _execute(settings, "PRAGMA integrity_check") == [("ok",)]
    _to(settings, "0019")
    query = f"SELECT count(*) FROM search_index WHERE search_index MATCH '\"_{OWNER}\" AND garden'"
    assert _execute(settings, query) == [(1,)]
    _execute(settings, keys, "DELETE FROM thread")
    assert _execute(settings, "SELECT count(*) FROM run_event", query) == [(0,), (0,)]


def test_the_log_is_renamed_and_not_copied_on_postgres() -> None:
    module = ScriptDirectory(str(PROJECT / "alembic")).get_revision("0004").module
    output = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": output}
    )
    with Operations.context(context):
        module.upgrade()
        module.downgrade()
    statements = [" ".join(sql.split()) for sql in output.getvalue().split(";") if sql.strip()]
    assert statements == [
        "ALTER TABLE run_event RENAME text TO payload",
        "ALTER TABLE message ADD COLUMN finish_reason VARCHAR(20) DEFAULT '' NOT NULL",
        "ALTER TABLE run ADD COLUMN finish_reason VARCHAR(20) DEFAULT '' NOT NULL",
        "ALTER TABLE run ADD COLUMN reasoning_tokens INTEGER",
        "ALTER TABLE run ADD COLUMN cached_input_tokens INTEGER",
        "ALTER TABLE run DROP COLUMN cached_input_tokens",
        "ALTER TABLE run DROP COLUMN reasoning_tokens",
        "ALTER TABLE message DROP COLUMN finish_reason",
        "ALTER TABLE run DROP COLUMN finish_reason",
        "DELETE FROM run_event WHERE kind NOT IN ('text', 'reasoning')",
        "ALTER TABLE run_event RENAME payload TO text",
    ]


def test_a_database_at_the_newest_revision_is_left_alone_without_loading_alembic(
    settings: Settings,
) -> None:
    assert upgrade(settings)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from chat_app.db.migrations import upgrade\n"
        "from chat_app.settings import read_settings\n"
        "done = upgrade(read_settings(data_dir=Path(sys.argv[1]), database_url=''))\n"
        "print(done, 'alembic' in sys.modules)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(settings.data_dir)],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    assert told.stdout == "False False\n"
    assert _backups(settings) == []


def test_an_unknown_revision_is_refused_and_untouched(settings: Settings) -> None:
    upgrade(settings)
    _execute(settings, "UPDATE alembic_version SET version_num = 'ffff'")
    for refuse in (upgrade, check):
        with pytest.raises(RevisionMismatch) as refused:
            refuse(settings)
        assert refused.value.message == (
            "The database has revision ffff, which this program does not know; "
            "use the newer program that made it, or restore a backup."
        )
    assert _execute(settings, "SELECT version_num FROM alembic_version") == [("ffff",)]
    assert _backups(settings) == []


def test_the_database_of_another_program_is_refused(settings: Settings) -> None:
    settings.data_dir.mkdir()
    _execute(settings, "CREATE TABLE notes (text)")
    with pytest.raises(RevisionMismatch, match="has tables but no revision"):
        upgrade(settings)


def test_an_empty_file_becomes_a_new_database_and_a_line_of_the_log_says_so(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert settings.sqlite_path is not None
    settings.data_dir.mkdir()
    settings.sqlite_path.touch()
    with caplog.at_level("WARNING"):
        assert upgrade(settings)
    said = f"The file {settings.sqlite_path} was empty: a new database is made in it."
    assert caplog.messages == [said]
    caplog.clear()
    assert not upgrade(settings)
    assert caplog.messages == []


def test_a_file_that_was_emptied_beside_its_journal_is_refused_and_the_journal_stays(
    settings: Settings,
) -> None:
    file = settings.sqlite_path
    assert file is not None
    journal = file.with_name("chat.db-wal")
    upgrade(settings)
    with closing(sqlite3.connect(file)) as server:
        server.execute("CREATE TABLE notes (text)")
        written = journal.read_bytes()
    journal.write_bytes(written)  # as a killed server leaves it
    os.truncate(file, 0)
    with pytest.raises(DatabaseOverwritten, match="Restore a backup, or move both away"):
        upgrade(settings)
    assert written
    assert journal.read_bytes() == written
    assert file.stat().st_size == 0


def test_check_refuses_an_empty_and_an_older_database(older: Settings, tmp_path: Path) -> None:
    empty = read_settings(data_dir=tmp_path / "empty", database_url="")
    for wrong in (older, empty):
        with pytest.raises(RevisionMismatch, match="chat-app migrate"):
            check(wrong)
    upgrade(older)
    check(older)


def test_an_older_database_is_copied_whole_before_it_is_upgraded(older: Settings) -> None:
    values = "'00000000000000000000000000000001', 'a@b', '', '2026-01-01'"
    _execute(older, f'INSERT INTO "user" (id, email, name, created_at) VALUES ({values})')
    _execute(
        older,
        "INSERT INTO thread (id, owner_id, title, title_origin, model, created_at, updated_at) "
        "VALUES ('02', '00000000000000000000000000000001', 'kept', '', '', '', '')",
    )
    assert upgrade(older, clock=lambda: NOW)
    (copy,) = _backups(older)
    assert copy.name == f"chat-20260102T030405000000-{HEAD}.db"
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as restored:
        assert restored.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert restored.execute("SELECT title FROM thread").fetchall() == [("kept",)]
        assert restored.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    # remaking the parent's table did not delete the child
    assert _execute(older, "SELECT title FROM thread") == [("kept",)]
    assert _execute(older, 'SELECT email, more FROM "user"') == [("a@b", None)]
    assert not upgrade(older)


def test_a_migration_that_fails_changes_nothing_and_says_what_to_do(older: Settings) -> None:
    versions = migrations._VERSIONS / MORE
    versions.write_text(versions.read_text() + "    raise LookupError('no such thing\\nDETAIL')\n")
    with pytest.raises(MigrationFailed) as failed:
        upgrade(older, clock=lambda: NOW)
    (backup,) = _backups(older)
    assert failed.value.message == (
        f"The migration from revision {HEAD} failed (LookupError: no such thing). The database is "
        "as it was before: use the version of the program that made it. "
        f"A backup of it is {backup}, for chat-app restore."
    )
    columns = [row[1] for row in _execute(older, 'PRAGMA table_info("user")')]
    assert "more" not in columns
    versions.unlink()  # the version before
    check(older)
    assert not upgrade(older)


def test_on_postgres_too_and_what_succeeds_reaches_the_rows_of_every_user(
    postgres: PostgresDatabase, more: Path
) -> None:
    values = f"'{UUID(OWNER)}', 'ada@chat.example', '', now()"
    postgres.rows(f'INSERT INTO "user" (id, email, name, created_at) VALUES ({values})')
    postgres.rows(
        "INSERT INTO thread (id, owner_id, title, title_origin, model, created_at, updated_at) "
        f"VALUES ('{UUID(THREAD)}', '{UUID(OWNER)}', 'kept', '', '', now(), now())"
    )
    settings = read_settings(_env_file=None, **postgres.settings)
    source = more.read_text() + "    op.execute(\"UPDATE thread SET title = 'reached'\")\n"
    more.write_text(f"{source}    raise LookupError('no such thing')\n")
    with pytest.raises(MigrationFailed) as failed:
        upgrade(settings)
    assert failed.value.message == (
        f"The migration from revision {HEAD} failed (LookupError: no such thing). The database is "
        "as it was before: use the version of the program that made it."
    )
    assert postgres.rows("SELECT version_num FROM alembic_version") == [(HEAD,)]
    added = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'more'"
    assert postgres.rows(added) == [(0,)]
    assert postgres.rows("SELECT title FROM thread") == [("kept",)]
    more.write_text(source)
    assert upgrade(settings)
    assert postgres.rows(added) == [(1,)]
    assert postgres.rows("SELECT title FROM thread") == [("reached",)]


def test_a_migration_that_would_orphan_rows_is_refused(older: Settings) -> None:
    versions = migrations._VERSIONS / MORE
    versions.write_text(
        versions.read_text()
        + '    op.execute("INSERT INTO run_event (run_id, seq, owner_id, kind, payload) '
        "VALUES ('1', 1, '2', 'text', '')\")\n"
    )
    with pytest.raises(MigrationFailed, match="1 rows would be without their parents"):
        upgrade(older)
    assert _execute(older, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_only_the_last_copies_are_kept(settings: Settings) -> None:
    upgrade(settings)
    assert settings.sqlite_path is not None
    folder = settings.data_dir / "backups"
    made = [
        back_up(settings.sqlite_path, folder, revision=HEAD, now=NOW + timedelta(hours=hour))
        for hour in range(MAX_BACKUPS + 3)
    ]
    assert _backups(settings) == made[-MAX_BACKUPS:]


def test_a_copy_that_fails_leaves_no_half_and_no_upgrade(
    older: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    monkeypatch.setattr(migrations, "back_up", full)
    with pytest.raises(DatabaseFull):
        upgrade(older)
    assert _execute(older, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_a_database_in_use_by_another_process_is_a_sentence(
    older: Settings,
) -> None:
    with closing(sqlite3.connect(str(older.sqlite_path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy):
            upgrade(older, busy_seconds=0.01)


def test_the_alembic_command_works_by_itself(settings: Settings) -> None:
    def run(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "alembic", "-c", str(PROJECT / "alembic.ini"), *words],
            capture_output=True,
            text=True,
            check=True,
            env={"DATA_DIR": str(settings.data_dir), "PATH": ""},
            cwd=settings.data_dir.parent,
        ).stdout

    run("upgrade", "head")
    assert "No new upgrade operations detected" in run("check")
    assert "CREATE TABLE thread" in run("upgrade", "head", "--sql")
