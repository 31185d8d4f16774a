"""What a site admin does to organisations: list, create, change who owns one, and delete.

An admin reads names, roles and counts, never a title or a message. The role is read again in the
transaction of each change. Only its owner lets admins read in an organisation; a site admin can
switch that off.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, func, select

from chat_app import audit
from chat_app.auth.account.memberships import publish_role
from chat_app.auth.account.roles import require_admin
from chat_app.auth.emails import normalise
from chat_app.auth.grants import end_organisation_grants
from chat_app.auth.principal import Principal, Role
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.core.signals import Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Membership, Organisation, Thread, User
from chat_app.orgs.events import BY_ADMINISTRATION, publish_to_members, record
from chat_app.orgs.members import Members, member_row
from chat_app.orgs.organisations import AnswerRunning, Organisations, clean_name, require_room
from chat_app.orgs.roles import checked_role

PAGE_SIZE = 25
"""How many organisations a page of the list has."""
STOP_SECONDS = 10
"""How long the deletion of an organisation waits for the end of the answers in it."""
MEMBERS_PAGE = 50
"""How many members are listed at once."""
_MAX_SEARCH = 100  # characters


class HasOwner(Conflict):
    """An owner of the organisation can sign in."""

    code = "has_owner"

    def __init__(self) -> None:
        super().__init__("This organisation has an owner, who can give the role to another member.")


class OwnerDisabled(Conflict):
    """A user who can't sign in would become an owner."""

    code = "owner_disabled"

    def __init__(self) -> None:
        super().__init__("This user is disabled and can't be an owner. Enable them under People.")


class OwnOwnership(Conflict):
    """A site admin would become the owner of an organisation of others."""

    code = "own_ownership"

    def __init__(self) -> None:
        super().__init__("You can't make yourself the owner. Ask another admin.")


@dataclass(frozen=True, slots=True)
class ListedOrganisation:
    """An organisation as the list of a site admin shows it.

    Args:
        members: How many members it has.
        chats: How many chats are in it, those of former members among them.
        allows_admin_reading: Whether its admins may read members' chats in it.
    """

    id: UUID
    name: str
    created_at: datetime
    members: int
    chats: int
    allows_admin_reading: bool


@dataclass(frozen=True, slots=True)
class OrganisationPage:
    """A page of the list.

    Args:
        organisations: By name.
        total: How many match.
        number: Of this page, from 0.
    """

    organisations: list[ListedOrganisation]
    total: int
    number: int

    @property
    def has_more(self) -> bool:
        """Whether there is a page after this one."""
        return (self.number + 1) * PAGE_SIZE < self.total


@dataclass(frozen=True, slots=True)
class ListedMember:
    """A member as a site admin sees them.

    Args:
        user_id: The member.
        email: Their email.
        name: Their display name; may be empty.
        role: Their role in the organisation.
        is_disabled: Whether the user is disabled.
    """

    user_id: UUID
    email: str
    name: str
    role: Role
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class ListedMemberPage:
    """Members of an organisation.

    Args:
        members: By email.
        next: The email behind which the following members are; None at the end.
        has_owner: Whether an owner can sign in.
    """

    members: list[ListedMember]
    next: str | None
    has_owner: bool


