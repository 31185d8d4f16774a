"""Four people do random things, in three organisations that they join and leave, and privately.

Each must always see exactly what a model says that they own and reach.
"""

# pyright: reportCallIssue=false, reportArgumentType=false
# A row gets its `owner_id` from the scoped session, and columns are typed as their values.

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select, update

from chat_app.auth.principal import Principal
from chat_app.db.engine import Database
from chat_app.db.row_level_security import QueryRefused
from chat_app.db.scoped_session import ScopedSession
from chat_app.db.tables import PRIVATE, Message, Thread, UsageLedger, User
from testing.database import DatabaseUnderTest
from testing.query_shapes import SHAPES, Owns, flat
from testing.state_machines import run_machine

ORGANISATIONS = tuple(UUID(int=number) for number in range(101, 104))
PLACES = (PRIVATE, *ORGANISATIONS)
TODAY = date(2026, 1, 1)
PEOPLE = tuple(Principal(UUID(int=number), UUID(int=number)) for number in range(1, 5))

Body = Callable[[ScopedSession], Awaitable[Any]]

person = st.sampled_from(PEOPLE)
organisation = st.sampled_from(ORGANISATIONS)
place = st.sampled_from(PLACES)
titles = st.text("tuvw", min_size=1, max_size=3)
picks = st.integers(0, 30)


def _pick(rows: dict[UUID, Any], pick: int) -> UUID:
    """One of the rows, whoever owns it; or an id of no row."""
    known = list(rows)
    return known[pick % len(known)] if known else UUID(int=0)


