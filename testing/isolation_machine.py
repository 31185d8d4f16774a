"""Four people do random things; each must always see exactly what a model says they own."""

# pyright: reportCallIssue=false, reportArgumentType=false
# A row gets its `owner_id` from the scoped session, and columns are typed as their values.

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select, update

from chat_app.auth.principal import Principal
from chat_app.db.engine import Database
from chat_app.db.row_level_security import QueryRefused
from chat_app.db.scoped_session import ScopedSession
from chat_app.db.tables import Message, Thread, User
from testing.database import DatabaseUnderTest
from testing.query_shapes import SHAPES, Owns, flat

PEOPLE = tuple(Principal(UUID(int=number), UUID(int=number)) for number in range(1, 5))

Body = Callable[[ScopedSession], Awaitable[Any]]

person = st.sampled_from(PEOPLE)
titles = st.text("tuvw", min_size=1, max_size=3)
picks = st.integers(0, 30)


def _pick(rows: dict[UUID, Any], pick: int) -> UUID:
    """One of the rows, anybody's; or an id that nobody has."""
    known = list(rows)
    return known[pick % len(known)] if known else UUID(int=0)


class Isolation(RuleBasedStateMachine):
    """The database and the model of it, side by side."""

    db: Database
    loop: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[UUID, tuple[Principal, str]] = {}
        self.messages: dict[UUID, tuple[Principal, UUID]] = {}
        self.run(_empty(self.db))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    def read(self, who: Principal, body: Body) -> Any:
        async def go() -> Any:
            async with self.db.read(who) as session:
                return await body(session)

        return self.run(go())

    def write(self, who: Principal, body: Body) -> Any:
        async def go() -> Any:
            async with self.db.write(who) as session:
                return await body(session)

        return self.run(go())

    def fails(self, who: Principal, body: Body, kind: type[Exception]) -> bool:
        try:
            self.write(who, body)
        except kind:
            return True
        return False

    def owns(self, who: Principal) -> Owns:
        return Owns(
            {id_: title for id_, (owner, title) in self.threads.items() if owner is who},
            {id_: thread for id_, (owner, thread) in self.messages.items() if owner is who},
        )

    def forget_thread(self, id_: UUID) -> None:
        del self.threads[id_]
        for message in [key for key, (_, thread) in self.messages.items() if thread == id_]:
            del self.messages[message]

    def mine(self, who: Principal, id_: UUID) -> bool:
        return self.threads.get(id_, (None,))[0] is who

    @rule(who=person, title=titles)
    def create_thread(self, who: Principal, title: str) -> None:
        row = Thread(title=title)
        self.write(who, _adding(row))
        self.threads[row.id] = (who, title)

    @rule(who=person, owner=person, title=titles)
    def create_thread_for(self, who: Principal, owner: Principal, title: str) -> None:
        row = Thread(title=title, owner_id=owner.user_id)
        if who is owner:
            self.write(who, _adding(row))
            self.threads[row.id] = (who, title)
        else:
            assert self.fails(who, _adding(row), QueryRefused)

    @rule(who=person, pick=picks)
    def write_message(self, who: Principal, pick: int) -> None:
        thread = _pick(self.threads, pick)
        row = Message(thread_id=thread, role="user")
        if self.mine(who, thread):
            self.write(who, _adding(row))
            self.messages[row.id] = (who, thread)
        else:
            assert self.fails(who, _adding(row), IntegrityError)

    @rule(who=person, pick=picks, pick_thread=picks)
    def reply(self, who: Principal, pick: int, pick_thread: int) -> None:
        parent, thread = _pick(self.messages, pick), _pick(self.threads, pick_thread)
        row = Message(thread_id=thread, parent_id=parent, role="user")
        if self.mine(who, thread) and self.messages.get(parent) == (who, thread):
            self.write(who, _adding(row))
            self.messages[row.id] = (who, thread)
        else:
            assert self.fails(who, _adding(row), IntegrityError)

    @rule(who=person, pick=picks, title=titles)
    def rename_by_unit_of_work(self, who: Principal, pick: int, title: str) -> None:
        id_ = _pick(self.threads, pick)

        async def rename(session: ScopedSession) -> bool:
            row = await session.get(Thread, id_)
            if row is not None:
                row.title = title
            return row is not None

        assert self.write(who, rename) == self.mine(who, id_)
        if self.mine(who, id_):
            self.threads[id_] = (who, title)

    @rule(who=person, pick=picks, title=titles)
    def rename_by_statement(self, who: Principal, pick: int, title: str) -> None:
        id_ = _pick(self.threads, pick)
        statement = update(Thread).where(col(Thread.id) == id_).values(title=title)
        assert self.write(who, _counting(statement)) == self.mine(who, id_)
        if self.mine(who, id_):
            self.threads[id_] = (who, title)

    @rule(who=person, letter=st.sampled_from("tuvw"), title=titles)
    def rename_all_found(self, who: Principal, letter: str, title: str) -> None:
        statement = update(Thread).where(col(Thread.title).contains(letter)).values(title=title)
        found = [key for key, name in self.owns(who).threads.items() if letter in name]
        assert self.write(who, _counting(statement)) == len(found)
        self.threads.update(dict.fromkeys(found, (who, title)))

    @rule(who=person, pick=picks)
    def hand_over(self, who: Principal, pick: int) -> None:
        id_, heir = _pick(self.threads, pick), PEOPLE[pick % len(PEOPLE)]

        async def give(session: ScopedSession) -> None:
            row = await session.get(Thread, id_)
            if row is not None:
                row.owner_id = heir.user_id

        refused = self.mine(who, id_) and heir is not who
        assert self.fails(who, give, QueryRefused) == refused

    @rule(who=person, pick=picks)
    def delete_by_unit_of_work(self, who: Principal, pick: int) -> None:
        id_ = _pick(self.threads, pick)

        async def remove(session: ScopedSession) -> bool:
            row = (await session.exec(select(Thread).where(col(Thread.id) == id_))).one_or_none()
            if row is not None:
                await session.delete(row)
            return row is not None

        assert self.write(who, remove) == self.mine(who, id_)
        if self.mine(who, id_):
            self.forget_thread(id_)

    @rule(who=person, pick=picks)
    def delete_by_statement(self, who: Principal, pick: int) -> None:
        id_ = _pick(self.threads, pick)
        statement = delete(Thread).where(col(Thread.id) == id_)
        assert self.write(who, _counting(statement)) == self.mine(who, id_)
        if self.mine(who, id_):
            self.forget_thread(id_)

    @rule(who=person)
    def wipe(self, who: Principal) -> None:
        found = self.owns(who).threads
        assert self.write(who, _counting(delete(Thread))) == len(found)
        for id_ in found:
            self.forget_thread(id_)

    @rule(who=person, letter=st.sampled_from("tuvw"))
    def search(self, who: Principal, letter: str) -> None:
        statement = select(Thread.id).where(col(Thread.title).contains(letter))
        found = {key for key, name in self.owns(who).threads.items() if letter in name}
        assert self.read(who, _showing(statement)) == found

    @rule(who=person, name=st.sampled_from(sorted(SHAPES)))
    def look(self, who: Principal, name: str) -> None:
        statement, expected = SHAPES[name]
        assert self.read(who, _showing(statement)) == expected(self.owns(who)), name

    @invariant()
    def everybody_sees_what_they_own(self) -> None:
        for who in PEOPLE:
            assert self.read(who, _everything) == self.owns(who)


