"""The actions on organisations: each checks, commits, then publishes.

Who may do what is decided inside the write, by the row of the membership (`roles`).
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlmodel import col, delete, func, select, update

from chat_app import audit
from chat_app.auth.account.memberships import (
    delete_organisation,
    open_invitation,
    publish_role,
)
from chat_app.auth.account.profile import clean_display_name
from chat_app.auth.grants import end_organisation_grants
from chat_app.auth.principal import Principal, Role
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.core.signals import Bus
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import (
    ACTIVE,
    PRIVATE,
    Invitation,
    Membership,
    Organisation,
    Run,
    Thread,
    User,
)
from chat_app.orgs.events import publish_to_members, record
from chat_app.orgs.roles import (
    checked_role,
    has_other_owner,
    lock_organisation,
    require_at_least,
)

MAX_ORGANISATIONS = 50
"""How many organisations a user may belong to."""


class AnswerRunning(Conflict):
    """An answer is running in an organisation that is to be deleted."""

    def __init__(self) -> None:
        super().__init__("An answer is still being written in it. Stop it first.")


@dataclass(frozen=True, slots=True)
class OrganisationView:
    """An organisation as one of its members sees it.

    Args:
        role: The user's role in it.
        allows_admin_reading: Whether admins may read a member's threads in it, with a reason.
        is_chosen: Whether new tabs of the user begin in it.
        is_only_owner: Whether the user is its only owner, who can't leave; `get` alone tells it.
    """

    id: UUID
    name: str
    role: Role
    allows_admin_reading: bool
    created_at: datetime
    is_chosen: bool = False
    is_only_owner: bool = False


@dataclass(frozen=True, slots=True)
class Organisations:
    """Creates, changes and deletes organisations.

    Args:
        db: The database.
        bus: Receives a signal for each user whose role or organisation has changed.
        clock: The time in rows.
    """

    db: Database
    bus: Bus
    clock: Clock

    async def of(self, principal: Principal) -> list[OrganisationView]:
        """The organisations of the user, by name."""
        async with self.db.system("organisations") as session:
            rows = await session.exec(
                select(Organisation, Membership.role, Membership.is_chosen)
                .join(Membership, col(Membership.org_id) == col(Organisation.id))
                .where(col(Membership.user_id) == principal.user_id)
                .order_by(col(Organisation.name), col(Organisation.id))
            )
            return [
                replace(_view(organisation, role), is_chosen=is_chosen)
                for organisation, role, is_chosen in rows.all()
            ]

    async def member_counts(self, principal: Principal) -> dict[UUID, int]:
        """How many members each organisation of the user has."""
        own = select(Membership.org_id).where(col(Membership.user_id) == principal.user_id)
        async with self.db.system("organisations") as session:
            rows = await session.exec(
                select(Membership.org_id, func.count())
                .where(col(Membership.org_id).in_(own))
                .group_by(col(Membership.org_id))
            )
            return dict(rows.all())

    async def get(self, principal: Principal, org_id: UUID) -> OrganisationView:
        """One organisation of the user.

        Raises:
            NotFound: The user does not belong to it.
        """
        async with self.db.system("organisations") as session:
            role = await require_at_least(session, principal, org_id, "member")
            view = _view(await session.require(Organisation, org_id), role)
            if role == "owner" and not await has_other_owner(session, org_id, principal.user_id):
                return replace(view, is_only_owner=True)
            return view

    async def choose(self, principal: Principal, org_id: UUID) -> None:
        """Keep in which organisation new tabs of the user begin, until they leave it.

        Args:
            principal: The user.
            org_id: The organisation; `PRIVATE` for none.

        Raises:
            NotFound: The user does not belong to it.
        """
        async with self._write() as session:
            belongs = await choose_organisation(session, principal.user_id, org_id)
            if org_id != PRIVATE and not belongs:
                raise NotFound

    async def create(self, principal: Principal, name: str) -> OrganisationView:
        """Create an organisation, of which the user is the owner.

        Raises:
            InvalidInput: The name is empty, too long or has control characters.
            NotFound: The user was deleted meanwhile.
            Conflict: The user belongs to too many.
        """
        now = self.clock()
        organisation = Organisation(name=clean_name(name), created_at=now)
        async with self._write() as session:
            await require_room(session, principal.user_id)
            session.add(organisation)
            await session.flush()
            session.add(
                Membership(
                    user_id=principal.user_id,
                    org_id=organisation.id,
                    role="owner",
                    created_at=now,
                )
            )
            await record(session, "organisation_created", principal, organisation.id)
            await publish_role(session, self.bus, principal.user_id, organisation.id, "joined")
        return _view(organisation, "owner")

    async def change(
        self,
        principal: Principal,
        org_id: UUID,
        *,
        name: str | None = None,
        allows_admin_reading: bool | None = None,
    ) -> None:
        """Change what is given.

        Args:
            principal: An admin; for `allows_admin_reading` an owner.
            org_id: The organisation.
            name: Its name.
            allows_admin_reading: Whether admins may read members' threads in it.

        Raises:
            NotFound: The user does not belong to it.
            RoleRequired: Their role does not allow it.
            InvalidInput: The name is empty, too long or has control characters.
        """
        cleaned = None if name is None else clean_name(name)
        least: Role = "admin" if allows_admin_reading is None else "owner"
        async with self._write() as session:
            organisation, _ = await lock_organisation(session, principal, org_id, least=least)
            if cleaned is not None:
                organisation.name = cleaned
            if allows_admin_reading is not None:
                organisation.allows_admin_reading = allows_admin_reading
            if allows_admin_reading is False:
                await end_organisation_grants(
                    session, self.bus, org_id, actor=principal, reason="forbidden", now=self.clock()
                )
            if allows_admin_reading is not None:
                value = "on" if allows_admin_reading else "off"
                details: audit.Details = {"setting": "allows_admin_reading", "value": value}
            else:
                details = {"setting": "name"}
            await record(session, "organisation_changed", principal, org_id, details=details)
            await publish_to_members(session, self.bus, org_id)

    async def delete(self, principal: Principal, org_id: UUID) -> None:
        """Delete an organisation that has no member but its owner.

        The owner's own threads in it become private. Those that former members left there belong to
        the organisation and are deleted with it.

        Raises:
            NotFound: The user does not belong to it.
            RoleRequired: The user is no owner.
            Conflict: It has other members, or an answer is running in it.
        """
        async with self._write() as session:
            await lock_organisation(session, principal, org_id, least="owner")
            is_here = col(Membership.org_id) == org_id
            count = await session.exec(select(func.count()).select_from(Membership).where(is_here))
            if count.one() > 1:
                raise Conflict("Remove the other members first; then delete the organisation.")
            await self.dissolve(session, principal, org_id, [principal.user_id])
            await record(session, "organisation_deleted", principal, org_id)
            await publish_role(session, self.bus, principal.user_id, org_id, "left")

    async def dissolve(
        self,
        session: SystemSession,
        principal: Principal,
        org_id: UUID,
        members: Sequence[UUID],
    ) -> None:
        """Delete an organisation that is locked.

        The threads of its members become private. Those that former members left are deleted.

        Args:
            session: The transaction.
            principal: Who deletes it.
            org_id: The organisation.
            members: All of them; those that it had if `close` has ended the memberships. Empty if
                those are not known: `close` has left no other threads than theirs.

        Raises:
            AnswerRunning: An answer is running in it.
        """
        # who is adding to one of its threads at this moment has ended then
        threads = col(Thread.org_id) == org_id
        await session.exec(select(Thread.id).where(threads).with_for_update())
        active = select(Run.id).where(col(Run.org_id) == org_id, col(Run.status).in_(ACTIVE))
        if (await session.exec(active.limit(1))).first() is not None:
            raise AnswerRunning
        is_own = col(Thread.owner_id).in_(members) if members else col(Thread.deleted_at).is_(None)
        await self._delete_left(session, org_id, members)
        await session.exec(update(Thread).where(threads, is_own).values(org_id=PRIVATE))
        await end_organisation_grants(
            session, self.bus, org_id, actor=principal, reason="removed", now=self.clock()
        )
        await delete_organisation(session, org_id)

    async def close(
        self,
        session: SystemSession,
        principal: Principal,
        org_id: UUID,
        members: Sequence[UUID],
    ) -> None:
        """End all memberships of an organisation that is locked and will be dissolved.

        Their answers in it are stopped and no new ones begin. The threads that former members left
        are deleted here: afterwards nothing tells them from those of the members.

        Args:
            session: The transaction.
            principal: Who deletes it.
            org_id: The organisation.
            members: All of them; empty changes nothing.
        """
        if not members:
            return
        await self._delete_left(session, org_id, members)
        await session.exec(
            update(Invitation)
            .where(col(Invitation.org_id) == org_id, *open_invitation())
            .values(revoked_at=self.clock())
        )
        await end_organisation_grants(
            session, self.bus, org_id, actor=principal, reason="removed", now=self.clock()
        )
        await session.exec(delete(Membership).where(col(Membership.org_id) == org_id))
        for user_id in members:
            subject = audit.Subject("user", user_id)
            await record(session, "member_removed", principal, org_id, subject=subject)
            await publish_role(session, self.bus, user_id, org_id, "left")

    async def _delete_left(
        self, session: SystemSession, org_id: UUID, members: Sequence[UUID]
    ) -> None:
        """Delete the threads that others than the members left in an organisation."""
        if not members:
            return
        left = (
            col(Thread.org_id) == org_id,
            col(Thread.owner_id).not_in(members),
            col(Thread.deleted_at).is_(None),
        )
        # in the order of the ids, as the deletion of their owners locks them
        await session.exec(
            select(Thread.id).where(*left).order_by(col(Thread.id)).with_for_update()
        )
        await session.exec(update(Thread).where(*left).values(deleted_at=self.clock()))

    def _write(self) -> AbstractAsyncContextManager[SystemSession]:
        return self.db.system("organisations", write=True, read_committed=True)


async def choose_organisation(session: SystemSession, user_id: UUID, org_id: UUID) -> bool:
    """Let new tabs of a user begin in an organisation, and in no other.

    Args:
        session: The transaction.
        user_id: The user.
        org_id: The organisation; `PRIVATE` for none.

    Returns:
        Whether the user belongs to it.
    """
    # one statement, since a membership can be deleted meanwhile
    changed = await session.exec(
        update(Membership)
        .where(col(Membership.user_id) == user_id)
        .values(is_chosen=col(Membership.org_id) == org_id)
        .returning(col(Membership.org_id))
    )
    return org_id in changed.scalars().all()


def clean_name(name: str) -> str:
    """The name of an organisation.

    Raises:
        InvalidInput: It is empty, too long or has control characters.
    """
    cleaned = clean_display_name(name)
    if not cleaned:
        raise InvalidInput("Type a name for the organisation.")
    return cleaned


async def require_room(session: SystemSession, user_id: UUID) -> None:
    """Refuse another organisation to a user who belongs to too many.

    The user stays locked, so that of two that they join at once the second one counts the first.

    Raises:
        NotFound: The user was deleted meanwhile.
        Conflict: They do.
    """
    # not against rows that refer to the user (FOR NO KEY UPDATE)
    locked = select(User.id).where(col(User.id) == user_id).with_for_update(key_share=True)
    if (await session.exec(locked)).first() is None:
        raise NotFound
    count = select(func.count()).select_from(Membership)
    found = await session.exec(count.where(col(Membership.user_id) == user_id))
    if found.one() >= MAX_ORGANISATIONS:
        raise Conflict(f"You belong to {MAX_ORGANISATIONS} organisations, the maximum.")


def _view(organisation: Organisation, role: str) -> OrganisationView:
    return OrganisationView(
        id=organisation.id,
        name=organisation.name,
        role=checked_role(role),
        allows_admin_reading=organisation.allows_admin_reading,
        created_at=organisation.created_at,
    )
