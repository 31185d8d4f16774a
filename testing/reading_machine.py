"""People of two organisations read each other's chats by grants, which are given and which end.

Whoever may not read at a moment must find nothing, and who may exactly what a model says.
"""

# pyright: reportCallIssue=false, reportArgumentType=false
# A row gets its `owner_id` from the scoped session, and columns are typed as their values.

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy.exc import DBAPIError
from sqlmodel import delete, select, update

from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, NotFound
from chat_app.db.row_level_security import QueryRefused
from chat_app.db.scoped_session import OpenGrant, ScopedSession
from chat_app.db.tables import (
    OWNED,
    PRIVATE,
    READ_BY_GRANT,
    Membership,
    Message,
    ReadingGrant,
    Thread,
    ThreadReading,
)
from chat_app.orgs.reading import MAX_OPEN, MINUTES
from testing.auth_services import Time, issue_session
from testing.database import DatabaseUnderTest
from testing.organisations import OrgHarness, org_harness
from testing.state_machines import run_machine

NAMES = ("ada", "bob", "cyd", "dot")
REASON = "The machine wants to know."

person = st.sampled_from(range(len(NAMES)))
place = st.sampled_from(range(2))
picks = st.integers(0, 30)


@dataclass
class Given:
    """A grant as the model knows it."""

    reader: Principal
    subject: UUID
    org: UUID
    until: datetime
    is_over: bool = False


