"""The full-text index: whose entries a search reads, and that it follows what it indexes."""

# pyright: reportCallIssue=false
# A row gets its `owner_id` from the scoped session, not from its constructor.

from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from chat_app.core.parts import text_part
from chat_app.db import owner_functions, row_level_security
from chat_app.db.engine import Database
from chat_app.db.full_text import POSTGRESQL, SQLITE, hit_params, hits
from chat_app.db.migrations import PROJECT
from chat_app.db.tables import Message, SearchEntry
from testing.database import DatabaseUnderTest, SqliteDatabase, only_sqlite
from testing.owned_rows import Person
from testing.sql_statements import statements


async def _hits(db: Database, who: Person, *terms: str, **given: Any) -> list[int]:
    """What the index itself finds, without any other table."""
    found, params = hits(bounded="most" in given), hit_params(terms, **given)
    async with db.read(who.principal) as session:
        rows = await session.run_sync(
            lambda sync: sync.execute(
                select(found.c.id).outerjoin(SearchEntry, col(SearchEntry.id) == found.c.id),
                params,
            )
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
async def test_without_the_owner_as_a_term_a_search_would_read_the_entries_of_all(
    db: Database, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_owner(self: Any, fn: Any, **kw: Any) -> str:
        terms, *_ = (self.process(argument, **kw) for argument in fn.clauses)
        return f"(SELECT rowid AS id FROM search_index WHERE search_index MATCH {terms})"

    monkeypatch.setattr(row_level_security._OwnerFilter, "visit_search_hits_func", without_owner)
    assert not set(await _hits(db, alice, "text")) <= set(await _own(db, alice))


async def test_a_system_session_cannot_search(db: Database, alice: Person) -> None:
    with pytest.raises(DBAPIError):
        async with db.system("sweep") as session:
            await session.run_sync(
                lambda sync: sync.execute(select(hits().c.id), hit_params(["text"]))
            )


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
    found = hits()
    statement = (
        select(SearchEntry.id)
        .select_from(found)
        .join(SearchEntry, col(SearchEntry.id) == found.c.id)
        .order_by(found.c.id.desc())
    )
    with statements() as ran:
        async with db.read(alice.principal) as session:
            await session.run_sync(lambda sync: sync.execute(statement, hit_params(["text"])).all())
    assert isinstance(database, SqliteDatabase)
    (plan,) = ran.plans(database.path, "MATCH")
    assert plan.startswith("SCAN search_index VIRTUAL TABLE")
    assert "SEARCH search_entry USING INTEGER PRIMARY KEY" in plan
    assert "TEMP B-TREE" not in plan


def test_the_migrations_make_the_index_that_the_models_make() -> None:
    script = ScriptDirectory(str(PROJECT / "alembic"))
    *first, _ = script.get_revision("0008").module._SQLITE
    last = script.get_revision("0020").module
    assert (*first, last._TRIGGER) == SQLITE
    assert last._FUNCTIONS == owner_functions.POSTGRESQL
    assert script.get_revision("0010").module._POSTGRESQL == POSTGRESQL


async def test_the_newest_hits_are_those_of_all_hits(
    db: Database, alice: Person, bob: Person
) -> None:
    """Among many entries PostgreSQL looks through the last ones first; others write in between."""
    entries = list[SearchEntry]()
    for number in range(260):
        words = [word for word, n in {"all": 1, "third": 3, "rare": 100}.items() if number % n == 0]
        words += ["early"] if number < 40 else ["late"] if number >= 250 else []
        entries += [
            SearchEntry(
                owner_id=who.principal.user_id,
                thread_id=who.thread_id,
                role="user",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                tokens=" ".join(words),
            )
            for who in (alice, bob)
        ]
    async with db.system("auth", write=True) as session:
        session.add_all(entries)
    for word in ("all", "third", "rare", "early", "late", "none"):
        every = await _hits(db, alice, word)
        middle = every[len(every) // 2] if every else 0
        for upto in (None, middle, middle - 1):
            fitting = [id_ for id_ in every if upto is None or id_ <= upto]
            for most in (1, 3, 12):
                assert await _hits(db, alice, word, upto=upto, most=most) == fitting[-most:], word
    assert await _hits(db, alice, "all", without="user") == []
