"""Sign-in sessions: issue, resolve, renew, step up, list; `SessionRevocation` revokes them.

A session is a row. What the browser holds, a random token or an encrypted JWT, is up to the token
codec. A change commits first and is published then: sockets, runs and caches follow the bus.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from cachetools import TLRUCache, TTLCache
from sqlmodel import col, select

from chat_app import audit
from chat_app.auth.devices import clean_user_agent, device_label
from chat_app.auth.operator_hooks import SessionContext, SessionHook, claims_of, load_function
from chat_app.auth.principal import Principal, UserProfile
from chat_app.auth.sessions.cache import CACHE_SECONDS, CredentialCache
from chat_app.auth.sessions.codecs import TOUCH_EVERY, SessionRow, TokenCodec
from chat_app.auth.sessions.models import (
    IssuedSession,
    ResolvedSession,
    SessionSummary,
    SessionUser,
    StoredSession,
    stored_session,
)
from chat_app.auth.sessions.revocation import SessionRevocation, is_live, live
from chat_app.core.clock import Clock
from chat_app.core.errors import DatabaseError, Unauthenticated
from chat_app.core.network import coarse_network
from chat_app.core.signals import CREDENTIALS, ROLES, TOKENS, Bus, Signal
from chat_app.db.engine import Database
from chat_app.db.prepared import Prepared, Transaction
from chat_app.db.scoped_session import SystemSession
from chat_app.db.statements import SESSION_BY_ID, USE_SESSION
from chat_app.db.tables import AuthSession, User
from chat_app.settings import Settings

USE_PAGES = 2
"""About how many pages of a SQLite file the use of a session or a key changes."""
TOUCH_RETRY = timedelta(seconds=30)
"""How long no use is written after a write that failed."""

_REPLACED_SECONDS = 60  # longer than a response that reports the session can be under way
_CACHE_ENTRIES = 10_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _CachedPrincipal:
    principal: Principal
    cached_at: datetime
    expires_at: datetime


def _cached_until(_session_id: UUID, cached: _CachedPrincipal, now: float) -> float:
    return min(now + CACHE_SECONDS, cached.expires_at.timestamp())


class SessionService(SessionRevocation):
    """Issues, resolves and revokes sessions.

    Args:
        db: The database of the sessions.
        bus: Receives a signal for every revoked session and every replaced token.
        codec: Issues and decodes tokens.
        settings: Lifetimes, sessions per user, and the function that adds claims.
        clock: The current time.
        hook: Adds claims; None for the function that the settings name.

    Raises:
        ConfigError: The settings name a function that does not exist.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        codec: TokenCodec,
        settings: Settings,
        clock: Clock,
        hook: SessionHook | None = None,
    ) -> None:
        super().__init__(db, bus, clock, codec.stateless_lifetime)
        self._codec = codec
        self._settings = settings
        self._hook = hook or load_function(settings.auth_session_hook, "AUTH_SESSION_HOOK")
        self._principals: TLRUCache[UUID, _CachedPrincipal] = TLRUCache(
            _CACHE_ENTRIES, _cached_until, timer=self._seconds
        )
        self._replaced: TTLCache[str, bool] = TTLCache(
            _CACHE_ENTRIES, _REPLACED_SECONDS, timer=self._seconds
        )
        self._cache: CredentialCache[ResolvedSession] = CredentialCache(self._seconds)
        self._changes = 0  # revoked sessions and changed roles
        self._no_touch_before: datetime | None = None
        bus.subscribe_callback(CREDENTIALS, self._on_revoked)
        bus.subscribe_callback(TOKENS, self._on_replaced)
        bus.subscribe_callback(ROLES, self._on_roles_changed)

    async def issue(
        self,
        session: SystemSession,
        user_id: UUID,
        *,
        method: str,
        remember: bool,
        client_ip: str,
        user_agent: str,
        replaces: UUID | None = None,
        provider: str = "",
        second_factor: bool = False,
        claims: Mapping[str, Any] | None = None,
    ) -> IssuedSession:
        """Start a session for a user who has just authenticated, in the caller's transaction.

        Args:
            session: The transaction.
            user_id: The user.
            method: The login method, for example `password`.
            remember: Whether the session outlives the browser, and lasts longer.
            client_ip: Only its network is stored.
            user_agent: The browser's `User-Agent`, for the list of devices.
            replaces: The browser's session until now, of any user. It is revoked, so that a
                session planted before sign-in is worth nothing afterwards (ASVS 7.2.4).
            provider: The identity provider's id in the settings; empty for other methods.
            second_factor: Whether the user proved two factors.
            claims: The identity provider's claims; JSON.

        Raises:
            Unauthenticated: The user does not exist or is disabled.
        """
        now = self._clock()
        idle, longest = self._lifetime(remember)
        row = AuthSession(
            id=uuid4(),
            token_hash="",  # the codec sets it
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
            address=coarse_network(client_ip),
            user_agent=clean_user_agent(user_agent),
        )
        user = await session.get(User, user_id)
        if user is None or user.disabled_at is not None:
            raise Unauthenticated
        previous = None if replaces is None else await session.get(AuthSession, replaces)
        if previous is not None:
            self._replaced[self._codec.fingerprint(previous)] = True
            await self._revoke_rows(session, [col(AuthSession.id) == replaces], "replaced")
        excess = await session.exec(
            select(AuthSession.id)
            .where(col(AuthSession.user_id) == user_id, *live(now))
            .order_by(col(AuthSession.created_at).desc())
            .offset(self._settings.sessions_per_user - 1)
        )
        await self._revoke_rows(session, [col(AuthSession.id).in_(excess.all())], "too_many")
        token = self._codec.issue(row, user, now)
        session.add(row)
        await audit.append(
            session,
            "sign_in",
            actor=user_id,
            details={
                "session": row.id,
                "method": method,
                "provider": provider,
                "second_factor": second_factor,
            },
            request=audit.Origin.of_client(client_ip),
            clock=self._clock,
        )
        return _issued(token, row, now)

    async def resolve(self, token: str, *, cached: bool = False) -> ResolvedSession | None:
        """The session and user of a token, or None when it is not valid. Counts as use.

        Args:
            token: What the browser sent.
            cached: Whether the result may be up to five seconds old, except that a revocation, a
                step-up or a change of roles on the bus is known at once. The user's profile is
                not.

        Raises:
            ClaimsUnavailable: The operator's function failed.
        """
        # The operator's function may return something else each time: then nothing is cached.
        if cached and self._hook is None:
            found = self._cache.get(token, self._clock())
            if found is not None:
                return found

        async def load() -> ResolvedSession | None:
            now, number = self._clock(), self._cache.begin()
            decoded = self._codec.decode(token, now)
            if decoded is None:
                return None
            pair = await self._first(decoded.statement, **decoded.parameters)
            if pair is None:
                return None
            user, row = pair
            if row is None:
                row = decoded.fallback
                return None if row is None else await self._resolved(row, user)
            if not is_live(row, now) or self._codec.fingerprint(row) != decoded.fingerprint:
                return None
            await self._touch(row, now)
            is_old = decoded.is_old
            renewed = _issued(self._codec.issue(row, user, now), row, now) if is_old else None
            resolved = await self._resolved(row, user, renewed)
            if renewed is None:
                # its use must be written then
                until = min(row.last_seen_at + TOUCH_EVERY, resolved.expires_at)
                self._cache.put(token, resolved, number=number, now=now, until=until)
            return resolved

        return await self._current(load)

    async def principal(self, session_id: UUID) -> Principal | None:
        """The principal of a session, or None once it is over. Counts as use.

        The result may be five seconds old, except that a revocation or a change of roles on the
        bus is known at once and that the operator's function is called each time.

        Raises:
            ClaimsUnavailable: The operator's function failed.
        """
        now = self._clock()
        # The operator's function may return something else each time: then nothing is cached.
        cached = self._principals.get(session_id) if self._hook is None else None
        if cached is not None and cached.cached_at <= now:  # the clock may have been set back
            return cached.principal

        async def load() -> ResolvedSession | None:
            pair = await self._first(SESSION_BY_ID, session_id=session_id, now=now)
            if pair is None or pair[1] is None:
                return None
            user, row = pair[0], pair[1]
            await self._touch(row, now)
            return await self._resolved(row, user)

        resolved = await self._current(load)
        if resolved is None:
            self._principals.pop(session_id, None)
            return None
        self._principals[session_id] = _CachedPrincipal(
            resolved.principal, now, resolved.expires_at
        )
        return resolved.principal

    async def step_up(self, principal: Principal, *, method: str) -> IssuedSession:
        """Record that the user authenticated again. The old token stops working.

        The session stays the same, so its sockets and runs go on.

        Args:
            principal: The user and the session.
            method: The method of the new authentication.

        Raises:
            Unauthenticated: The session is over.
        """
        now = self._clock()
        async with self._db.system("auth", write=True) as session:
            mine = col(AuthSession.user_id) == principal.user_id
            result = await session.exec(
                select(User, AuthSession)
                .join(AuthSession, col(User.id) == AuthSession.user_id)
                .where(col(AuthSession.id) == principal.credential_id, mine, *live(now))
                .where(col(User.disabled_at).is_(None))
            )
            pair = result.first()
            if pair is None:
                raise Unauthenticated
            user, row = pair
            self._replaced[self._codec.fingerprint(row)] = True
            row.authenticated_at, row.method = now, method
            row.last_seen_at, row.idle_expires_at = now, self._idle_end(row, now)
            token = self._codec.issue(row, user, now)
            session.add(row)
            replaced = Signal("session_token", credential_id=row.id)
            session.after_commit.append(lambda: self.bus.publish(TOKENS, replaced))
        return _issued(token, row, now)

    def was_replaced(self, token: str) -> bool:
        """Whether an invalid token was replaced within the last minute.

        The browser may hold the new one by now, so its cookie must not be cleared.
        """
        decoded = self._codec.decode(token, self._clock())
        return decoded is not None and decoded.fingerprint in self._replaced

    async def list(self, principal: Principal) -> list[SessionSummary]:
        """The user's live sessions, the last used first."""
        async with self._db.system("auth") as session:
            rows = await session.exec(
                select(AuthSession)
                .where(col(AuthSession.user_id) == principal.user_id, *live(self._clock()))
                .order_by(col(AuthSession.last_seen_at).desc(), col(AuthSession.created_at).desc())
            )
            return [
                SessionSummary(
                    id=row.id,
                    device=device_label(row.user_agent),
                    network=row.address,
                    method=row.method,
                    created_at=row.created_at,
                    last_seen_at=row.last_seen_at,
                    expires_at=row.idle_expires_at,
                    is_current=row.id == principal.credential_id,
                )
                for row in rows.all()
            ]

    async def _first(
        self, statement: Prepared, **parameters: Any
    ) -> tuple[SessionUser, StoredSession | None] | None:
        row = await self._db.system_query("auth", lambda one: one.first(statement, **parameters))
        return None if row is None else stored_session(row)

    async def _resolved(
        self, row: StoredSession, user: SessionUser, renewed: IssuedSession | None = None
    ) -> ResolvedSession:
        """A live session, with the claims of the operator's function."""
        context = SessionContext(
            user.id, user.email, user.name, row.method, row.provider, row.claims
        )
        return ResolvedSession(
            Principal(
                user.id,
                row.id,
                user.memberships,
                claims=await claims_of(self._hook, context),
                site_role=user.role,
            ),
            row.idle_expires_at,
            row.authenticated_at,
            UserProfile(user.id, user.email, user.name),
            row.method,
            renewed,
        )

    async def _current(self, load: Callable[[], Awaitable[_T]]) -> _T:
        """Load again as long as a session was revoked, or roles changed, meanwhile.

        It may have been this session, or a role of its user.
        """
        while True:
            changes = self._changes
            loaded = await load()
            if loaded is None or changes == self._changes:
                return loaded

    async def _touch(self, row: StoredSession, now: datetime) -> None:
        """Write the use of a session, at most every five minutes; a failed write is no error."""
        if row.last_seen_at + TOUCH_EVERY > now:
            return
        if self._no_touch_before is not None and now < self._no_touch_before:
            return
        idle_end = self._idle_end(row, now)
        times = {"new_last_seen_at": now, "new_idle_expires_at": idle_end}

        def use(transaction: Transaction) -> None:
            transaction.run(USE_SESSION, session_id=row.id, **times)

        try:
            await self._db.system_transact("auth", use, pages=USE_PAGES, in_turn=True)
        except DatabaseError:
            self._no_touch_before = now + TOUCH_RETRY
            return
        row.last_seen_at, row.idle_expires_at = now, idle_end

    def _idle_end(self, row: SessionRow, now: datetime) -> datetime:
        return min(now + self._lifetime(row.remember)[0], row.expires_at)

    def _lifetime(self, remember: bool) -> tuple[timedelta, timedelta]:
        settings = self._settings
        hours = (
            (settings.session_remember_idle_hours, settings.session_remember_max_hours)
            if remember
            else (settings.session_idle_hours, settings.session_max_hours)
        )
        return timedelta(hours=hours[0]), timedelta(hours=hours[1])

    def _seconds(self) -> float:
        return self._clock().timestamp()

    def _on_revoked(self, signal: Signal) -> None:
        self._changes += 1
        if signal.credential_id is not None:
            self._principals.pop(signal.credential_id, None)
            self._cache.drop(signal.credential_id)

    def _on_roles_changed(self, signal: Signal) -> None:
        self._changes += 1
        if signal.user_id is None:
            return
        self._cache.drop(signal.user_id)
        for session_id, cached in tuple(self._principals.items()):
            if cached.principal.user_id == signal.user_id:
                self._principals.pop(session_id, None)

    def _on_replaced(self, signal: Signal) -> None:
        if signal.credential_id is not None:
            self._cache.drop(signal.credential_id)


def _issued(token: str, row: SessionRow, now: datetime) -> IssuedSession:
    seconds_left = int((row.expires_at - now).total_seconds())
    return IssuedSession(token, row.id, row.expires_at, seconds_left if row.remember else None)
