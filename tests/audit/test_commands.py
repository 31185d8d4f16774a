"""The commands `chat-app audit`, and a process that is killed between a row and its seal."""

import asyncio
import json
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from chat_app.audit.actions import Action
from chat_app.audit.verify import Verification
from chat_app.audit_commands import _report  # pyright: ignore[reportPrivateUsage]
from chat_app.db.engine import Database
from chat_app.settings import Settings, read_settings
from testing.audit_log import events_of, sealer_of, tamper, write_events
from testing.command_line import Said, run_command, words
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
    for invalid in ("4", ""):
        assert run("verify", "--head", invalid).code == 2
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


def test_an_export_until_a_day_has_that_day_as_on_the_page(
    tmp_path: Path, database: SqliteDatabase, settings: Settings
) -> None:
    _sealed(database, settings, 2)
    export = partial(run_command, "audit", "export", folder=tmp_path)
    (first, *_) = [json.loads(one)["at"] for one in export().out.splitlines()]
    today = datetime.fromisoformat(first)
    for until, count in (
        (f"{today:%Y-%m-%d}", 2),
        (f"{today - timedelta(days=1):%Y-%m-%d}", 0),
        (f"{today - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}", 0),
        ("9999-12-31", 2),
    ):
        said = export("--action", "organisation_changed", "--until", until)
        assert (said.code, len(said.out.splitlines())) == (0, count), until
    for invalid in ("yesterday", "0001-01-01T00:00:00+14:00"):
        refused = export("--until", invalid)
        assert (refused.code, refused.out) == (2, "")
        assert "It must look like 2026-01-31 or 2026-01-31T12:00:00+01:00." in words(refused)


def test_an_action_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    said = run_command("audit", "export", "--action", "x", folder=tmp_path)
    assert said.code == 2
    assert f"There is no action 'x'. The actions: {', '.join(get_args(Action))}." in words(said)


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


def test_a_log_with_rows_and_no_seal_is_not_called_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _report(Verification(unsealed=1))
    assert capsys.readouterr().out == (
        "Rows without a seal yet: 1. A running server seals them.\nNo row has a seal.\n"
    )
