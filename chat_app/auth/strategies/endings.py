"""Every way a session ends: by its person, for all of a person's at once, or by itself."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlmodel import and_, col, delete, or_, select, update

from chat_app.auth.principal import Principal
from chat_app.auth.strategies import denied
from chat_app.auth.strategies.statements import Condition, due, end, live
from chat_app.bus import SESSIONS, Bus, Hint
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.system import SystemSession
from chat_app.db.tables import AuthSession, User
from chat_app.errors import NotFound

_KEPT_FOR = timedelta(days=30)  # an ended session, so that one can still look why it ended
_AT_ONCE = 500  # ids in one statement


class Endings:
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
            self._bus.publish(SESSIONS, Hint("session_ended", session_id=one, reason=reason))

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
            if not is_due and not await denied.is_purge_due(session, now):
                return 0
        async with self._db.system("sweep", write=True) as session:
            ended = await end(session, due(now), now, "expired")
            await session.exec(delete(AuthSession).where(old))
            await denied.purge(session, now)
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
