"""The statements on session rows that more than one action needs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import and_, col, delete, or_, select, update

from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock
from chat_app.core.errors import NotFound
from chat_app.core.signals import SESSIONS, Bus, Signal
from chat_app.db.engine import Database
from chat_app.db.sessions import SystemSession
from chat_app.db.tables import AuthSession, DeniedSession, User

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
        if token_hash.startswith(JWT_PREFIX) and until > now
    }
    await deny(session, sealed)
    return [session_id for session_id, *_ in ended]


JWT_PREFIX = "sealed:"
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


async def is_denied_purge_due(session: SystemSession, now: datetime) -> bool:
    """Whether there is a denial that nothing can need any more."""
    over = select(DeniedSession.session_id).where(col(DeniedSession.expires_at) <= now).limit(1)
    return (await session.exec(over)).first() is not None


async def purge_denied(session: SystemSession, now: datetime) -> None:
    """Remove the denials that nothing can need any more."""
    await session.exec(delete(DeniedSession).where(col(DeniedSession.expires_at) <= now))


_KEPT_FOR = timedelta(days=30)  # an ended session, so that one can still look why it ended
_AT_ONCE = 500  # ids in one statement


class SessionRevocation:
    """Ends sessions, and tells of it after the commit.

    Args:
        db: Where they are kept.
        bus: Told of every end.
        clock: The time.
    """

    def __init__(self, db: Database, bus: Bus, clock: Clock) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock

    async def revoke(
        self, principal: Principal, session_id: UUID, reason: str = "signed_out"
    ) -> None:
        """End one of the person's own sessions; one that is over already stays as it is.

        Raises:
            NotFound: It is not theirs, or there is none.
        """
        mine = [col(AuthSession.id) == session_id, col(AuthSession.user_id) == principal.user_id]
        async with self._db.system("auth", write=True) as session:
            if (await session.exec(select(AuthSession.id).where(*mine))).first() is None:
                raise NotFound
            ended = await end(session, mine, self._clock(), reason)
        self.tell(ended, reason)

    async def revoke_user(self, user_id: UUID, *, reason: str, keep: UUID | None = None) -> int:
        """End every session of a person, but for one to keep.

        Returns:
            How many were ended.
        """
        async with self._db.system("auth", write=True) as session:
            ended = await self.end_all(session, user_id, reason=reason, keep=keep)
        self.tell(ended, reason)
        return len(ended)

    async def end_all(
        self,
        session: SystemSession,
        user_id: UUID,
        *,
        reason: str,
        keep: UUID | None = None,
        provider: str = "",
    ) -> Sequence[UUID]:
        """End every session of a person, but for one to keep, in a transaction of the caller's.

        Args:
            session: The transaction.
            user_id: The person.
            reason: Why.
            keep: The session to keep.
            provider: Whose word opened those that are to end; empty for all.

        Returns:
            Those that were ended, to `tell` of once it has committed.
        """
        theirs: list[Condition] = [col(AuthSession.user_id) == user_id]
        if keep is not None:
            theirs.append(col(AuthSession.id) != keep)
        if provider:
            theirs.append(col(AuthSession.provider) == provider)
        if keep is None and not provider:
            # Sealed tokens of an earlier epoch are refused even where their records are lost.
            await session.exec(
                update(User)
                .where(col(User.id) == user_id)
                .values(session_epoch=col(User.session_epoch) + 1)
            )
        return await end(session, theirs, self._clock(), reason)

    def tell(self, session_ids: Iterable[UUID], reason: str) -> None:
        """Let go of everything that is open for sessions that have ended."""
        for one in session_ids:
            self._bus.publish(SESSIONS, Signal("session_ended", session_id=one, reason=reason))

    async def expire_due(self) -> int:
        """End what has expired, so that its sockets and runs do too; remove what ended long ago.

        Returns:
            How many were ended.
        """
        now = self._clock()
        old = col(AuthSession.revoked_at) <= now - _KEPT_FOR
        async with self._db.system("sweep") as session:
            work = select(AuthSession.id).where(or_(and_(*due(now)), old)).limit(1)
            is_due = (await session.exec(work)).first() is not None
            if not is_due and not await is_denied_purge_due(session, now):
                return 0
        async with self._db.system("sweep", write=True) as session:
            ended = await end(session, due(now), now, "expired")
            await session.exec(delete(AuthSession).where(old))
            await purge_denied(session, now)
        self.tell(ended, "expired")
        return len(ended)

    async def revalidate(self, session_ids: Iterable[UUID]) -> set[UUID]:
        """Look whether sessions still live, without counting as use, and tell of those that do not.

        This is what a lost hint costs at most: the time between two calls.

        Args:
            session_ids: Those that something is open for.

        Returns:
            The dead ones.
        """
        dead = set(session_ids)
        asked = list(dead)
        for start in range(0, len(asked), _AT_ONCE):
            async with self._db.system("auth") as session:
                found = await session.exec(
                    select(AuthSession.id)
                    .join(User, col(User.id) == col(AuthSession.user_id))
                    .where(
                        col(AuthSession.id).in_(asked[start : start + _AT_ONCE]),
                        col(User.disabled_at).is_(None),
                        *live(self._clock()),
                    )
                )
                dead.difference_update(found.all())
        self.tell(dead, "ended")
        return dead
