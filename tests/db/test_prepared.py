"""The prepared statements of the hot paths: where they are, and that none leaves its owner."""

import ast
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from chat_app.core.parts import text_part
from chat_app.db import statements
from chat_app.db.engine import Database
from chat_app.db.prepared import Prepared, PreparedInsert, Transaction
from chat_app.db.row_level_security import QueryRefused, RowScope, bind_scope, owned_by
from chat_app.db.scoped_session import Unscoped
from chat_app.db.tables import (
    OWNED,
    PRIVATE,
    ChatDefaults,
    Message,
    Run,
    RunEvent,
    Thread,
    UsageLedger,
    User,
    metadata,
)
from chat_app.usage.ledger import COUNTERS
from testing.owned_rows import Person

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*session.exec:DeprecationWarning")

NOW = datetime(2026, 1, 1, tzinfo=UTC)

READS = {
    "MESSAGE_OF_CLIENT",
    "FIRST_RUN_OF_QUESTION",
    "THREAD_OF_EXTERNAL_ID",
    "THREAD_TO_SEND_TO",
    "MESSAGE_TO_ANSWER",
    "MESSAGE_TO_CONTINUE",
    "OPTIONS_OF_NEW_CHATS",
    "ACTIVE_THREADS",
    "PAGE_OF_THREADS",
    "RUN_TO_END",
    "END_OF_RUN",
    "EVENTS_OF_RUN",
    "BRANCH_OF_PROMPT",
    "SHORT_BRANCH_OF_PROMPT",
    "LOST_RUNS",
}
WITHOUT_IDS = {
    "ACTIVE_THREADS",
    "PAGE_OF_THREADS",
    "LOST_RUNS",
    "MESSAGE_OF_CLIENT",
    "OPTIONS_OF_NEW_CHATS",
    "THREAD_OF_EXTERNAL_ID",
}
"""Reads with no parameter that names a row."""
OF_OWNER = {"STORED_BYTES", "STORED_REPORT_BYTES", "LOCK_MEMBERSHIP"}
"""Functions of the owner, beyond the rows that a scope reaches."""
CHANGES = {
    *("CONTINUE_THREAD", "CONTINUE_MESSAGE", "START_RUN", "END_MESSAGE", "END_RUN"),
    *("CHANGE_PARTS", "DELETE_EVENTS", "DELETE_ENTRY", "TOUCH_THREAD", "MOVE_THREAD"),
}
INSERTS = {"INSERT_THREAD", "INSERT_MESSAGE", "INSERT_RUN", "INSERT_EVENT", "INSERT_ENTRY"}
SYSTEM_READS = {
    *("SESSION_OF_TOKEN", "SESSION_OF_JWT", "SESSION_BY_ID", "KEY_OF_TOKEN", "KEY_BY_ID"),
    *("AUDIT_HEAD", "UNSEALED_AUDIT_EVENTS", "NEWEST_UNSEALED_KEY_CHANGE", "SEALED_AUDIT_EVENTS"),
}
SYSTEM_CHANGES = {"SEAL_AUDIT_EVENT", "USE_KEY", "USE_SESSION"}
APPENDS = {"APPEND_AUDIT_EVENT"}
ADDITIONS = {"ADD_USAGE"}


def _named() -> dict[str, Prepared]:
    return {name: found for name, found in vars(statements).items() if isinstance(found, Prepared)}


def test_prepared_statements_are_these_and_made_in_one_file_only() -> None:
    makers = {"Prepared", "PreparedInsert", "PreparedAddition", "PreparedAppend", "PreparedMove"}
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "chat_app").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers
    }
    assert files == {"chat_app/db/statements.py"}
    of_system = SYSTEM_READS | SYSTEM_CHANGES
    assert set(_named()) == READS | OF_OWNER | CHANGES | INSERTS | APPENDS | ADDITIONS | of_system


def _of(person: Person) -> dict[str, Any]:
    """Every parameter of every statement, with the ids of a person."""
    return {
        "thread_id": person.thread_id,
        "message_id": person.message_id,
        "run_id": person.run_id,
        "leaf": person.message_id,
        "client_id": "c1",
        "external_id": "chat-1",
        "status": "regular",
        "org_id": PRIVATE,
        "of_org": PRIVATE,
        "last": UUID(int=0),
        "before": datetime(9999, 1, 1, tzinfo=UTC),
        "before_id": UUID(int=2**128 - 1),
        "limit": 10,
        "max_bytes": 10_000,
        "now": NOW,
        "new_title": "stolen",
        "new_model": "stolen",
        "new_head": uuid4(),
        "new_parts": [],
        "new_native": None,
        "new_size": 0,
        "new_status": "stolen",
        "new_finish_reason": "",
        "new_error": "stolen",
        "new_error_params": {},
        "new_last_seq": 9,
        "new_finished_at": NOW,
        "new_input_tokens": 1,
        "new_output_tokens": 1,
        "new_reasoning_tokens": 1,
        "new_cached_input_tokens": 1,
        "new_cost_nanodollars": 1,
    }


