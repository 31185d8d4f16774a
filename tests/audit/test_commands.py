"""The commands `chat-app audit`, and a process that is killed between a row and its seal."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chat_app.db.engine import Database
from chat_app.settings import Settings, read_settings
from testing.audit_log import events_of, sealer_of, tamper, write_events
from testing.command_line import Said, run_command
from testing.database import SqliteDatabase

_KILLED = """
import asyncio, os, signal, sys
from chat_app.db.engine import Database
from testing.audit_log import write_events

async def main():
    db = Database(sys.argv[1])
    await write_events(db, 3)
    async with db.system("audit", write=True) as session:
        from chat_app import audit
        await audit.append(session, "organisation_changed", actor="system")
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "data", migrated)


@pytest.fixture
def settings(database: SqliteDatabase) -> Settings:
    return read_settings(_env_file=None, **database.settings)


def _sealed(database: SqliteDatabase, settings: Settings, count: int) -> None:
    async def seal() -> None:
        db = database.open(Database)
        await write_events(db, count)
        await sealer_of(db, settings).step()
        await db.close()

    asyncio.run(seal())


def test_the_head_is_printed_and_verified(
    tmp_path: Path, database: SqliteDatabase, settings: Settings
) -> None:
    def run(*arguments: str, **given: str) -> Said:
        return run_command("audit", *arguments, folder=tmp_path, given=given)

    assert run("verify") == Said(0, "The audit log is empty.\n")
    assert run("head").out == f"0:{'0' * 64}\n"
    _sealed(database, settings, 4)
    head = run("head").out.strip()
    assert head.startswith("4:")
    assert run("verify", "--head", head) == Said(0, f"4 rows: every seal fits. Head: {head}\n")
    assert run("verify", "--head", "4").code == 1
    key = "another-key-" + "0123456789ab" * 3
    other = run("verify", AUTH_SECRET=key)
    assert other.code == 4
    assert "None of the keys has sealed a row" in other.out
    tamper(database, "DELETE FROM audit_event WHERE seq = 4")
    assert run("verify").code == 0
    cut = run("verify", "--head", head)
    assert cut.code == 3
    assert cut.out.startswith("Removed: the log ends at row 3, and the head that was noted is row")
    tamper(database, "UPDATE audit_event SET actor = 'x' WHERE seq = 2")
    changed = run("verify")
    assert changed.code == 3
    assert changed.out.startswith("Changed: row 2 does not fit its seal.\n3 rows: 1 problems.")


def test_a_check_without_the_old_key_says_where_it_starts(
    tmp_path: Path, database: SqliteDatabase, settings: Settings
) -> None:
    _sealed(database, settings, 2)
    new = {"auth_secret": "another-key-" + "0123456789ab" * 3}
    rotated = read_settings(_env_file=None, **database.settings, **new)
    _sealed(database, rotated, 2)
    said = run_command(
        *("audit", "verify"), folder=tmp_path, given={"AUTH_SECRET": new["auth_secret"]}
    )
    assert said.code == 0
    assert "The check starts at row 3, where the key changed" in said.out


def test_an_export_is_filtered_and_is_a_row_itself(
    tmp_path: Path, database: SqliteDatabase, settings: Settings
) -> None:
    _sealed(database, settings, 2)
    said = run_command(
        *("audit", "export", "--action", "organisation_changed", "--since", "2020-01-01"),
        folder=tmp_path,
    )
    assert [json.loads(one)["seq"] for one in said.out.splitlines()] == [1, 2]
    said = run_command("audit", "export", "--format", "csv", folder=tmp_path)
    assert said.out.splitlines()[-1].split(",")[2] == "audit_exported"
    assert run_command("audit", "export", "--until", "2020-01-01", folder=tmp_path).out == ""
    assert run_command("audit", "export", "--action", "x", folder=tmp_path).code == 2


def test_a_process_that_is_killed_leaves_whole_rows_that_the_next_one_seals(
    database: SqliteDatabase, settings: Settings
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, settings.sqlalchemy_url], timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL

    async def seal() -> list[int | None]:
        db = database.open(Database)
        await sealer_of(db, settings).step()
        found = [one.seq for one in await events_of(db)]
        await db.close()
        return found

    assert asyncio.run(seal()) == [1, 2, 3]
