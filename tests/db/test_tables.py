"""What the tables promise to the scoped session, checked on the models themselves."""

# pyright: reportCallIssue=false, reportArgumentType=false
# A row gets its `owner_id` from the scoped session, and columns are typed as their values.

from uuid import uuid4

import pytest
from sqlalchemy import ForeignKeyConstraint, func
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel, col, delete, select

from chat_app.db.engine import Database
from chat_app.db.tables import (
    OWNED,
    InOrganisation,
    Message,
    Owned,
    Run,
    RunEvent,
    Thread,
    UsageLedger,
    User,
    metadata,
)
from testing.owned_rows import Person


def _subclasses(cls: type[SQLModel]) -> set[type[SQLModel]]:
    below = set(cls.__subclasses__())
    return below.union(*(_subclasses(sub) for sub in below))


def test_owned_lists_every_owned_model() -> None:
    assert set(OWNED) == _subclasses(Owned) - {InOrganisation}
    assert len(OWNED) == len(set(OWNED))


def test_every_table_with_an_owner_is_owned() -> None:
    with_owner = {table.name for table in metadata.tables.values() if "owner_id" in table.c}
    assert with_owner == {model.__tablename__ for model in OWNED}


def test_an_owner_is_never_null() -> None:
    for model in OWNED:
        assert not metadata.tables[str(model.__tablename__)].c.owner_id.nullable


def test_a_child_of_an_owned_row_refers_to_its_owner_too() -> None:
    owned = {str(model.__tablename__) for model in OWNED}
    for name in owned:
        for constraint in metadata.tables[name].foreign_key_constraints:
            assert isinstance(constraint, ForeignKeyConstraint)
            if constraint.referred_table.name in owned - {name}:
                assert "owner_id" in constraint.column_keys, constraint.name


async def test_a_message_cannot_hang_in_anothers_thread(
    db: Database, alice: Person, bob: Person
) -> None:
    with pytest.raises(IntegrityError):
        async with db.write(alice.principal) as session:
            session.add(Message(thread_id=bob.thread_id, role="user"))


async def test_a_message_cannot_have_a_parent_in_another_thread(
    db: Database, alice: Person
) -> None:
    other = Thread(title="other")
    async with db.write(alice.principal) as session:
        session.add(other)
    with pytest.raises(IntegrityError):
        async with db.write(alice.principal) as session:
            session.add(Message(thread_id=other.id, parent_id=alice.message_id, role="user"))


async def test_a_run_cannot_answer_into_anothers_message(
    db: Database, alice: Person, bob: Person
) -> None:
    with pytest.raises(IntegrityError):
        async with db.write(alice.principal) as session:
            session.add(
                Run(
                    thread_id=alice.thread_id,
                    message_id=bob.message_id,
                    session_id=uuid4(),
                    model="fake",
                )
            )


async def test_deleting_a_thread_of_3000_chained_messages_deletes_them_all(
    db: Database, alice: Person
) -> None:
    thread = Thread(title="long")
    parent = None
    async with db.write(alice.principal) as session:
        session.add(thread)
        await session.flush()
        for _ in range(3_000):
            message = Message(thread_id=thread.id, parent_id=parent, role="user")
            session.add(message)
            parent = message.id
            if _ % 500 == 0:
                await session.flush()
    async with db.write(alice.principal) as session:
        await session.exec(delete(Thread).where(col(Thread.id) == thread.id))
    async with db.read(alice.principal) as session:
        left = await session.exec(select(func.count()).select_from(Message))
        assert left.one() == 1


async def test_deleting_a_person_deletes_what_they_own(
    db: Database, alice: Person, bob: Person
) -> None:
    async with db.system("sweep", write=True) as session:
        await session.exec(delete(User).where(col(User.id) == alice.principal.user_id))
    async with db.system("sweep") as session:
        for model in set(OWNED) - {UsageLedger}:  # `delete_user` keeps its sums
            owners = await session.exec(select(model.owner_id))
            assert set(owners.all()) == {bob.principal.user_id}, model
        assert (await session.exec(select(RunEvent.payload))).all() == ["bob event"]
