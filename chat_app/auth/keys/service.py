"""API keys: create, list, resolve and revoke them.

A key is a row with the hash of a random token, as a session is. It proves its user to the HTTP API
within its scopes, and nothing else: a route without a scope refuses keys (`scopes.require_scope`).
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from cachetools import LRUCache, TTLCache
from sqlmodel import col, func, select, update

from chat_app import audit
from chat_app.auth.account.profile import clean_display_name
from chat_app.auth.keys.models import KeySummary, NewKey, ResolvedKey, StoredKey
from chat_app.auth.keys.revocation import publish_ended, revoke_keys
from chat_app.auth.keys.scopes import SCOPES
from chat_app.auth.keys.tokens import is_well_formed, new_key
from chat_app.auth.operator_hooks import SessionContext, claims_of, load_function
from chat_app.auth.principal import Principal, Scope, memberships_of
from chat_app.auth.sessions.cache import CACHE_SECONDS, CredentialCache
from chat_app.auth.sessions.revocation import live
from chat_app.auth.sessions.service import USE_PAGES, SessionService
from chat_app.core.clock import Clock
from chat_app.core.crypto import hash_token
from chat_app.core.errors import (
    Conflict,
    DatabaseError,
    InvalidInput,
    NotFound,
    Unauthenticated,
)
from chat_app.core.signals import CREDENTIALS, ROLES, Bus, Signal
from chat_app.db.engine import Database
from chat_app.db.prepared import Prepared, Transaction
from chat_app.db.scoped_session import SystemSession
from chat_app.db.statements import KEY_BY_ID, KEY_OF_TOKEN, USE_KEY
from chat_app.db.tables import ApiKey, AuthSession, User
from chat_app.settings import Settings

MAX_KEYS = 50
"""API keys per user, expired ones included."""
LIFETIMES_DAYS = (7, 30, 90, 365)
"""The lifetimes to choose from, in days, as far as `API_KEY_MAX_DAYS` allows them."""
USED_EVERY = timedelta(minutes=1)
"""How often the use of a key is written to its row, at the most."""
WRITE_USES_SECONDS = 1.0
"""How long the use of a key may wait for others, to be written with them, in seconds."""
DEFAULT_NAME = "API key"

METHOD = "api_key"
"""The login method that the operator's session hook sees of a key."""

_IDS_PER_STATEMENT = 500
_USES = 10_000


