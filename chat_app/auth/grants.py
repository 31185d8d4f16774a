"""The end of grants to read another user's threads, in the transaction that is the cause.

Who may read, and how, is in `orgs.reading`, which stands above sessions and accounts.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Update
from sqlmodel import col, update

from chat_app import audit
from chat_app.core.signals import Bus, Signal, reading_topic
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import ReadingGrant


async def end_grants(
    session: SystemSession,
    bus: Bus,
    *conditions: ColumnElement[bool],
    actor: audit.Actor,
    reason: str,
    now: datetime,
) -> int:
    """End open grants. Pages that read by them are told after the commit.

    Args:
        session: The transaction.
        bus: Receives a signal for each grant.
        conditions: Which ones end.
        actor: Who is the cause, for the audit log.
        reason: A code that says why.
        now: The time in rows.

    Returns:
        How many have ended.
    """
    return await _end(
        session,
        bus,
        update(ReadingGrant).where(col(ReadingGrant.until) > now, *conditions).values(ended_at=now),
        actor=actor,
        reason=reason,
    )


async def end_expired_grants(session: SystemSession, bus: Bus, now: datetime) -> int:
    """End the grants whose time has passed; see `end_grants`."""
    until = col(ReadingGrant.until)
    expired = update(ReadingGrant).where(until <= now).values(ended_at=until)
    return await _end(session, bus, expired, actor="system", reason="expired")


async def _end(
    session: SystemSession, bus: Bus, ending: Update, *, actor: audit.Actor, reason: str
) -> int:
    ended = await session.exec(
        ending.where(col(ReadingGrant.ended_at).is_(None)).returning(
            *(col(ReadingGrant.id), col(ReadingGrant.owner_id), col(ReadingGrant.org_id)),
        )
    )
    grants = ended.all()
    for grant_id, owner_id, org_id in grants:
        await audit.append(
            session,
            "reading_ended",
            actor=actor,
            subject=audit.Subject("user", owner_id),
            organisation=org_id,
            details={"grant": grant_id, "reason": reason},
        )
        signal = Signal("reading_ended", user_id=owner_id, org_id=org_id)
        session.publish(bus, reading_topic(grant_id), signal)
    return len(grants)


async def end_organisation_grants(
    session: SystemSession,
    bus: Bus,
    org_id: UUID,
    reader: UUID | None = None,
    *,
    actor: audit.Actor,
    reason: str,
    now: datetime,
) -> None:
    """End the grants of an organisation, or those of one of its members; see `end_grants`."""
    conditions = [col(ReadingGrant.org_id) == org_id]
    if reader is not None:
        conditions.append(col(ReadingGrant.reader_id) == reader)
    await end_grants(session, bus, *conditions, actor=actor, reason=reason, now=now)
