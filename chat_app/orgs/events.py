"""What an action on an organisation tells: its row in the audit log, and signals to its members.

The signal of a role is published by `auth.account.memberships.publish_role`.
"""

from uuid import UUID

from sqlmodel import col, select

from chat_app import audit
from chat_app.audit.actions import Action
from chat_app.auth.principal import Principal
from chat_app.core.signals import Bus, Signal, user_topic
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Membership

BY_ADMINISTRATION = "administration"
"""The method in the details of a row whose actor, a site admin, need not be a member."""


async def record(
    session: SystemSession,
    action: Action,
    actor: Principal,
    organisation: UUID,
    *,
    subject: audit.Subject | None = None,
    details: audit.Details | None = None,
) -> None:
    """Record an action in the transaction that does it.

    Args:
        session: The transaction.
        action: What happened.
        actor: Who did it.
        organisation: To which organisation.
        subject: To what of it; None for the organisation itself.
        details: What else is known.
    """
    await audit.append(
        session,
        action,
        actor=actor,
        subject=subject or audit.Subject("organisation", organisation),
        organisation=organisation,
        details=details,
    )


async def publish_to_members(session: SystemSession, bus: Bus, org_id: UUID) -> None:
    """Tell every member, after the commit, that their organisation has changed.

    Args:
        session: The transaction.
        bus: Receives the signals.
        org_id: The organisation.
    """
    members = select(Membership.user_id).where(col(Membership.org_id) == org_id)
    for user_id in await session.exec(members):
        session.publish(bus, user_topic(user_id), Signal("user"))
