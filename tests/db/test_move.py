"""A SQLite database moves to PostgreSQL with every row, or not at all."""

import lzma
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Connection, inspect, text

from chat_app.db import move as moving
from chat_app.db.dialect import migration_engine
from chat_app.db.migrations import upgrade
from chat_app.db.move import MoveFailed, move, row_digest
from chat_app.db.postgres_roles import MIGRATIONS_LOCK
from chat_app.db.server_lock import SERVER_LOCK, DatabaseInUse
from chat_app.db.tables import metadata
from chat_app.settings import ConfigError, Settings, read_settings
from testing.command_line import Said, run_command
from testing.generated_rows import Rows, add_rows, migrate_to, read_rows, tables_of
from testing.postgres import PostgresDatabase

OWNER, THREAD = f"{1:032}", f"{2:032}"
TABLES = metadata.sorted_tables
FIRST_RELEASE = Path(__file__).parents[1] / "upgrade" / "chat.db.xz"


@pytest.fixture
def source(tmp_path: Path, migrated: Path) -> Settings:
    config = read_settings(data_dir=tmp_path / "data", database_url="")
    assert config.sqlite_path is not None
    config.data_dir.mkdir()
    config.sqlite_path.write_bytes(migrated.read_bytes())
    return config


@pytest.fixture
def target(empty_postgres: PostgresDatabase) -> Settings:
    return read_settings(_env_file=None, **empty_postgres.one_role)


def _with(settings: Settings, work: Callable[[Connection], Any]) -> Any:
    engine = migration_engine(settings.sqlalchemy_url)
    try:
        with engine.begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


def _rows(settings: Settings) -> Rows:
    return _with(settings, lambda connection: read_rows(connection, TABLES))


def _tables(settings: Settings) -> list[str]:
    return _with(settings, lambda connection: inspect(connection).get_table_names())


def _execute(settings: Settings, *statements: str) -> None:
    with closing(sqlite3.connect(str(settings.sqlite_path))) as file, file:
        for statement in statements:
            file.execute(statement)


def _insert_thread(settings: Settings) -> None:
    _execute(
        settings,
        "INSERT INTO user (id, email, name, created_at) "
        f"VALUES ('{OWNER}', 'a@b', '', '2026-01-01')",
        "INSERT INTO thread (id, owner_id, title, title_origin, model, created_at, updated_at) "
        f"VALUES ('{THREAD}', '{OWNER}', '', '', '', '2026-01-01', '2026-01-01')",
    )


def _move(source: Settings, target: Settings) -> list[str]:
    said: list[str] = []
    move(source, target, said.append)
    return said


def test_every_row_of_every_table_arrives_and_the_source_is_as_it_was(
    source: Settings, target: Settings
) -> None:
    for seed in range(8):
        random = Random(seed)
        _with(source, lambda connection, random=random: add_rows(connection, TABLES, random))
    before = _rows(source)
    assert all(before.values())
    said = _move(source, target)
    assert _rows(target) == before == _rows(source)
    count = len(before["message"])
    assert f"  message copied: {count} of {count}" in said
    assert f"  message compared: {count} of {count}" in said
    with pytest.raises(MoveFailed, match="has rows already"):
        move(source, target, said.append)
    assert _rows(target) == before
    following = "SELECT nextval(pg_get_serial_sequence('search_entry', 'id'))"
    key = _with(target, lambda connection: connection.execute(text(following)).scalar_one())
    assert key == max(id_ for (id_,) in before["search_entry"]) + 1
    is_on = "SELECT tgenabled FROM pg_trigger WHERE tgname = 'audit_event_added'"
    assert _with(target, lambda connection: connection.execute(text(is_on)).scalar_one()) == "O"


def test_ten_thousand_chats_move_and_the_operator_is_told_what_is_next(
    source: Settings, target: Settings, tmp_path: Path
) -> None:
    _insert_thread(source)
    _execute(
        source,
        "WITH RECURSIVE n(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM n WHERE n < 10008) "
        "INSERT INTO thread (id, owner_id, title, title_origin, model, created_at, updated_at) "
        f"SELECT printf('%032x', n), '{OWNER}', 'Chat ' || n, 'start', '', '2026-01-01', "
        "'2026-01-01' FROM n",
    )
    said = run_command(
        "move", "--to", target.sqlalchemy_url.replace("+psycopg", ""), folder=tmp_path
    )
    assert said == Said(
        0,
        f"Copying 10,001 rows of {len(TABLES)} tables.\n"
        "  user copied: 1 of 1\n"
        "  thread copied: 10,000 of 10,000\n"
        "Comparing every row with the source.\n"
        "  user compared: 1 of 1\n"
        "  thread compared: 10,000 of 10,000\n"
        f"Moved 10,001 rows; each is the same in both. {source.sqlite_path} has not changed.\n"
        "Next: set DATABASE_URL as docs/postgresql.md says, then start the server.\n"
        f"Keep {source.data_dir / 'secret'}: sessions and two-factor codes need it.\n",
    )


