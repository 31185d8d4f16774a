"""Session revocation: end one, a user's, the expired; deny the JWTs of what ended."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import and_, col, delete, or_, select, update

from chat_app import audit
from chat_app.auth.grants import end_grants
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import StoredSession
from chat_app.core.clock import Clock
from chat_app.core.errors import NotFound
from chat_app.core.signals import CREDENTIALS, Bus, Signal
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import AuthSession, DeniedSession, ReadingGrant, User

JWT_PREFIX = "sealed:"
"""How the `token_hash` of a session with encrypted JWTs begins; no hash looks like that."""

_KEEP_REVOKED = timedelta(days=30)  # the row of a revoked session, which says why it was revoked
_IDS_PER_STATEMENT = 500

Condition = ColumnElement[bool]


def live(now: datetime) -> tuple[Condition, ...]:
    """That a session is neither revoked nor expired; its idle end is never after its last."""
    return col(AuthSession.revoked_at).is_(None), col(AuthSession.idle_expires_at) > now


def is_live(row: AuthSession | StoredSession, now: datetime) -> bool:
    """Whether a session is neither revoked nor expired."""
    return row.revoked_at is None and now < row.idle_expires_at


def _ended(session_id: UUID, reason: str) -> Signal:
    return Signal("session_ended", credential_id=session_id, reason=reason)


async def _deny(session: SystemSession, expiry: Mapping[UUID, datetime]) -> None:
    """Deny the JWTs of sessions until the last of each has expired."""
    for session_id, expires_at in expiry.items():
        await session.merge(DeniedSession(session_id=session_id, expires_at=expires_at))
    await session.flush()


class SessionRevocation:
    """Revokes sessions, and publishes it once the transaction has committed.

    Args:
        db: The database of the sessions.
        bus: Receives a signal for every revoked session.
        clock: The current time.
        stateless_lifetime: How long a token can be valid without its session's row.

    Attributes:
        bus: The bus.
    """

    def __init__(self, db: Database, bus: Bus, clock: Clock, stateless_lifetime: timedelta) -> None:
        self._db = db
        self.bus = bus
        self._clock = clock
        self._stateless_lifetime = stateless_lifetime

    async def revoke(
        self, principal: Principal, session_id: UUID, reason: str = "signed_out"
    ) -> None:
        """Revoke one of the user's own sessions; a revoked one stays as it is.

        A user can sign out even when the row of their session is lost.

        Raises:
            NotFound: The user has no such session.
        """
        is_own = [col(AuthSession.id) == session_id, col(AuthSession.user_id) == principal.user_id]
        async with self._db.system("auth", write=True) as session:
            if (await session.exec(select(AuthSession.id).where(*is_own))).first() is not None:
                await self._revoke_rows(session, is_own, reason, actor=principal)
            elif session_id == principal.credential_id and self._stateless_lifetime:
                await _deny(session, {session_id: self._clock() + self._stateless_lifetime})
                await self._append_ended(session, session_id, principal.user_id, reason, principal)
                self._publish_after(session, [session_id], reason)
            else:
                raise NotFound

    async def revoke_user(
        self,
        user_id: UUID,
        *,
        reason: str,
        keep: UUID | None = None,
        actor: audit.Actor | None = None,
    ) -> int:
        """Revoke every session of a user, except `keep`.

        Args:
            user_id: The user.
            reason: Why; stored with the sessions.
            keep: The session to keep.
            actor: Who asked for that; None for the user.

        Returns:
            How many were revoked.
        """
        async with self._db.system("auth", write=True) as session:
            revoked = await self.revoke_all(
                session, user_id, reason=reason, keep=keep, actor=actor or user_id
            )
        return len(revoked)

    async def revoke_all(
        self,
        session: SystemSession,
        user_id: UUID,
        *,
        reason: str,
        keep: UUID | None = None,
        provider: str = "",
        actor: audit.Actor = "system",
    ) -> Sequence[UUID]:
        """Revoke a user's sessions within a transaction of the caller's.

        Args:
            session: The transaction.
            user_id: The user.
            reason: Why; stored with the sessions.
            keep: The session to keep.
            provider: The identity provider whose sessions are revoked; empty for all.
            actor: Who asked for that; what ends with something else is ended by the system.

        Returns:
            The revoked sessions.
        """
        conditions: list[Condition] = [col(AuthSession.user_id) == user_id]
        if keep is not None:
            conditions.append(col(AuthSession.id) != keep)
        if provider:
            conditions.append(col(AuthSession.provider) == provider)
        if keep is None and not provider:
            # JWTs of an earlier epoch are refused even where the sessions' rows are lost.
            await session.exec(
                update(User)
                .where(col(User.id) == user_id)
                .values(session_epoch=col(User.session_epoch) + 1)
            )
        return await self._revoke_rows(session, conditions, reason, actor=actor)

    async def _revoke_rows(
        self,
        session: SystemSession,
        conditions: Iterable[Condition],
        reason: str,
        *,
        actor: audit.Actor = "system",
    ) -> list[UUID]:
        """Revoke the sessions that match and are not revoked yet; their JWTs are denied too."""
        now = self._clock()
        result = await session.exec(
            update(AuthSession)
            .where(*conditions, col(AuthSession.revoked_at).is_(None))
            .values(revoked_at=now, revoked_reason=reason)
            .returning(
                *(col(AuthSession.id), col(AuthSession.token_hash)),
                *(col(AuthSession.idle_expires_at), col(AuthSession.user_id)),
            )
        )
        rows = result.all()
        # No JWT is valid after the idle end that its row had when it was issued.
        jwt_expiry = {
            session_id: expires_at
            for session_id, token_hash, expires_at, _ in rows
            if token_hash.startswith(JWT_PREFIX) and expires_at > now
        }
        await _deny(session, jwt_expiry)
        for session_id, _, _, user_id in rows:
            await self._append_ended(session, session_id, user_id, reason, actor)
        revoked = [session_id for session_id, *_ in rows]
        if revoked:
            in_them = col(ReadingGrant.session_id).in_(revoked)
            await end_grants(
                session, self.bus, in_them, actor=actor, reason="session_ended", now=now
            )
        self._publish_after(session, revoked, reason)
        return revoked

    async def _append_ended(
        self,
        session: SystemSession,
        session_id: UUID,
        user_id: UUID,
        reason: str,
        actor: audit.Actor,
    ) -> None:
        await audit.append(
            session,
            "session_ended",
            actor=actor,
            subject=audit.Subject("user", user_id),
            details={"session": session_id, "reason": reason},
            clock=self._clock,
        )

    def _publish_after(
        self, session: SystemSession, session_ids: Iterable[UUID], reason: str
    ) -> None:
        """Publish them when the transaction that revokes them has committed."""
        for session_id in session_ids:
            session.publish(self.bus, CREDENTIALS, _ended(session_id, reason))

    def _publish_revoked(self, session_ids: Iterable[UUID], reason: str) -> None:
        """Publish revoked sessions, so that their sockets, runs and caches end."""
        for session_id in session_ids:
            self.bus.publish(CREDENTIALS, _ended(session_id, reason))

    async def expire_due(self) -> int:
        """Revoke the expired sessions and purge old rows and denials.

        Returns:
            How many sessions had expired.
        """
        now = self._clock()
        expired = [col(AuthSession.revoked_at).is_(None), col(AuthSession.idle_expires_at) <= now]
        is_old = col(AuthSession.revoked_at) <= now - _KEEP_REVOKED
        is_denial_over = col(DeniedSession.expires_at) <= now
        async with self._db.system("sweep") as session:
            due = select(AuthSession.id).where(or_(and_(*expired), is_old)).limit(1)
            denials = select(DeniedSession.session_id).where(is_denial_over).limit(1)
            if (await session.exec(due)).first() is None and (
                await session.exec(denials)
            ).first() is None:
                return 0
        async with self._db.system("sweep", write=True) as session:
            revoked = await self._revoke_rows(session, expired, "expired")
            await session.exec(delete(AuthSession).where(is_old))
            await session.exec(delete(DeniedSession).where(is_denial_over))
        return len(revoked)

    async def revalidate(self, session_ids: Iterable[UUID]) -> set[UUID]:
        """Check whether sessions are still live, without counting as use; publish the others.

        A lost signal costs at most the time between two calls.

        Args:
            session_ids: The sessions that have connections or runs.

        Returns:
            The sessions that are over.
        """
        over = set(session_ids)
        ids = list(over)
        for start in range(0, len(ids), _IDS_PER_STATEMENT):
            async with self._db.system("auth") as session:
                result = await session.exec(
                    select(AuthSession.id)
                    .join(User, col(User.id) == col(AuthSession.user_id))
                    .where(
                        col(AuthSession.id).in_(ids[start : start + _IDS_PER_STATEMENT]),
                        col(User.disabled_at).is_(None),
                        *live(self._clock()),
                    )
                )
                over.difference_update(result.all())
        self._publish_revoked(over, "ended")
        return over
