"""The commands on PostgreSQL, as its operator types them."""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

import psycopg
import pytest

from chat_app import services
from chat_app.command_services import UNHEARD
from chat_app.db import server_lock
from chat_app.services import Services
from chat_app.settings import read_settings
from testing.auth_services import CountingHasher, issue_session
from testing.command_line import Said, run_command
from testing.postgres import PostgresDatabase
from testing.program import ROOT, free_port

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
        assert run("user", "disable", ADA).err == f"{UNHEARD}\n", "a server elsewhere"
        served.execute("SELECT pg_advisory_unlock(%s)", [server_lock.SERVER_LOCK])
    assert run("user", "enable", ADA) == Said(0, f"{ADA} can sign in again.\n")
    disabled = Said(0, f"{ADA} is disabled; 0 sessions ended.\n")
    assert run("user", "disable", ADA) == disabled, "no server that should hear it"
    assert run("user", "delete", ADA, "--yes").out == f"{ADA} is deleted.\n"
    assert empty_postgres.rows("SELECT count(*) FROM thread") == [(0,)]
    assert run("backup").err.endswith("use the database's own pg_dump.\n")
    assert not (tmp_path / "data" / "chat.db").exists()


async def test_a_command_in_another_container_is_heard_at_once(
    postgres: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "SWEEP_SECONDS", 1e6)  # no sweep helps
    given = _given(postgres) | {"DATA_DIR": str(tmp_path / "elsewhere")}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REFLEX_")}

    async def command(*arguments: str) -> tuple[str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chat_app.cli", "user", *arguments),
            cwd=ROOT,
            env=clean | given,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return out.decode(), err.decode()

    settings = read_settings(
        **{"_env_file": None, **postgres.settings, "data_dir": tmp_path / "server"},
        fake_models=True,
        embedded_model=False,
        chat_titles=False,
    )
    live = Services(settings, hasher=CountingHasher())
    async with live.db.serving(on_message=live.outbox.on_message):
        await live.start()
        ada = await live.accounts.add(ADA, PASSWORD.strip(), "Ada")
        issued = await issue_session(live, ada, client_ip="")
        principal = await live.sessions.principal(issued.session_id)
        assert principal is not None
        await live.runs.send(principal, text="Hello", client_id="one", model="fake:3000x400")
        out, err = await command("disable", ADA)
        assert (out, err) == (f"{ADA} is disabled; 1 session ended.\n", "")
        assert await live.sessions.principal(issued.session_id) is None
        async with asyncio.timeout(60):
            while postgres.rows("SELECT status FROM run") != [("revoked",)]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await live.stop()
    assert postgres.rows("SELECT count(*) FROM outbox_signal") == [(0,)]


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


def test_roles_that_keep_no_users_apart_are_one_line(
    postgres: PostgresDatabase, tmp_path: Path
) -> None:
    given = _given(postgres)
    postgres.rows("CREATE POLICY other ON thread USING (true)")
    postgres.rows("ALTER TABLE run OWNER TO chat_app")
    refused = run_command("migrate", folder=tmp_path, given=given)
    (line,) = refused.err.splitlines()
    assert refused.code == 2
    assert "belong to the role chat_app" in line