class ApiKeys:
    """Creates, lists, resolves and revokes the API keys of users.

    Args:
        db: Stores keys.
        bus: Receives a signal for every revoked key.
        sessions: Revalidates what is not a key.
        settings: The longest lifetime, and the function that adds claims.
        clock: The current time.

    Raises:
        ConfigError: The settings name a function that does not exist.
    """

    def __init__(
        self, db: Database, bus: Bus, sessions: SessionService, settings: Settings, clock: Clock
    ) -> None:
        self._db = db
        self._bus = bus
        self._sessions = sessions
        self._settings = settings
        self._clock = clock
        self._hook = load_function(settings.auth_session_hook, "AUTH_SESSION_HOOK")
        self._cache: CredentialCache[ResolvedKey] = CredentialCache(self._seconds)
        self._used: TTLCache[UUID, bool] = TTLCache(
            _USES, USED_EVERY.total_seconds(), timer=self._seconds
        )
        self._users: LRUCache[UUID, UUID] = LRUCache(_USES)  # of the keys that were resolved here
        self._unwritten: dict[UUID, datetime] = {}
        self._writing: asyncio.Task[None] | None = None
        self._write_now = asyncio.Event()
        bus.subscribe_callback(CREDENTIALS, self._on_ended)
        bus.subscribe_callback(ROLES, self._on_roles_changed)

    def lifetimes(self) -> tuple[int | None, ...]:
        """The lifetimes to choose from, in days; None for a key that does not expire."""
        longest = self._settings.api_key_max_days
        if not longest:
            return (*LIFETIMES_DAYS, None)
        return (*(days for days in LIFETIMES_DAYS if days < longest), longest)

    def _offered(self) -> str:
        """The lifetimes as a part of a sentence."""
        *days, last = self.lifetimes()
        listed = ", ".join(str(each) for each in days)
        if last is None:
            return f"{listed} days, or null for a key that does not expire"
        return f"{listed} or {last} days" if listed else f"{last} day{'s' * (last > 1)}"

    async def create(
        self, principal: Principal, *, name: str, scopes: Collection[str], days: int | None
    ) -> NewKey:
        """Create a key.

        Args:
            principal: The user.
            name: As typed; empty for a default.
            scopes: What it may do; one at least.
            days: Its lifetime, one of `lifetimes`.

        Raises:
            InvalidName: The name is invalid.
            InvalidInput: There is no such scope or lifetime, or no scope at all.
            Conflict: The user has the maximum.
            Unauthenticated: The session has ended meanwhile, or its user is disabled.
        """
        name = clean_display_name(name) or DEFAULT_NAME
        chosen = _clean_scopes(scopes)
        if days not in self.lifetimes():
            raise InvalidInput(f"Choose one of these lifetimes: {self._offered()}.")
        now, token = self._clock(), new_key()
        expires_at = None if days is None else now + timedelta(days=days)
        row = ApiKey(
            id=uuid4(),
            token_hash=hash_token(token),
            user_id=principal.user_id,
            name=name,
            scopes=list(chosen),
            created_at=now,
            expires_at=expires_at,
        )
        async with self._db.system("auth", write=True) as session:
            await _require_live(session, principal, now)
            await _require_room(session, principal)
            session.add(row)
            await audit.append(
                session,
                "api_key_created",
                actor=principal,
                details={"key": row.id, "scopes": " ".join(chosen)},
                clock=self._clock,
            )
        return NewKey(row.id, token, expires_at)

    async def list(self, principal: Principal) -> list[KeySummary]:
        """The user's keys, the newest first."""
        now = self._clock()
        async with self._db.system("auth") as session:
            rows = await session.exec(
                select(ApiKey)
                .where(col(ApiKey.user_id) == principal.user_id)
                .order_by(col(ApiKey.created_at).desc(), col(ApiKey.id))
            )
            return [
                KeySummary(
                    id=row.id,
                    name=row.name,
                    scopes=tuple(scope for scope in SCOPES if scope in row.scopes),
                    created_at=row.created_at,
                    last_used_at=row.last_used_at,
                    expires_at=row.expires_at,
                    is_expired=_is_expired(row.expires_at, now),
                )
                for row in rows.all()
            ]

    async def revoke(self, principal: Principal, key_id: UUID) -> None:
        """Revoke one of the user's own keys, with its requests and runs.

        Raises:
            NotFound: The user has no such key.
        """
        is_own = [col(ApiKey.id) == key_id, col(ApiKey.user_id) == principal.user_id]
        async with self._db.system("auth", write=True) as session:
            if not await revoke_keys(session, self._bus, is_own, "revoked", actor=principal):
                raise NotFound

    async def resolve(self, token: str) -> ResolvedKey | None:
        """The user and the scopes of a key, or None when it is not valid. Counts as use.

        The result may be five seconds old, except that a revocation or a change of roles on the
        bus is known at once and that the operator's function is called each time.

        Args:
            token: What the client sent.

        Raises:
            ClaimsUnavailable: The operator's function failed.
        """
        if not is_well_formed(token):
            return None
        now = self._clock()
        found = self._cache.get(token, now) if self._hook is None else None
        if found is not None:
            return found
        number, resolved = await self._look_up(KEY_OF_TOKEN, now, token_hash=hash_token(token))
        if resolved is None:
            return None
        until = now + timedelta(seconds=CACHE_SECONDS)
        until = until if resolved.expires_at is None else min(until, resolved.expires_at)
        self._cache.put(token, resolved, number=number, now=now, until=until)
        return resolved

    async def principal(self, key_id: UUID) -> Principal | None:
        """The user and the scopes of a key, or None once it is over. Counts as use.

        Raises:
            ClaimsUnavailable: The operator's function failed.
        """
        _, resolved = await self._look_up(KEY_BY_ID, self._clock(), key_id=key_id)
        return None if resolved is None else resolved.principal

    async def revalidate(self, credential_ids: Iterable[UUID]) -> set[UUID]:
        """Check whether sessions and keys are still live; publish the others.

        A lost signal costs at most the time between two calls.

        Args:
            credential_ids: The credentials that have connections or runs.

        Returns:
            Those that are over.
        """
        ids = list(credential_ids)
        ended: dict[UUID, UUID] = {}
        live: set[UUID] = set()
        for start in range(0, len(ids), _IDS_PER_STATEMENT):
            some = ids[start : start + _IDS_PER_STATEMENT]
            async with self._db.system("auth") as session:
                rows = await session.exec(
                    select(ApiKey.id, ApiKey.user_id, ApiKey.expires_at, User.disabled_at)
                    .join(User, col(User.id) == col(ApiKey.user_id))
                    .where(col(ApiKey.id).in_(some))
                )
                for key_id, user_id, expires_at, disabled_at in rows.all():
                    if disabled_at is not None or _is_expired(expires_at, self._clock()):
                        ended[key_id] = user_id
                    else:
                        live.add(key_id)
        publish_ended(self._bus, ended.items(), "ended")
        # A key that was revoked without a signal has no row: it is known by its use.
        rest = {one for one in ids if one not in live and one not in ended}
        missing = {one: user for one in rest if (user := self._users.get(one)) is not None}
        publish_ended(self._bus, missing.items(), "missing")
        over = await self._sessions.revalidate(rest - missing.keys())
        return ended.keys() | missing.keys() | over

    async def idle(self) -> None:
        """Have the uses written now, and wait for that."""
        while self._writing is not None:
            self._write_now.set()
            await asyncio.wait({self._writing})

    async def _look_up(
        self, statement: Prepared, now: datetime, **parameters: Any
    ) -> tuple[int, ResolvedKey | None]:
        """The number of the lookup, and a key, if it is there; again if its roles changed."""
        while True:
            number = self._cache.begin()
            row = await self._db.system_query(
                "auth", lambda one: one.first(statement, **parameters)
            )
            resolved = await self._resolved(row, number, now)
            user_id = None if resolved is None else resolved.principal.user_id
            if user_id is None or not self._cache.was_dropped(user_id, number):
                return number, resolved

    async def _resolved(
        self, row: Sequence[Any] | None, number: int, now: datetime
    ) -> ResolvedKey | None:
        """The key in a row, unless it has expired or was revoked since the lookup began."""
        if row is None:
            return None
        key = StoredKey(*row)
        if _is_expired(key.expires_at, now):
            return None
        context = SessionContext(key.user_id, key.email, key.name, METHOD, "", {})
        claims = await claims_of(self._hook, context)
        if self._cache.was_dropped(key.id, number):
            return None
        self._users[key.id] = key.user_id
        self._note_use(key, now)
        principal = Principal(
            key.user_id,
            key.id,
            memberships_of(key.memberships),
            claims=claims,
            scopes=frozenset(key.scopes),
        )
        return ResolvedKey(principal, key.expires_at)

    def _note_use(self, key: StoredKey, now: datetime) -> None:
        """Have the use of a key written, beside the request, unless that was done lately."""
        is_recent = key.last_used_at is not None and now < key.last_used_at + USED_EVERY
        if is_recent or key.id in self._used:
            return
        self._used[key.id] = True
        self._unwritten[key.id] = now
        if self._writing is None:
            self._write_now.clear()
            self._writing = asyncio.create_task(self._write_uses(), name="uses of API keys")

    async def _write_uses(self) -> None:
        """Write what keys were used within a second, after the requests that used them."""
        try:
            while self._unwritten:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._write_now.wait(), WRITE_USES_SECONDS)
                uses, self._unwritten = self._unwritten, {}
                with suppress(DatabaseError):  # the next use after a minute is written
                    await self._db.system_transact(
                        "auth",
                        partial(_store_uses, uses),
                        pages=USE_PAGES * len(uses),
                        in_turn=True,
                    )
        finally:
            self._writing = None

    def _seconds(self) -> float:
        return self._clock().timestamp()

    def _on_ended(self, signal: Signal) -> None:
        if signal.credential_id is not None:
            self._cache.drop(signal.credential_id)

    def _on_roles_changed(self, signal: Signal) -> None:
        if signal.user_id is not None:
            self._cache.drop(signal.user_id)


