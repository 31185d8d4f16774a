"""The audit log of an organisation, for its admins and owners.

It has the rows of that organisation alone, and names only people who belong to it or did: whoever
else did something to it (an admin of the installation, a user who declined an invitation) has no
name and no network there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from sqlmodel import col, select

from chat_app.audit.actions import TITLES, Action
from chat_app.audit.queries import AuditPage, identity_of, page_in, typed_limits, user_of_email
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import AuditEvent, AuditIdentity, Membership
from chat_app.orgs.events import BY_ADMINISTRATION
from chat_app.orgs.roles import require_at_least

ACTIONS: dict[Action, str] = {
    action: TITLES[action]
    for action in (
        "organisation_created",
        "organisation_changed",
        "invitation_created",
        "invitation_accepted",
        "invitation_declined",
        "invitation_revoked",
        "role_changed",
        "member_removed",
        "member_left",
        "thread_moved",
        "reading_granted",
        "reading_listed",
        "thread_read",
        "reading_ended",
    )
}
"""What can happen in an organisation, and its name on a page."""

_OF_MEMBERS: tuple[Action, ...] = (
    *("invitation_accepted", "role_changed", "member_removed", "member_left"),
)
"""Actions whose subject is, or was, a member."""


@dataclass(frozen=True, slots=True)
class OrganisationAuditPage:
    """A page of the audit log of an organisation, the newest row first.

    Args:
        page: The rows, with the names of people who are or were members.
        members: The random ids of those people, deleted accounts included.
    """

    page: AuditPage
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class OrganisationAuditLog:
    """Reads the audit log of an organisation.

    Args:
        db: The database.
    """

    db: Database

    async def find(
        self,
        principal: Principal,
        org_id: UUID,
        *,
        action: str = "",
        email: str = "",
        since: str = "",
        until: str = "",
        before: int | None = None,
    ) -> OrganisationAuditPage:
        """A page of the rows that a form describes; empty text does not limit them.

        Args:
            principal: An admin of the organisation.
            org_id: The organisation.
            action: One of `ACTIONS`.
            email: Of a present or former member who did it, or to whom it was done.
            since: The first day, in UTC: `2026-11-29`.
            until: The last day.
            before: `AuditPage.before` of the page before it.

        Raises:
            NotFound: The user does not belong to it.
            RoleRequired: The user's role is less.
            InvalidInput: There is no such action or member, or it is no date.
        """
        async with self.db.system("organisations") as session:
            await require_at_least(session, principal, org_id, "admin")
            filters = replace(typed_limits(action, since, until), organisation=org_id)
            if email.strip():
                filters = replace(filters, person=await _member(session, org_id, email))
            found = await page_in(session, filters, before=before)
            named = {one.actor for one in found.events}
            named |= {one.subject for one in found.events if one.subject_kind == "user"}
            members = await _members_among(session, org_id, named)
        people = {one: who for one, who in found.people.items() if one in members}
        return OrganisationAuditPage(replace(found, people=people), members)


async def _member(session: SystemSession, org_id: UUID, email: str) -> UUID:
    """The present or former member with an email; whether another user has it is not told."""
    user_id = await user_of_email(session, email)
    identity = None if user_id is None else await identity_of(session, user_id)
    if user_id is None or identity is None or not await _members_among(session, org_id, [identity]):
        raise InvalidInput("No present or former member has this email.")
    return user_id


async def _members_among(
    session: SystemSession, org_id: UUID, identities: Iterable[str]
) -> frozenset[str]:
    """Those of some random ids that stand for present or former members."""
    named = set(identities)
    present = await session.exec(
        select(AuditIdentity.audit_id)
        .join(Membership, col(Membership.user_id) == col(AuditIdentity.owner_id))
        .where(col(Membership.org_id) == org_id, col(AuditIdentity.audit_id).in_(named))
    )
    in_it, action = col(AuditEvent.org_id) == org_id, col(AuditEvent.action)
    subject, actor = col(AuditEvent.subject), col(AuditEvent.actor)
    subjects = await session.exec(
        select(AuditEvent.subject)
        .where(in_it, action.in_(_OF_MEMBERS), subject.in_(named))
        .distinct()
    )
    created = await session.exec(
        select(AuditEvent.actor, AuditEvent.details).where(
            in_it, action == "organisation_created", actor.in_(named)
        )
    )
    # who created it for themselves was its first owner
    creators = [one for one, details in created if f'"method":"{BY_ADMINISTRATION}"' not in details]
    return frozenset((*present.all(), *subjects.all(), *creators))
