"""The command `chat-app usage`."""

import asyncio
import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.db.engine import Database
from chat_app.db.tables import User
from chat_app.usage.ledger import disown_usage
from testing.command_line import Said, run_command
from testing.database import SqliteDatabase
from testing.usage import add_usage

TODAY = datetime.now(UTC).date()


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "data", migrated)


def _use(database: SqliteDatabase) -> None:
    async def add() -> None:
        db = database.open(Database)
        for email, tokens in (("ada@example.org", 7), ("=eve@example.org", 3), ("x@y.org", 1)):
            user = User(email=email)
            async with db.system("auth", write=True) as session:
                session.add(user)
            who = Principal(user.id, uuid4())
            await add_usage(db, who, TODAY, model="one", input_tokens=tokens, output_tokens=1)
            if email == "x@y.org":
                async with db.system("auth", write=True) as session:
                    await disown_usage(session, user.id)
        await db.close()

    asyncio.run(add())


def test_sums_are_printed_as_a_table_or_as_csv(tmp_path: Path, database: SqliteDatabase) -> None:
    def run(*arguments: str) -> Said:
        return run_command("usage", *arguments, folder=tmp_path)

    nothing = run("--since", "2026-01-01", "--until", "2026-01-02")
    assert nothing == Said(0, "Nothing was used from 2026-01-01 to 2026-01-02.\n")
    _use(database)
    head, line = run().out.splitlines()
    assert head.split("  ")[0].strip() == "MODEL"
    assert line.split() == ["one", "3", "0", "0", "11", "3", "0", "0"]
    rows = list(csv.DictReader(io.StringIO(run("--by", "user", "--format", "csv").out)))
    assert [(row["user"], row["input_tokens"]) for row in rows] == [
        ("ada@example.org", "7"),
        ("'=eve@example.org", "3"),
        ("(deleted accounts)", "1"),
    ]
    assert "(personal)" in run("--by", "organisation").out
    assert run("--by", "day").out.splitlines()[1].startswith(TODAY.isoformat())