class Isolation(RuleBasedStateMachine):
    """The database and the model of it, side by side."""

    db: Database
    loop: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[UUID, tuple[Principal, str, UUID]] = {}
        self.messages: dict[UUID, tuple[Principal, UUID]] = {}
        self.used = dict.fromkeys(((who.user_id, org) for who in PEOPLE for org in PLACES), 0)
        self.members = {who.user_id: {*ORGANISATIONS[:2]} for who in PEOPLE}
        self.is_compared = False
        self.run(_empty(self.db))

    def now(self, who: Principal) -> Principal:
        """A person as the next event resolves them."""
        return replace(who, memberships=dict.fromkeys(self.members[who.user_id], "member"))

    def reaches(self, who: Principal, org_id: UUID) -> bool:
        return org_id == PRIVATE or org_id in self.members[who.user_id]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    async def _read(self, who: Principal, body: Body) -> Any:
        async with self.db.read(self.now(who)) as session:
            return await body(session)

    def read(self, who: Principal, body: Body) -> Any:
        return self.run(self._read(who, body))

    def write(self, who: Principal, body: Body) -> Any:
        async def go() -> Any:
            async with self.db.write(self.now(who)) as session:
                return await body(session)

        found = self.run(go())
        self.is_compared = False
        return found

    def fails(self, who: Principal, body: Body, kind: type[Exception]) -> bool:
        try:
            self.write(who, body)
        except kind:
            return True
        return False

    def owns(self, who: Principal) -> Owns:
        return Owns(
            {id_: title for id_, (_, title, _) in self.threads.items() if self.mine(who, id_)},
            {id_: thread for id_, (_, thread) in self.messages.items() if self.mine(who, thread)},
        )

    def forget_thread(self, id_: UUID) -> None:
        del self.threads[id_]
        for message in [key for key, (_, thread) in self.messages.items() if thread == id_]:
            del self.messages[message]

    def mine(self, who: Principal, id_: UUID) -> bool:
        owner, _, org_id = self.threads.get(id_, (None, "", PRIVATE))
        return owner is who and self.reaches(who, org_id)

    def place_of(self, who: Principal, id_: UUID) -> UUID:
        """The organisation of a thread as far as a person may name it."""
        org_id = self.threads.get(id_, (who, "", PRIVATE))[2]
        return org_id if self.reaches(who, org_id) else PRIVATE

    def rename(self, id_: UUID, title: str) -> None:
        owner, _, org_id = self.threads[id_]
        self.threads[id_] = (owner, title, org_id)

    @rule(who=person, org_id=organisation)
    def join(self, who: Principal, org_id: UUID) -> None:
        self.members[who.user_id].add(org_id)
        self.is_compared = False

    @rule(who=person)
    def leave(self, who: Principal) -> None:
        self.members[who.user_id].clear()
        self.is_compared = False

    @rule(org_id=organisation)
    def remove_all_members(self, org_id: UUID) -> None:
        for members in self.members.values():
            members.discard(org_id)
        self.is_compared = False

    @rule(who=person, org_id=place, title=titles)
    def create_thread_in(self, who: Principal, org_id: UUID, title: str) -> None:
        row = Thread(title=title, org_id=org_id)
        if self.reaches(who, org_id):
            self.write(who, _adding(row))
            self.threads[row.id] = (who, title, org_id)
        else:
            assert self.fails(who, _adding(row), QueryRefused)

    @rule(who=person, org_id=organisation, title=titles)
    def leave_what_one_has_used(self, who: Principal, org_id: UUID, title: str) -> None:
        self.join(who, org_id)
        self.create_thread_in(who, org_id, title)
        self.leave(who)

    @rule(who=person, pick=picks, org_id=place)
    def move(self, who: Principal, pick: int, org_id: UUID) -> None:
        id_ = _pick(self.threads, pick)
        if self.mine(who, id_) and self.reaches(who, org_id):
            self.run(_move(self.db, id_, org_id))
            self.is_compared = False
            self.threads[id_] = (who, self.threads[id_][1], org_id)

    @rule(who=person, pick=picks, org_id=place)
    def move_by_unit_of_work(self, who: Principal, pick: int, org_id: UUID) -> None:
        id_ = _pick(self.threads, pick)

        async def take(session: ScopedSession) -> None:
            row = await session.get(Thread, id_)
            if row is not None:
                row.org_id = org_id

        refused = self.mine(who, id_) and self.threads[id_][2] != org_id
        assert self.fails(who, take, QueryRefused) == refused

    @rule(who=person, title=titles)
    def create_thread(self, who: Principal, title: str) -> None:
        row = Thread(title=title)
        self.write(who, _adding(row))
        self.threads[row.id] = (who, title, PRIVATE)

    @rule(who=person, owner=person, title=titles)
    def create_thread_for(self, who: Principal, owner: Principal, title: str) -> None:
        row = Thread(title=title, owner_id=owner.user_id)
        if who is owner:
            self.write(who, _adding(row))
            self.threads[row.id] = (who, title, PRIVATE)
        else:
            assert self.fails(who, _adding(row), QueryRefused)

    @rule(who=person, pick=picks)
    def write_message(self, who: Principal, pick: int) -> None:
        thread = _pick(self.threads, pick)
        row = Message(thread_id=thread, role="user", org_id=self.place_of(who, thread))
        if self.mine(who, thread):
            self.write(who, _adding(row))
            self.messages[row.id] = (who, thread)
        else:
            assert self.fails(who, _adding(row), IntegrityError)

    @rule(who=person, pick=picks, pick_thread=picks)
    def reply(self, who: Principal, pick: int, pick_thread: int) -> None:
        parent, thread = _pick(self.messages, pick), _pick(self.threads, pick_thread)
        org_id = self.place_of(who, thread)
        row = Message(thread_id=thread, parent_id=parent, role="user", org_id=org_id)
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
            self.rename(id_, title)

    @rule(who=person, pick=picks, title=titles)
    def rename_by_statement(self, who: Principal, pick: int, title: str) -> None:
        id_ = _pick(self.threads, pick)
        statement = update(Thread).where(col(Thread.id) == id_).values(title=title)
        assert self.write(who, _counting(statement)) == self.mine(who, id_)
        if self.mine(who, id_):
            self.rename(id_, title)

    @rule(who=person, letter=st.sampled_from("tuvw"), title=titles)
    def rename_all_found(self, who: Principal, letter: str, title: str) -> None:
        statement = update(Thread).where(col(Thread.title).contains(letter)).values(title=title)
        found = [key for key, name in self.owns(who).threads.items() if letter in name]
        assert self.write(who, _counting(statement)) == len(found)
        for id_ in found:
            self.rename(id_, title)

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

    @rule(who=person, org_id=place)
    def use_a_model(self, who: Principal, org_id: UUID) -> None:
        """It is counted in an organisation that they have left, too."""
        self.used[who.user_id, org_id] += 1
        count = self.used[who.user_id, org_id]
        row = UsageLedger(day=TODAY, org_id=org_id, model=f"{count}", purpose="answer", calls=1)
        self.write(who, _adding(row))

    @rule(who=person)
    def look_at_usage(self, who: Principal) -> None:
        statement = select(UsageLedger.owner_id, UsageLedger.org_id, UsageLedger.calls)
        used = {(*key, calls) for key, calls in self.used.items() if calls}
        assert self.read(who, _showing(statement)) == {one for one in used if one[0] == who.user_id}

    @invariant()
    def each_user_sees_what_they_own(self) -> None:
        """After each step but those that only read, or whose write was refused."""
        if self.is_compared:
            return

        async def seen() -> list[Owns]:
            return await asyncio.gather(*(self._read(who, _everything) for who in PEOPLE))

        assert self.run(seen()) == [self.owns(who) for who in PEOPLE]
        self.is_compared = True


def _adding(row: Thread | Message | UsageLedger) -> Body:
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


_THREADS = select(Thread.id, Thread.title)
_MESSAGES = select(Message.id, Message.thread_id)


async def _everything(session: ScopedSession) -> Owns:
    found = await session.run_sync(
        lambda sync: [dict(sync.execute(one).all()) for one in (_THREADS, _MESSAGES)]
    )
    return Owns(*found)


async def _add_people(db: Database) -> None:
    async with db.system("auth", write=True) as session:
        for one in PEOPLE:
            session.add(User(id=one.user_id, email=f"{one.user_id}@chat.example"))


async def _move(db: Database, thread_id: UUID, org_id: UUID) -> None:
    async with db.system("sweep", write=True) as session:
        is_it = col(Thread.id) == thread_id
        await session.exec(update(Thread).where(is_it).values(org_id=org_id))


async def _empty(db: Database) -> None:
    async with db.system("sweep", write=True) as session:
        await session.exec(delete(Message))
        await session.exec(delete(Thread))
        await session.exec(delete(UsageLedger))


def run_isolation_machine(database: DatabaseUnderTest, *, examples: int, steps: int = 20) -> int:
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
            run_machine(Here, examples=examples, steps=steps)
        finally:
            runner.run(database_of_all.close())
    return compared