def _store_uses(uses: Mapping[UUID, datetime], transaction: Transaction) -> None:
    rows = [{"key_id": key_id, "new_last_used_at": used_at} for key_id, used_at in uses.items()]
    transaction.run_each(USE_KEY, rows)


def _clean_scopes(scopes: Collection[str]) -> tuple[Scope, ...]:
    if not scopes:
        raise InvalidInput("Choose at least one scope.")
    if any(scope not in SCOPES for scope in scopes):
        raise InvalidInput(f"There is no such scope. Choose of these: {', '.join(SCOPES)}.")
    return tuple(scope for scope in SCOPES if scope in scopes)


def _is_expired(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now


async def _require_live(session: SystemSession, principal: Principal, now: datetime) -> None:
    """Refuse a session that ended after the request was let in: its body may take half a minute.

    It writes, so that what ends the session at the same moment waits, or is waited for.
    """
    enabled = select(User.id).where(
        col(User.id) == principal.user_id, col(User.disabled_at).is_(None)
    )
    touched = await session.exec(
        update(AuthSession)
        .where(
            col(AuthSession.id) == principal.credential_id,
            col(AuthSession.user_id).in_(enabled),
            *live(now),
        )
        .values(last_seen_at=now)
    )
    if touched.rowcount == 0:
        raise Unauthenticated


async def _require_room(session: SystemSession, principal: Principal) -> None:
    # The process has one system write at a time, so no two see room for the last one.
    count = select(func.count()).select_from(ApiKey)
    found = await session.exec(count.where(col(ApiKey.user_id) == principal.user_id))
    if found.one() >= MAX_KEYS:
        raise Conflict(f"You have {MAX_KEYS} API keys, the maximum. Revoke one first.")
