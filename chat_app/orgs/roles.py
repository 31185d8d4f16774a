"""What a role in an organisation allows. Pure, but for the rows that say who has which role.

A member uses the organisation and sees who belongs to it. An admin also invites, removes, and
changes roles, up to their own role. An owner may do everything; there is always one.
"""

from uuid import UUID

from sqlmodel import col, select

from chat_app.auth.principal import Principal, Role
from chat_app.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Membership, Organisation

ROLES: tuple[Role, ...] = ("member", "admin", "owner")
"""The roles, each of which may do what those before it may."""


class LastOwner(Conflict):
    """The organisation would have no owner."""

    code = "last_owner"

    def __init__(self) -> None:
        super().__init__(
            "An organisation needs an owner. Make another member an owner first, or delete it."
        )


class RoleRequired(Forbidden):
    """The user's role in the organisation does not allow this."""

    code = "role_required"

    def __init__(self) -> None:
        super().__init__("Your role in this organisation doesn't allow this.")


def is_at_least(role: str, least: Role) -> bool:
    """Whether a role allows what another one does."""
    return ROLES.index(checked_role(role)) >= ROLES.index(least)


def require_role(own: str, *needed: str) -> None:
    """Refuse a role that does not allow what each of some roles does.

    Raises:
        RoleRequired: It is less than one of them.
    """
    if not all(is_at_least(own, checked_role(role)) for role in needed):
        raise RoleRequired


def checked_role(role: str) -> Role:
    """A role as it is written by a client.

    Raises:
        InvalidInput: There is no such role.
    """
    for one in ROLES:
        if one == role:
            return one
    raise InvalidInput("Choose owner, admin or member.")


async def lock_organisation(
    session: SystemSession, principal: Principal, org_id: UUID, *, least: Role = "member"
) -> tuple[Organisation, Role]:
    """An organisation of the user, whose members no other transaction changes until this one ends.

    Args:
        session: A write transaction that sees what others commit meanwhile (`read_committed`).
        principal: The user.
        org_id: The organisation.
        least: The role that is needed.

    Returns:
        The organisation, and the user's role in it.

    Raises:
        NotFound, RoleRequired: See `require_at_least`.
    """
    found = await session.exec(
        select(Organisation).where(col(Organisation.id) == org_id).with_for_update()
    )
    organisation = found.first()
    role = await require_at_least(session, principal, org_id, least)
    if organisation is None:
        raise NotFound
    return organisation, role


async def require_at_least(
    session: SystemSession, principal: Principal, org_id: UUID, role: Role
) -> Role:
    """The user's role in an organisation, which is at least the given one.

    It is that of the row, not of the principal: it may have changed a moment ago.

    Raises:
        NotFound: The user does not belong to it; it looks the same if there is none.
        RoleRequired: The user's role is less.
    """
    membership = await session.get(Membership, (principal.user_id, org_id))
    if membership is None:
        raise NotFound
    require_role(membership.role, role)
    return checked_role(membership.role)


async def has_other_owner(session: SystemSession, org_id: UUID, user_id: UUID) -> bool:
    """Whether an organisation has an owner besides a user."""
    others = select(Membership.user_id).where(
        col(Membership.org_id) == org_id,
        col(Membership.role) == "owner",
        col(Membership.user_id) != user_id,
    )
    return (await session.exec(others.limit(1))).first() is not None


async def require_other_owner(session: SystemSession, org_id: UUID, user_id: UUID) -> None:
    """Refuse what takes the last owner from an organisation that is locked.

    Raises:
        LastOwner: The user is the only owner.
    """
    if not await has_other_owner(session, org_id, user_id):
        raise LastOwner
