"""Adding rows: in the transaction of the change, by every kind of session, without content."""

import ast
import asyncio
import logging
from pathlib import Path
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, delete

from chat_app import audit
from chat_app.audit.actions import TITLES, Action
from chat_app.audit.append import DELETED_USER
from chat_app.audit.encoding import canonical_json
from chat_app.core.logging import request_client, request_id
from chat_app.db.engine import Database
from chat_app.db.row_level_security import QueryRefused
from chat_app.db.tables import AuditIdentity, User
from testing.audit_log import events_of, identity_of
from testing.owned_rows import Person

ROOT = Path(__file__).resolve().parents[2]


def test_every_action_has_a_name() -> None:
    assert set(TITLES) == set(get_args(Action))
    assert all(TITLES.values())


def test_every_action_is_described_for_who_reads_the_log() -> None:
    table = (ROOT / "docs/deployment.md").read_text()
    assert [action for action in get_args(Action) if f"`{action}`" not in table] == []


_WRITERS = {
    *("audit.append", "log.append", "audit.entry", "entry", "record", "self._append"),
    *("self._record", "live.failed_sign_ins.add"),
}
"""The calls that write a row, as they are spelled in `chat_app`."""


def _passed_to_writers(function: ast.AST) -> set[object]:
    """The constants that a function passes to a call that writes a row, also by a variable."""
    variables: dict[str, ast.expr] = {}
    passed: list[ast.expr] = []
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                variables[name] = value
            case ast.Call(func=ast.Name() | ast.Attribute() as called, args=given):
                if ast.unparse(called) in _WRITERS:
                    passed += given
            case _:
                pass
    names = [one.id for one in passed if isinstance(one, ast.Name)]
    passed += [variables[name] for name in names if name in variables]
    return {
        node.value for one in passed for node in ast.walk(one) if isinstance(node, ast.Constant)
    }


def test_every_action_is_written_somewhere() -> None:
    """A name that nothing writes would promise readers of the log what it does not have."""
    written: set[object] = set()
    for path in (ROOT / "chat_app").rglob("*.py"):
        source = path.read_text()
        for node in ast.walk(ast.parse(source if "audit" in source else "")):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                written |= _passed_to_writers(node)
    assert set(get_args(Action)) - written == set()


async def test_a_row_is_stored_with_its_change_or_not_at_all(db: Database, alice: Person) -> None:
    async def fail() -> None:
        async with db.system("audit", write=True) as session:
            await audit.append(session, "password_changed", actor=alice.principal)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await events_of(db) == []
    async with db.system("audit", write=True) as session:
        await audit.append(session, "password_changed", actor=alice.principal)
    (event,) = await events_of(db)
    assert (event.action, event.seq, event.seal) == ("password_changed", None, None)


async def test_people_are_named_by_a_random_id_of_their_own(
    db: Database, alice: Person, bob: Person
) -> None:
    async with db.system("audit", write=True) as session:
        await audit.append(
            session,
            "user_disabled",
            actor=alice.principal.user_id,
            subject=audit.Subject("user", bob.principal.user_id),
        )
    (event,) = await events_of(db)
    actor, subject = [await identity_of(db, one.principal.user_id) for one in (alice, bob)]
    assert (event.actor, event.subject_kind, event.subject) == (actor, "user", subject)
    assert UUID(actor) != alice.principal.user_id


async def test_whoever_acts_alone_is_the_subject_too(db: Database, alice: Person) -> None:
    async with db.system("audit", write=True) as session:
        await audit.append(session, "password_changed", actor=alice.principal)
        await audit.append(session, "audit_key_changed", actor="system")
    mine, systems = await events_of(db)
    assert mine.actor == mine.subject
    assert (systems.actor, systems.subject_kind, systems.subject) == ("system", "", "")


async def test_a_user_who_is_new_in_the_transaction_has_an_identity(db: Database) -> None:
    async with db.system("auth", write=True) as session:
        session.add(user := User(email="new@chat.example"))
        await audit.append(session, "user_created", actor=user.id)
    (event,) = await events_of(db)
    assert event.actor == await identity_of(db, user.id)


async def test_a_deleted_account_leaves_rows_that_name_no_user(db: Database, alice: Person) -> None:
    user_id = alice.principal.user_id
    async with db.system("audit", write=True) as session:
        await audit.append(session, "password_changed", actor=user_id)
    identity = await identity_of(db, user_id)
    async with db.system("sweep", write=True) as session:
        await session.exec(delete(User).where(col(User.id) == user_id))
        await audit.append(session, "user_deleted", actor=user_id)
    before, after = await events_of(db)
    assert (before.actor, after.actor, after.subject) == (identity, DELETED_USER, DELETED_USER)
    async with db.system("audit") as session:
        assert await session.get(AuditIdentity, user_id) is None
    stored = "".join(repr(event) for event in (before, after))
    assert str(user_id) not in stored
    assert user_id.hex not in stored


async def test_a_scoped_session_adds_rows_of_its_owner(
    db: Database, alice: Person, bob: Person
) -> None:
    async with db.write(alice.principal) as session:
        await audit.append(session, "thread_moved", actor=alice.principal, organisation=uuid4())
        await audit.append(session, "thread_moved", actor=bob.principal)
    own, forged = await events_of(db)
    assert own.actor == await identity_of(db, alice.principal.user_id)
    assert forged.actor == DELETED_USER


