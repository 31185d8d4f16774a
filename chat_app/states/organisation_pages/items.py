"""What the pages of organisations show, and the pure rules that make it from views."""

from dataclasses import dataclass
from datetime import datetime

from chat_app.auth.principal import Role
from chat_app.orgs.invitations import InvitationView
from chat_app.orgs.members import MemberView
from chat_app.orgs.organisations import OrganisationView
from chat_app.orgs.received_invitations import ReceivedInvitation
from chat_app.orgs.roles import is_at_least
from chat_app.states.account import day, fact_line

ROLE_TITLES: dict[Role, str] = {"member": "Member", "admin": "Admin", "owner": "Owner"}
"""A role → its name on a page."""


@dataclass(frozen=True)
class OwnOrganisationItem:
    """An organisation in the list of the user's.

    Args:
        id: Names it in URLs.
        name: Its name.
        detail: The user's role, and how many members there are.
    """

    id: str
    name: str
    detail: str


@dataclass(frozen=True)
class ReceivedItem:
    """An invitation of the user.

    Args:
        id: Names it in routes.
        organisation: The name of the organisation.
        detail: The role, who invited, and until when.
    """

    id: str
    organisation: str
    detail: str


@dataclass(frozen=True)
class OrganisationPageItem:
    """The organisation of a page; empty before it is loaded.

    Args:
        id: Names it in routes.
        name: Its name.
        role: The user's role.
        is_admin: Whether the user is an admin, or an owner.
        is_owner: Whether the user is an owner.
        is_only_owner: Whether the user is the only one.
        allows_admin_reading: Whether admins may read members' chats.
        is_reading_off: Whether the installation lets no one read.
    """

    id: str = ""
    name: str = ""
    role: str = ""
    is_admin: bool = False
    is_owner: bool = False
    is_only_owner: bool = False
    allows_admin_reading: bool = False
    is_reading_off: bool = False


@dataclass(frozen=True)
class MemberItem:
    """A member in the list.

    Args:
        id: Names them in routes.
        name: The display name; may be empty.
        email: The email.
        role: The role.
        role_title: The role, for people.
        joined: When they became a member.
        is_self: Whether it is the user who looks.
        can_change: Whether the user may give them another role.
        can_remove: Whether the user may remove them.
    """

    id: str
    name: str
    email: str
    role: str
    role_title: str
    joined: str
    is_self: bool
    can_change: bool
    can_remove: bool


@dataclass(frozen=True)
class InvitationItem:
    """An open invitation in the list.

    Args:
        id: Names it in routes.
        email: Who is invited.
        detail: As what, and until when.
        is_expired: Whether its link works no longer.
        can_change: Whether the user may send it again or revoke it.
    """

    id: str
    email: str
    detail: str
    is_expired: bool
    can_change: bool


def own_organisation_item(view: OrganisationView, members: int) -> OwnOrganisationItem:
    """An organisation of the user, with the number of its members."""
    count = "1 member" if members == 1 else f"{members} members"
    return OwnOrganisationItem(str(view.id), view.name, f"{ROLE_TITLES[view.role]} · {count}")


def received_item(invitation: ReceivedInvitation) -> ReceivedItem:
    """An invitation as its recipient sees it."""
    inviter = f"invited by {invitation.invited_by}" if invitation.invited_by else ""
    ends = f"expires {day(invitation.expires_at)}"
    parts = f"As {ROLE_TITLES[invitation.role].lower()}", inviter, ends
    return ReceivedItem(
        str(invitation.id), invitation.organisation, " · ".join(filter(None, parts))
    )


def organisation_item(view: OrganisationView, *, is_reading_off: bool) -> OrganisationPageItem:
    """An organisation, with what its user may do there.

    Args:
        view: The organisation.
        is_reading_off: Whether the installation lets no one read.
    """
    return OrganisationPageItem(
        *(str(view.id), view.name, view.role),
        is_admin=is_at_least(view.role, "admin"),
        is_owner=view.role == "owner",
        is_only_owner=view.is_only_owner,
        allows_admin_reading=view.allows_admin_reading and not is_reading_off,
        is_reading_off=is_reading_off,
    )


def member_item(member: MemberView, own: Role) -> MemberItem:
    """A member, with what a user may do to them.

    Args:
        member: The member.
        own: The role of the user who looks.
    """
    can_change = is_at_least(own, "admin") and is_at_least(own, member.role)
    return MemberItem(
        *(str(member.user_id), member.name, member.email),
        role=member.role,
        role_title=ROLE_TITLES[member.role],
        joined=f"joined {day(member.joined_at)}",
        is_self=member.is_self,
        can_change=can_change,
        can_remove=can_change and not member.is_self,
    )


def invitation_item(invitation: InvitationView, own: Role, now: datetime) -> InvitationItem:
    """An open invitation, with what a user may do to it.

    Args:
        invitation: The invitation.
        own: The role of the user who looks.
        now: The time.
    """
    verb = "expired" if invitation.expires_at <= now else "expires"
    return InvitationItem(
        *(str(invitation.id), invitation.email),
        detail=fact_line(ROLE_TITLES[invitation.role], f"{verb} {day(invitation.expires_at)}"),
        is_expired=invitation.is_expired,
        can_change=is_at_least(own, "admin") and is_at_least(own, invitation.role),
    )
