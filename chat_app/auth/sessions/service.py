"""The record of a session, which every strategy keeps: when, where, how long, whose."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlmodel import col, select, update

from chat_app.auth.devices import clean_user_agent, device_name
from chat_app.auth.hooks import SessionContext, SessionHook, claims_of, load_function
from chat_app.auth.principal import Principal, UserProfile
from chat_app.auth.sessions.cache import PrincipalCache, ReplacedTokens
from chat_app.auth.sessions.models import IssuedSession, ResolvedSession, SessionSummary
from chat_app.auth.sessions.revocation import Condition, SessionRevocation, end, live
from chat_app.core.clock import Clock
from chat_app.core.errors import Unauthenticated
from chat_app.core.network import coarse_network
from chat_app.core.signals import SESSIONS, TOKENS, Bus, Signal
from chat_app.db.engine import Database
from chat_app.db.errors import DatabaseError
from chat_app.db.tables import AuthSession, User
from chat_app.settings import Settings

TOUCH_EVERY = timedelta(minutes=5)
"""At most one write per session in this time, however busy it is."""
TOUCH_AGAIN = timedelta(seconds=30)
"""After a touch that could not be written, nobody waits for the next one sooner than this."""

_T = TypeVar("_T")


class SessionService(SessionRevocation, ABC):
    """What every strategy has in common; `auth.sessions.Sessions` says what each method does.

    Args:
        db: Where sessions are kept.
        bus: Told of every end, after the commit.
        settings: Lifetimes, the number per person, and the function that adds claims.
        clock: The time.
        hook: Adds claims; None for the one that the settings name.

    Raises:
        ConfigError: The settings name a function that is not there.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        settings: Settings,
        clock: Clock,
        hook: SessionHook | None = None,
    ) -> None:
        super().__init__(db, bus, clock)
        self._settings = settings
        self._hook = hook or load_function(settings.auth_session_hook, "AUTH_SESSION_HOOK")
        self._recent = PrincipalCache()
        self._replaced = ReplacedTokens()
        self._ends = 0
        self._no_touch_before: datetime | None = None
        bus.subscribe_callback(SESSIONS, self._forget)

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
    ) -> IssuedSession:
        """Open a session for a person who has just proved who they are."""
        now = self._clock()
        idle, longest = self._lifetime(remember)
        row = AuthSession(
            id=uuid4(),
            token_hash="",  # the strategy stamps it
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
            address=coarse_network(address),
            user_agent=clean_user_agent(user_agent),
        )
        async with self._db.system("auth", write=True) as session:
            user = await session.get(User, user_id)
            if user is None or user.disabled_at is not None:
                raise Unauthenticated
            gone = []
            before = None if replaces is None else await session.get(AuthSession, replaces)
            if before is not None:
                self._replaced.note(self._mark(before), now)
                gone = await end(session, [col(AuthSession.id) == replaces], now, "replaced")
            crowd = await session.exec(
                select(AuthSession.id)
                .where(col(AuthSession.user_id) == user_id, *live(now))
                .order_by(col(AuthSession.created_at).desc())
                .offset(self._settings.sessions_per_user - 1)
            )
            pushed_out = [col(AuthSession.id).in_(crowd.all())]
            too_many = await end(session, pushed_out, now, "too_many")
            token = self._stamp(row, user, now)
            session.add(row)
        self.tell(gone, "replaced")
        self.tell(too_many, "too_many")
        return self._issued(token, row, now)

    async def touch(self, token: str) -> IssuedSession | None:
        """Use a session; the token that replaces this one, if one does by now."""
        found = await self.resolve(token)
        return None if found is None else found.renewed

    @abstractmethod
    async def resolve(self, token: str) -> ResolvedSession | None:
        """Who a token belongs to, or None when it proves nothing (any more). Counts as use."""

    async def principal(self, session_id: UUID) -> Principal | None:
        """Who a session belongs to, or None once it is over. Counts as use."""
        now = self._clock()
        # What the operator's function says may have changed since: then nothing is remembered.
        recent = self._recent.get(session_id, now) if self._hook is None else None
        if recent is not None:
            return recent

        async def look() -> ResolvedSession | None:
            found = await self._find(col(AuthSession.id) == session_id)
            return None if found is None else await self._resolved(*found)

        found = await self._undisturbed(look)
        if found is None:
            self._recent.drop(session_id)
            return None
        self._recent.keep(found.principal, now, found.expires_at)
        return found.principal

    async def step_up(self, principal: Principal, *, method: str) -> IssuedSession:
        """Note that a person has proved again who they are. The old token is worth nothing then."""
        now = self._clock()
        async with self._db.system("auth", write=True) as session:
            found = await session.exec(
                select(AuthSession, User)
                .join(User, col(User.id) == col(AuthSession.user_id))
                .where(
                    col(AuthSession.id) == principal.credential_id,
                    col(AuthSession.user_id) == principal.user_id,
                    col(User.disabled_at).is_(None),
                    *live(now),
                )
            )
            pair = found.first()
            if pair is None:
                raise Unauthenticated
            row, user = pair
            self._replaced.note(self._mark(row), now)
            row.authenticated_at, row.method = now, method
            row.last_seen_at, row.idle_expires_at = now, self._idle_end(row, now)
            token = self._stamp(row, user, now)
            session.add(row)
        self._bus.publish(TOKENS, Signal("session_token", session_id=row.id))
        return self._issued(token, row, now)

    def was_replaced(self, token: str) -> bool:
        """Whether a token that proves nothing any more was replaced a moment ago."""
        mark = self._mark_of(token)
        return mark is not None and self._replaced.has(mark, self._clock())

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
                    device=device_name(row.user_agent),
                    address=row.address,
                    method=row.method,
                    created_at=row.created_at,
                    last_seen_at=row.last_seen_at,
                    expires_at=row.idle_expires_at,
                    is_current=row.id == principal.credential_id,
                )
                for row in rows.all()
            ]

    @abstractmethod
    def _stamp(self, row: AuthSession, user: User, now: datetime) -> str:
        """A new token for a session; the row is given what recognises it."""

    @abstractmethod
    def _mark(self, row: AuthSession) -> str:
        """What the tokens of a session are known by until its next one."""

    @abstractmethod
    def _mark_of(self, token: str) -> str | None:
        """The same, of a token; None for what is none of ours."""

    def _issued(self, token: str, row: AuthSession, now: datetime) -> IssuedSession:
        left = int((row.expires_at - now).total_seconds())
        return IssuedSession(token, row.id, row.expires_at, left if row.remember else None)

    async def _resolved(
        self, row: AuthSession, user: User, renewed: IssuedSession | None = None
    ) -> ResolvedSession:
        """What is said of a live session, with what the operator's function adds."""
        seen = SessionContext(user.id, user.email, user.name, row.method, row.provider, row.claims)
        return ResolvedSession(
            Principal(user.id, row.id, claims=await claims_of(self._hook, seen)),
            row.idle_expires_at,
            row.authenticated_at,
            UserProfile(user.id, user.email, user.name),
            row.method,
            renewed,
        )

    async def _undisturbed(self, look: Callable[[], Awaitable[_T]]) -> _T:
        """What a look found that no end of a session overtook: it may have been this one's."""
        while True:
            ends = self._ends
            found = await look()
            if found is None or ends == self._ends:
                return found

    async def _find(self, which: Condition) -> tuple[AuthSession, User] | None:
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
        await self._touch(pair[0], now)
        return pair

    async def _touch(self, row: AuthSession, now: datetime) -> None:
        """Write down a use. Who it is does not depend on it: a full disk locks nobody out."""
        if row.last_seen_at + TOUCH_EVERY > now:
            return
        if self._no_touch_before is not None and now < self._no_touch_before:
            return
        until = self._idle_end(row, now)
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

    def _idle_end(self, row: AuthSession, now: datetime) -> datetime:
        return min(now + self._lifetime(row.remember)[0], row.expires_at)

    def _lifetime(self, remember: bool) -> tuple[timedelta, timedelta]:
        has = self._settings
        hours = (
            (has.session_remember_idle_hours, has.session_remember_max_hours)
            if remember
            else (has.session_idle_hours, has.session_max_hours)
        )
        return timedelta(hours=hours[0]), timedelta(hours=hours[1])

    def _forget(self, signal: Signal) -> None:
        self._ends += 1
        self._recent.drop(signal.session_id)
