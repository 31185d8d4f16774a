"""The commands on PostgreSQL, as its operator types them."""

from functools import partial
from pathlib import Path

import psycopg
import pytest

from chat_app.command_services import FOLLOWS
from chat_app.db import server_lock
from testing.command_line import Said, run_command
from testing.postgres import PostgresDatabase
from testing.program import free_port

ADA = "ada@example.org"
PASSWORD = "four correct battery horses\n"


def _given(database: PostgresDatabase) -> dict[str, str]:
    return {
        "DATABASE_URL": database.app_url,
        "DATABASE_SYSTEM_URL": database.system_url,
        "DATABASE_ADMIN_URL": database.owner_url,
    }


def test_the_commands_work_with_three_roles(
    empty_postgres: PostgresDatabase, tmp_path: Path
) -> None:
    given = _given(empty_postgres)
    server = {name: url for name, url in given.items() if name != "DATABASE_ADMIN_URL"}
    run = partial(run_command, folder=tmp_path, given=server)
    refused = run("user", "list")
    assert (refused.code, refused.err) == (
        1,
        "chat-app: The database is older than the program; run: chat-app migrate\n",
    )
    migrated = run_command("migrate", folder=tmp_path, given=given)
    assert migrated == Said(0, "The database was migrated.\n")
    assert run("migrate") == Said(0, "The database is already up to date.\n")
    added = run("user", "add", ADA, "--password-stdin", stdin=PASSWORD)
    assert (added.code, added.out) == (0, f"{ADA} can sign in now.\n")
    assert run("seed", ADA, "--threads", "2").code == 0
    assert empty_postgres.rows("SELECT count(*) FROM thread") == [(2,)]
    assert ADA in run("user", "list").out
    with psycopg.connect(empty_postgres.system_url, autocommit=True) as served:
        served.execute("SELECT pg_advisory_lock(%s)", [server_lock.SERVER_LOCK])
        assert run("user", "disable", ADA).err == f"{FOLLOWS}\n", "a server elsewhere"
    assert run("user", "enable", ADA) == Said(0, f"{ADA} can sign in again.\n")
    disabled = Said(0, f"{ADA} is disabled; 0 sessions ended.\n")
    assert run("user", "disable", ADA) == disabled, "no server that should hear it"
    assert run("user", "delete", ADA).out == f"{ADA} is deleted.\n"
    assert empty_postgres.rows("SELECT count(*) FROM thread") == [(0,)]
    assert run("backup").err.endswith("use the database's own pg_dump.\n")
    assert not (tmp_path / "data" / "chat.db").exists()


def test_a_second_server_on_one_database_is_refused_before_it_migrates_or_builds(
    postgres: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = partial(server_lock.ServerLock, wait_seconds=0.01)
    monkeypatch.setattr(server_lock, "ServerLock", hasty)
    postgres.rows("UPDATE alembic_version SET version_num = '0006'")
    with psycopg.connect(postgres.system_url, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", [server_lock.SERVER_LOCK])
        given = {**_given(postgres), "PORT": str(free_port())}
        refused = run_command("run", folder=tmp_path, given=given)
    assert refused == Said(
        1,
        "",
        "chat-app: Another server is using this database; stop it, or give this one another "
        "database.\n",
    )
    assert postgres.rows("SELECT version_num FROM alembic_version") == [("0006",)]


def test_roles_that_keep_nobody_apart_are_one_line(
    postgres: PostgresDatabase, tmp_path: Path
) -> None:
    given = _given(postgres)
    postgres.rows("CREATE POLICY other ON thread USING (true)")
    postgres.rows("ALTER TABLE run OWNER TO chat_app")
    refused = run_command("migrate", folder=tmp_path, given=given)
    (line,) = refused.err.splitlines()
    assert refused.code == 2
    assert "belong to the role chat_app" in line