def _adding(row: Thread | Message) -> Body:
    async def add(session: ScopedSession) -> None:
        session.add(row)

    return add


def _counting(statement: Any) -> Body:
    async def count(session: ScopedSession) -> int:
        return (await session.exec(statement)).rowcount

    return count


def _showing(statement: Any) -> Body:
    async def show(session: ScopedSession) -> set[Any]:
        rows = await session.run_sync(lambda sync: sync.execute(statement).all())
        return {flat(row) for row in rows}

    return show


async def _everything(session: ScopedSession) -> Owns:
    threads = await session.exec(select(Thread.id, Thread.title))
    messages = await session.exec(select(Message.id, Message.thread_id))
    return Owns(dict(threads.all()), dict(messages.all()))


async def _add_people(db: Database) -> None:
    async with db.system("auth", write=True) as session:
        for one in PEOPLE:
            session.add(User(id=one.user_id, email=f"{one.user_id}@chat.example"))


async def _empty(db: Database) -> None:
    async with db.system("sweep", write=True) as session:
        await session.exec(delete(Message))
        await session.exec(delete(Thread))


def run_machine(database: DatabaseUnderTest, *, examples: int, steps: int = 20) -> int:
    """Run the machine on a database without rows.

    Args:
        database: The database.
        examples: How many times it begins anew.
        steps: The most things that are done each time.

    Returns:
        How many times what all people see was compared with the model.

    Raises:
        AssertionError: A person saw something else.
    """
    compared = 0
    with asyncio.Runner() as runner:
        database_of_all = database.open(Database)
        runner.run(_add_people(database_of_all))

        class Here(Isolation):
            db = database_of_all
            loop = runner

            @invariant()
            def count(self) -> None:
                nonlocal compared
                compared += 1

        try:
            run_state_machine_as_test(
                Here,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    derandomize=True,
                    database=None,
                    deadline=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(database_of_all.close())
    return compared
