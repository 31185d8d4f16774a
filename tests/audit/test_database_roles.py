"""What PostgreSQL's roles may do with the audit log: add rows without a seal, seal them once."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from chat_app.db.engine import Database
from testing.audit_log import events_of, identity_of, sealer_of, settings_of, write_events
from testing.database import only_postgres
from testing.owned_rows import Person
from testing.postgres import PostgresDatabase

pytestmark = only_postgres

_VALUES = "now(), 'sign_in', 'x', '', '', '', '', ''"
_COLUMNS = "at, action, actor, subject_kind, subject, network, request_id, details"
_SEALED = f"INSERT INTO audit_event ({_COLUMNS}, seq, seal) VALUES ({_VALUES}, 9, 'x')"
_PLAIN = f"INSERT INTO audit_event ({_COLUMNS}) VALUES ({_VALUES})"
_NO_CHANGE = (
    "DELETE FROM audit_event",
    "TRUNCATE audit_event",
    "UPDATE audit_event SET actor = 'x'",
    "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "DROP TRIGGER audit_event_changed ON audit_event",
    _SEALED,
)


def _execute(url: str, statement: str, user: UUID | None = None) -> Any:
    with psycopg.connect(url, autocommit=False) as connection:
        if user is not None:
            connection.execute("SELECT set_config('app.user_id', %s, true)", [str(user)])
        return connection.execute(statement.encode()).rowcount


@pytest.fixture
async def sealed(database: PostgresDatabase, db: Database) -> PostgresDatabase:
    await write_events(db, 2)
    await sealer_of(db, settings_of(database)).seal()
    return database


@pytest.mark.parametrize(
    "statement",
    [
        *_NO_CHANGE,
        "SELECT actor FROM audit_event",
        "SELECT count(*) FROM audit_event",
        "UPDATE audit_event SET seal = 'x'",
        f"{_PLAIN} RETURNING id",
    ],
)
async def test_the_role_of_users_sessions_only_adds_rows(
    sealed: PostgresDatabase, db: Database, statement: str
) -> None:
    before = await events_of(db)
    with pytest.raises(InsufficientPrivilege):
        _execute(sealed.app_url, statement)
    assert await events_of(db) == before
    assert _execute(sealed.app_url, _PLAIN) == 1


@pytest.mark.parametrize("statement", _NO_CHANGE)
async def test_the_role_of_the_system_changes_nothing_but_seals(
    sealed: PostgresDatabase, db: Database, statement: str
) -> None:
    before = await events_of(db)
    with pytest.raises(InsufficientPrivilege):
        _execute(sealed.system_url, statement)
    assert await events_of(db) == before


async def test_no_role_changes_a_seal_that_is_there(sealed: PostgresDatabase) -> None:
    for url in (sealed.system_url, sealed.owner_url):
        with pytest.raises(psycopg.errors.RaiseException, match="cannot be changed"):
            _execute(url, "UPDATE audit_event SET seal = 'x'")


async def test_a_user_reads_their_own_identity_and_writes_none(
    database: PostgresDatabase, db: Database, alice: Person, bob: Person
) -> None:
    owner = alice.principal.user_id
    assert _execute(database.app_url, "SELECT * FROM audit_identity", owner) == 1
    for statement in ("UPDATE audit_identity SET audit_id = 'x'", "DELETE FROM audit_identity"):
        assert _execute(database.app_url, statement, owner) == 0
    before = await identity_of(db, owner)
    with pytest.raises(InsufficientPrivilege):
        _execute(
            database.app_url,
            f"INSERT INTO audit_identity VALUES ('{UUID(int=1)}', 'x')",
            UUID(int=1),
        )
    assert await identity_of(db, owner) == before
