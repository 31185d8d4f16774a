"""Four users do random things to organisations, accounts and roles, by the program's own actions.

A model predicts which of them are refused, and how; what each user sees, their roles, and who
belongs where. `isolation_machine.py` has the rows themselves, in every shape of query.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlmodel import col, delete, select, update

from chat_app.auth.account.delete import delete_account
from chat_app.auth.account.memberships import OnlyOwner
from chat_app.auth.account.people import OwnAccount
from chat_app.auth.account.roles import LastAdmin
from chat_app.auth.errors import InvalidToken
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, Conflict, Forbidden, NotFound
from chat_app.db.tables import PRIVATE, Invitation, Organisation, Thread, User
from chat_app.mail.mailer import Mailer
from chat_app.mail.templates import Email
from chat_app.orgs.invitations import InvitationForAnother, Invitations
from chat_app.orgs.roles import ROLES, LastOwner, RoleRequired
from chat_app.services import Services
from chat_app.settings import read_settings
from testing.auth_services import PASSWORD, CountingHasher, Time, issue_session
from testing.database import DatabaseUnderTest
from testing.state_machines import run_machine

PEOPLE = 4
MAX_ORGANISATIONS = 3
PICKS = 20

Refusal = type[ChatError] | None

people = st.sampled_from(range(PEOPLE))
picks = st.sampled_from(range(PICKS))
roles = st.sampled_from(ROLES)
rank = ROLES.index


class SentEmails(Mailer):
    """Keeps the token of the last email instead of sending it."""

    token = ""

    def send(self, email: Email) -> None:
        self.token = email.link.rpartition(".")[2]


@dataclass(eq=False)
class Person:
    """A user of the model; after the deletion of the account, another one with the same email."""

    email: str
    principal: Principal
    is_disabled: bool = False
    is_admin: bool = False
    before: Principal | None = None
    """As an event resolved them that is still being handled."""

    @property
    def id(self) -> UUID:
        return self.principal.user_id


@dataclass
class Member:
    """A membership of the model; `since` is the order in which they joined."""

    role: Any
    since: int


@dataclass
class Invited:
    """An invitation of the model."""

    org_id: UUID
    email: str
    role: Any
    inviter: UUID
    token: str
    is_open: bool = True
    is_expired: bool = False
    joined: Member | None = None
    """The membership that it was accepted for."""


@dataclass
class PredictedMemberships:
    """What must be stored."""

    people: list[Person] = field(default_factory=list)
    members: dict[UUID, dict[UUID, Member]] = field(default_factory=dict)
    known: list[UUID] = field(default_factory=list)
    """Every organisation there ever was."""
    invitations: dict[UUID, Invited] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    threads: dict[UUID, tuple[UUID, UUID]] = field(default_factory=dict)
    """The owner and the organisation of each thread."""
    joined: int = 0

    def role(self, who: Person, org_id: UUID) -> Any:
        member = self.members.get(org_id, {}).get(who.id)
        return member and member.role

    def needs(self, who: Person, org_id: UUID, *least: Any) -> Refusal:
        """How an action is refused for which each of these roles is needed."""
        own = self.role(who, org_id)
        if own is None:
            return NotFound
        return RoleRequired if any(rank(own) < rank(one) for one in least) else None

    def join(self, who: Person, org_id: UUID, role: Any) -> None:
        self.joined += 1
        self.members[org_id][who.id] = Member(role, self.joined)

    def owners(self, org_id: UUID) -> list[UUID]:
        return [id_ for id_, one in self.members[org_id].items() if one.role == "owner"]

    def is_last_owner(self, who: Person, org_id: UUID) -> bool:
        return self.owners(org_id) == [who.id]

    def revoke(self, inviter: UUID, *, org_id: UUID | None = None, above: int = -1) -> None:
        """Revoke what a user has invited to, in one organisation or in all."""
        for one in self.invitations.values():
            is_there = org_id is None or one.org_id == org_id
            if one.inviter == inviter and is_there and rank(one.role) > above:
                one.is_open = False

    def end_membership(self, who: Person, org_id: UUID) -> None:
        self.revoke(who.id, org_id=org_id)
        del self.members[org_id][who.id]

    def remove_organisation(self, org_id: UUID, last: UUID) -> None:
        """Without its last member: their threads become private, others' are deleted."""
        del self.members[org_id]
        self.invitations = {
            id_: one for id_, one in self.invitations.items() if one.org_id != org_id
        }
        for thread, (owner, place) in list(self.threads.items()):
            if place == org_id:
                del self.threads[thread]
                if owner == last:
                    self.threads[thread] = (owner, PRIVATE)

    def end_account(self, who: Person) -> None:
        """Delete a user, with the organisations that have no other member; others get an heir."""
        disabled = {one.id for one in self.people if one.is_disabled}
        for org_id, members in list(self.members.items()):
            if who.id not in members:
                continue
            if len(members) == 1:
                self.remove_organisation(org_id, who.id)
                continue
            if self.is_last_owner(who, org_id):
                others = [id_ for id_ in members if id_ != who.id]
                heir = min(
                    others,
                    key=lambda id_: (
                        id_ in disabled,
                        members[id_].role != "admin",
                        members[id_].since,
                    ),
                )
                members[heir].role = "owner"
            del members[who.id]
        self.revoke(who.id)
        self.invitations = {
            id_: one for id_, one in self.invitations.items() if one.email != who.email
        }
        self.threads = {id_: one for id_, one in self.threads.items() if one[0] != who.id}

    def admins(self) -> list[Person]:
        return [one for one in self.people if one.is_admin and not one.is_disabled]

    def visible(self, who: Person) -> set[UUID]:
        return {
            id_
            for id_, (owner, place) in self.threads.items()
            if owner == who.id and (place == PRIVATE or self.role(who, place))
        }

    def is_valid(self, token: str) -> UUID | None:
        """The invitation that a token is for and that can be accepted."""
        for id_, one in self.invitations.items():
            if one.token == token and one.is_open and not one.is_expired:
                return id_
        return None

    def has_joined_by(self, token: str, who: Person) -> bool:
        """Whether a user accepted the invitation of a token, and has not left since."""
        return any(
            one.joined is not None and one.joined is self.members[one.org_id].get(who.id)
            for one in self.invitations.values()
            if one.token == token
        )


