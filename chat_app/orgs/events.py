"""What an action on an organisation tells: its row in the audit log, and its signals."""

from uuid import UUID

from chat_app import audit
from chat_app.audit.actions import Action
from chat_app.auth.principal import Principal
from chat_app.core.signals import ROLES, Bus, Signal, user_topic
from chat_app.db.scoped_session import SystemSession


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


def publish_role(
    session: SystemSession, bus: Bus, user_id: UUID, org_id: UUID, reason: str
) -> None:
    """Tell, after the commit, that a user's role has changed.

    Caches drop the user and their sockets reconnect at once; who has left loses their running
    answers there.

    Args:
        session: The transaction.
        bus: Receives the signals.
        user_id: The user.
        org_id: The organisation.
        reason: `joined`, `left`, or `changed`.
    """

    def publish() -> None:
        bus.publish(ROLES, Signal("roles_changed", user_id=user_id, org_id=org_id, reason=reason))
        bus.publish(user_topic(user_id), Signal("user"))

    session.after_commit.append(publish)
