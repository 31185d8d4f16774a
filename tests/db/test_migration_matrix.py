"""Rows of every revision go to the newest one and back, unchanged."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Table, inspect, select

from alembic import command
from chat_app.db.dialect import broken_references, migration_engine
from chat_app.db.migrations import PROJECT
from chat_app.db.tables import metadata
from testing.generated_rows import Rows, add_rows, read_rows, tables_of

CONFIG = Config(PROJECT / "alembic.ini")
CHAIN = [one.revision for one in ScriptDirectory.from_config(CONFIG).walk_revisions()][::-1]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    engine = migration_engine(f"sqlite+aiosqlite:///{tmp_path / 'chat.db'}")
    yield engine
    engine.dispose()


def _go(connection: Connection, revision: str, *, up: bool) -> None:
    CONFIG.attributes["connection"] = connection
    (command.upgrade if up else command.downgrade)(CONFIG, revision)
    assert broken_references(connection) == 0


def test_rows_of_every_revision_go_to_the_newest_and_back_unchanged(engine: Engine) -> None:
    at: dict[str, Rows] = {}
    tables: dict[str, list[Table]] = {}
    for number, revision in enumerate(CHAIN):
        with engine.begin() as connection:
            _go(connection, revision, up=True)
            tables[revision] = tables_of(connection)
            add_rows(connection, tables[revision], Random(number))
            at[revision] = read_rows(connection, tables[revision])
    with engine.begin() as connection:
        now = at[CHAIN[-1]]
        assert {name: len(rows) for name, rows in now.items()} == {
            table.name: len(connection.execute(select(table)).all())
            for table in metadata.sorted_tables
        }
        for rows in at.values():
            assert all(found.keys() <= now[name].keys() for name, found in rows.items())
    for revision in reversed(CHAIN):
        with engine.begin() as connection:
            if revision != CHAIN[-1]:
                _go(connection, revision, up=False)
            found = read_rows(connection, tables[revision])
        for name, rows in at[revision].items():
            assert {key: found[name].get(key) for key in rows} == rows, (revision, name)
    with engine.begin() as connection:
        _go(connection, "base", up=False)
        assert inspect(connection).get_table_names() == ["alembic_version"]
