"""Sessions that have ended while a sealed copy of their token could still prove itself.

A sealed token needs no record to be believed for some minutes; this table is what takes that
belief away before its time.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, select

from chat_app.db.system import SystemSession
from chat_app.db.tables import DeniedSession

SEALED = "sealed:"
"""How the `token_hash` of a record begins whose token is sealed; no hash looks like that."""


def is_denied(session_id: UUID) -> ColumnElement[bool]:
    """That a session's sealed tokens are refused."""
    return select(DeniedSession).where(col(DeniedSession.session_id) == session_id).exists()


async def deny(session: SystemSession, until: Mapping[UUID, datetime]) -> None:
    """Refuse what is sealed for some sessions.

    Args:
        session: The transaction of the caller.
        until: Each session, and when the last copy of its token expires by itself.
    """
    for session_id, expires_at in until.items():
        await session.merge(DeniedSession(session_id=session_id, expires_at=expires_at))
    await session.flush()


async def is_purge_due(session: SystemSession, now: datetime) -> bool:
    """Whether there is a denial that nothing can need any more."""
    over = select(DeniedSession.session_id).where(col(DeniedSession.expires_at) <= now).limit(1)
    return (await session.exec(over)).first() is not None


async def purge(session: SystemSession, now: datetime) -> None:
    """Remove the denials that nothing can need any more."""
    await session.exec(delete(DeniedSession).where(col(DeniedSession.expires_at) <= now))
