"""What differs between the databases, as far as it shows without a Postgres server."""

# pyright: reportCallIssue=false, reportArgumentType=false
# A row gets its `owner_id` from the scoped session, and columns are typed as their values.

import asyncio
import errno
import sqlite3
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import UnaryExpression, column, delete, func, insert, select, text, update
from sqlalchemy.orm import aliased
from sqlalchemy.sql.operators import custom_op
from sqlmodel import col

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseBusy, DatabaseError, DatabaseFull, DatabaseUnreachable
from chat_app.db.dialect import Engines, convert_error, engines
from chat_app.db.engine import Database
from chat_app.db.row_level_security import QueryRefused, restrict_to_owner
from chat_app.db.tables import ChatDefaults, Message, Thread, User
from chat_app.db.write_locks import NestedWrite

POSTGRES = "postgresql+psycopg://nobody@localhost/none"


def _sqlite_error(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(name)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_sqlite_error("SQLITE_BUSY"), DatabaseBusy),
        (_sqlite_error("SQLITE_BUSY_SNAPSHOT"), DatabaseBusy),
        (_sqlite_error("SQLITE_LOCKED"), DatabaseBusy),
        (_sqlite_error("SQLITE_FULL"), DatabaseFull),
        (_sqlite_error("SQLITE_IOERR_WRITE"), DatabaseUnreachable),
        (OSError(errno.ENOSPC, "no space"), DatabaseFull),
        (SimpleNamespace(sqlstate="40P01"), DatabaseBusy),
        (SimpleNamespace(sqlstate="53300"), DatabaseBusy),
        (SimpleNamespace(sqlstate="53100"), DatabaseFull),
    ],
)
def test_what_is_no_bug_becomes_a_sentence(error: Any, kind: type[DatabaseError]) -> None:
    found = convert_error(error)
    assert found is not None
    assert type(found) is kind
    assert found.message.endswith(".")


@pytest.mark.parametrize(
    "error",
    [
        _sqlite_error("SQLITE_CONSTRAINT_UNIQUE"),
        SimpleNamespace(sqlstate="23505"),
        OSError(errno.EACCES, "no"),
        LookupError(),
        None,
    ],
)
def test_every_other_error_stays_what_it_is(error: Any) -> None:
    assert convert_error(error) is None


@pytest.fixture
def postgres() -> Engines:
    made = engines(POSTGRES, busy_seconds=1)
    restrict_to_owner(made.writers, made.readers)
    return made


def _sql(on: Engines, statement: Any) -> str:
    return " ".join(str(statement.compile(dialect=on.readers.dialect)).split())


def test_postgres_readers_cannot_write_and_share_the_pool(postgres: Engines) -> None:
    options = postgres.readers.sync_engine.get_execution_options()
    assert options["postgresql_readonly"] is True
    assert postgres.readers.sync_engine.pool is postgres.writers.sync_engine.pool


async def test_on_postgres_too_one_writes_at_a_time() -> None:
    db, who = Database(POSTGRES), Principal(uuid4(), uuid4())
    async with db.write(who):
        with pytest.raises(NestedWrite):
            async with db.system("auth", write=True):
                pass
    await db.close()


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (psycopg.OperationalError("closed"), [DatabaseUnreachable]),
        (asyncio.CancelledError(), []),
        (KeyboardInterrupt(), []),
    ],
)
def test_who_stops_waiting_for_postgres_is_not_told_that_it_is_lost(
    postgres: Engines, error: BaseException, becomes: list[type]
) -> None:
    # SQLAlchemy gives the connection up in each case, and asks what to raise instead
    given = SimpleNamespace(
        original_exception=error, connection=object(), is_disconnect=True, is_pre_ping=False
    )
    listeners = postgres.writers.dialect.dispatch.handle_error
    said = [one for listen in listeners if (one := listen(given)) is not None]
    assert [type(one) for one in said] == becomes


def test_postgres_statements_are_filtered_too(postgres: Engines) -> None:
    own, orgs = "%(owner_filter)s::UUID", "ANY (%(organisations_filter)s::UUID[])"
    rows = f"owner_id = {own} AND org_id = {orgs}"
    changed = f"thread.owner_id = {own} AND thread.org_id = {orgs}"
    other = aliased(Message)
    assert _sql(postgres, select(func.count()).select_from(Thread)) == (
        f"SELECT count(*) AS count_1 FROM (SELECT * FROM thread WHERE {rows}) AS thread"
    )
    assert _sql(postgres, select(other.role).where(col(other.id) == uuid4())).startswith(
        f"SELECT message_1.role FROM (SELECT * FROM message WHERE {rows}) AS message_1 WHERE"
    )
    assert _sql(postgres, select(func.count()).select_from(ChatDefaults)) == (
        "SELECT count(*) AS count_1 "
        f"FROM (SELECT * FROM chat_defaults WHERE owner_id = {own}) AS chat_defaults"
    )
    assert _sql(postgres, delete(Thread)) == f"DELETE FROM thread WHERE {changed}"
    assert _sql(postgres, update(Thread).values(title=Message.role)) == (
        "UPDATE thread SET title=message.role "
        f"FROM (SELECT * FROM message WHERE {rows}) AS message WHERE {changed}"
    )
    with pytest.raises(QueryRefused):
        _sql(postgres, select(User))


@pytest.mark.parametrize(
    "statement",
    [
        insert(Thread).from_select(["title"], select(Message.role)),
        insert(User).values(name="x"),
        select(UnaryExpression(col(Thread.title), operator=custom_op("1) OR ("))),
        select(UnaryExpression(col(Thread.title), modifier=custom_op("FROM message --"))),
        select(col(Thread.title).op("MATCH ")("x")),
        text("SELECT 1").columns(column("one")),
    ],
)
def test_the_compiler_refuses_what_it_cannot_filter(postgres: Engines, statement: Any) -> None:
    with pytest.raises(QueryRefused):
        _sql(postgres, statement)


def test_a_known_operator_is_taken(postgres: Engines) -> None:
    assert "thread.title @@ %(title_1)s" in _sql(
        postgres, select(col(Thread.title).op("@@")("rain"))
    )


def test_a_lock_hint_names_the_table_and_not_its_rows(postgres: Engines) -> None:
    assert _sql(postgres, select(Thread.id).with_for_update(of=Thread)).endswith(
        "FOR UPDATE OF thread"
    )
