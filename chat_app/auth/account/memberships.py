"""What becomes of a user's organisations and invitations when the account ends.

The actions of members are in `orgs`, which stands above accounts.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, select, update

from chat_app import audit
from chat_app.core.errors import Conflict
from chat_app.core.signals import ROLES, Bus, Signal, user_topic
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Invitation, Membership, ModelRule, Organisation, Thread, User


class OnlyOwner(Conflict):
    """The user is the only owner of an organisation with other members."""

    code = "only_owner"

    def __init__(self) -> None:
        super().__init__(
            "You are the only owner of an organisation with other members. "
            "Make another member an owner of it first."
        )


class _Member(NamedTuple):
    """A member of an organisation; the first of several is the best heir."""

    is_disabled: bool
    is_no_admin: bool
    joined_at: datetime
    user_id: UUID
    role: str


async def publish_role(
    session: SystemSession, bus: Bus, user_id: UUID, org_id: UUID, reason: str
) -> None:
    """Tell, after the commit, that a user's role has changed.

    Caches drop the user and their sockets reconnect at once; who has left loses their running
    answers there. The owners are told too: what they may do depends on the other members.

    Args:
        session: The transaction.
        bus: Receives the signals.
        user_id: The user.
        org_id: The organisation.
        reason: `joined`, `left`, or `changed`.
    """
    changed = Signal("roles_changed", user_id=user_id, org_id=org_id, reason=reason)
    session.publish(bus, ROLES, changed)
    owners = await session.exec(
        select(Membership.user_id).where(
            col(Membership.org_id) == org_id, col(Membership.role) == "owner"
        )
    )
    for told in {user_id, *owners}:
        session.publish(bus, user_topic(told), Signal("user"))


async def lock_organisations(session: SystemSession, user_id: UUID) -> set[UUID]:
    """The organisations of a user, whose members do not change until the transaction ends."""
    own = select(Membership.org_id).where(col(Membership.user_id) == user_id)
    locked = await session.exec(
        select(Organisation.id)
        .where(col(Organisation.id).in_(own))
        .order_by(col(Organisation.id))
        .with_for_update()
    )
    return set(locked.all())


async def require_no_other(session: SystemSession, user_id: UUID, org_ids: set[UUID]) -> None:
    """Refuse a user who has joined another organisation since theirs were locked.

    Raises:
        Conflict: They have.
    """
    found = await session.exec(select(Membership.org_id).where(col(Membership.user_id) == user_id))
    if not org_ids.issuperset(found):
        raise Conflict("This account has just joined an organisation. Try again.")


async def end_memberships(
    session: SystemSession,
    bus: Bus,
    user: User,
    org_ids: set[UUID],
    *,
    actor: audit.Actor,
    now: datetime,
) -> None:
    """Prepare the organisations of a user who is deleted.

    Those without another member are deleted, as their owner would. Where the user is the only
    owner, another member becomes one: the admin who has been there longest, else the member; a
    disabled one only if there is no other.

    Args:
        session: The transaction.
        bus: Receives a signal for each owner who stays or is new.
        user: The user.
        org_ids: Their organisations, locked.
        actor: Who deletes the user, for the audit log.
        now: The time in rows.

    Raises:
        OnlyOwner: The users delete themselves, and an organisation would have no owner.
    """
    is_own = not isinstance(actor, str | UUID) and actor.user_id == user.id
    for org_id, members in (await _members(session, org_ids)).items():
        others = [one for one in members if one.user_id != user.id]
        owners = [one for one in others if one.role == "owner"]
        for one in owners:  # of whom one may be the only owner then
            session.publish(bus, user_topic(one.user_id), Signal("user"))
        if owners:
            continue
        if not others:
            await _delete_organisation(session, user, org_id, actor=actor, now=now)
        elif is_own:
            raise OnlyOwner
        else:
            await _make_owner(session, bus, org_id, min(others), actor=actor)


def open_invitation(now: datetime | None = None) -> tuple[ColumnElement[bool], ...]:
    """The conditions of an invitation that was neither accepted nor revoked.

    Args:
        now: The time, to leave out those that have expired.
    """
    ends = col(Invitation.accepted_at).is_(None), col(Invitation.revoked_at).is_(None)
    return ends if now is None else (*ends, col(Invitation.expires_at) > now)


async def revoke_invitations(
    session: SystemSession,
    user_id: UUID,
    *conditions: ColumnElement[bool],
    actor: audit.Actor,
    now: datetime,
) -> None:
    """Revoke open invitations that a user has sent: they no longer vouch for others.

    Args:
        session: The transaction.
        user_id: The user.
        conditions: Which of them; none for all.
        actor: Who is the cause, for the audit log. It has one row for each organisation.
        now: The time in rows.
    """
    revoked = await session.exec(
        update(Invitation)
        .where(col(Invitation.invited_by) == user_id, *open_invitation(), *conditions)
        .values(revoked_at=now)
        .returning(col(Invitation.org_id))
    )
    for org_id, count in sorted(Counter(revoked.scalars()).items()):
        await audit.append(
            session,
            "invitation_revoked",
            actor=actor,
            subject=audit.Subject("user", user_id),
            organisation=org_id,
            details={"count": count},
        )


async def _members(session: SystemSession, org_ids: set[UUID]) -> dict[UUID, Sequence[_Member]]:
    found = await session.exec(
        select(Membership, User.disabled_at)
        .join(User, col(User.id) == col(Membership.user_id))
        .where(col(Membership.org_id).in_(org_ids))
    )
    members = defaultdict[UUID, list[_Member]](list)
    for row, disabled_at in found:
        is_disabled, is_no_admin = disabled_at is not None, row.role != "admin"
        one = _Member(is_disabled, is_no_admin, row.created_at, row.user_id, row.role)
        members[row.org_id].append(one)
    return dict(members)


async def _make_owner(
    session: SystemSession, bus: Bus, org_id: UUID, member: _Member, *, actor: audit.Actor
) -> None:
    await session.exec(
        update(Membership)
        .where(col(Membership.org_id) == org_id, col(Membership.user_id) == member.user_id)
        .values(role="owner")
    )
    await audit.append(
        session,
        "role_changed",
        actor=actor,
        subject=audit.Subject("user", member.user_id),
        organisation=org_id,
        details={"role": "owner", "previous_role": member.role},
    )
    await publish_role(session, bus, member.user_id, org_id, "changed")


async def delete_organisation(session: SystemSession, org_id: UUID) -> None:
    """Delete the row of an organisation, and what refers to it without a key."""
    await session.exec(delete(ModelRule).where(col(ModelRule.org_id) == org_id))
    await session.exec(delete(Organisation).where(col(Organisation.id) == org_id))


async def _delete_organisation(
    session: SystemSession, user: User, org_id: UUID, *, actor: audit.Actor, now: datetime
) -> None:
    """Delete an organisation; what former members left there is deleted with it."""
    left = (
        col(Thread.org_id) == org_id,
        col(Thread.owner_id) != user.id,
        col(Thread.deleted_at).is_(None),
    )
    # in the order of the ids, as the deletion of their owners locks them
    ids = select(Thread.id).where(*left).order_by(col(Thread.id)).with_for_update()
    await session.exec(ids)
    await session.exec(update(Thread).where(*left).values(deleted_at=now))
    await delete_organisation(session, org_id)
    subject = audit.Subject("organisation", org_id)
    await audit.append(
        session, "organisation_deleted", actor=actor, subject=subject, organisation=org_id
    )
