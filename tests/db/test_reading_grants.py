"""Grants to read another user's chats, also on mutants that each lack one condition of them."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlmodel import col, func, select

from chat_app.db import row_level_security
from chat_app.db.engine import Database
from chat_app.db.row_level_security import QueryRefused, RowScope
from chat_app.db.scoped_session import OpenGrant, ScopedSession, Unscoped
from chat_app.db.statements import ACTIVE_THREADS
from chat_app.db.tables import OWNED, PRIVATE, READ_BY_GRANT, Thread
from chat_app.orgs import members, reading
from testing.database import DatabaseUnderTest, SqliteDatabase, only_postgres, only_sqlite
from testing.owned_rows import make_person
from testing.postgres import PostgresDatabase
from testing.reading_machine import ReadingMachine, run_reading_machine

pytestmark = pytest.mark.filterwarnings("ignore:.*cartesian product")

EVERYTHING = {"sqlite": "1 = 1", "postgresql": "true"}


def _is_noticed(noticed: pytest.ExceptionInfo[AssertionError]) -> bool:
    """Whether what failed is an assertion of the machine, and nothing that is merely broken."""
    return (
        hasattr(ReadingMachine, noticed.traceback[-1].name)
        or noticed.traceback[-1].name == "titles"
    )


def _is_noticed_by_the_machine(database: DatabaseUnderTest) -> bool:
    with pytest.raises(AssertionError) as noticed:
        run_reading_machine(database, examples=10)
    return _is_noticed(noticed)


def test_each_user_reads_exactly_what_a_grant_allows(database: DatabaseUnderTest) -> None:
    run_reading_machine(database, examples=15 if isinstance(database, SqliteDatabase) else 5)


@pytest.fixture
def without_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler leave out whose rows are read."""
    monkeypatch.setattr(
        row_level_security._OwnerFilter, "_is_own", lambda one: EVERYTHING[one.dialect.name]
    )


@only_sqlite
def test_a_mutant_without_the_subject_is_noticed(
    database: DatabaseUnderTest, without_subject: None
) -> None:
    assert _is_noticed_by_the_machine(database)


@only_postgres
def test_without_the_subject_postgres_itself_keeps_users_apart(
    database: DatabaseUnderTest, without_subject: None
) -> None:
    run_reading_machine(database, examples=3)


@pytest.fixture
def without_organisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler leave out in which organisation the rows are."""
    monkeypatch.setattr(
        row_level_security._OwnerFilter,
        "_is_reached",
        lambda one, _column: EVERYTHING[one.dialect.name],
    )


@only_sqlite
def test_a_mutant_without_the_organisation_is_noticed(
    database: DatabaseUnderTest, without_organisation: None
) -> None:
    assert _is_noticed_by_the_machine(database)


@only_postgres
def test_without_the_organisation_postgres_itself_keeps_it(
    database: DatabaseUnderTest, without_organisation: None
) -> None:
    run_reading_machine(database, examples=3)


@only_sqlite
def test_a_mutant_whose_grants_reach_private_rows_is_noticed(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        RowScope, "reached", property(lambda scope: (PRIVATE, *sorted(scope.org_ids)))
    )
    assert _is_noticed_by_the_machine(database)


def test_a_mutant_without_the_time_is_noticed(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        reading, "_is_open", lambda _now: (col(reading.ReadingGrant.ended_at).is_(None),)
    )
    assert _is_noticed_by_the_machine(database)


def test_a_mutant_that_ends_no_grant_with_a_role_is_noticed(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end_nothing(*_: object, **__: object) -> None: ...

    monkeypatch.setattr(members, "end_organisation_grants", end_nothing)
    assert _is_noticed_by_the_machine(database)


@pytest.fixture
def without_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a grant reach every table of users' rows."""
    every = frozenset(str(model.__tablename__) for model in OWNED)
    monkeypatch.setattr(row_level_security, "_READ_BY_GRANT", every)


