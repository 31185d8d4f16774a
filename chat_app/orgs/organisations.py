"""The actions on organisations and their members: each checks, commits, then publishes.

Who may do what is decided inside the write, by the row of the membership (`roles`).
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, delete, func, select, update

from chat_app import audit
from chat_app.auth.account.memberships import publish_role
from chat_app.auth.account.profile import clean_display_name
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
from chat_app.orgs.events import record
from chat_app.orgs.roles import (
    ROLES,
    RoleRequired,
    checked_role,
    is_at_least,
    lock_organisation,
    require_member,
    require_other_owner,
)

MAX_ORGANISATIONS = 50
"""How many organisations a user may belong to."""


@dataclass(frozen=True, slots=True)
class OrganisationView:
    """An organisation as one of its members sees it.

    Args:
        role: The user's role in it.
        allows_admin_reading: Whether admins may read a member's threads in it, with a reason.
    """

    id: UUID
    name: str
    role: Role
    allows_admin_reading: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member of an organisation.

    Args:
        name: The display name; may be empty.
        joined_at: When the user became a member.
        is_self: Whether it is the user who asks.
    """

    user_id: UUID
    email: str
    name: str
    role: Role
    joined_at: datetime
    is_self: bool


@dataclass(frozen=True, slots=True)
class Organisations:
    """Creates, changes and deletes organisations, and changes who belongs to them.

    Args:
        db: The database.
        bus: Receives a signal for each user whose role has changed.
        clock: The time in rows.
    """

    db: Database
    bus: Bus
    clock: Clock

    async def of(self, principal: Principal) -> list[OrganisationView]:
        """The organisations of the user, by name."""
        async with self.db.system("organisations") as session:
            rows = await session.exec(
                select(Organisation, Membership.role)
                .join(Membership, col(Membership.org_id) == col(Organisation.id))
                .where(col(Membership.user_id) == principal.user_id)
                .order_by(col(Organisation.name), col(Organisation.id))
            )
            return [_view(organisation, role) for organisation, role in rows.all()]

    async def get(self, principal: Principal, org_id: UUID) -> OrganisationView:
        """One organisation of the user.

        Raises:
            NotFound: The user does not belong to it.
        """
        async with self.db.system("organisations") as session:
            role = await require_member(session, principal, org_id)
            return _view(await session.require(Organisation, org_id), role)

    async def create(self, principal: Principal, name: str) -> OrganisationView:
        """Create an organisation, of which the user is the owner.

        Raises:
            InvalidInput: The name is empty, too long or has control characters.
            Conflict: The user belongs to too many.
        """
        now = self.clock()
        organisation = Organisation(name=clean_name(name), created_at=now)
        async with self._write() as session:
            await session.require(User, principal.user_id)
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
            publish_role(session, self.bus, principal.user_id, organisation.id, "joined")
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
            if allows_admin_reading is not None:
                value = "on" if allows_admin_reading else "off"
                details: audit.Details = {"setting": "allows_admin_reading", "value": value}
            else:
                details = {"setting": "name"}
            await record(session, "organisation_changed", principal, org_id, details=details)

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
            # who is adding to one of its threads at this moment has ended then
            threads = col(Thread.org_id) == org_id
            await session.exec(select(Thread.id).where(threads).with_for_update())
            active = select(Run.id).where(col(Run.org_id) == org_id, col(Run.status).in_(ACTIVE))
            if (await session.exec(active.limit(1))).first() is not None:
                raise Conflict("An answer is still being written in it. Stop it first.")
            is_own = col(Thread.owner_id) == principal.user_id
            await session.exec(
                update(Thread)
                .where(threads, ~is_own, col(Thread.deleted_at).is_(None))
                .values(deleted_at=self.clock())
            )
            await session.exec(update(Thread).where(threads, is_own).values(org_id=PRIVATE))
            await session.exec(delete(Organisation).where(col(Organisation.id) == org_id))
            await record(session, "organisation_deleted", principal, org_id)
            publish_role(session, self.bus, principal.user_id, org_id, "left")

    async def members(self, principal: Principal, org_id: UUID) -> list[MemberView]:
        """The members of an organisation of the user, the first ones first.

        Raises:
            NotFound: The user does not belong to it.
        """
        async with self.db.system("organisations") as session:
            await require_member(session, principal, org_id)
            rows = await session.exec(
                select(Membership, User)
                .join(User, col(User.id) == col(Membership.user_id))
                .where(col(Membership.org_id) == org_id)
                .order_by(col(Membership.created_at), col(Membership.user_id))
            )
            return [
                MemberView(
                    user_id=user.id,
                    email=user.email,
                    name=user.name,
                    role=checked_role(membership.role),
                    joined_at=membership.created_at,
                    is_self=user.id == principal.user_id,
                )
                for membership, user in rows.all()
            ]

    async def change_role(
        self, principal: Principal, org_id: UUID, user_id: UUID, role: str
    ) -> None:
        """Change the role of a member. What they invited to a higher role is revoked.

        Args:
            principal: An admin, whose own role is at least the member's old and new one.
            org_id: The organisation.
            user_id: The member.
            role: The new role.

        Raises:
            NotFound: The user, or the member, does not belong to it.
            RoleRequired: The user's role does not allow it.
            InvalidInput: There is no such role.
            LastOwner: No other member is an owner.
        """
        new = checked_role(role)
        async with self._write() as session:
            _, own = await lock_organisation(session, principal, org_id, least="admin")
            membership = await _member(session, org_id, user_id)
            if not (is_at_least(own, new) and is_at_least(own, checked_role(membership.role))):
                raise RoleRequired
            if membership.role == new:
                return
            if membership.role == "owner":
                await require_other_owner(session, org_id, user_id)
            previous, membership.role = membership.role, new
            higher = ROLES[ROLES.index(new) + 1 :]
            await self._revoke_invitations(session, org_id, user_id, higher)
            await record(
                *(session, "role_changed", principal, org_id),
                subject=audit.Subject("user", user_id),
                details={"role": new, "previous_role": previous},
            )
            publish_role(session, self.bus, user_id, org_id, "changed")

    async def remove(self, principal: Principal, org_id: UUID, user_id: UUID) -> None:
        """Remove a member. Their threads stay in the organisation, and are there if they return.

        Args:
            principal: An admin, whose own role is at least the member's.
            org_id: The organisation.
            user_id: The member; not the user, who leaves instead.

        Raises:
            NotFound: The user, or the member, does not belong to it.
            RoleRequired: The user's role does not allow it.
            Conflict: It is the user.
            LastOwner: No other member is an owner.
        """
        async with self._write() as session:
            _, own = await lock_organisation(session, principal, org_id, least="admin")
            membership = await _member(session, org_id, user_id)
            if user_id == principal.user_id:
                raise Conflict("You can't remove yourself. Leave the organisation instead.")
            if not is_at_least(own, checked_role(membership.role)):
                raise RoleRequired
            await self._end(session, membership)
            await record(
                *(session, "member_removed", principal, org_id),
                subject=audit.Subject("user", user_id),
            )

    async def leave(self, principal: Principal, org_id: UUID) -> None:
        """Leave an organisation. One's threads stay in it, and are there again on a return.

        Raises:
            NotFound: The user does not belong to it.
            LastOwner: No other member is an owner.
        """
        async with self._write() as session:
            await lock_organisation(session, principal, org_id)
            await self._end(session, await _member(session, org_id, principal.user_id))
            await record(
                *(session, "member_left", principal, org_id),
                subject=audit.Subject("user", principal.user_id),
            )

    async def _end(self, session: SystemSession, membership: Membership) -> None:
        org_id, user_id = membership.org_id, membership.user_id
        if membership.role == "owner":
            await require_other_owner(session, org_id, user_id)
        await self._revoke_invitations(session, org_id, user_id, ROLES)
        await session.delete(membership)
        publish_role(session, self.bus, user_id, org_id, "left")

    async def _revoke_invitations(
        self, session: SystemSession, org_id: UUID, user_id: UUID, roles: tuple[Role, ...]
    ) -> None:
        """Revoke what a user has invited to some roles: they could not invite to them any more."""
        await session.exec(
            update(Invitation)
            .where(
                col(Invitation.org_id) == org_id,
                col(Invitation.invited_by) == user_id,
                col(Invitation.role).in_(roles),
                col(Invitation.accepted_at).is_(None),
                col(Invitation.revoked_at).is_(None),
            )
            .values(revoked_at=self.clock())
        )

    def _write(self) -> AbstractAsyncContextManager[SystemSession]:
        return self.db.system("organisations", write=True, read_committed=True)


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


async def _member(session: SystemSession, org_id: UUID, user_id: UUID) -> Membership:
    membership = await session.get(Membership, (user_id, org_id))
    if membership is None:
        raise NotFound
    return membership


def _view(organisation: Organisation, role: str) -> OrganisationView:
    return OrganisationView(
        id=organisation.id,
        name=organisation.name,
        role=checked_role(role),
        allows_admin_reading=organisation.allows_admin_reading,
        created_at=organisation.created_at,
    )