@dataclass(frozen=True, slots=True)
class OrganisationAdministration:
    """Lists and changes organisations for a site admin. The caller has checked the role to read.

    Args:
        db: The database.
        bus: Receives a signal for each user whose role or organisation has changed.
        organisations: Deletes them.
        memberships: Ends memberships.
        clock: The time in rows.
    """

    db: Database
    bus: Bus
    organisations: Organisations
    memberships: Members
    clock: Clock

    async def find(self, text: str, number: int = 0) -> OrganisationPage:
        """A page of the organisations whose name contains a text.

        Args:
            text: As typed; empty for all.
            number: Of the page, from 0; one after the last is the last.
        """
        words = text.strip()[:_MAX_SEARCH]
        is_found = col(Organisation.name).icontains(words, autoescape=True)
        async with self.db.system("administration") as session:
            count = select(func.count(col(Organisation.id))).where(is_found)
            total = (await session.exec(count)).one()
            number = max(0, min(number, (total - 1) // PAGE_SIZE))
            rows = await session.exec(
                select(Organisation)
                .where(is_found)
                .order_by(col(Organisation.name), col(Organisation.id))
                .offset(number * PAGE_SIZE)
                .limit(PAGE_SIZE)
            )
            found = await _listed(session, rows.all())
        return OrganisationPage(found, total, number)

    async def get(self, org_id: UUID) -> ListedOrganisation:
        """One organisation.

        Raises:
            NotFound: There is none.
        """
        async with self.db.system("administration") as session:
            row = await session.require(Organisation, org_id)
            return (await _listed(session, [row]))[0]

    async def members(self, org_id: UUID, after: str = "") -> ListedMemberPage:
        """Members of an organisation, by email.

        Args:
            org_id: The organisation.
            after: The `next` of the page before; empty for the first one.

        Raises:
            NotFound: There is no such organisation.
        """
        async with self.db.system("administration") as session:
            await session.require(Organisation, org_id)
            rows = await session.exec(
                select(Membership.role, User)
                .join(User, col(User.id) == col(Membership.user_id))
                .where(col(Membership.org_id) == org_id, col(User.email) > after)
                .order_by(col(User.email))
                .limit(MEMBERS_PAGE + 1)
            )
            found = [
                ListedMember(
                    user_id=user.id,
                    email=user.email,
                    name=user.name,
                    role=checked_role(role),
                    is_disabled=user.disabled_at is not None,
                )
                for role, user in rows.all()
            ]
            has_owner = await _has_owner(session, org_id)
        page = found[:MEMBERS_PAGE]
        return ListedMemberPage(page, page[-1].email if found[MEMBERS_PAGE:] else None, has_owner)

    async def create(self, admin: Principal, name: str, owner_email: str) -> UUID:
        """Create an organisation for users.

        Args:
            admin: The site admin, who need not be a member.
            name: Its name.
            owner_email: The email of the user who becomes its owner.

        Returns:
            Its id.

        Raises:
            Forbidden: They are no admin any more.
            InvalidInput: The name is empty, too long or has control characters, or no user has the
                email.
            OwnerDisabled: The user is disabled.
            Conflict: The user belongs to too many organisations.
        """
        email, now = normalise(owner_email), self.clock()
        organisation = Organisation(name=clean_name(name), created_at=now)
        async with self._write() as session:
            await require_admin(session, admin)
            found = await session.exec(select(User.id).where(col(User.email) == email))
            owner = found.first()
            if owner is None:
                raise InvalidInput("No user has this email. Add them under People first.")
            await require_room(session, owner)
            await _require_enabled(session, owner)
            session.add(organisation)
            await session.flush()
            org_id = organisation.id
            session.add(Membership(user_id=owner, org_id=org_id, role="owner", created_at=now))
            created: audit.Details = {"method": BY_ADMINISTRATION}
            await record(session, "organisation_created", admin, org_id, details=created)
            await record(
                *(session, "role_changed", admin, org_id),
                subject=audit.Subject("user", owner),
                details={"role": "owner", "previous_role": "none"},
            )
            await publish_role(session, self.bus, owner, org_id, "joined")
        return org_id

    async def make_owner(self, admin: Principal, org_id: UUID, user_id: UUID) -> None:
        """Make a member the owner of an organisation whose owners can't sign in any more.

        Args:
            admin: The site admin.
            org_id: The organisation.
            user_id: The member; not the admin, who would be let into an organisation of others.

        Raises:
            Forbidden: They are no admin any more.
            NotFound: There is no such organisation or member.
            OwnOwnership: It is the admin.
            HasOwner: An owner can sign in.
            OwnerDisabled: The member is disabled.
        """
        if user_id == admin.user_id:
            raise OwnOwnership
        async with self._write() as session:
            await self._lock(session, admin, org_id)
            membership = await member_row(session, org_id, user_id)
            if await _has_owner(session, org_id):
                raise HasOwner
            await _require_enabled(session, user_id)
            previous, membership.role = membership.role, "owner"
            await record(
                *(session, "role_changed", admin, org_id),
                subject=audit.Subject("user", user_id),
                details={"role": "owner", "previous_role": previous},
            )
            await publish_role(session, self.bus, user_id, org_id, "changed")

    async def remove(self, admin: Principal, org_id: UUID, user_id: UUID) -> None:
        """Remove a member. Their chats stay in the organisation, and are there if they return.

        Raises:
            Forbidden: The admin is none any more.
            NotFound: There is no such organisation or member.
            LastOwner: No other member is an owner.
        """
        async with self._write() as session:
            await self._lock(session, admin, org_id)
            membership = await member_row(session, org_id, user_id)
            await self.memberships.end_membership(session, admin, membership)
            await record(
                *(session, "member_removed", admin, org_id),
                subject=audit.Subject("user", user_id),
            )

    async def forbid_reading(self, admin: Principal, org_id: UUID) -> None:
        """Let no admin read members' chats in an organisation; its owner can allow it again.

        Raises:
            Forbidden: The admin is none any more.
            NotFound: There is no such organisation.
        """
        async with self._write() as session:
            organisation = await self._lock(session, admin, org_id)
            if not organisation.allows_admin_reading:
                return
            organisation.allows_admin_reading = False
            await end_organisation_grants(
                session, self.bus, org_id, actor=admin, reason="forbidden", now=self.clock()
            )
            details: audit.Details = {"setting": "allows_admin_reading", "value": "off"}
            await record(session, "organisation_changed", admin, org_id, details=details)
            await publish_to_members(session, self.bus, org_id)

    async def delete(self, admin: Principal, org_id: UUID) -> None:
        """Delete an organisation. This can't be undone.

        The memberships end first, which stops the answers in it. Then the chats of its members
        become private to their owners. Those that former members left there are deleted.

        Raises:
            Forbidden: The admin is none any more.
            NotFound: There is no such organisation.
            AnswerRunning: An answer has not stopped in time. The memberships have ended; deleting
                it again goes on from there.
        """
        async with self._write() as session:
            await self._lock(session, admin, org_id)
            found = select(Membership.user_id).where(col(Membership.org_id) == org_id)
            members = (await session.exec(found)).all()
            await self.organisations.close(session, admin, org_id, members)
        with self.bus.subscribe(*map(user_topic, members)) as signals:
            deadline = asyncio.get_running_loop().time() + STOP_SECONDS
            while True:
                try:
                    await self._dissolve(admin, org_id, members)
                    return
                except AnswerRunning as running:
                    try:
                        async with asyncio.timeout_at(deadline):
                            await anext(signals)
                    except TimeoutError:
                        raise running from None

    async def _dissolve(self, admin: Principal, org_id: UUID, members: Sequence[UUID]) -> None:
        async with self._write() as session:
            await self._lock(session, admin, org_id)
            await self.organisations.dissolve(session, admin, org_id, members)
            await record(session, "organisation_deleted", admin, org_id)
            for user_id in members:  # whose lists have those chats now
                session.publish(self.bus, user_topic(user_id), Signal("user"))

    async def _lock(self, session: SystemSession, admin: Principal, org_id: UUID) -> Organisation:
        await require_admin(session, admin)
        locked = select(Organisation).where(col(Organisation.id) == org_id).with_for_update()
        organisation = (await session.exec(locked)).first()
        if organisation is None:
            raise NotFound
        return organisation

    def _write(self) -> AbstractAsyncContextManager[SystemSession]:
        return self.db.system("administration", write=True, read_committed=True)


async def _listed(session: SystemSession, rows: Sequence[Organisation]) -> list[ListedOrganisation]:
    ids = [row.id for row in rows]
    members = await session.exec(
        select(Membership.org_id, func.count())
        .where(col(Membership.org_id).in_(ids))
        .group_by(col(Membership.org_id))
    )
    chats = await session.exec(
        select(Thread.org_id, func.count())
        .where(col(Thread.org_id).in_(ids), col(Thread.deleted_at).is_(None))
        .group_by(col(Thread.org_id))
    )
    member_counts, chat_counts = dict(members.all()), dict(chats.all())
    return [
        ListedOrganisation(
            id=row.id,
            name=row.name,
            created_at=row.created_at,
            members=member_counts.get(row.id, 0),
            chats=chat_counts.get(row.id, 0),
            allows_admin_reading=row.allows_admin_reading,
        )
        for row in rows
    ]


async def _require_enabled(session: SystemSession, user_id: UUID) -> None:
    """Refuse a user who can't sign in.

    Raises:
        OwnerDisabled: They are disabled.
    """
    enabled = select(User.id).where(col(User.id) == user_id, col(User.disabled_at).is_(None))
    if (await session.exec(enabled)).first() is None:
        raise OwnerDisabled


async def _has_owner(session: SystemSession, org_id: UUID) -> bool:
    """Whether an owner of an organisation can sign in."""
    enabled = (
        select(Membership.user_id)
        .join(User, col(User.id) == col(Membership.user_id))
        .where(
            col(Membership.org_id) == org_id,
            col(Membership.role) == "owner",
            col(User.disabled_at).is_(None),
        )
    )
    return (await session.exec(enabled.limit(1))).first() is not None
