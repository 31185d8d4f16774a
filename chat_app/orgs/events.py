"""What an action on an organisation tells: its row in the audit log.

Its signals are published by `auth.account.memberships.publish_role`.
"""

from uuid import UUID

from chat_app import audit
from chat_app.audit.actions import Action
from chat_app.auth.principal import Principal
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