async def _everything(db: Database) -> list[Any]:
    rows: list[Any] = []
    async with db.system("auth") as session:
        for model in (User, Thread, Message, Run, RunEvent, ChatDefaults):
            rows += (await session.execute(select(model.__table__))).all()  # pyright: ignore
    return rows


@pytest.mark.parametrize("name", sorted(READS))
async def test_a_prepared_select_finds_own_rows_only(
    db: Database, alice: Person, bob: Person, name: str
) -> None:
    statement = _named()[name]
    for person in (alice, bob):  # so that each would find the other's, too
        async with db.write(person.principal) as session:
            question = await session.get(Message, person.message_id)
            assert question is not None
            question.client_id = "c1"
            thread = await session.get(Thread, person.thread_id)
            assert thread is not None
            thread.external_id = "chat-1"
            answer = Message(
                owner_id=person.principal.user_id,
                thread_id=person.thread_id,
                parent_id=person.message_id,
                role="assistant",
            )
            session.add(answer)
            await session.flush()
            session.add(
                Run(
                    owner_id=person.principal.user_id,
                    thread_id=person.thread_id,
                    message_id=answer.id,
                    session_id=person.principal.credential_id,
                    model="m",
                )
            )
    # a read transaction of PostgreSQL takes no lock
    run = db.transact if name == "THREAD_TO_SEND_TO" else db.query
    mine = await run(alice.principal, lambda one: one.all(statement, **_of(alice)))
    foreign = await run(alice.principal, lambda one: one.all(statement, **_of(bob)))
    assert mine
    if name in WITHOUT_IDS:
        assert foreign == mine, "they have no parameter that names another user's row"
        both = await db.system_transact("run log", lambda one: one.all(statement, **_of(bob)))
        assert both != mine, "without the owner's condition it would find more"
    else:
        assert foreign == []


@pytest.mark.parametrize("name", sorted(CHANGES))
async def test_a_prepared_change_reaches_own_rows_only(
    db: Database, alice: Person, bob: Person, name: str
) -> None:
    statement = _named()[name]
    before = await _everything(db)
    count = await db.transact(alice.principal, lambda one: one.run(statement, **_of(bob)))
    assert (count, await _everything(db)) == (0, before)
    assert await db.transact(alice.principal, lambda one: one.run(statement, **_of(alice))) == 1


