"""Every way around the scope that SQLAlchemy offers, one by one: refused, and nothing changed."""

# pyright: reportCallIssue=false, reportArgumentType=false
# A row gets its `owner_id` from the scoped session, and columns are typed as their values.

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    case,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    text,
    true,
    union,
    update,
)
from sqlalchemy.orm import aliased, join, make_transient_to_detached
from sqlmodel import col

from chat_app.db.engine import Database
from chat_app.db.row_level_security import QueryRefused
from chat_app.db.scoped_session import ScopedSession, Unscoped
from chat_app.db.tables import Account, AuthSession, Message, Run, RunEvent, Thread, User
from testing.owned_rows import Person

pytestmark = [
    pytest.mark.filterwarnings("ignore:(?s).*session.exec:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*cartesian product"),
]

THREAD: Any = Thread.__table__  # pyright: ignore[reportAttributeAccessIssue]
MESSAGE: Any = Message.__table__  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True)
class Try:
    """An attempt by the first person at what the second one owns."""

    session: ScopedSession
    me: Person
    victim: Person


Hatch = Callable[[Try], Awaitable[Any]]


def _execute(statement: Callable[[Try], Any], **kw: Any) -> Hatch:
    async def attempt(this: Try) -> Any:
        return await this.session.execute(statement(this), **kw)

    return attempt


def _sync(work: Callable[[Any, Try], Any]) -> Hatch:
    async def attempt(this: Try) -> Any:
        return await this.session.run_sync(work, this)

    return attempt


def _flush(prepare: Callable[[Try], Any]) -> Hatch:
    async def attempt(this: Try) -> None:
        prepare(this)
        await this.session.flush()

    return attempt


def _detached(this: Try, owner: UUID) -> Thread:
    row = Thread(id=this.victim.thread_id, owner_id=owner, title="stolen")
    make_transient_to_detached(row)
    return row


async def _change_owner(this: Try) -> None:
    row = await this.session.get(Thread, this.me.thread_id)
    assert row is not None
    row.owner_id = this.victim.principal.user_id
    await this.session.flush()


async def _flush_nested(this: Try) -> None:
    async with this.session.begin_nested():
        this.session.add(Thread(owner_id=this.victim.principal.user_id))


def _raw(session: Any, statement: Any) -> None:
    with session.bind.connect() as connection:
        if isinstance(statement, str):
            connection.exec_driver_sql(statement)
        else:
            connection.execute(statement)


async def _listed(this: Try) -> None:
    await this.session.execute(update(Thread), [{"id": this.victim.thread_id, "title": "stolen"}])