class Memberships(RuleBasedStateMachine):
    """The program's actions and the model of them, side by side."""

    live: Services
    invitations: Invitations
    sent_emails: SentEmails
    time: Time
    loop: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.model = PredictedMemberships()
        self.steps = 0
        self.run(_empty(self.live))
        for number in range(PEOPLE):
            self.model.people.append(self.run(self._sign_up(f"user{number}@chat.example")))
        for owner in (0, PEOPLE - 1):
            self.create_organisation(owner)
        for number, role in enumerate(("admin", "member"), 1):
            self.invite(0, number, 0, role)
            self.accept_as_the_recipient(number - 1)
            self.create_thread(number, 0)
        self.invite(0, PEOPLE - 1, 0, "member")  # which may end in every way
        self.promote_by_the_operator(PEOPLE - 1)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    def tries(self, expected: Refusal, work: Coroutine[Any, Any, Any]) -> bool:
        """Do something that must be refused as expected; whether it was done."""
        self.time.passes(seconds=1)
        refused: Refusal = None
        try:
            self.run(work)
        except ChatError as error:
            refused = type(error)
        assert refused is expected
        return refused is None

    def actor(self, pick: int) -> Person | None:
        """A user who can act, with the principal of the next event."""
        who = self.model.people[pick]
        if who.is_disabled:
            return None
        who.principal = who.before = self.run(
            self.live.sessions.principal(who.principal.credential_id)
        )
        return who

    def numbers(self, pick: int, org_id: UUID) -> int:
        """The number of a user, mostly of a member of an organisation."""
        people = range(PEOPLE)
        members = [one for one in people if self.model.role(self.model.people[one], org_id)]
        among = members if members and pick % 4 else people
        return among[pick // 4 % len(among)]

    def actor_in(self, pick: int, org_id: UUID) -> Person | None:
        return self.actor(self.numbers(pick, org_id))

    def admin_or(self, pick: int) -> int:
        """The number of a user, in half of all cases of an admin of the installation."""
        admins = [one for one in range(PEOPLE) if self.model.people[one].is_admin]
        among = admins if admins and pick % 2 else range(PEOPLE)
        return among[pick // 2 % len(among)]

    def place(self, pick: int) -> UUID:
        """An organisation; with the highest numbers one that is deleted or never was."""
        known = list(self.model.members)
        if not known or pick >= PICKS - 2:
            known = [*self.model.known, UUID(int=1)]
        return known[pick % len(known)]

    def invitation(self, pick: int) -> tuple[UUID, Invited | None]:
        """Mostly an open one."""
        known = [id_ for id_, one in self.model.invitations.items() if one.is_open or not pick % 4]
        if not known:
            return UUID(int=1), None
        id_ = known[pick % len(known)]
        return id_, self.model.invitations[id_]

    async def _sign_up(self, email: str) -> Person:
        user_id = await self.live.accounts.add(email, PASSWORD, "")
        return Person(email, await self._session(user_id))

    async def _session(self, user_id: UUID) -> Principal:
        issued = await issue_session(self.live, user_id, remember=True)
        return Principal(user_id, issued.session_id)

    # organisations and their members

    @rule(who=people)
    def create_organisation(self, who: int) -> None:
        actor = self.actor(who)
        if actor is None or len(self.model.members) == MAX_ORGANISATIONS:
            return
        made = self.run(self.live.organisations.create(actor.principal, "Acme"))
        self.model.members[made.id] = {}
        self.model.known.append(made.id)
        self.model.join(actor, made.id, "owner")

    @rule(who=picks, place=picks, allows=st.none() | st.booleans())
    def change_organisation(self, who: int, place: int, allows: bool | None) -> None:
        org_id = self.place(place)
        if (actor := self.actor_in(who, org_id)) is None:
            return
        expected = self.model.needs(actor, org_id, "admin" if allows is None else "owner")
        name = "Other" if allows is None else None
        change = self.live.organisations.change
        self.tries(
            expected, change(actor.principal, org_id, name=name, allows_admin_reading=allows)
        )

    @rule(who=picks, place=picks)
    def delete_organisation(self, who: int, place: int) -> None:
        org_id = self.place(place)
        if (actor := self.actor_in(who, org_id)) is None:
            return
        expected = self.model.needs(actor, org_id, "owner")
        if expected is None and len(self.model.members[org_id]) > 1:
            expected = Conflict
        if self.tries(expected, self.live.organisations.delete(actor.principal, org_id)):
            self.model.remove_organisation(org_id, actor.id)

    @rule(who=picks, whom=picks, place=picks, role=roles)
    def change_role(self, who: int, whom: int, place: int, role: Any) -> None:
        org_id = self.place(place)
        if (actor := self.actor_in(who, org_id)) is None:
            return
        other = self.model.people[self.numbers(whom, org_id)]
        old = self.model.role(other, org_id)
        expected = self.model.needs(actor, org_id, "admin")
        if expected is None:
            expected = NotFound if old is None else self.model.needs(actor, org_id, old, role)
        is_last = old == "owner" != role and self.model.is_last_owner(other, org_id)
        if expected is None and is_last:
            expected = LastOwner
        work = self.live.members.change_role(actor.principal, org_id, other.id, role)
        if self.tries(expected, work):
            self.model.members[org_id][other.id].role = role
            if role != old:
                self.model.revoke(other.id, org_id=org_id, above=rank(role))

    @rule(who=picks, whom=picks, place=picks)
    def remove(self, who: int, whom: int, place: int) -> None:
        org_id = self.place(place)
        if (actor := self.actor_in(who, org_id)) is None:
            return
        other = self.model.people[self.numbers(whom, org_id)]
        old = self.model.role(other, org_id)
        expected = self.model.needs(actor, org_id, "admin")
        if expected is None and old is None:
            expected = NotFound
        elif expected is None:
            expected = Conflict if actor is other else self.model.needs(actor, org_id, old)
        if self.tries(expected, self.live.members.remove(actor.principal, org_id, other.id)):
            self.model.end_membership(other, org_id)

    @rule(who=picks, place=picks)
    def leave(self, who: int, place: int) -> None:
        org_id = self.place(place)
        if (actor := self.actor_in(who, org_id)) is not None:
            self._leave(actor, org_id)

    def _leave(self, actor: Person, org_id: UUID) -> None:
        expected = self.model.needs(actor, org_id)
        if expected is None and self.model.is_last_owner(actor, org_id):
            expected = LastOwner
        if self.tries(expected, self.live.members.leave(actor.principal, org_id)):
            self.model.end_membership(actor, org_id)

    # invitations

    @rule(who=picks, whom=people, place=picks, role=roles)
    def invite(self, who: int, whom: int, place: int, role: Any) -> None:
        org_id = self.place(place)
        if (actor := self.actor_in(who, org_id)) is None:
            return
        other = self.model.people[whom]
        expected = self.model.needs(actor, org_id, "admin", role)
        is_open = any(
            one.is_open and (one.org_id, one.email) == (org_id, other.email)
            for one in self.model.invitations.values()
        )
        if expected is None and (self.model.role(other, org_id) or is_open):
            expected = Conflict
        made = list[UUID]()

        async def work() -> None:
            sent = await self.invitations.invite(
                actor.principal, org_id, email=other.email, role=role, client_ip="127.0.0.1"
            )
            made.append(sent.id)

        if self.tries(expected, work()):
            token = self.sent_emails.token
            self.model.tokens.append(token)
            self.model.invitations[made[0]] = Invited(org_id, other.email, role, actor.id, token)

    def _of_invitation(self, actor: Person, one: Invited | None, org_id: UUID) -> Refusal:
        """How a change of an invitation is refused."""
        expected = self.model.needs(actor, org_id, "admin")
        if expected is not None:
            return expected
        if one is None or one.org_id != org_id or not one.is_open:
            return NotFound
        return self.model.needs(actor, org_id, one.role)

    @rule(who=picks, pick=picks, place=st.none() | picks)
    def resend(self, who: int, pick: int, place: int | None) -> None:
        id_, one = self.invitation(pick)
        org_id = one.org_id if one and place is None else self.place(place or 0)
        if (actor := self.actor_in(who, org_id)) is None:
            return
        expected = self._of_invitation(actor, one, org_id)
        work = self.invitations.resend(actor.principal, org_id, id_, client_ip="127.0.0.1")
        if self.tries(expected, work) and one is not None:
            one.token, one.is_expired, one.inviter = self.sent_emails.token, False, actor.id
            self.model.tokens.append(one.token)

    @rule(who=picks, pick=picks, place=st.none() | picks)
    def revoke(self, who: int, pick: int, place: int | None) -> None:
        id_, one = self.invitation(pick)
        org_id = one.org_id if one and place is None else self.place(place or 0)
        if (actor := self.actor_in(who, org_id)) is None:
            return
        expected = self._of_invitation(actor, one, org_id)
        if self.tries(expected, self.invitations.revoke(actor.principal, org_id, id_)) and one:
            one.is_open = False

    @rule(pick=picks)
    def expire(self, pick: int) -> None:
        id_, one = self.invitation(pick)
        if one is not None:
            self.run(_expire(self.live, id_, self.time() - timedelta(seconds=1)))
            one.is_expired = True

    def _accept(self, actor: Person, token: str) -> None:
        id_ = self.model.is_valid(token)
        one = self.model.invitations[id_] if id_ else None
        expected: Refusal = None
        if one is None:
            expected = None if self.model.has_joined_by(token, actor) else InvalidToken
        elif one.email != actor.email:
            expected = InvitationForAnother
        elif self.model.role(actor, one.org_id):
            expected = Conflict
        if self.tries(expected, self.invitations.accept(actor.principal, token)) and one:
            one.is_open = False
            self.model.join(actor, one.org_id, one.role)
            one.joined = self.model.members[one.org_id][actor.id]

    @rule(who=people, pick=picks)
    def accept_any(self, who: int, pick: int) -> None:
        tokens = self.model.tokens
        if (actor := self.actor(who)) is not None:
            self._accept(actor, tokens[pick % len(tokens)] if tokens else "none")

    @rule(pick=picks)
    def accept_as_the_recipient(self, pick: int) -> None:
        _, one = self.invitation(pick)
        for number, person in enumerate(self.model.people):
            if one and person.email == one.email and (actor := self.actor(number)):
                self._accept(actor, one.token)

    # accounts and the role in the installation

    @rule(whom=people)
    def promote_by_the_operator(self, whom: int) -> None:
        other = self.model.people[whom]
        self.run(self.live.site_roles.promote(other.id))
        other.is_admin = True

    @rule(who=picks, whom=picks, is_admin=st.booleans())
    def change_site_role(self, who: int, whom: int, is_admin: bool) -> None:
        if (actor := self.actor(self.admin_or(who))) is not None:
            self._change_site_role(actor, self.model.people[self.admin_or(whom)], is_admin=is_admin)

    @rule()
    def step_down_as_admin(self) -> None:
        """The first admin; if it is the only one, that is refused."""
        for admin in self.model.admins()[:1]:
            self._change_site_role(admin, admin, is_admin=False)

    def _change_site_role(self, actor: Person, other: Person, *, is_admin: bool) -> None:
        expected: Refusal = None if actor.is_admin else Forbidden
        if expected is None and not is_admin and self.model.admins() == [other]:
            expected = LastAdmin
        work = self.live.people.set_role(actor.principal, other.id, "admin" if is_admin else "")
        if self.tries(expected, work):
            other.is_admin = is_admin

    def _of_account(self, actor: Person, other: Person) -> Refusal:
        if actor is other:
            return OwnAccount
        return None if actor.is_admin else Forbidden

    @rule(who=picks, whom=people)
    def disable(self, who: int, whom: int) -> None:
        if (actor := self.actor(self.admin_or(who))) is not None:
            self._disable(actor, self.model.people[whom])

    def _disable(self, actor: Person, other: Person) -> None:
        work = self.live.people.disable(actor.principal, other.id)
        if self.tries(self._of_account(actor, other), work):
            other.is_disabled = True
            self.model.revoke(other.id)

    @rule(pick=picks)
    def disable_who_invited(self, pick: int) -> None:
        """Their invitation must work no longer."""
        _, one = self.invitation(pick)
        for inviter in self.model.people:
            if one and inviter.id == one.inviter:
                for admin in self._admins_but(inviter):
                    self._disable(admin, inviter)
                    self.accept_as_the_recipient(pick)

    @rule(whom=people)
    def enable(self, whom: int) -> None:
        other = self.model.people[whom]
        self.run(self.live.user_access.enable(other.id))
        if other.is_disabled:
            other.is_disabled = False
            other.principal = self.run(self._session(other.id))

    @rule(who=picks, whom=people)
    def delete_account(self, who: int, whom: int) -> None:
        """By its user, or by an admin."""
        if (actor := self.actor(self.admin_or(who))) is not None:
            self._delete(actor, whom)

    @rule(pick=picks)
    def delete_an_only_owner(self, pick: int) -> None:
        """Another member becomes the owner."""
        owners = [
            number
            for org_id, members in self.model.members.items()
            for number, who in enumerate(self.model.people)
            if len(members) > 1 and self.model.is_last_owner(who, org_id)
        ]
        if owners:
            number = owners[pick % len(owners)]
            for admin in self._admins_but(self.model.people[number]):
                self._delete(admin, number)

    def _admins_but(self, who: Person) -> list[Person]:
        """An enabled admin of the installation other than a user, if there is one."""
        return [one for one in self.model.admins() if one is not who][:1]

    def _delete(self, actor: Person, whom: int) -> None:
        other, live = self.model.people[whom], self.live
        if actor is other:
            expected = self._of_own_account(actor)
            work = delete_account(live.db, live.sessions, actor.principal, actor.email)
        else:
            expected = self._of_account(actor, other)
            work = live.people.delete(actor.principal, other.id)
        if self.tries(expected, work):
            self._is_gone(whom)

    def _of_own_account(self, actor: Person) -> Refusal:
        if self.model.admins() == [actor]:
            return LastAdmin
        is_last = any(
            len(members) > 1 and self.model.is_last_owner(actor, org_id)
            for org_id, members in self.model.members.items()
        )
        return OnlyOwner if is_last else None

    def _is_gone(self, number: int) -> None:
        """An account was deleted; another user signs up with the same email."""
        gone = self.model.people[number]
        assert self.run(self.live.sessions.principal(gone.principal.credential_id)) is None
        self.model.end_account(gone)
        self.model.people[number] = self.run(self._sign_up(gone.email))

    # threads

    def _create(self, actor: Person, principal: Principal, org_id: UUID) -> None:
        is_known = org_id == PRIVATE or org_id in principal.memberships
        is_member = org_id == PRIVATE or self.model.role(actor, org_id)
        made = list[UUID]()

        async def work() -> None:
            made.append((await self.live.threads.create(principal, org_id=org_id)).id)

        if self.tries(None if is_known and is_member else NotFound, work()):
            self.model.threads[made[0]] = (actor.id, org_id)

    @rule(who=people, place=st.none() | picks)
    def create_thread(self, who: int, place: int | None) -> None:
        if (actor := self.actor(who)) is not None:
            self._create(actor, actor.principal, PRIVATE if place is None else self.place(place))

    @rule(pick=picks)
    def create_thread_as_resolved_before(self, pick: int) -> None:
        """Mostly by who has left since."""
        stale = [
            (who, who.before, org_id)
            for who in self.model.people
            if who.before is not None and not who.is_disabled
            for org_id in who.before.memberships
            if pick % 4 == 0 or not self.model.role(who, org_id)
        ]
        if stale:
            self._create(*stale[pick // 4 % len(stale)])

    @rule(pick=picks)
    def create_thread_after_leaving(self, pick: int) -> None:
        """As who leaves was resolved before."""
        can_leave = [
            (number, org_id)
            for org_id in self.model.members
            for number, who in enumerate(self.model.people)
            if self.model.role(who, org_id) and not self.model.is_last_owner(who, org_id)
        ]
        if not can_leave:
            return
        number, org_id = can_leave[pick % len(can_leave)]
        if (actor := self.actor(number)) is not None:
            self._leave(actor, org_id)
            self._create(actor, actor.principal, org_id)

    def thread(self, pick: int) -> UUID:
        known = list(self.model.threads)
        return known[pick % len(known)] if known else UUID(int=1)

    @rule(who=people, pick=picks, place=st.none() | picks)
    def move_thread(self, who: int, pick: int, place: int | None) -> None:
        if (actor := self.actor(who)) is None:
            return
        thread, org_id = self.thread(pick), PRIVATE if place is None else self.place(place)
        is_reached = org_id == PRIVATE or self.model.role(actor, org_id)
        expected = None if thread in self.model.visible(actor) and is_reached else NotFound
        if self.tries(expected, self.live.threads.move(actor.principal, thread, org_id)):
            self.model.threads[thread] = (actor.id, org_id)

    @rule(who=people, pick=picks)
    def delete_thread(self, who: int, pick: int) -> None:
        if (actor := self.actor(who)) is None:
            return
        thread = self.thread(pick)
        expected = None if thread in self.model.visible(actor) else NotFound
        if self.tries(expected, self.live.threads.delete(actor.principal, thread)):
            del self.model.threads[thread]

    @rule(who=people, pick=picks)
    def read_thread(self, who: int, pick: int) -> None:
        if (actor := self.actor(who)) is None:
            return
        thread = self.thread(pick)
        expected = None if thread in self.model.visible(actor) else NotFound
        self.tries(expected, self.live.threads.get(actor.principal, thread))

    @invariant()
    def each_user_has_what_the_model_says(self) -> None:
        """Their roles, and the threads that they see."""
        for who in self.model.people:
            roles, is_admin, threads = self.run(_seen(self.live, who.principal))
            if who.is_disabled:
                assert (roles, is_admin, threads) == ({}, False, set())
                continue
            assert roles == {
                org_id: one[who.id].role
                for org_id, one in self.model.members.items()
                if who.id in one
            }
            assert is_admin == who.is_admin
            assert threads == self.model.visible(who)

    @invariant()
    def members_see_who_belongs_there(self) -> None:
        """One user and one organisation for each step: there are too many."""
        self.steps += 1
        who, org_id = self.model.people[self.steps % PEOPLE], self.place(self.steps % PICKS)
        if who.is_disabled:
            return
        expected = self.model.needs(who, org_id)
        orgs = self.live.organisations
        for work in (self._members(who, org_id), self._open(who, org_id)):
            self.tries(expected, work)
        self.tries(expected, orgs.get(who.principal, org_id))

    async def _members(self, who: Person, org_id: UUID) -> None:
        found = await self.live.members.of(who.principal, org_id)
        assert {one.user_id: one.role for one in found} == {
            id_: one.role for id_, one in self.model.members[org_id].items()
        }

    async def _open(self, who: Person, org_id: UUID) -> None:
        found = await self.live.invitations.open(who.principal, org_id)
        assert {(one.id, one.email, one.role, one.is_expired) for one in found} == {
            (id_, one.email, one.role, one.is_expired)
            for id_, one in self.model.invitations.items()
            if one.org_id == org_id and one.is_open
        }


async def _seen(live: Services, who: Principal) -> tuple[dict[UUID, Any], bool, set[UUID]]:
    now = await live.sessions.principal(who.credential_id)
    if now is None:
        return {}, False, set()
    async with live.db.read(now) as session:
        found = await session.exec(select(Thread.id).where(col(Thread.deleted_at).is_(None)))
        return dict(now.memberships), now.site_role == "admin", set(found.all())


async def _expire(live: Services, invitation_id: UUID, at: Any) -> None:
    async with live.db.system("organisations", write=True) as session:
        is_it = col(Invitation.id) == invitation_id
        await session.exec(update(Invitation).where(is_it).values(expires_at=at))


async def _empty(live: Services) -> None:
    async with live.db.system("sweep", write=True) as session:
        await session.exec(delete(User))
        await session.exec(delete(Organisation))


def run_membership_machine(database: DatabaseUnderTest, *, examples: int, steps: int = 20) -> int:
    """Run the machine on a database without rows.

    Args:
        database: The database.
        examples: How many times it begins anew.
        steps: The most things that are done each time.

    Returns:
        How many times what all users see was compared with the model.

    Raises:
        AssertionError: Something was allowed, refused or shown that the model does not predict.
    """
    compared, clock = 0, Time()
    given = read_settings(
        _env_file=None,
        **database.settings,
        fake_models=True,
        embedded_model=False,
        limit_mail_address="1000000/hour",
        limit_mail_recipient="1000000/hour",
        limit_threads="1000000/hour",
    )
    with asyncio.Runner() as runner:
        services = runner.run(_open_services(given, clock))
        emails = SentEmails(None, log_emails=True)
        mail = replace(services.invitations.mail, mailer=emails)

        class Here(Memberships):
            live, sent_emails, time, loop = services, emails, clock, runner
            invitations = Invitations(services.db, services.bus, mail, clock)

            @invariant()
            def count(self) -> None:
                nonlocal compared
                compared += 1

        try:
            run_machine(Here, examples=examples, steps=steps)
        finally:
            runner.run(services.stop())
    return compared


async def _open_services(given: Any, clock: Time) -> Services:
    return Services(given, clock=clock, sleep=clock.sleep, hasher=CountingHasher())
