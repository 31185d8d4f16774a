"""Rows of every revision go to the newest one and back, unchanged, on both databases."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, Table, inspect, select

from chat_app.db.dialect import migration_engine
from chat_app.db.tables import metadata
from chat_app.settings import read_settings
from testing.generated_rows import REVISIONS, Rows, add_rows, migrate_to, read_rows, tables_of


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database, as the role that migrates it."""
    settings = {"data_dir": tmp_path, "database_url": ""}
    if request.param == "postgres":
        settings = request.getfixturevalue("empty_postgres").one_role
    engine = migration_engine(read_settings(_env_file=None, **settings).sqlalchemy_url)
    yield engine
    engine.dispose()


def test_rows_of_every_revision_go_to_the_newest_and_back_unchanged(engine: Engine) -> None:
    at: dict[str, Rows] = {}
    tables: dict[str, list[Table]] = {}
    for number, revision in enumerate(REVISIONS):
        with engine.begin() as connection:
            migrate_to(connection, revision)
            tables[revision] = tables_of(connection)
            add_rows(connection, tables[revision], Random(number))
            at[revision] = read_rows(connection, tables[revision])
    newest = REVISIONS[-1]
    with engine.begin() as connection:
        assert {name: len(rows) for name, rows in at[newest].items()} == {
            table.name: len(connection.execute(select(table)).all())
            for table in metadata.sorted_tables
        }
    for revision in reversed(REVISIONS):
        with engine.begin() as connection:
            migrate_to(connection, revision)
            found = read_rows(connection, tables[revision])
        for name, rows in at[revision].items():
            assert rows.keys() <= at[newest][name].keys()
            assert {key: found[name].get(key) for key in rows} == rows, (revision, name)
    with engine.begin() as connection:
        migrate_to(connection, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
