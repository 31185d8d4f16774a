"""Hypothesis profiles (`ci` when CI is set, else the usual number of examples); what is shared."""

import gc
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from testing.engine_events import share_compiled_statements

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from chat_app.db.engine import Database
    from testing.database import DatabaseUnderTest
    from testing.owned_rows import Person
    from testing.postgres import PostgresDatabase, PostgresServer, SharedDatabase

gc.set_threshold(50_000)  # a sixth of a worker's time is collecting garbage with the usual 700

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


IN_ONE_LOOP = ("browser", "examples", "nextauth", "client")
"""Folders whose tests all use the browser, which belongs to one event loop."""
LONG = (
    ("browser",),
    (
        "browser/test_a_whole_day",
        "browser/test_administration_story",
        "browser/test_context",
        "browser/test_email_links",
        "browser/test_event_source",
        "browser/test_first_conversation",
        "browser/test_identity_providers",
        "browser/test_session_endings",
        "browser/test_split_host",
        "browser/test_usage",
        "nextauth",
        "client",
    ),
    ("resilience", "examples", "upgrade", "ai_sdk", "provider_apis", "components", "pages"),
)
"""Long tests, and those that start something once, by worker: by folder, and files that are not
with the others of theirs."""
_GROUPS = {name: number for number, names in enumerate(LONG) for name in names}


assert all(list(Path(__file__).parent.glob(f"{name}*")) for name in _GROUPS), "one was renamed"


def pytest_collection_finish() -> None:
    """Exclude modules and tests from garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let tests of the database compile statements of their own: some change the compiler."""
    share_compiled_statements(item.path.parent.name != "db")


def _group(item: pytest.Item) -> int | None:
    folder = item.path.parent.name
    return _GROUPS.get(f"{folder}/{item.path.stem}", _GROUPS.get(folder))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that share a browser in its event loop; put long tests before short ones.

    Each worker begins with an equal part of the list, and takes from the end of another's when it
    has no more: so no server is started twice, and what is left for the end is short.
    """
    for item in items:
        if item.path.parent.name in IN_ONE_LOOP and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
    short = [one for one in items if _group(one) is None]
    ordered: list[pytest.Item] = []
    for number in range(len(LONG)):
        long = [one for one in items if _group(one) == number]
        part = (len(items) - len(ordered)) // (len(LONG) - number)
        count = max(0, part - len(long))
        ordered += [*long, *short[:count]]
        del short[:count]
    items[:] = [*ordered, *short]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> "AsyncIterator[Browser]":
    """One Chromium for every test of a worker; each opens a profile of its own in it."""
    from testing.browser import chromium

    async with chromium() as one:
        yield one


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


@pytest.fixture(params=["sqlite", "postgres"])
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


@pytest.fixture
async def db(database: "DatabaseUnderTest") -> "AsyncIterator[Database]":
    """The database, opened as the program opens it."""
    from chat_app.db.engine import Database

    one = database.open(Database)
    yield one
    await one.close()


@pytest.fixture
async def alice(db: "Database") -> "Person":
    """A user with a row in every table of users' rows."""
    from testing.owned_rows import make_person

    return await make_person(db, "alice")


@pytest.fixture
async def bob(db: "Database") -> "Person":
    """Another one."""
    from testing.owned_rows import make_person

    return await make_person(db, "bob")
