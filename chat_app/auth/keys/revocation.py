"""The end of API keys: their rows are deleted, then their requests and runs end by the bus.

A key ends with everything else that its user's password or mailbox gave access to. Signing out, a
new password and a new email leave keys alone, because they belong to programs.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlmodel import col, delete

from chat_app import audit
from chat_app.auth.sessions.revocation import Condition, SessionRevocation
from chat_app.core.signals import CREDENTIALS, Bus, Signal
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import ApiKey


async def revoke_keys(
    session: SystemSession,
    bus: Bus,
    conditions: Iterable[Condition],
    reason: str,
    *,
    actor: audit.Actor = "system",
) -> int:
    """Revoke the keys that match, within a transaction of the caller's.

    Args:
        session: The transaction.
        bus: Receives a signal for each key after the commit.
        conditions: Of their rows.
        reason: Why; for the log.
        actor: Who asked for that; what ends with something else is ended by the system.

    Returns:
        How many were revoked.
    """
    deleted = await session.exec(
        delete(ApiKey).where(*conditions).returning(col(ApiKey.id), col(ApiKey.user_id))
    )
    ended = deleted.all()
    for key_id, user_id in ended:
        await audit.append(
            session,
            "api_key_ended",
            actor=actor,
            subject=audit.Subject("user", user_id),
            details={"key": key_id, "reason": reason},
        )
    for key_id, user_id in ended:
        session.publish(bus, CREDENTIALS, _ended(key_id, user_id, reason))
    return len(ended)


def publish_ended(bus: Bus, keys: Iterable[tuple[UUID, UUID]], reason: str) -> None:
    """Publish keys that are over, so that their requests, runs and caches end.

    Args:
        bus: Receives the signals.
        keys: The key and the user of each.
        reason: Why; for the log.
    """
    for key_id, user_id in keys:
        bus.publish(CREDENTIALS, _ended(key_id, user_id, reason))


def _ended(key_id: UUID, user_id: UUID, reason: str) -> Signal:
    return Signal("api_key_ended", credential_id=key_id, user_id=user_id, reason=reason)


async def revoke_credentials(
    session: SystemSession, sessions: SessionRevocation, user_id: UUID, *, reason: str
) -> Sequence[UUID]:
    """Revoke every session and every API key of a user, within a transaction of the caller's.

    Args:
        session: The transaction.
        sessions: Revokes the sessions.
        user_id: The user.
        reason: Why; stored with the sessions.

    Returns:
        The revoked sessions.
    """
    await revoke_keys(session, sessions.bus, [col(ApiKey.user_id) == user_id], reason)
    return await sessions.revoke_all(session, user_id, reason=reason)
