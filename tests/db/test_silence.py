"""What a database keeps to itself when something goes wrong."""

import socket
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseUnreachable
from chat_app.db.dialect import engines, migration_engine
from chat_app.db.engine import Database
from chat_app.db.tables import Thread


def _nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return f"postgresql+psycopg://ada:hunter2@127.0.0.1:{port}/chat"


async def test_the_error_of_a_statement_does_not_hold_its_values(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'chat.db'}"
    for engine in (engines(url, 5).readers, engines(url, 5).writers):
        async with engine.connect() as connection:
            with pytest.raises(OperationalError) as error:
                await connection.execute(text("SELECT :x FROM nothing"), {"x": "a secret"})
        assert "a secret" not in str(error.value)
        await engine.dispose()
    engine = migration_engine(url)
    with engine.connect() as connection, pytest.raises(OperationalError) as error:
        connection.execute(text("SELECT :x FROM nothing"), {"x": "a secret"})
    assert "a secret" not in str(error.value)


def test_on_postgres_too_values_are_hidden() -> None:
    made = engines(_nowhere(), 5)
    assert made.readers.sync_engine.hide_parameters
    assert made.writers.sync_engine.hide_parameters
    assert migration_engine(_nowhere()).hide_parameters


async def test_a_server_that_cannot_be_reached_is_told_in_one_sentence() -> None:
    address = _nowhere()
    with pytest.raises(DatabaseUnreachable) as error:
        migration_engine(address).connect()
    assert "hunter2" not in error.value.message
    db = Database(address)
    try:
        with pytest.raises(DatabaseUnreachable):
            async with db.read(Principal(uuid4(), uuid4())) as session:
                await session.exec(select(Thread.id))
    finally:
        await db.close()
