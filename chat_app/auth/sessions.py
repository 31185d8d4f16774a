"""Sessions: who is signed in, on which device, until when.

A session is a row; the browser holds 256 random bits whose SHA-256 is in it. Ending one commits
first and then tells the bus, and whoever holds something of it (sockets, runs, the cache here)
lets go.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import and_, col, delete, or_, select, update

from chat_app.auth.address import coarse
from chat_app.auth.device import clean, device
from chat_app.auth.person import Person
from chat_app.auth.principal import Principal
from chat_app.auth.session_rows import Condition, due, end, live
from chat_app.auth.session_views import Issued, Resolved, SessionSummary
from chat_app.bus import SESSIONS, Bus, Hint
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.errors import DatabaseError
from chat_app.db.system import SystemSession
from chat_app.db.tables import AuthSession, User
from chat_app.errors import NotFound, Unauthenticated
from chat_app.settings import Settings

TOUCH_EVERY = timedelta(minutes=5)
"""At most one write per session in this time, however busy it is."""
TOUCH_AGAIN = timedelta(seconds=30)
"""After a touch that could not be written, nobody waits for the next one sooner than this."""
CACHED_FOR = timedelta(seconds=5)
"""How long `principal` may answer without looking; the bus cuts it short."""

_KEPT_FOR = timedelta(days=30)  # an ended session, so that one can still look why it ended
_AT_ONCE = 500  # ids in one statement
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_CACHE_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class _Seen:
    principal: Principal
    at: datetime
    expires_at: datetime


class Sessions:
    """Issues, resolves and ends sessions.

    Args:
        db: Where they are kept.
        bus: Told of every end, after the commit.
        settings: Lifetimes and the number per person.
        clock: The time.
    """

    def __init__(self, db: Database, bus: Bus, settings: Settings, clock: Clock) -> None:
        self._db = db
        self._bus = bus
        self._settings = settings
        self._clock = clock
        self._seen: dict[UUID, _Seen] = {}
        self._ends = 0
        self._no_touch_before: datetime | None = None
        bus.on(SESSIONS, self._forget)

    async def issue(
        self,
        user_id: UUID,
        *,
        method: str,
        remember: bool,
        address: str,
        user_agent: str,
        replaces: UUID | None = None,
        provider: str = "",
        second_factor: bool = False,
        claims: Mapping[str, Any] | None = None,
    ) -> Issued:
        """Open a session for a person who has just proved who they are.

        Args:
            user_id: The person.
            method: How they proved it, for example `password`.
            remember: Whether it may outlive the browser, and live longer.
            address: Where from; only its network is kept.
            user_agent: The browser's own name, for the list of devices.
            replaces: The session the browser had until now, of whomever: it ends, so that a
                session planted before sign-in is worth nothing after it (ASVS 7.2.4).
            provider: The provider's id in the settings, where one vouched for them.
            second_factor: Whether they showed two factors.
            claims: What the provider says of them; JSON.

        Raises:
            Unauthenticated: There is no such person, or they are disabled.
        """
        now = self._clock()
        token = secrets.token_urlsafe(32)
        idle, longest = self._lifetime(remember)
        row = AuthSession(
            id=uuid4(),
            token_hash=_digest(token),
            user_id=user_id,
            created_at=now,
            last_seen_at=now,
            authenticated_at=now,
            idle_expires_at=now + min(idle, longest),
            expires_at=now + longest,
            remember=remember,
            method=method,
            provider=provider,
            second_factor=second_factor,
            claims=dict(claims or {}),
            address=coarse(address),
            user_agent=clean(user_agent),
        )
        ended: dict[UUID, str] = {}
        async with self._db.system("auth", write=True) as session:
            user = await session.get(User, user_id)
            if user is None or user.disabled_at is not None:
                raise Unauthenticated
            if replaces is not None:
                gone = await end(session, [col(AuthSession.id) == replaces], now, "replaced")
                ended |= dict.fromkeys(gone, "replaced")
            crowd = await session.exec(
                select(AuthSession.id)
                .where(col(AuthSession.user_id) == user_id, *live(now))
                .order_by(col(AuthSession.created_at).desc())
                .offset(self._settings.sessions_per_user - 1)
            )
            gone = await end(session, [col(AuthSession.id).in_(crowd.all())], now, "too_many")
            ended |= dict.fromkeys(gone, "too_many")
            session.add(row)
        for session_id, reason in ended.items():
            self._tell(session_id, reason)
        max_age = int(longest.total_seconds()) if remember else None
        return Issued(token, row.id, row.expires_at, max_age)

    async def resolve(self, token: str) -> Resolved | None:
        """Who a token belongs to, or None when it proves nothing (any more). Counts as use."""
        if not _TOKEN.fullmatch(token):
            return None
        found = await self._find(col(AuthSession.token_hash) == _digest(token))
        if found is None:
            return None
        row, user = found
        return Resolved(
            Principal(user.id, row.id),
            row.idle_expires_at,
            row.authenticated_at,
            Person(user.id, user.email, user.name),
        )

    async def principal(self, session_id: UUID) -> Principal | None:
        """Who a session belongs to, or None once it is over. Counts as use.

        The answer may be up to five seconds old, except that an end told on the bus is known at
        once.
        """
        now = self._clock()
        seen = self._seen.get(session_id)
        if seen and seen.at <= now < min(seen.at + CACHED_FOR, seen.expires_at):
            return seen.principal
        found = await self._find(col(AuthSession.id) == session_id)
        if found is None:
            self._seen.pop(session_id, None)
            return None
        row, user = found
        if len(self._seen) >= _CACHE_SIZE:
            self._seen.clear()
        principal = Principal(user.id, row.id)
        self._seen[session_id] = _Seen(principal, now, row.idle_expires_at)
        return principal

    async def list(self, principal: Principal) -> list[SessionSummary]:
        """The person's live sessions, the last used first."""
        async with self._db.system("auth") as session:
            rows = await session.exec(
                select(AuthSession)
                .where(col(AuthSession.user_id) == principal.user_id, *live(self._clock()))
                .order_by(col(AuthSession.last_seen_at).desc(), col(AuthSession.created_at).desc())
            )
            return [
                SessionSummary(
                    id=row.id,
                    device=device(row.user_agent),
                    address=row.address,
                    method=row.method,
                    created_at=row.created_at,
                    last_seen_at=row.last_seen_at,
                    expires_at=row.idle_expires_at,
                    is_current=row.id == principal.session_id,
                )
                for row in rows.all()
            ]

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
        for one in ended:
            self._tell(one, reason)

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
        self, session: SystemSession, user_id: UUID, *, reason: str, keep: UUID | None = None
    ) -> Sequence[UUID]:
        """End every session of a person, but for one to keep, in a transaction of the caller's.

        Returns:
            Those that were ended, to `tell` of once it has committed.
        """
        theirs: list[Condition] = [col(AuthSession.user_id) == user_id]
        if keep is not None:
            theirs.append(col(AuthSession.id) != keep)
        return await end(session, theirs, self._clock(), reason)

    def tell(self, session_ids: Iterable[UUID], reason: str) -> None:
        """Let go of everything that is open for sessions that have ended."""
        for one in session_ids:
            self._tell(one, reason)

    async def expire_due(self) -> int:
        """End what has expired, so that its sockets and runs do too; remove what ended long ago.

        Returns:
            How many were ended.
        """
        now = self._clock()
        async with self._db.system("sweep") as session:
            old = col(AuthSession.revoked_at) <= now - _KEPT_FOR
            work = select(AuthSession.id).where(or_(and_(*due(now)), old)).limit(1)
            if (await session.exec(work)).first() is None:
                return 0
        async with self._db.system("sweep", write=True) as session:
            ended = await end(session, due(now), now, "expired")
            await session.exec(delete(AuthSession).where(old))
        for one in ended:
            self._tell(one, "expired")
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
        for one in dead:
            self._tell(one, "ended")
        return dead

    async def _find(self, which: Condition) -> tuple[AuthSession, User] | None:
        while True:
            ends = self._ends
            now = self._clock()
            async with self._db.system("auth") as session:
                found = await session.exec(
                    select(AuthSession, User)
                    .join(User, col(User.id) == col(AuthSession.user_id))
                    .where(which, col(User.disabled_at).is_(None), *live(now))
                )
                pair = found.first()
            if pair is None:
                return None
            row, user = pair
            if row.last_seen_at + TOUCH_EVERY <= now:
                await self._touch(row, now)
            # An end told while we were reading may be this one's: look again.
            if ends == self._ends:
                return row, user

    async def _touch(self, row: AuthSession, now: datetime) -> None:
        """Write down a use. Who it is does not depend on it: a full disk locks nobody out."""
        if self._no_touch_before is not None and now < self._no_touch_before:
            return
        idle, _ = self._lifetime(row.remember)
        until = min(now + idle, row.expires_at)
        try:
            async with self._db.system("auth", write=True) as session:
                await session.exec(
                    update(AuthSession)
                    .where(col(AuthSession.id) == row.id, col(AuthSession.revoked_at).is_(None))
                    .values(last_seen_at=now, idle_expires_at=until)
                )
        except DatabaseError:
            self._no_touch_before = now + TOUCH_AGAIN
            return
        row.last_seen_at, row.idle_expires_at = now, until

    def _lifetime(self, remember: bool) -> tuple[timedelta, timedelta]:
        has = self._settings
        hours = (
            (has.session_remember_idle_hours, has.session_remember_max_hours)
            if remember
            else (has.session_idle_hours, has.session_max_hours)
        )
        return timedelta(hours=hours[0]), timedelta(hours=hours[1])

    def _tell(self, session_id: UUID, reason: str) -> None:
        self._bus.publish(SESSIONS, Hint("session_ended", session_id=session_id, reason=reason))

    def _forget(self, hint: Hint) -> None:
        self._ends += 1
        if hint.session_id is not None:
            self._seen.pop(hint.session_id, None)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