@pytest.mark.parametrize(
    ("url", "given", "problem"),
    [
        ("postgresql://chat@localhost:x/chat", {}, "--to must look like postgresql://"),
        ("sqlite+aiosqlite:////srv/chat.db", {}, "--to must begin with postgresql://"),
        ("", {}, "--to must begin with postgresql://"),
        ("postgresql:///chat", {}, "There is no database at "),
        (
            "postgresql:///chat",
            {"DATABASE_URL": "postgresql:///other"},
            "DATABASE_URL is not SQLite; use the database's own pg_dump and pg_restore.",
        ),
    ],
)
def test_what_cannot_be_moved_is_one_sentence(
    tmp_path: Path, url: str, given: dict[str, str], problem: str
) -> None:
    said = run_command("move", "--to", url, folder=tmp_path, given=given)
    assert said.code != 0
    assert said.err.startswith(f"chat-app: {problem}")
    assert said.err.count("\n") == 1


def test_a_target_that_cannot_be_reached_is_one_sentence(source: Settings, tmp_path: Path) -> None:
    nowhere = f"postgresql://chat@/chat?host={tmp_path}"
    with pytest.raises(MoveFailed, match=r"The target can't be reached.*\(connection"):
        _move(source, read_settings(database_url=nowhere))


def test_a_move_that_is_interrupted_or_cut_off_leaves_nothing(
    source: Settings, target: Settings, empty_postgres: PostgresDatabase
) -> None:
    _insert_thread(source)

    def interrupt(said: str) -> None:
        if said.startswith("Comparing"):
            raise KeyboardInterrupt

    def cut_off(said: str) -> None:
        if said.startswith("Comparing"):
            empty_postgres.rows(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with pytest.raises(KeyboardInterrupt):
        move(source, target, interrupt)
    with pytest.raises(MoveFailed, match=r"or was lost \(.*\); nothing was moved"):
        move(source, target, cut_off)
    assert _tables(target) == []


def test_an_answer_comes_after_its_question_whatever_their_order_was(
    source: Settings, target: Settings
) -> None:
    _insert_thread(source)
    _execute(
        source,
        "PRAGMA foreign_keys = OFF",
        "WITH RECURSIVE n(n) AS (SELECT 600 UNION ALL SELECT n - 1 FROM n WHERE n > 1) "
        "INSERT INTO message (id, owner_id, thread_id, parent_id, role, parts, status, error, "
        f"model, created_at) SELECT printf('%032x', n), '{OWNER}', '{THREAD}', "
        "iif(n > 1, printf('%032x', n / 2), NULL), 'user', '[]', 'complete', '', '', '2026-01-01' "
        "FROM n",
    )
    _move(source, target)
    assert _rows(target) == _rows(source)


@pytest.mark.parametrize(
    ("table", "values", "reason"),
    [
        ("thread", "title = 'before' || char(0)", "title has a NUL"),
        ("thread", "title = printf('%.*c', 201, 'x')", "title is longer than 200"),
        ("message", "size = 1 << 31", "size is too large a number"),
        ("message", "parts = '[NaN]'", "parts has a number that is not finite"),
    ],
)
def test_a_row_that_does_not_fit_is_named_and_nothing_is_moved(
    source: Settings, target: Settings, table: str, values: str, reason: str
) -> None:
    _insert_thread(source)
    _execute(
        source,
        "INSERT INTO message (id, owner_id, thread_id, role, parts, status, error, model, "
        f"created_at) VALUES ('{THREAD}', '{OWNER}', '{THREAD}', 'user', '[]', 'complete', '', '', "
        "'2026-01-01')",
        f"UPDATE {table} SET {values}",
    )
    with pytest.raises(MoveFailed) as refused:
        _move(source, target)
    assert refused.value.message == (
        f"The row {UUID(THREAD)} of {table} can't be moved: {reason}, which PostgreSQL does not "
        "store. Nothing was moved."
    )
    assert _tables(target) == []


def test_a_row_that_arrives_changed_is_noticed_and_nothing_is_moved(
    source: Settings, target: Settings
) -> None:
    _move(source, target)
    _with(
        target,
        lambda connection: [
            connection.execute(text(statement))
            for statement in (
                "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN NEW.title := 'changed'; RETURN NEW; END $$",
                "CREATE TRIGGER change BEFORE INSERT ON thread FOR EACH ROW "
                "EXECUTE FUNCTION change()",
            )
        ],
    )
    _insert_thread(source)
    with pytest.raises(MoveFailed, match=f"The row {UUID(THREAD)} of thread is not the same"):
        _move(source, target)
    assert not any(_rows(target).values())


def test_rows_without_their_parents_are_refused(source: Settings, target: Settings) -> None:
    _insert_thread(source)
    _execute(source, "DELETE FROM user")
    with pytest.raises(MoveFailed, match=r"1 rows of .* have no parent"):
        _move(source, target)
    assert _tables(target) == []


def test_a_damaged_file_is_refused(source: Settings, target: Settings) -> None:
    assert source.sqlite_path is not None
    _insert_thread(source)
    _execute(source, "PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = _with(
        source,
        lambda connection: connection.execute(
            text(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_thread_owner_id_updated_at_id'"
            )
        ).one(),
    )
    with source.sqlite_path.open("r+b") as file:
        file.seek((page - 1) * 4096 + 8)
        file.write(b"\xff" * 4000)
    with pytest.raises(MoveFailed, match="is damaged"):
        _move(source, target)
    assert _tables(target) == []


def test_tables_of_another_role_are_refused(
    source: Settings, target: Settings, empty_postgres: PostgresDatabase
) -> None:
    upgrade(target)
    empty_postgres.server.execute("ALTER TABLE thread OWNER TO chat_system", empty_postgres.name)
    with pytest.raises(ConfigError, match="belong to the role chat_system"):
        _move(source, target)


def test_during_a_move_others_read_but_neither_write_nor_migrate(
    source: Settings, target: Settings, empty_postgres: PostgresDatabase
) -> None:
    _insert_thread(source)
    upgrade(target)
    refused: list[bool] = []

    def look(_line: str) -> None:
        with psycopg.connect(empty_postgres.owner_url, autocommit=True) as other:
            other.execute("SET lock_timeout = '50ms'")
            assert other.execute("SELECT count(*) FROM thread").fetchone() == (0,)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("DELETE FROM thread")
            lock = other.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATIONS_LOCK]).fetchone()
            refused.append(lock == (False,))

    move(source, target, look)
    assert refused
    assert all(refused)


