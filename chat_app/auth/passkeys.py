"""Passkeys: registering, renaming and removing them, and signing in with one."""

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
"""The issuer of an identity verified by a passkey."""
MAX_PASSKEYS = 20
"""Passkeys per user."""

_CHALLENGE_LIFETIME = timedelta(seconds=webauthn.CHALLENGE_SECONDS)


@dataclass(frozen=True, slots=True)
class PasskeySummary:
    """A passkey in the user's list.

    Args:
        id: Its row.
        name: The name that the user chose.
        backed_up: Whether it is synchronised to other devices.
        created_at: When it was registered.
        last_used_at: The last sign-in with it.
    """

    id: UUID
    name: str
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


class Passkeys:
    """Registers passkeys and signs in with them.

    Args:
        db: Stores public keys.
        tokens: Creates challenges, each for one ceremony.
        rate_limits: Limits how many sign-ins a client starts.
        settings: The relying party's origin.
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
        """The user's passkeys, the oldest first."""
        async with self._db.system("auth") as session:
            return [
                PasskeySummary(row.id, row.name, row.backed_up, row.created_at, row.last_used_at)
                for row in await self._of(session, principal.user_id)
            ]

    async def begin_registration(self, principal: Principal) -> Mapping[str, Any]:
        """The options for registering one, valid for this session only.

        Raises:
            Conflict: The user has the maximum.
        """
        async with self._db.system("auth") as session:
            user = await session.get(User, principal.user_id)
            rows = await self._of(session, principal.user_id)
        if user is None:
            raise NotFound
        _require_room(len(rows))
        challenge = await self._challenge("passkey_register", principal)
        return webauthn.registration(
            self._settings, challenge, user.id, user.email, user.name, map(_known, rows)
        )

    async def register(self, principal: Principal, credential: str, name: str) -> PasskeySummary:
        """Store a new passkey.

        Args:
            principal: The user.
            credential: The browser's response, as JSON.
            name: As typed; empty for a default.

        Raises:
            InvalidPasskey: The challenge or the response is invalid.
            InvalidName: The name is invalid.
            Conflict: The user has the maximum.
        """
        name, response = clean_display_name(name), webauthn.read(credential)
        await self._consume_own(response, "passkey_register", principal)
        new = webauthn.verify_new(self._settings, response)
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
                _require_room((await session.exec(count)).one())
                session.add(row)
                await session.flush()
        except IntegrityError:  # the passkey is registered already, or the user was deleted
            raise InvalidPasskey from None
        return PasskeySummary(row.id, row.name, row.backed_up, row.created_at, None)

    async def rename(self, principal: Principal, passkey_id: UUID, name: str) -> None:
        """Rename one of the user's passkeys.

        Raises:
            NotFound: The user has no such passkey.
            InvalidName: The name is invalid.
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
        """Remove one of the user's passkeys.

        Raises:
            NotFound: The user has no such passkey.
            LastLoginMethod: It is the only login method.
        """
        async with self._db.system("auth", write=True) as session:
            removed = await session.exec(
                delete(Passkey).where(*_mine(principal, passkey_id)).returning(col(Passkey.id))
            )
            if removed.first() is None:
                raise NotFound
            await require_login_method(session, principal.user_id)

    async def begin_sign_in(self, binding: str, client_ip: str) -> Mapping[str, Any]:
        """The options for signing in without a user name.

        Args:
            binding: A secret of the browser; the response must come with it.
            client_ip: For the rate limit.

        Raises:
            TooManyAttempts: Of this client.
        """
        async with self._rate_limits.start(client_ip):
            challenge = await self._tokens.create(
                "passkey_sign_in", lifetime=_CHALLENGE_LIFETIME, binding=binding
            )
        return webauthn.authentication(self._settings, challenge)

    async def sign_in(self, credential: str, binding: str) -> VerifiedIdentity:
        """Verify a passkey's response. User verification makes it count as two factors.

        Args:
            credential: The browser's response, as JSON.
            binding: The secret of the browser.

        Raises:
            InvalidPasskey: It verifies no user.
        """
        response = webauthn.read(credential)
        await self._consume(response, "passkey_sign_in", binding)
        if response.user_handle is None:
            raise InvalidPasskey
        row = await self._verify(response, response.user_handle)
        return VerifiedIdentity(
            "passkey", PASSKEY_ISSUER, row.credential_id, user_id=row.user_id, is_strong=True
        )

    async def begin_step_up(self, principal: Principal) -> Mapping[str, Any]:
        """The options for a step-up with any of the user's passkeys.

        Raises:
            NotFound: The user has none.
        """
        async with self._db.system("auth") as session:
            rows = await self._of(session, principal.user_id)
        if not rows:
            raise NotFound
        challenge = await self._challenge("passkey_step_up", principal)
        return webauthn.authentication(self._settings, challenge, map(_known, rows))

    async def step_up(self, principal: Principal, credential: str) -> None:
        """Verify a step-up.

        Raises:
            InvalidPasskey: It is not one of the user's, or the challenge is invalid.
        """
        response = webauthn.read(credential)
        await self._consume_own(response, "passkey_step_up", principal)
        await self._verify(response, principal.user_id)

    async def _challenge(self, purpose: Purpose, principal: Principal) -> str:
        return await self._tokens.create(
            purpose,
            lifetime=_CHALLENGE_LIFETIME,
            user_id=principal.user_id,
            binding=principal.credential_id.hex,
        )

    async def _consume_own(
        self, response: PasskeyResponse, purpose: Purpose, principal: Principal
    ) -> None:
        challenge = await self._consume(response, purpose, principal.credential_id.hex)
        if challenge.user_id != principal.user_id:
            raise InvalidPasskey

    async def _consume(
        self, response: PasskeyResponse, purpose: Purpose, binding: str
    ) -> ConsumedToken:
        """Consume the challenge, before the response is verified."""
        try:
            return await self._tokens.consume(response.challenge, purpose, binding=binding)
        except InvalidToken:
            raise InvalidPasskey from None

    async def _verify(self, response: PasskeyResponse, user_id: UUID) -> Passkey:
        conditions = (
            col(Passkey.credential_id) == response.credential_id,
            col(Passkey.user_id) == user_id,
        )
        async with self._db.system("auth") as session:
            row = (await session.exec(select(Passkey).where(*conditions))).first()
        if row is None:
            raise InvalidPasskey
        count = webauthn.verify(self._settings, response, row.public_key, row.sign_count)
        async with self._db.system("auth", write=True) as session:
            used = await session.exec(
                update(Passkey)
                # Two responses with one counter mean that one is from a clone.
                .where(*conditions, col(Passkey.sign_count) == row.sign_count)
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


def _require_room(count: int) -> None:
    if count >= MAX_PASSKEYS:
        raise Conflict(f"You have {MAX_PASSKEYS} passkeys, the maximum. Remove one first.")
