"""The statements on session rows that more than one action needs."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, update

from chat_app.db.system import SystemSession
from chat_app.db.tables import AuthSession

Condition = ColumnElement[bool]


def live(now: datetime) -> tuple[Condition, ...]:
    """That a session has neither ended nor expired; its idle end is never after its last."""
    return col(AuthSession.revoked_at).is_(None), col(AuthSession.idle_expires_at) > now


def due(now: datetime) -> tuple[Condition, ...]:
    """That a session has expired and nobody has said so yet."""
    return col(AuthSession.revoked_at).is_(None), col(AuthSession.idle_expires_at) <= now


async def end(
    session: SystemSession, which: Iterable[Condition], now: datetime, reason: str
) -> list[UUID]:
    """Mark sessions as ended, unless they are.

    Returns:
        Those that were not. The caller tells the bus, after the commit.
    """
    ended = await session.exec(
        update(AuthSession)
        .where(*which, col(AuthSession.revoked_at).is_(None))
        .values(revoked_at=now, revoked_reason=reason)
        .returning(col(AuthSession.id))
    )
    return list(ended.scalars().all())