def test_a_digest_tells_any_two_values_apart() -> None:
    thread = metadata.tables["thread"]
    row = {column.name: None for column in thread.columns}
    key = UUID(int=1)
    values = (None, "", "null", "1", 1, b"1", key, key.bytes, key.bytes.decode())
    digests = {row_digest(thread, row | {"title": value}) for value in values}
    assert len(digests) == len(values)


def test_a_target_that_a_server_uses_is_refused(
    source: Settings, target: Settings, empty_postgres: PostgresDatabase
) -> None:
    with psycopg.connect(empty_postgres.system_url, autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [SERVER_LOCK])
        with pytest.raises(DatabaseInUse):
            _move(source, target)
        server.execute("SELECT pg_advisory_unlock(%s)", [SERVER_LOCK])  # its end may take a while
    _move(source, target)


def test_the_first_release_becomes_the_same_on_both_databases(
    source: Settings, target: Settings
) -> None:
    assert source.sqlite_path is not None
    source.sqlite_path.write_bytes(lzma.decompress(FIRST_RELEASE.read_bytes()))
    _with(target, lambda connection: migrate_to(connection, "0002"))

    def copy(writing: Connection) -> None:
        tables = tables_of(writing)
        _with(
            source,
            lambda reading: [moving._copy(one, reading, writing, print) for one in tables],
        )

    _with(target, copy)
    assert upgrade(source)
    assert upgrade(target)
    rows, moved = _rows(source), _rows(target)
    assert len(rows["message"]) > 300
    for one in (rows, moved):
        # a random id for each user
        assert all(row.pop("audit_id") for row in one["audit_identity"].values())
        assert len(one["audit_identity"]) == len(one["user"])
    assert moved == rows


def test_a_move_holds_few_large_messages_at_a_time(source: Settings, target: Settings) -> None:
    _insert_thread(source)
    _execute(
        source,
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 60) "
        "INSERT INTO message (id, owner_id, thread_id, parent_id, role, parts, status, error, "
        f"model, created_at) SELECT printf('%032x', n), '{OWNER}', '{THREAD}', "
        "iif(n > 1, printf('%032x', n - 1), NULL), 'user', printf('[\"%.*c\"]', 200000, 'x'), "
        "'complete', '', '', '2026-01-01' FROM n",
    )
    tracemalloc.start()
    try:
        _move(source, target)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000, "with 200 at a time it was 27 MB"
