"""Hypothesis profiles (`ci` when CI is set, else the usual number of examples); databases."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from testing.database import DatabaseUnderTest
    from testing.postgres import PostgresDatabase, PostgresServer, SharedDatabase

settings.register_profile("local", deadline=None)
settings.register_profile(
    "ci",
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file at the newest revision without rows; copying it is quicker than making it."""
    from chat_app.db.migrations import upgrade
    from chat_app.settings import read_settings

    config = read_settings(data_dir=tmp_path_factory.mktemp("migrated"), database_url="")
    upgrade(config)
    assert config.sqlite_path is not None
    return config.sqlite_path


@pytest.fixture(scope="session")
def postgres_server() -> "Iterator[PostgresServer]":
    """A PostgreSQL server of this worker."""
    from testing.postgres import PostgresServer

    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres(postgres_server: "PostgresServer") -> "Iterator[PostgresDatabase]":
    """A PostgreSQL database at the newest revision, of this test alone."""
    with postgres_server.new_database() as database:
        yield database


@pytest.fixture
def empty_postgres(postgres_server: "PostgresServer") -> "Iterator[PostgresDatabase]":
    """A PostgreSQL database without tables."""
    with postgres_server.new_database("template0") as database:
        yield database


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: "PostgresServer") -> "Iterator[SharedDatabase]":
    from testing.postgres import SharedDatabase

    shared = SharedDatabase(postgres_server)
    yield shared
    shared.close()


@pytest.fixture(params=["sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> "Iterator[DatabaseUnderTest]":
    """A database at the newest revision without rows; its test runs on SQLite and on PostgreSQL.

    A test of one of them takes `only_sqlite` or `only_postgres` (testing/database.py) as a mark.
    """
    from testing.database import SqliteDatabase, without_sqlite

    if request.param == "sqlite":
        yield SqliteDatabase(tmp_path, request.getfixturevalue("migrated"))
        return
    shared = request.getfixturevalue("shared_postgres")
    with without_sqlite():
        yield shared.emptied(tmp_path)
