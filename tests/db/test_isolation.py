"""Four people do random things, also on mutants that each lack one check: those are noticed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.schema import CreateTable

from chat_app.db import engine as engine_module
from chat_app.db import row_level_security, scoped_session
from chat_app.db.engine import Database
from chat_app.db.row_level_security import RowScope
from chat_app.db.scoped_session import SyncScopedSession
from chat_app.db.statements import MOVE_THREAD
from chat_app.db.tables import metadata
from testing.database import DatabaseUnderTest, SqliteDatabase, only_postgres, only_sqlite
from testing.isolation_machine import Isolation, run_isolation_machine
from testing.postgres import PostgresDatabase

pytestmark = pytest.mark.filterwarnings("ignore:.*cartesian product")


def _tables(connection: Any, *, composite: bool) -> None:
    for table in metadata.sorted_tables:
        keys = [key for key in table.foreign_key_constraints if composite or len(key.columns) == 1]
        connection.execute(CreateTable(table, include_foreign_key_constraints=keys))


async def _make_tables(path: Path, *, composite: bool) -> None:
    db = Database(f"sqlite+aiosqlite:///{path}")
    async with db.system("auth", write=True) as session:
        connection = await session.connection()
        await connection.run_sync(_tables, composite=composite)
    await db.close()


def _failed_in(noticed: pytest.ExceptionInfo[AssertionError]) -> str:
    """The rule whose assertion failed: a mutant must be caught, not merely broken."""
    return noticed.traceback[-1].name


def _is_noticed(noticed: pytest.ExceptionInfo[AssertionError]) -> bool:
    """Whether what failed is the comparison of a rule, or of everything, with the model."""
    return hasattr(Isolation, _failed_in(noticed))


@contextmanager
def _without_flush_check() -> Iterator[None]:
    def only_fill_in(session: SyncScopedSession, _flush: Any, _rows: Any) -> None:
        for row in session.new:
            row.owner_id = (
                row.owner_id if "owner_id" in row.model_fields_set else session.scope.owner
            )

    event.remove(SyncScopedSession, "before_flush", scoped_session._check_rows)
    event.listen(SyncScopedSession, "before_flush", only_fill_in)
    try:
        yield
    finally:
        event.remove(SyncScopedSession, "before_flush", only_fill_in)
        event.listen(SyncScopedSession, "before_flush", scoped_session._check_rows)


@pytest.fixture
def without_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler restrict nothing, and refuse nothing."""
    monkeypatch.setattr(engine_module, "restrict_to_owner", lambda *engines: None)


def test_each_user_sees_exactly_what_they_own(database: DatabaseUnderTest) -> None:
    run_isolation_machine(database, examples=20 if isinstance(database, SqliteDatabase) else 10)


@only_sqlite
def test_a_mutant_without_the_filter_is_noticed(
    database: DatabaseUnderTest, without_filter: None
) -> None:
    with pytest.raises(AssertionError) as noticed:
        run_isolation_machine(database, examples=20)
    assert _is_noticed(noticed)


@only_postgres
def test_without_the_filter_postgres_itself_keeps_users_apart(
    database: DatabaseUnderTest, without_filter: None
) -> None:
    run_isolation_machine(database, examples=10)


def test_without_the_filter_and_the_policies_a_mutant_is_noticed(
    postgres: PostgresDatabase, without_filter: None
) -> None:
    for table in ("thread", "message"):
        postgres.rows(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    with pytest.raises(AssertionError) as noticed:
        run_isolation_machine(postgres, examples=20)
    assert _is_noticed(noticed)


@only_postgres
def test_a_mutant_whose_transactions_name_no_user_is_noticed(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "name_owner", lambda _engine: None)
    with pytest.raises(ProgrammingError, match="row-level security"):
        run_isolation_machine(database, examples=20)


@only_sqlite
def test_a_mutant_without_the_flush_check_is_noticed(database: DatabaseUnderTest) -> None:
    with _without_flush_check(), pytest.raises(AssertionError) as noticed:
        run_isolation_machine(database, examples=20)
    assert _failed_in(noticed) in {"create_thread_for", "hand_over", "create_thread_in"}


@pytest.fixture
def without_organisations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler restrict rows to their owner alone, whatever organisation they are in."""
    everything = {"sqlite": "1 = 1", "postgresql": "true"}

    def is_reached(compiler: Any, _column: str) -> str:
        return everything[compiler.dialect.name]

    monkeypatch.setattr(row_level_security._OwnerFilter, "_is_reached", is_reached)
    monkeypatch.setattr(MOVE_THREAD, "_compiled", {})  # it is compiled once for all databases


@only_sqlite
def test_a_mutant_without_the_condition_of_organisations_is_noticed(
    database: DatabaseUnderTest, without_organisations: None
) -> None:
    with pytest.raises(AssertionError) as noticed:
        run_isolation_machine(database, examples=20)
    assert _is_noticed(noticed)


@only_postgres
def test_without_the_condition_of_organisations_postgres_itself_keeps_them_apart(
    database: DatabaseUnderTest, without_organisations: None
) -> None:
    run_isolation_machine(database, examples=10)


def test_without_that_condition_and_the_policies_a_mutant_is_noticed(
    postgres: PostgresDatabase, without_organisations: None
) -> None:
    for table in ("thread", "message"):
        postgres.rows(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    with pytest.raises(AssertionError) as noticed:
        run_isolation_machine(postgres, examples=20)
    assert _is_noticed(noticed)


def test_a_mutant_that_checks_no_organisation_of_what_is_written_is_noticed(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RowScope, "has", lambda _scope, _org_id: True)
    # PostgreSQL refuses it by its policies
    with pytest.raises((AssertionError, ProgrammingError)):
        run_isolation_machine(database, examples=20)


@only_postgres
def test_without_the_flush_check_postgres_itself_refuses_a_row_for_another(
    database: DatabaseUnderTest,
) -> None:
    with (
        _without_flush_check(),
        pytest.raises(ProgrammingError, match="violates row-level security policy"),
    ):
        run_isolation_machine(database, examples=20)


def test_a_mutant_without_the_composite_keys_is_noticed(tmp_path: Path) -> None:
    file = SqliteDatabase(tmp_path)
    asyncio.run(_make_tables(file.path, composite=False))
    with pytest.raises(AssertionError) as noticed:
        run_isolation_machine(file, examples=20)
    assert _failed_in(noticed) in {"write_message", "reply"}
