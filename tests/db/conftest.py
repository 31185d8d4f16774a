"""A database with two people, each with a thread, a message and a run."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.db.engine import Database
from chat_app.db.tables import Message, Run, RunEvent, Thread, User


@dataclass(frozen=True)
class Person:
    """A principal and the ids of what it owns."""

    principal: Principal
    thread_id: UUID
    message_id: UUID
    run_id: UUID


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'data' / 'chat.db'}"


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with every table and no row; copying it is quicker than making it."""

    async def make(path: Path) -> None:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await database.create_all()
        await database.close()

    path = tmp_path_factory.mktemp("empty") / "chat.db"
    asyncio.run(make(path))
    return path


@pytest.fixture
async def db(url: str, empty: Path) -> AsyncIterator[Database]:
    database = Database(url)
    shutil.copyfile(empty, url.removeprefix("sqlite+aiosqlite:///"))
    yield database
    await database.close()


@pytest.fixture
async def alice(db: Database) -> Person:
    return await make_person(db, "alice")


@pytest.fixture
async def bob(db: Database) -> Person:
    return await make_person(db, "bob")


async def make_person(db: Database, name: str) -> Person:
    """Store a person whose every row carries their name."""
    user = User(email=f"{name}@chat.example", name=name)
    async with db.system("auth", write=True) as session:
        session.add(user)
    principal = Principal(user.id, uuid4())
    thread = Thread(title=f"{name} thread")
    message = Message(
        thread_id=thread.id, role="user", parts=[{"type": "text", "text": f"{name} text"}]
    )
    run = Run(
        thread_id=thread.id,
        message_id=message.id,
        session_id=principal.session_id,
        model=f"{name} model",
    )
    event = RunEvent(run_id=run.id, seq=1, kind="text", text=f"{name} event")
    async with db.write(principal) as session:
        for row in (thread, message, run, event):
            session.add(row)
            await session.flush()
    return Person(principal, thread.id, message.id, run.id)