class ReadingMachine(RuleBasedStateMachine):
    """The services and the model of what they let read, side by side."""

    harness: OrgHarness
    loop: asyncio.Runner
    everyone: list[Principal]
    orgs: tuple[UUID, UUID]

    def __init__(self) -> None:
        super().__init__()
        self.people = list(self.everyone)
        self.roles = {
            org: {self.people[0].user_id: "owner", self.people[1].user_id: "admin"}
            | {self.people[2].user_id: "member"}
            for org in self.orgs
        }
        self.allowed = dict.fromkeys(self.orgs, True)
        self.threads: dict[UUID, tuple[UUID, UUID, str]] = {}
        self.grants: dict[UUID, Given] = {}
        self.run(self._begin())
        for who in self.people:
            for org in (PRIVATE, *self.orgs):
                self._add(who, org)
        # from the beginning there is something that can end
        self.give(1, 2, 0, 15)
        self.give(1, 2, 1, 480)

    @property
    def time(self) -> Time:
        return self.harness.time

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    async def _begin(self) -> None:
        """Let the rows be as the model begins."""
        async with self.harness.live.db.system("grants", write=True) as session:
            for table in (ThreadReading, ReadingGrant, Message, Thread, Membership):
                await session.exec(delete(table))
            for org, roles in self.roles.items():
                for user, role in roles.items():
                    session.add(Membership(user_id=user, org_id=org, role=role))
        for org in self.orgs:
            await self.harness.live.organisations.change(
                self.people[0], org, allows_admin_reading=True
            )

    def is_open(self, grant: Given) -> bool:
        return not grant.is_over and grant.until > self.time.now

    def end(self, *, org: UUID | None = None, reader: UUID | None = None) -> None:
        for grant in self.grants.values():
            if org in (None, grant.org) and reader in (None, grant.reader.user_id):
                grant.is_over = True

    def may_give(self, reader: Principal, subject: UUID, org: UUID) -> bool:
        opened = [
            one
            for one in self.grants.values()
            if one.reader.user_id == reader.user_id and self.is_open(one)
        ]
        has_chats = any(one[:2] == (subject, org) for one in self.threads.values())
        return (
            self.roles[org].get(reader.user_id) in ("admin", "owner")
            and self.allowed[org]
            and subject != reader.user_id
            and (subject in self.roles[org] or has_chats)
            and len(opened) < MAX_OPEN
        )

    def _add(self, who: Principal, org: UUID) -> None:
        title = f"chat {len(self.threads)}"
        thread = Thread(title=title, org_id=org, owner_id=who.user_id)
        message = Message(
            thread_id=thread.id,
            org_id=org,
            owner_id=who.user_id,
            role="user",
            parts=[{"type": "text", "text": title}],
        )
        thread.head_id = message.id

        async def add() -> None:
            async with self.harness.live.db.system("grants", write=True) as session:
                session.add(thread)
                await session.flush()
                session.add(message)

        self.run(add())
        self.threads[thread.id] = (who.user_id, org, title)

    @rule(reader=person, subject=person, org=place, minutes=st.sampled_from(sorted(MINUTES)))
    def give_one(self, reader: int, subject: int, org: int, minutes: int) -> None:
        self.give(reader, subject, org, minutes)

    def give(self, reader: int, subject: int, org: int, minutes: int) -> None:
        who, whom, where = self.people[reader], self.people[subject].user_id, self.orgs[org]
        expected = self.may_give(who, whom, where)
        asking = self.harness.live.reading_grants.ask(
            who, where, whom, reason=REASON, minutes=minutes
        )
        try:
            grant = self.run(asking)
        except ChatError:
            assert not expected
        else:
            assert expected
            until = self.time.now + timedelta(minutes=minutes)
            self.grants[grant] = Given(who, whom, where, until)
            self.no_other_table_is_reached(OpenGrant(grant, whom, where))
            self.try_to_write(OpenGrant(grant, whom, where))

    @rule(who=person, org=place)
    def add_thread(self, who: int, org: int) -> None:
        self._add(self.people[who], self.orgs[org])

    @rule(minutes=st.sampled_from((1, 14, 45)))
    def time_passes(self, minutes: int) -> None:
        self.time.passes(minutes=minutes)
        self._sign_in_again()

    @rule()
    def the_next_one_runs_out(self) -> None:
        """A grant is over at the very end of its time."""
        left = [one.until - self.time.now for one in self.grants.values() if self.is_open(one)]
        if left and min(left) <= timedelta(hours=1):  # after more, the sessions are over too
            self.time.passes(seconds=min(left).total_seconds())
            self._sign_in_again()

    def _sign_in_again(self) -> None:
        """Keep the sessions fresh: who asks must have authenticated lately."""

        async def freshen() -> None:
            for who in self.people:
                await self.harness.live.sessions.step_up(who, method="password")

        self.run(freshen())

    @rule(pick=picks, who=person)
    def end_one(self, pick: int, who: int) -> None:
        if self.grants:
            id_ = list(self.grants)[pick % len(self.grants)]
            reader = self.people[who]
            self.run(self.harness.live.reading_grants.end(reader, id_))
            if self.grants[id_].reader.user_id == reader.user_id:
                self.grants[id_].is_over = True

    @rule(who=st.sampled_from((1, 2)), org=place, role=st.sampled_from(("admin", "member")))
    def change_role(self, who: int, org: int, role: str) -> None:
        self.change_role_of(who, org, role)

    def change_role_of(self, who: int, org: int, role: str) -> None:
        user, where = self.people[who].user_id, self.orgs[org]
        if user in self.roles[where]:
            chief = self.people[0]
            self.run(self.harness.live.members.change_role(chief, where, user, role))
            if role == "member" and self.roles[where][user] != role:
                self.end(org=where, reader=user)
            self.roles[where][user] = role

    @rule(org=place)
    def take_a_role_for_a_moment(self, org: int) -> None:
        self.change_role_of(1, org, "member")
        self.change_role_of(1, org, "admin")

    @rule(org=place)
    def forbid_for_a_moment(self, org: int) -> None:
        self.set_allowed(org, False)
        self.set_allowed(org, True)

    @rule(who=st.sampled_from((1, 2)), org=place)
    def leave(self, who: int, org: int) -> None:
        one, where = self.people[who], self.orgs[org]
        if self.roles[where].pop(one.user_id, None):
            self.run(self.harness.live.members.leave(one, where))
            self.end(org=where, reader=one.user_id)

    @rule(who=st.sampled_from((1, 2)), org=place, role=st.sampled_from(("admin", "member")))
    def join(self, who: int, org: int, role: str) -> None:
        user, where = self.people[who].user_id, self.orgs[org]
        if user not in self.roles[where]:
            self.roles[where][user] = role

            async def add() -> None:
                async with self.harness.live.db.system("grants", write=True) as session:
                    session.add(Membership(user_id=user, org_id=where, role=role))

            self.run(add())

    @rule(org=place, allowed=st.booleans())
    def allow(self, org: int, allowed: bool) -> None:
        self.set_allowed(org, allowed)

    def set_allowed(self, org: int, allowed: bool) -> None:
        where = self.orgs[org]
        change = self.harness.live.organisations.change
        self.run(change(self.people[0], where, allows_admin_reading=allowed))
        self.allowed[where] = allowed
        if not allowed:
            self.end(org=where)

    @rule(who=person)
    def sign_in_elsewhere(self, who: int) -> None:
        """Another session takes the place of a user's; the one before is over."""
        before = self.people[who]

        async def sign_in() -> UUID:
            issued = await issue_session(
                self.harness.live, before.user_id, remember=True, replaces=before.credential_id
            )
            return issued.session_id

        self.people[who] = replace(before, credential_id=self.run(sign_in()))
        # the next example begins with this session too
        self.everyone[who] = self.people[who]
        self.end(reader=before.user_id)

    def no_other_table_is_reached(self, scope: OpenGrant) -> None:
        for table in OWNED:
            if table not in READ_BY_GRANT:
                assert self.run(self._rows(scope, table)) == [], table

    @rule(pick=picks)
    def write(self, pick: int) -> None:
        for scope in self._scopes(pick):
            self.try_to_write(scope)

    def try_to_write(self, scope: OpenGrant) -> None:
        statements: list[Any] = [update(Thread).values(title="stolen"), delete(Message)]
        for statement in statements:
            self.run(self._try(scope, lambda one, it=statement: one.exec(it)))
        self.run(self._try(scope, self._add_row(scope)))

    def _scopes(self, pick: int) -> list[OpenGrant]:
        grants = [(key, one) for key, one in self.grants.items() if self.is_open(one)]
        if not grants:
            return []
        id_, grant = grants[pick % len(grants)]
        return [OpenGrant(id_, grant.subject, grant.org)]

    def _add_row(self, scope: OpenGrant) -> Any:
        async def add(session: ScopedSession) -> None:
            session.add(Thread(title="planted", org_id=scope.org_id))
            await session.flush()

        return add

    async def _rows(self, scope: OpenGrant, table: Any) -> list[Any]:
        try:
            async with self.harness.live.db.read_as(scope) as session:
                return list((await session.exec(select(table))).all())
        except QueryRefused:
            return []

    async def _try(self, scope: OpenGrant, work: Any) -> None:
        try:
            async with self.harness.live.db.read_as(scope) as session:
                await work(session)
                await session.commit()
        except (QueryRefused, DBAPIError):
            pass

    @invariant()
    def each_user_reads_what_their_grants_allow(self) -> None:
        self.run(self._compare())

    @invariant()
    def nothing_has_changed(self) -> None:
        async def titles() -> dict[UUID, str]:
            async with self.harness.live.db.system("grants") as session:
                messages = len((await session.exec(select(Message.id))).all())
                assert messages == len(self.threads)
                return dict((await session.exec(select(Thread.id, Thread.title))).all())

        assert self.run(titles()) == {key: one[2] for key, one in self.threads.items()}

    async def _compare(self) -> None:
        live = self.harness.live
        for id_, grant in self.grants.items():
            within = {
                key: title
                for key, (owner, org, title) in self.threads.items()
                if (owner, org) == (grant.subject, grant.org)
            }
            expected = within if self.is_open(grant) else None
            for who in self.people:
                wanted = expected if who == grant.reader else None
                try:
                    page = await live.granted_threads.page(who, id_)
                    found = {one.id: one.title for one in page.threads}
                except NotFound:
                    found = None
                assert found == wanted
            if expected is None:
                continue
            for thread in self.threads:
                try:
                    chat = await live.granted_threads.window(grant.reader, id_, thread)
                    read = chat.messages[0].text
                except NotFound:
                    read = None
                assert read == expected.get(thread)
        for who in self.people:
            memberships = {
                org: roles[who.user_id] for org, roles in self.roles.items() if who.user_id in roles
            }
            page = await live.threads.page(
                replace(who, memberships=memberships), org_id=None, limit=200
            )
            own = {
                key
                for key, (owner, org, _) in self.threads.items()
                if owner == who.user_id and (org == PRIVATE or org in memberships)
            }
            assert {one.id for one in page.threads} == own


def run_reading_machine(database: DatabaseUnderTest, *, examples: int, steps: int = 12) -> int:
    """Run the machine on a database without rows.

    Args:
        database: The database.
        examples: How many times it begins anew.
        steps: The most things that are done each time.

    Returns:
        How many times what all users read was compared with the model.

    Raises:
        AssertionError: A user read something else than the model says.
    """
    compared = 0
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        one = runner.run(stack.enter_async_context(org_harness(database)))

        async def meet() -> tuple[list[Principal], tuple[UUID, UUID]]:
            found = [await one.person(name) for name in NAMES]
            made = [await one.organisation(found[0]) for _ in range(2)]
            return found, (made[0], made[1])

        people, two = runner.run(meet())

        class Here(ReadingMachine):
            harness = one
            loop = runner
            everyone = people
            orgs = two

            @invariant()
            def count(self) -> None:
                nonlocal compared
                compared += 1

        try:
            run_machine(Here, examples=examples, steps=steps)
        finally:
            runner.run(stack.aclose())
    return compared
