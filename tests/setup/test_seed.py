from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlmodel import col, func, select

from chat_app.auth.account.disable import UserNotFound
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.db.engine import Database
from chat_app.db.tables import Message, Thread, User
from chat_app.seed import principal_by_email, seed_messages, seed_threads
from testing.database import create_tables

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'chat.db'}")
    await create_tables(database)
    async with database.system("command line", write=True) as session:
        session.add_all([User(email="ada@example.org"), User(email="bob@example.org")])
    yield database
    await database.close()


@pytest.fixture
async def ada(db: Database) -> Principal:
    return await principal_by_email(db, "Ada@example.org")


async def test_seeded_threads_belong_to_the_user_and_are_in_order(
    db: Database, ada: Principal
) -> None:
    await seed_threads(db, ada, 600, clock=lambda: NOW)
    async with db.read(ada) as session:
        rows = (await session.exec(select(Thread).order_by(col(Thread.updated_at).desc()))).all()
        messages = (await session.exec(select(func.count(col(Message.id))))).one()
    assert len({row.id for row in rows}) == len({row.updated_at for row in rows}) == 600
    assert rows[0].updated_at <= NOW
    assert all(row.title and row.head_id for row in rows)
    assert messages == 1_200
    async with db.read(await principal_by_email(db, "bob@example.org")) as session:
        assert (await session.exec(select(Thread))).all() == []


async def test_a_long_thread_is_one_branch(db: Database, ada: Principal) -> None:
    thread_id = await seed_messages(db, ada, 1_001, clock=lambda: NOW)
    async with db.read(ada) as session:
        thread = (await session.exec(select(Thread).where(Thread.id == thread_id))).one()
        order = select(Message).order_by(col(Message.created_at))
        rows = (await session.exec(order)).all()
    assert [row.parent_id for row in rows] == [None, *(row.id for row in rows[:-1])]
    assert thread.head_id == rows[-1].id
    assert {row.role for row in rows[::2]} == {"user"}
    assert {row.role for row in rows[1::2]} == {"assistant"}
    assert rows[-1].created_at == NOW
    assert all(part["text"] for row in rows for part in row.parts)


async def test_an_unknown_email_is_refused(db: Database) -> None:
    with pytest.raises(UserNotFound, match="unknown@example"):
        await principal_by_email(db, "unknown@example.org")
    with pytest.raises(InvalidInput):
        await principal_by_email(db, "not an address")


async def test_another_user_reads_no_rows(db: Database) -> None:
    other_user = Principal(uuid4(), uuid4())
    async with db.read(other_user) as session:
        assert (await session.exec(select(Thread))).all() == []
