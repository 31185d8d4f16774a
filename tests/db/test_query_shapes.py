"""Each shape of a query shows a person their own rows, and would show more without the filter."""

# pyright: reportCallIssue=false, reportArgumentType=false
# A row gets its `owner_id` from the scoped session, and columns are typed as their values.

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import col, select, update

from chat_app.auth.principal import Principal
from chat_app.db import engine as engine_module
from chat_app.db.engine import Database
from chat_app.db.tables import Message, Thread, User
from testing.database import DatabaseUnderTest, only_postgres, only_sqlite
from testing.owned_rows import Person
from testing.query_shapes import SHAPES, Owns, flat

pytestmark = pytest.mark.filterwarnings("ignore:.*cartesian product")


async def _add(db: Database, *names: str) -> tuple[Principal, Owns]:
    """Store a person with threads, of which the first has two messages."""
    user = User(email=f"{uuid4()}@chat.example")
    rows = [Thread(title=name, owner_id=user.id) for name in names]
    first = Message(thread_id=rows[0].id, owner_id=user.id, role="user")
    reply = Message(thread_id=rows[0].id, owner_id=user.id, role="user", parent_id=first.id)
    async with db.system("auth", write=True) as session:
        for row in (user, *rows, first, reply):
            session.add(row)
            await session.flush()
    owns = Owns(
        {row.id: row.title for row in rows}, dict.fromkeys((first.id, reply.id), rows[0].id)
    )
    return Principal(user.id, uuid4()), owns


async def _shown(db: Database, who: Principal, statement: Any) -> set[Any]:
    async with db.read(who) as session:
        rows = await session.run_sync(lambda sync: sync.execute(statement).all())
    return {flat(row) for row in rows}


@pytest.mark.parametrize("name", SHAPES)
async def test_a_query_of_any_shape_shows_own_rows_only(db: Database, name: str) -> None:
    statement, expected = SHAPES[name]
    for who, owns in [await _add(db, "at", "bt"), await _add(db, "ct"), await _add(db, "dt")]:
        assert await _shown(db, who, statement) == expected(owns)


@pytest.fixture
async def unfiltered(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    monkeypatch.setattr(engine_module, "restrict_to_owner", lambda *engines: None)
    one = database.open(Database)
    yield one
    await one.close()


@only_sqlite
@pytest.mark.parametrize("name", SHAPES)
async def test_no_shape_is_right_by_accident(db: Database, unfiltered: Database, name: str) -> None:
    statement, expected = SHAPES[name]
    who, owns = await _add(db, "at")
    await _add(db, "zt", "yt")
    assert await _shown(unfiltered, who, statement) != expected(owns)


@only_postgres
async def test_without_the_filter_postgres_itself_shows_own_rows_only(
    db: Database, unfiltered: Database
) -> None:
    who, owns = await _add(db, "at")
    await _add(db, "zt", "yt")
    for name, (statement, expected) in SHAPES.items():
        assert await _shown(unfiltered, who, statement) == expected(owns), name


async def test_an_update_from_another_table_reads_own_rows_only(
    db: Database, alice: Person, bob: Person
) -> None:
    async with db.write(bob.principal) as session:
        await session.exec(update(Message).values(status="secret"))
    stolen = update(Thread).values(title=col(Message.role) + Message.status)
    async with db.write(alice.principal) as session:
        await session.exec(stolen)
        thread = await session.get(Thread, alice.thread_id)
        assert thread is not None
        await session.refresh(thread)
        assert thread.title == "usercomplete"
    async with db.read(bob.principal) as session:
        thread = await session.get(Thread, bob.thread_id)
        assert thread is not None
        assert thread.title == "bob thread"


async def test_a_foreign_row_is_missing_by_every_way_of_loading_it(
    db: Database, alice: Person, bob: Person
) -> None:
    async with db.write(alice.principal) as session:
        assert await session.get(Thread, bob.thread_id) is None
        assert await session.get(Message, bob.message_id, with_for_update=True) is None
        assert await session.get(Thread, bob.thread_id, populate_existing=True) is None
        merged = await session.merge(Thread(id=alice.thread_id, title="mine"))
        assert merged.owner_id == alice.principal.user_id


async def test_many_rows_of_one_flush_are_written_together(db: Database) -> None:
    who, owns = await _add(db, "at", "bt", "ct")
    async with db.write(who) as session:
        rows = (await session.exec(select(Thread).order_by(Thread.title))).all()
        for row in rows:
            row.title = f"new {row.title}"
        await session.flush()
        for row in rows[1:]:
            await session.delete(row)
    async with db.read(who) as session:
        left = (await session.exec(select(Thread.title))).all()
    assert left == [f"new {title}" for title in owns.threads.values()][:1]