@only_sqlite
def test_a_mutant_without_the_list_of_tables_is_noticed(
    database: DatabaseUnderTest, without_tables: None
) -> None:
    assert _is_noticed_by_the_machine(database)


@only_postgres
def test_without_the_list_of_tables_postgres_itself_shows_no_other(
    database: DatabaseUnderTest, without_tables: None
) -> None:
    run_reading_machine(database, examples=3)


@pytest.fixture
def without_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a session of a grant write as far as the program is concerned."""

    def read_as(db: Database, grant: OpenGrant) -> Any:
        return db._reading(ScopedSession(db._own.writers, grant.scope))

    monkeypatch.setattr(Database, "read_as", read_as)
    monkeypatch.setattr(row_level_security, "_check_grant", lambda _compiled: None)


@only_sqlite
def test_a_mutant_that_writes_is_noticed(
    database: DatabaseUnderTest, without_read_only: None
) -> None:
    assert _is_noticed_by_the_machine(database)


@only_postgres
def test_without_read_only_postgres_itself_lets_nothing_be_written(
    database: DatabaseUnderTest, without_read_only: None
) -> None:
    run_reading_machine(database, examples=3)


async def test_a_transaction_that_names_a_subject_selects_their_rows_of_one_organisation(
    postgres: PostgresDatabase,
) -> None:
    db, org = postgres.open(Database), uuid4()
    alice, bob = [await make_person(db, name) for name in ("alice", "bob")]
    postgres.rows("UPDATE thread SET org_id = :org WHERE id = :id", org=org, id=alice.thread_id)
    await db.close()
    subject = (
        f"SELECT set_config('app.subject_id', '{alice.principal.user_id}', true), "
        f"set_config('app.subject_org', '{org}', true)"
    )

    def outcome(statement: str, named: str = subject) -> list[tuple[object, ...]] | int:
        with psycopg.connect(postgres.app_url) as connection:
            connection.execute(named.encode())
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else cursor.rowcount

    assert outcome("SELECT id FROM thread") == [(alice.thread_id,)]
    assert outcome("SELECT id FROM message") == [(alice.message_id,)]
    for table in (str(model.__tablename__) for model in OWNED if model not in READ_BY_GRANT):
        assert outcome(f"SELECT * FROM {table}") == [], table
    assert outcome("UPDATE thread SET title = 'stolen'") == 0
    assert outcome("DELETE FROM message") == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        outcome(
            "INSERT INTO message (id, owner_id, org_id, thread_id, role, parts, status, error, "
            f"model, created_at) VALUES ('{uuid4()}', '{alice.principal.user_id}', '{org}', "
            f"'{alice.thread_id}', 'user', '[]', 'complete', '', '', now())"
        )
    private = subject.replace(str(org), str(PRIVATE)).replace(
        str(alice.principal.user_id), str(bob.principal.user_id)
    )
    assert outcome("SELECT id FROM thread", private) == []


def test_a_grant_needs_real_ids_and_an_organisation() -> None:
    for ids in (
        (uuid4(), uuid4(), PRIVATE),
        (uuid4(), None, uuid4()),
        (uuid4(), str(uuid4()), uuid4()),
    ):
        with pytest.raises(Unscoped):
            OpenGrant(*ids)  # pyright: ignore[reportArgumentType]


async def test_a_session_of_a_grant_takes_no_prepared_statement_and_no_function(
    database: DatabaseUnderTest,
) -> None:
    db = database.open(Database)
    alice = await make_person(db, "alice")
    grant = OpenGrant(uuid4(), alice.principal.user_id, uuid4())
    async with db.read_as(grant) as session:
        with pytest.raises(QueryRefused):
            await session.execute_prepared(lambda one: one.all(ACTIVE_THREADS))
    async with db.read_as(grant) as session:
        with pytest.raises(QueryRefused):
            await session.exec(select(func.stored_bytes(1)).select_from(Thread))
    for call in (db.read, db.write):
        with pytest.raises(Unscoped):
            async with call(grant):  # pyright: ignore[reportArgumentType]
                pass
    await db.close()