HATCHES: dict[str, Hatch] = {
    # text
    "text": _execute(lambda _: text("SELECT * FROM thread")),
    "text update": _execute(lambda _: text("UPDATE thread SET title = 'stolen'")),
    "text with columns": _execute(lambda _: text("SELECT id FROM thread").columns(THREAD.c.id)),
    "text as a column": _execute(lambda _: select(Thread).where(literal_column("1=1 OR 1=1"))),
    "text in where": _execute(lambda _: select(Thread).where(text("1=1 OR 1=1"))),
    "text column": _execute(lambda _: select(Thread.id, text("title"))),
    "text order": _execute(lambda _: select(Thread.id).order_by(text("(SELECT 1)"))),
    "text from": _execute(
        lambda _: select(Thread.id).select_from(
            text("SELECT id FROM message").columns(MESSAGE.c.id).subquery()
        )
    ),
    "literal column": _execute(
        lambda _: select(Thread.id, literal_column("(SELECT group_concat(title) FROM thread)"))
    ),
    "prefix": _execute(lambda _: select(Thread).prefix_with("* FROM thread --")),
    "suffix": _execute(lambda _: select(Thread).suffix_with("OR 1=1")),
    "operator": _execute(
        lambda _: select(Thread).where(col(Thread.title).op(") OR (1=1 OR", precedence=99)("x"))
    ),
    "from statement": _execute(
        lambda _: select(Thread).from_statement(text("SELECT * FROM thread"))
    ),
    "from ORM statement": _execute(lambda _: select(Thread).from_statement(select(Thread))),
    # Core
    "core select": _execute(lambda _: select(THREAD)),
    "core insert": _execute(
        lambda this: insert(THREAD).values(owner_id=this.victim.principal.user_id)
    ),
    "core update": _execute(lambda _: update(THREAD).values(title="stolen")),
    "core delete": _execute(lambda _: delete(THREAD)),
    "core join": _execute(lambda _: select(literal(1)).select_from(THREAD.join(MESSAGE, true()))),
    "core select of entities": _execute(
        lambda _: select(func.count()).select_from(join(Thread, Message, true()))
    ),
    "core exists": _execute(lambda _: select(exists().where(col(Thread.title) != ""))),
    "core union": _execute(lambda _: union(select(THREAD.c.id), select(THREAD.c.id))),
    # inserts and lists
    "orm insert": _execute(
        lambda this: insert(Thread).values(owner_id=this.victim.principal.user_id)
    ),
    "orm insert of own": _execute(
        lambda this: insert(Thread).values(owner_id=this.me.principal.user_id)
    ),
    "insert from select": _execute(lambda _: insert(Thread).from_select(["id"], select(Thread.id))),
    "update of a list": _listed,
    "update of an empty list": _execute(lambda _: update(Thread).values(title="x"), params=[]),
    # owners
    "update owner": _execute(
        lambda this: update(Thread).values(owner_id=this.victim.principal.user_id)
    ),
    "update owner by parameters": _execute(
        lambda _: update(Thread).where(col(Thread.title) != ""),
        params={"owner_id": uuid4()},
    ),
    "update owner in order": _execute(
        lambda this: update(Thread).ordered_values(
            (col(Thread.title), "x"), (col(Thread.owner_id), this.victim.principal.user_id)
        )
    ),
    "update own owner": _execute(
        lambda this: update(Thread).values(owner_id=this.me.principal.user_id)
    ),
    "change owner": _change_owner,
    "add for another": _flush(
        lambda this: this.session.add(Thread(owner_id=this.victim.principal.user_id))
    ),
    "add for another in a savepoint": _flush_nested,
    "add for another, synchronously": _sync(
        lambda session, this: [
            session.add(Thread(owner_id=this.victim.principal.user_id)),
            session.flush(),
        ]
    ),
    # rows of other sessions
    "add detached": _flush(
        lambda this: this.session.add(_detached(this, this.victim.principal.user_id))
    ),
    "add detached, forged": _flush(
        lambda this: this.session.add(_detached(this, this.me.principal.user_id))
    ),
    "merge unloaded": _sync(
        lambda session, this: session.merge(_detached(this, this.me.principal.user_id), load=False)
    ),
    "delete detached": _sync(
        lambda session, this: session.delete(_detached(this, this.me.principal.user_id))
    ),
    # ways around the session
    "connection": lambda this: this.session.connection(),
    "sync connection": _sync(lambda session, _: session.connection()),
    "bind": _sync(lambda session, this: this.session.get_bind()),
    "bind argument": lambda this: this.session.execute(
        select(Thread), bind_arguments={"bind": this.session.sync_session.bind}
    ),
    "bulk save": _sync(lambda session, _: session.bulk_save_objects([Thread()])),
    "bulk insert": _sync(lambda session, _: session.bulk_insert_mappings(Thread, [{}])),
    "bulk update": _sync(lambda session, _: session.bulk_update_mappings(Thread, [{}])),
    "relationship loading": _sync(lambda session, _: session.enable_relationship_loading(Thread())),
    "run_sync text": _sync(lambda session, _: session.execute(text("SELECT * FROM thread"))),
    "sync_session text": _sync(
        lambda _, this: this.session.sync_session.execute(text("SELECT * FROM thread"))
    ),
    "raw engine text": _sync(lambda session, _: _raw(session, text("SELECT * FROM thread"))),
    "raw engine string": _sync(lambda session, _: _raw(session, "SELECT * FROM thread")),
    "transaction's connection": _sync(
        lambda session, _: session.begin().connection(None).exec_driver_sql("SELECT * FROM thread")
    ),
    "compile as Core": _execute(
        lambda _: update(Thread).values(title="stolen"),
        execution_options={"dml_strategy": "core_only"},
    ),
    "another schema": _execute(
        lambda _: select(Thread), execution_options={"schema_translate_map": {None: "other"}}
    ),
    "another owner": _execute(
        lambda this: select(Thread),
        execution_options={"chat_owner": "00000000000000000000000000000000"},
    ),
    # tables that belong to no person
    "user": _execute(lambda _: select(User)),
    "account": _execute(lambda _: select(Account.password_hash)),
    "sessions": _execute(lambda _: select(AuthSession.token_hash)),
    "user by id": lambda this: this.session.get(User, this.victim.principal.user_id),
    "user in a join": _execute(lambda _: select(Thread, User).join(User, true())),
    "user in a subquery": _execute(
        lambda _: select(Thread).where(col(Thread.title).in_(select(User.email)))
    ),
    "user in an alias": _execute(lambda _: select(aliased(User))),
    "user in an expression": _execute(lambda _: select(col(Thread.title) + col(User.email))),
    "user in an update": _execute(
        lambda _: update(Thread).values(title=User.email).where(col(User.name) == "bob")
    ),
    "update user": _execute(lambda _: update(User).values(name="stolen")),
    "delete user": _execute(lambda _: delete(User)),
    "add user": _flush(lambda this: this.session.add(User(email="new@chat.example"))),
    "schema table": _execute(lambda _: select(Thread.id).select_from(table("sqlite_master"))),
    "core table by name": _execute(
        lambda _: select(Thread.id, table("account", column("issuer")).c.issuer)
    ),
}


