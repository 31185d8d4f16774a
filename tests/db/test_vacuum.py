"""A SQLite file gives its free pages back to the disk."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import col, delete

from chat_app.auth.principal import Principal
from chat_app.core.clock import utc_now
from chat_app.core.signals import Bus
from chat_app.db import dialect
from chat_app.db.dialect import enable_vacuum
from chat_app.db.engine import Database
from chat_app.db.migrations import upgrade
from chat_app.db.tables import Message, Thread
from chat_app.settings import Settings, read_settings
from chat_app.threads.actions import Threads
from testing.owned_rows import make_person


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(data_dir=tmp_path / "data", database_url="", deleted_days=1)


def _pragma(file: Path, name: str) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


async def test_a_purge_makes_the_file_smaller(settings: Settings) -> None:
    upgrade(settings)
    file = settings.sqlite_path
    assert file is not None
    db = Database(settings.sqlalchemy_url)
    principal: Principal = (await make_person(db, "alice")).principal
    async with db.write(principal) as session:
        for _ in range(45):
            thread = Thread(owner_id=principal.user_id)
            session.add(thread)
            await session.flush()
            parts = [{"type": "text", "text": "long " * 20_000}]
            session.add(
                Message(owner_id=principal.user_id, thread_id=thread.id, role="user", parts=parts)
            )
    threads = Threads(db, Bus(), settings, lambda: utc_now() + timedelta(days=2))
    await db.vacuum()
    before = file.stat().st_size
    for summary in (await threads.page(principal)).threads:
        await Threads(db, Bus(), settings, utc_now).delete(principal, summary.id)
    assert await threads.purge() == 46
    assert await db.vacuum() > 1_000
    assert _pragma(file, "freelist_count") == 0
    assert file.stat().st_size < before / 10
    await db.close()


def test_a_file_of_an_earlier_version_learns_it_at_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(settings)
    file = settings.sqlite_path
    assert file is not None
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum=NONE")
        connection.execute("VACUUM")
    assert _pragma(file, "auto_vacuum") == 0
    monkeypatch.setattr(dialect, "_CONVERTED_BYTES", 0)
    assert not enable_vacuum(file)  # too large to be rewritten at a start
    monkeypatch.undo()
    assert not upgrade(settings)
    assert _pragma(file, "auto_vacuum") == 2


async def test_a_merge_drops_what_the_index_keeps_of_deleted_rows(settings: Settings) -> None:
    upgrade(settings)
    file = settings.sqlite_path
    assert file is not None
    db = Database(settings.sqlalchemy_url)
    principal = (await make_person(db, "alice")).principal
    for first in range(0, 400, 50):
        async with db.write(principal) as session:
            session.add_all(
                Thread(owner_id=principal.user_id, title=f"word{n} other{n}")
                for n in range(first, first + 50)
            )
    async with db.system("sweep", write=True) as session:
        await session.exec(delete(Thread).where(col(Thread.title).contains("word")))

    def size() -> int:
        with closing(sqlite3.connect(file)) as connection:
            query = "SELECT sum(length(block)) FROM search_index_data"
            return connection.execute(query).fetchone()[0]

    before = size()
    await db.merge_index()
    assert size() < before / 4
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO search_index (search_index) VALUES ('integrity-check')")
    await db.close()
