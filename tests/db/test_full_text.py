"""The full-text index: whose entries a search reads, and that it follows what it indexes."""

# pyright: reportCallIssue=false
# A row gets its `owner_id` from the scoped session, not from its constructor.

from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from chat_app.core.parts import text_part
from chat_app.db import row_level_security
from chat_app.db.engine import Database
from chat_app.db.full_text import POSTGRESQL, SQLITE, hits
from chat_app.db.migrations import PROJECT
from chat_app.db.tables import Message, SearchEntry
from testing.database import DatabaseUnderTest, SqliteDatabase, only_sqlite
from testing.owned_rows import Person
from testing.sql_statements import statements


async def _hits(db: Database, who: Person, *terms: str, role: str = "") -> list[int]:
    """What the index itself finds, without any other table."""
    found = hits(terms, role=role)
    async with db.read(who.principal) as session:
        rows = await session.run_sync(
            lambda sync: sync.execute(select(found.c.id).join(SearchEntry, col(SearchEntry.id) > 0))
        )
        return sorted({row[0] for row in rows})


async def _own(db: Database, who: Person) -> list[int | None]:
    async with db.read(who.principal) as session:
        return sorted((await session.exec(select(SearchEntry.id))).all(), key=lambda id_: id_ or 0)


async def test_a_search_of_the_index_reads_own_entries_only(
    db: Database, alice: Person, bob: Person
) -> None:
    for who in (alice, bob):
        assert await _hits(db, who, "text", role="user")
        assert set(await _hits(db, who, "text")) <= set(await _own(db, who))


@only_sqlite  # the function on PostgreSQL asks the transaction for the owner
async def test_without_the_owner_as_a_term_a_search_would_read_everybodys_entries(
    db: Database, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_owner(self: Any, fn: Any, **kw: Any) -> str:
        (terms,) = (self.process(argument, **kw) for argument in fn.clauses)
        return f"(SELECT rowid AS id FROM search_index WHERE search_index MATCH {terms})"

    monkeypatch.setattr(row_level_security._OwnerFilter, "visit_search_hits_func", without_owner)
    assert not set(await _hits(db, alice, "text")) <= set(await _own(db, alice))


async def test_a_system_session_cannot_search(db: Database, alice: Person) -> None:
    with pytest.raises(DBAPIError):
        async with db.system("sweep") as session:
            await session.run_sync(lambda sync: sync.execute(select(hits(["text"]).c.id)))


async def test_an_entry_changes_with_its_message(db: Database, alice: Person) -> None:
    async with db.write(alice.principal) as session:
        message = await session.get(Message, alice.message_id)
        assert message is not None
        message.parts = [text_part("another word")]
    assert await _hits(db, alice, "text") == []
    assert len(await _hits(db, alice, "another", "word")) == 1
    async with db.write(alice.principal) as session:
        message = await session.get(Message, alice.message_id)
        assert message is not None
        message.parts = []
    assert await _hits(db, alice, "another") == []


@only_sqlite
async def test_a_search_begins_at_the_index(
    database: DatabaseUnderTest, db: Database, alice: Person
) -> None:
    found = hits(["text"])
    statement = (
        select(SearchEntry.id)
        .select_from(found)
        .join(SearchEntry, col(SearchEntry.id) == found.c.id)
        .order_by(found.c.id.desc())
    )
    with statements() as ran:
        async with db.read(alice.principal) as session:
            await session.run_sync(lambda sync: sync.execute(statement).all())
    assert isinstance(database, SqliteDatabase)
    (plan,) = ran.plans(database.path, "MATCH")
    assert plan.startswith("SCAN search_index VIRTUAL TABLE")
    assert "SEARCH search_entry USING INTEGER PRIMARY KEY" in plan
    assert "TEMP B-TREE" not in plan


def test_the_migration_makes_the_index_that_the_models_make() -> None:
    migration = ScriptDirectory(str(PROJECT / "alembic")).get_revision("0008").module
    assert (migration._SQLITE, migration._POSTGRESQL) == (SQLITE, POSTGRESQL)