@pytest.mark.parametrize("hatch", HATCHES.values(), ids=HATCHES.keys())
async def test_an_escape_hatch_is_refused_and_changes_nothing(
    db: Database, alice: Person, bob: Person, hatch: Hatch
) -> None:
    before = await _everything(db)
    with pytest.raises(QueryRefused):
        async with db.write(alice.principal) as session:
            await hatch(Try(session, me=alice, victim=bob))
    assert await _everything(db) == before


async def _everything(db: Database) -> list[Any]:
    rows: list[Any] = []
    async with db.system("auth") as session:
        for model in (User, Thread, Message, Run, RunEvent):
            found = await session.execute(select(model.__table__))  # pyright: ignore
            rows += found.all()
    return rows


@pytest.mark.parametrize("name", ["user_id", "credential_id"])
@pytest.mark.parametrize("wrong", [None, "", 0, str(UUID(int=1)), b"x" * 16, object()])
async def test_a_session_without_a_real_principal_is_refused(
    db: Database, name: str, wrong: object
) -> None:
    principal: Any = SimpleNamespace(user_id=uuid4(), credential_id=uuid4())
    setattr(principal, name, wrong)
    for opened in (db.read, db.write):
        with pytest.raises(Unscoped):
            async with opened(principal):
                pass
    with pytest.raises(Unscoped):
        async with db.read(None):  # pyright: ignore[reportArgumentType]
            pass


@pytest.mark.parametrize(
    "write",
    [
        _execute(lambda _: update(Thread).values(title="x")),
        _execute(lambda _: delete(Thread)),
        _flush(lambda this: this.session.add(Thread())),
    ],
    ids=["update", "delete", "add"],
)
async def test_a_read_session_refuses_to_write(
    db: Database, alice: Person, bob: Person, write: Hatch
) -> None:
    with pytest.raises(QueryRefused, match="only reads"):
        async with db.read(alice.principal) as session:
            await write(Try(session, me=alice, victim=bob))


async def test_a_new_row_gets_its_owner(db: Database, alice: Person) -> None:
    row = Thread(title="mine")
    async with db.write(alice.principal) as session:
        session.add(row)
    assert row.owner_id == alice.principal.user_id


async def test_a_row_deleted_in_a_savepoint_comes_back_with_its_rollback(
    db: Database, alice: Person
) -> None:
    async with db.write(alice.principal) as session:
        row = await session.get(RunEvent, (alice.run_id, 1))
        assert row is not None
        savepoint = await session.begin_nested()
        await session.delete(row)
        await session.flush()
        await savepoint.rollback()
        row.payload = "still mine"
    async with db.read(alice.principal) as session:
        found = await session.get(RunEvent, (alice.run_id, 1))
        assert found is not None
        assert found.payload == "still mine"


async def test_the_compiled_statement_is_shared_but_not_its_owner(
    db: Database, alice: Person, bob: Person
) -> None:
    for _ in range(3):
        for person in (alice, bob):
            async with db.read(person.principal) as session:
                titles = (await session.execute(select(Thread.title))).scalars().all()
                assert titles == [f"{'alice' if person is alice else 'bob'} thread"]


async def test_a_case_over_three_tables_is_filtered_in_each(
    db: Database, alice: Person, bob: Person
) -> None:
    mixed = case((col(Thread.title) != "", col(Message.role)), else_=col(Run.model))
    async with db.read(alice.principal) as session:
        assert (await session.execute(select(mixed))).all() == [("user",)]
