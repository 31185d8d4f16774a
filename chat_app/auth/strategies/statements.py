"""The statements on session rows that more than one action needs."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, update

from chat_app.auth.strategies.denied import SEALED, deny
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
    """Mark sessions as ended, unless they are; what is sealed for them is refused from then on.

    Returns:
        Those that were not. The caller tells the bus, after the commit.
    """
    found = await session.exec(
        update(AuthSession)
        .where(*which, col(AuthSession.revoked_at).is_(None))
        .values(revoked_at=now, revoked_reason=reason)
        .returning(
            col(AuthSession.id), col(AuthSession.token_hash), col(AuthSession.idle_expires_at)
        )
    )
    ended = found.all()
    # No copy of a token outlives the idle end that its record had when the copy was made.
    sealed = {
        session_id: until
        for session_id, token_hash, until in ended
        if token_hash.startswith(SEALED) and until > now
    }
    await deny(session, sealed)
    return [session_id for session_id, *_ in ended]