def _row(statement: PreparedInsert, person: Person, owner: UUID) -> dict[str, Any]:
    """A new row below what a person owns, which says that it belongs to `owner`."""
    fixed = {
        **_of(person),
        "parent_id": person.message_id,
        "session_id": uuid4(),
        "seq": 7,
        "id": uuid4(),
        "owner_id": owner,
        "parts": [],
        "error_params": {},
        "client_id": None,
        "options": {},
        "custom": {},
        "external_id": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return {
        column.name: fixed.get(column.name, "" if not column.nullable else None)
        for column in statement.table.c
    } | ({"size": 0} if statement is statements.INSERT_MESSAGE else {})


@pytest.mark.parametrize("name", sorted(INSERTS))
async def test_a_prepared_insert_belongs_to_the_principal_whatever_is_given(
    db: Database, alice: Person, bob: Person, name: str
) -> None:
    statement = _named()[name]
    assert isinstance(statement, PreparedInsert)
    row = {**_row(statement, alice, bob.principal.user_id), "last_seq": 0}
    owners = select(statement.table.c.owner_id)
    async with db.system("auth") as session:
        before = (await session.execute(owners)).scalars().all()
    await db.transact(alice.principal, lambda one: one.run(statement, **row))
    async with db.system("auth") as session:
        found = (await session.execute(owners)).scalars().all()
    assert sorted(found) == sorted([*before, alice.principal.user_id])


@pytest.mark.parametrize("name", sorted(INSERTS - {"INSERT_THREAD"}))
async def test_a_prepared_insert_below_a_foreign_parent_is_refused(
    db: Database, alice: Person, bob: Person, name: str
) -> None:
    statement = _named()[name]
    assert isinstance(statement, PreparedInsert)
    before = await _everything(db)
    row = {**_row(statement, bob, bob.principal.user_id), "last_seq": 0}
    with pytest.raises(IntegrityError):
        await db.transact(alice.principal, lambda one: one.run(statement, **row))
    assert await _everything(db) == before


async def test_counters_are_added_to_the_row_of_the_principal_whatever_is_given(
    db: Database, alice: Person, bob: Person
) -> None:
    key = {"day": NOW.date(), "org_id": PRIVATE, "model": "bob model", "purpose": "answer"}
    counts = {name: number for number, name in enumerate(COUNTERS, 1)}
    given = {"owner_id": bob.principal.user_id, **key, **counts}
    for _ in range(2):
        await db.transact(alice.principal, lambda one: one.run(statements.ADD_USAGE, **given))
    counters = [getattr(UsageLedger, name) for name in ("owner_id", *COUNTERS)]
    async with db.system("auth") as session:
        rows = await session.execute(select(*counters).where(col(UsageLedger.model) == "bob model"))
        assert sorted(map(tuple, rows.all())) == sorted(
            [
                (alice.principal.user_id, *(2 * count for count in counts.values())),
                (bob.principal.user_id, 1, *[0] * 6),
            ]
        )


async def test_what_a_user_stores_is_a_sum_of_own_rows(
    db: Database, alice: Person, bob: Person
) -> None:
    def stored(transaction: Transaction) -> list[Any]:
        found = [statements.STORED_BYTES, statements.STORED_REPORT_BYTES]
        return [transaction.all(statement, row_bytes=1_000) for statement in found]

    mine, [[(chats,)], reports] = [
        await db.query(person.principal, stored) for person in (alice, bob)
    ]
    async with db.write(bob.principal) as session:
        session.add(
            Message(
                owner_id=bob.principal.user_id,
                thread_id=bob.thread_id,
                role="user",
                parts=[text_part("x" * 70_000)],
            )
        )
    assert await db.query(alice.principal, stored) == mine
    assert await db.query(bob.principal, stored) == [[(chats + 71_000,)], reports]
    async with db.write(alice.principal) as session:
        assert await session.execute_prepared(stored) == mine


async def test_a_query_cannot_write(db: Database, alice: Person) -> None:
    before = await _everything(db)
    values = _of(alice)
    with pytest.raises(Exception, match=r"read.?only"):
        await db.query(alice.principal, lambda one: one.run(statements.CONTINUE_THREAD, **values))
    assert await _everything(db) == before


async def test_a_transaction_needs_a_real_principal(db: Database) -> None:
    nobody: Any = type("Nobody", (), {"user_id": None, "credential_id": uuid4()})()
    for opened in (db.transact, db.query):
        with pytest.raises(Unscoped):
            await opened(nobody, lambda one: one.all(statements.ACTIVE_THREADS))


def test_a_statement_that_names_a_table_without_owner_is_refused(db: Database) -> None:
    dialect = db._own.writers.dialect
    users = metadata.tables["user"]
    for statement in (select(users.c.email), users.update().values(name="x"), users.delete()):
        with pytest.raises(QueryRefused):
            Prepared(statement).compiled(dialect)
    for table in metadata.tables.values():
        if table.name not in {str(model.__tablename__) for model in OWNED}:
            with pytest.raises(QueryRefused):
                PreparedInsert(table).compiled(dialect)
    for name in SYSTEM_READS | SYSTEM_CHANGES:
        with pytest.raises(QueryRefused):
            _named()[name].compiled(dialect)
    with pytest.raises(QueryRefused):
        Prepared(text("SELECT * FROM thread")).compiled(dialect)
    with pytest.raises(QueryRefused):
        Prepared(insert(metadata.tables["thread"]))


def test_a_transaction_of_an_owner_is_restricted_and_no_other_is(db: Database) -> None:
    driver: Any = object()
    with pytest.raises(QueryRefused):
        Transaction(driver, db._all.writers.dialect, RowScope(uuid4()))
    with pytest.raises(QueryRefused):
        Transaction(driver, db._own.writers.dialect, None)


async def test_a_restricted_connection_takes_no_text_but_that_of_its_prepared_statements(
    db: Database, alice: Person
) -> None:
    own, everybody = db._own.writers.dialect, db._all.writers.dialect
    allowed = statements.OPTIONS_OF_NEW_CHATS.compiled(own)
    refused = statements.OPTIONS_OF_NEW_CHATS.compiled(everybody)
    assert allowed.sql != refused.sql
    mine = RowScope(alice.principal.user_id)
    async with owned_by(db._own.readers, mine).connect() as connection:
        values = allowed.bind({}, bind_scope(own, mine))
        found = await connection.exec_driver_sql(allowed.sql, values)
        assert len(found.all()) == 1
        others = allowed.bind({}, bind_scope(own, RowScope(uuid4())))
        with pytest.raises(QueryRefused):
            await connection.exec_driver_sql(allowed.sql, others)
        with pytest.raises(QueryRefused):
            await connection.exec_driver_sql(refused.sql)