async def test_a_transaction_of_prepared_statements_adds_a_row(
    db: Database, alice: Person, bob: Person
) -> None:
    mine, others = (audit.entry("thread_moved", actor=one.principal) for one in (alice, bob))

    def work(one: Any) -> None:
        mine.append_to(one)
        others.append_to(one)

    await db.transact(alice.principal, work)
    await db.system_transact("audit", others.append_to)
    own, forged, right = await events_of(db)
    assert own.actor == await identity_of(db, alice.principal.user_id)
    assert forged.actor == DELETED_USER
    assert right.actor == await identity_of(db, bob.principal.user_id)


async def test_a_session_that_reads_adds_nothing(db: Database, alice: Person) -> None:
    with pytest.raises(QueryRefused):
        async with db.read(alice.principal) as session:
            await audit.append(session, "thread_moved", actor=alice.principal)
    assert await events_of(db) == []


async def test_a_scoped_session_never_writes_an_identity(db: Database, alice: Person) -> None:
    owner = alice.principal.user_id
    before = await identity_of(db, owner)
    with pytest.raises(QueryRefused):
        async with db.write(alice.principal) as session:
            await session.exec(delete(AuditIdentity))
    with pytest.raises(QueryRefused):
        async with db.write(alice.principal) as session:
            (await session.get_one(AuditIdentity, owner)).audit_id = "another"
    with pytest.raises(QueryRefused):
        async with db.write(alice.principal) as session:
            await session.delete(await session.get_one(AuditIdentity, owner))
    assert await identity_of(db, owner) == before


async def test_a_row_says_where_the_request_came_from(db: Database, alice: Person) -> None:
    tokens = request_client.set("192.0.2.77"), request_id.set("feed")
    try:
        async with db.system("audit", write=True) as session:
            await audit.append(session, "password_changed", actor=alice.principal)
            given = audit.Origin("2001:db8:1:2:3::4", "beef")
            await audit.append(session, "sign_in", actor=alice.principal, request=given)
    finally:
        request_client.reset(tokens[0])
        request_id.reset(tokens[1])
    found = [(one.network, one.request_id) for one in await events_of(db)]
    assert found == [("192.0.2.0/24", "feed"), ("2001:db8:1:2::/64", "beef")]


@pytest.mark.parametrize(
    "details",
    [{"reason": "ada@example.com"}, {"title": "x"}, {"reason": "x" * 101}, {"role": "a\nb"}],
)
async def test_details_that_may_be_content_are_refused(db: Database, details: Any) -> None:
    with pytest.raises(ValueError, match=r"detail"):
        async with db.system("audit", write=True) as session:
            await audit.append(session, "role_changed", actor="system", details=details)
    assert await events_of(db) == []


async def test_it_is_logged_once_the_change_is_committed(
    db: Database, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat_app.security")
    user_id = alice.principal.user_id
    for opened in (db.system("audit", write=True), db.write(alice.principal)):
        caplog.clear()
        async with opened as session:
            await audit.append(
                session, "second_factor_off", actor=user_id, details={"reason": "lost"}
            )
            assert caplog.records == []
        (record,) = caplog.records
        assert record.__dict__["fields"] == {
            "event": "second_factor_off",
            "user": user_id,
            "reason": "lost",
        }


async def test_the_log_says_who_did_it_to_whom(
    db: Database, alice: Person, bob: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat_app.security")
    subject = audit.Subject("user", bob.principal.user_id)
    cases: list[tuple[audit.Actor, dict[str, object]]] = [
        (alice.principal, {"by": alice.principal.user_id}),
        ("command line", {"by": "command line"}),
        ("system", {}),
    ]
    for actor, by in cases:
        caplog.clear()
        async with db.system("audit", write=True) as session:
            await audit.append(session, "user_disabled", actor=actor, subject=subject)
        (record,) = caplog.records
        assert record.__dict__["fields"] == {"event": "user_disabled", "user": subject.id, **by}


async def test_what_its_signal_logs_is_not_logged_twice(
    db: Database, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat_app.security")
    async with db.system("audit", write=True) as session:
        await audit.append(session, "session_ended", actor=alice.principal)
    assert caplog.records == []
    assert len(await events_of(db)) == 1


async def test_rows_of_concurrent_writers_are_all_stored(
    db: Database, alice: Person, bob: Person
) -> None:
    async def write(number: int) -> None:
        person = (alice, bob)[number % 2].principal
        opened = db.write(person) if number % 3 else db.system("audit", write=True)
        async with opened as session:
            await audit.append(session, "thread_moved", actor=person)

    await asyncio.gather(*(write(number) for number in range(24)))
    assert len(await events_of(db)) == 24


def test_details_have_one_form() -> None:
    assert canonical_json({"b": "é", "a": 1}) == '{"a":1,"b":"\\u00e9"}'


def test_rows_are_added_through_the_audit_package_only() -> None:
    """`append_audit` and `APPEND_AUDIT_EVENT` go past the scope; this lists who uses them."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "chat_app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
            if name in ("append_audit", "APPEND_AUDIT_EVENT", "AuditInsert"):
                found.setdefault(path.relative_to(ROOT).as_posix(), set()).add(name)
    assert found == {
        "chat_app/audit/append.py": {"append_audit", "APPEND_AUDIT_EVENT"},
        "chat_app/db/prepared.py": {"AuditInsert"},
        "chat_app/db/row_level_security.py": {"AuditInsert"},
        "chat_app/db/scoped_session.py": {"APPEND_AUDIT_EVENT"},
        "chat_app/db/statements.py": {"APPEND_AUDIT_EVENT"},
    }
