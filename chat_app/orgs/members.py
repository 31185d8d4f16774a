"""The members of organisations: who they are, their roles, and how a membership ends.

Who may do what is decided inside the write, by the row of the membership (`roles`).
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import and_, col, func, or_, select

from chat_app import audit
from chat_app.auth.account.memberships import publish_role, revoke_invitations
from chat_app.auth.grants import end_organisation_grants
from chat_app.auth.principal import Principal, Role
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, NotFound
from chat_app.core.signals import Bus
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Invitation, Membership, User
from chat_app.orgs.events import record
from chat_app.orgs.roles import (
    ROLES,
    checked_role,
    lock_organisation,
    require_at_least,
    require_other_owner,
    require_role,
)

MEMBERS = 50
"""How many members a page of them has."""
_MAX_SEARCH = 100  # characters

MemberCursor = tuple[datetime, UUID]
"""Where a page of members begins: after the one who joined then."""


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
class MemberPage:
    """A page of the members of an organisation, the first ones first.

    Args:
        members: The members.
        total: How many match, on all pages.
        after: Where the next page begins; None at the end.
    """

    members: list[MemberView]
    total: int
    after: MemberCursor | None


@dataclass(frozen=True, slots=True)
class Members:
    """Lists members, changes their roles, and ends memberships.

    Args:
        db: The database.
        bus: Receives a signal for each user whose role has changed.
        clock: The time in rows.
    """

    db: Database
    bus: Bus
    clock: Clock

    async def of(self, principal: Principal, org_id: UUID) -> list[MemberView]:
        """The members of an organisation of the user, the first ones first.

        Raises:
            NotFound: The user does not belong to it.
        """
        async with self.db.system("organisations") as session:
            await require_at_least(session, principal, org_id, "member")
            rows = await session.exec(
                select(Membership, User)
                .join(User, col(User.id) == col(Membership.user_id))
                .where(col(Membership.org_id) == org_id)
                .order_by(col(Membership.created_at), col(Membership.user_id))
            )
            return [_member_view(*row, principal) for row in rows.all()]

    async def find(
        self, principal: Principal, org_id: UUID, text: str = "", after: MemberCursor | None = None
    ) -> MemberPage:
        """A page of the members whose email or name contains a text, the first ones first.

        Args:
            principal: A member.
            org_id: The organisation.
            text: As typed; empty for all of them.
            after: `MemberPage.after` of the page before it.

        Raises:
            NotFound: The user does not belong to it.
        """
        found = [col(User.id) == col(Membership.user_id), col(Membership.org_id) == org_id]
        if words := text.strip()[:_MAX_SEARCH]:
            columns = User.email, User.name
            found.append(or_(*(col(one).icontains(words, autoescape=True) for one in columns)))
        joined_at, user_id = col(Membership.created_at), col(Membership.user_id)
        newer = list(found)
        if after is not None:
            at, one = after
            newer.append(or_(joined_at > at, and_(joined_at == at, user_id > one)))
        async with self.db.system("organisations") as session:
            await require_at_least(session, principal, org_id, "member")
            count = select(func.count()).select_from(Membership, User).where(*found)
            total = (await session.exec(count)).one()
            rows = await session.exec(
                select(Membership, User)
                .where(*newer)
                .order_by(joined_at, user_id)
                .limit(MEMBERS + 1)
            )
            members = [_member_view(*row, principal) for row in rows.all()]
        shown, last = members[:MEMBERS], members[MEMBERS - 1 : MEMBERS]
        more = len(members) > MEMBERS
        return MemberPage(shown, total, (last[0].joined_at, last[0].user_id) if more else None)

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
            membership = await member_row(session, org_id, user_id)
            require_role(own, new, membership.role)
            if membership.role == new:
                return
            if membership.role == "owner":
                await require_other_owner(session, org_id, user_id)
            previous, membership.role = membership.role, new
            higher = ROLES[ROLES.index(new) + 1 :]
            await self._revoke_invitations(session, principal, org_id, user_id, higher)
            if new == "member":
                await self._end_grants(session, principal, org_id, user_id)
            await record(
                *(session, "role_changed", principal, org_id),
                subject=audit.Subject("user", user_id),
                details={"role": new, "previous_role": previous},
            )
            await publish_role(session, self.bus, user_id, org_id, "changed")

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
            membership = await member_row(session, org_id, user_id)
            if user_id == principal.user_id:
                raise Conflict("You can't remove yourself. Leave the organisation instead.")
            require_role(own, membership.role)
            await self.end_membership(session, principal, membership)
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
            membership = await member_row(session, org_id, principal.user_id)
            await self.end_membership(session, principal, membership)
            await record(
                *(session, "member_left", principal, org_id),
                subject=audit.Subject("user", principal.user_id),
            )

    async def end_membership(
        self, session: SystemSession, principal: Principal, membership: Membership
    ) -> None:
        """End a membership, in the transaction that has locked its organisation.

        Raises:
            LastOwner: No other member is an owner.
        """
        org_id, user_id = membership.org_id, membership.user_id
        if membership.role == "owner":
            await require_other_owner(session, org_id, user_id)
        await self._revoke_invitations(session, principal, org_id, user_id, ROLES)
        await self._end_grants(session, principal, org_id, user_id)
        await session.delete(membership)
        await publish_role(session, self.bus, user_id, org_id, "left")

    async def _revoke_invitations(
        self,
        session: SystemSession,
        principal: Principal,
        org_id: UUID,
        user_id: UUID,
        roles: tuple[Role, ...],
    ) -> None:
        """Revoke what a user has invited to some roles: they could not invite to them any more."""
        in_it = col(Invitation.org_id) == org_id, col(Invitation.role).in_(roles)
        await revoke_invitations(session, user_id, *in_it, actor=principal, now=self.clock())

    async def _end_grants(
        self, session: SystemSession, principal: Principal, org_id: UUID, reader: UUID
    ) -> None:
        await end_organisation_grants(
            *(session, self.bus, org_id, reader),
            actor=principal,
            reason="role",
            now=self.clock(),
        )

    def _write(self) -> AbstractAsyncContextManager[SystemSession]:
        return self.db.system("organisations", write=True, read_committed=True)


async def member_row(session: SystemSession, org_id: UUID, user_id: UUID) -> Membership:
    """The membership of a user in an organisation.

    Raises:
        NotFound: They do not belong to it.
    """
    membership = await session.get(Membership, (user_id, org_id))
    if membership is None:
        raise NotFound
    return membership


def _member_view(membership: Membership, user: User, principal: Principal) -> MemberView:
    return MemberView(
        user_id=user.id,
        email=user.email,
        name=user.name,
        role=checked_role(membership.role),
        joined_at=membership.created_at,
        is_self=user.id == principal.user_id,
    )
