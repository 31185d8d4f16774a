"""A person's passkeys: making, naming and removing them, and coming in with one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, func, select, update

from chat_app.auth import webauthn
from chat_app.auth.account.login_methods import require_login_method
from chat_app.auth.account.profile import clean_display_name
from chat_app.auth.errors import InvalidPasskey, InvalidToken
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens, Purpose
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.auth.webauthn import PasskeyResponse, RegisteredPasskey
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, NotFound
from chat_app.db.engine import Database
from chat_app.db.sessions import SystemSession
from chat_app.db.tables import Passkey, User
from chat_app.settings import Settings

PASSKEY_ISSUER = "passkey"
"""The issuer of what a passkey proves."""
MAX_PASSKEYS = 20
"""How many one person may have."""

_LASTS = timedelta(seconds=webauthn.CHALLENGE_SECONDS)


@dataclass(frozen=True, slots=True)
class PasskeySummary:
    """One line of a person's list.

    Args:
        id: Its row.
        name: What the person calls it.
        backed_up: Whether it is on more devices than the one it was made on.
        created_at: When it was made.
        last_used_at: When somebody last came in with it.
    """

    id: UUID
    name: str
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


class Passkeys:
    """The passkeys of every person.

    Args:
        db: Where their public keys are kept.
        tokens: Makes challenges, each good for one ceremony.
        throttle: Counts what anybody may begin.
        settings: Where this is.
        clock: The time.
    """

    def __init__(
        self,
        db: Database,
        tokens: OneTimeTokens,
        rate_limits: AuthRateLimits,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._rate_limits = rate_limits
        self._settings = settings
        self._clock = clock

    async def list(self, principal: Principal) -> Sequence[PasskeySummary]:
        """The person's passkeys, the oldest first."""
        async with self._db.system("auth") as session:
            return [
                PasskeySummary(row.id, row.name, row.backed_up, row.created_at, row.last_used_at)
                for row in await self._of(session, principal.user_id)
            ]

    async def begin_registration(self, principal: Principal) -> Mapping[str, Any]:
        """The options for making one, for this session of this person alone.

        Raises:
            Conflict: They have as many as they may.
        """
        async with self._db.system("auth") as session:
            user = await session.get(User, principal.user_id)
            rows = await self._of(session, principal.user_id)
        if user is None:
            raise NotFound
        _leave_room(len(rows))
        challenge = await self._challenge("passkey_register", principal)
        return webauthn.registration(
            self._settings, challenge, user.id, user.email, user.name, map(_known, rows)
        )

    async def register(self, principal: Principal, credential: str, name: str) -> PasskeySummary:
        """Keep a new passkey.

        Args:
            principal: Whose it will be.
            credential: What the browser made, as JSON.
            name: What they call it; empty for one of ours.

        Raises:
            PasskeyRefused: It was not asked for here, or cannot be believed.
            InvalidName: The name is no name.
            Conflict: They have as many as they may.
        """
        name, shown = clean_display_name(name), webauthn.read(credential)
        await self._answered(shown, "passkey_register", principal)
        new = webauthn.verify_new(self._settings, shown)
        row = Passkey(
            user_id=principal.user_id,
            credential_id=new.credential_id,
            public_key=new.public_key,
            sign_count=new.sign_count,
            aaguid=new.aaguid,
            transports=list(new.transports),
            backed_up=new.backed_up,
            name=name or "Passkey",
            created_at=self._clock(),
        )
        try:
            async with self._db.system("auth", write=True) as session:
                mine = col(Passkey.user_id) == principal.user_id
                count = select(func.count()).select_from(Passkey).where(mine)
                _leave_room((await session.exec(count)).one())
                session.add(row)
                await session.flush()
        except IntegrityError:  # somebody has this very passkey, or the person is gone
            raise InvalidPasskey from None
        return PasskeySummary(row.id, row.name, row.backed_up, row.created_at, None)

    async def rename(self, principal: Principal, passkey_id: UUID, name: str) -> None:
        """Call one of the person's passkeys something else.

        Raises:
            NotFound: It is not theirs, or there is none.
            InvalidName: The name is no name.
        """
        name = clean_display_name(name) or "Passkey"
        async with self._db.system("auth", write=True) as session:
            renamed = await session.exec(
                update(Passkey)
                .where(*_mine(principal, passkey_id))
                .values(name=name)
                .returning(col(Passkey.id))
            )
            if renamed.first() is None:
                raise NotFound

    async def remove(self, principal: Principal, passkey_id: UUID) -> None:
        """Remove one of the person's passkeys.

        Raises:
            NotFound: It is not theirs, or there is none.
            LastWayIn: Without it they could not come in again.
        """
        async with self._db.system("auth", write=True) as session:
            removed = await session.exec(
                delete(Passkey).where(*_mine(principal, passkey_id)).returning(col(Passkey.id))
            )
            if removed.first() is None:
                raise NotFound
            await require_login_method(session, principal.user_id)

    async def begin_sign_in(self, binding: str, address: str) -> Mapping[str, Any]:
        """The options for coming in without a user name.

        Args:
            binding: A secret of the browser; the answer must come from there.
            address: The client's address.

        Raises:
            RateLimited: Too many from this address.
        """
        async with self._rate_limits.start(address):
            challenge = await self._tokens.create(
                "passkey_sign_in", lifetime=_LASTS, binding=binding
            )
        return webauthn.authentication(self._settings, challenge)

    async def sign_in(self, credential: str, binding: str) -> VerifiedIdentity:
        """Who a passkey says is there. It has verified its user, so it counts as two factors.

        Args:
            credential: What the browser brings, as JSON.
            binding: The secret of the browser.

        Raises:
            PasskeyRefused: Nobody.
        """
        shown = webauthn.read(credential)
        await self._spend(shown, "passkey_sign_in", binding)
        if shown.user_handle is None:
            raise InvalidPasskey
        row = await self._prove(shown, shown.user_handle)
        return VerifiedIdentity(
            "passkey", PASSKEY_ISSUER, row.credential_id, user_id=row.user_id, is_strong=True
        )

    async def begin_step_up(self, principal: Principal) -> Mapping[str, Any]:
        """The options for proving again who one is, with any of the person's own passkeys.

        Raises:
            NotFound: They have none.
        """
        async with self._db.system("auth") as session:
            rows = await self._of(session, principal.user_id)
        if not rows:
            raise NotFound
        challenge = await self._challenge("passkey_step_up", principal)
        return webauthn.authentication(self._settings, challenge, map(_known, rows))

    async def step_up(self, principal: Principal, credential: str) -> None:
        """Prove again who one is.

        Raises:
            PasskeyRefused: It is not one of theirs, or was not asked for here.
        """
        shown = webauthn.read(credential)
        await self._answered(shown, "passkey_step_up", principal)
        await self._prove(shown, principal.user_id)

    async def _challenge(self, purpose: Purpose, principal: Principal) -> str:
        return await self._tokens.create(
            purpose,
            lifetime=_LASTS,
            user_id=principal.user_id,
            binding=principal.credential_id.hex,
        )

    async def _answered(
        self, shown: PasskeyResponse, purpose: Purpose, principal: Principal
    ) -> None:
        spent = await self._spend(shown, purpose, principal.credential_id.hex)
        if spent.user_id != principal.user_id:
            raise InvalidPasskey

    async def _spend(self, shown: PasskeyResponse, purpose: Purpose, binding: str) -> ConsumedToken:
        """Use a challenge up, whatever comes of it."""
        try:
            return await self._tokens.consume(shown.challenge, purpose, binding=binding)
        except InvalidToken:
            raise InvalidPasskey from None

    async def _prove(self, shown: PasskeyResponse, user_id: UUID) -> Passkey:
        which = col(Passkey.credential_id) == shown.credential_id, col(Passkey.user_id) == user_id
        async with self._db.system("auth") as session:
            row = (await session.exec(select(Passkey).where(*which))).first()
        if row is None:
            raise InvalidPasskey
        count = webauthn.verify(self._settings, shown, row.public_key, row.sign_count)
        async with self._db.system("auth", write=True) as session:
            used = await session.exec(
                update(Passkey)
                # Of two that counted to the same number one is a copy.
                .where(*which, col(Passkey.sign_count) == row.sign_count)
                .values(sign_count=count, last_used_at=self._clock())
                .returning(col(Passkey.id))
            )
            if used.first() is None:
                raise InvalidPasskey
        return row

    async def _of(self, session: SystemSession, user_id: UUID) -> Sequence[Passkey]:
        rows = await session.exec(
            select(Passkey)
            .where(col(Passkey.user_id) == user_id)
            .order_by(col(Passkey.created_at), col(Passkey.id))
        )
        return rows.all()


def _mine(principal: Principal, passkey_id: UUID) -> tuple[Any, ...]:
    return col(Passkey.id) == passkey_id, col(Passkey.user_id) == principal.user_id


def _known(row: Passkey) -> RegisteredPasskey:
    return RegisteredPasskey(row.credential_id, row.transports)


def _leave_room(have: int) -> None:
    if have >= MAX_PASSKEYS:
        raise Conflict(f"You have {MAX_PASSKEYS} passkeys, the maximum. Remove one first.")
