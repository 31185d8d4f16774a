"""Passkeys: registering, renaming and removing them, and signing in with one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select, update

from chat_app import audit
from chat_app.auth import webauthn
from chat_app.auth.account.login_methods import require_login_method
from chat_app.auth.account.profile import clean_display_name
from chat_app.auth.errors import InvalidPasskey, InvalidToken
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens, Purpose
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.auth.webauthn import PasskeyResponse
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, NotFound
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Passkey, User
from chat_app.settings import Settings

PASSKEY_ISSUER = "passkey"
"""The issuer of an identity verified by a passkey."""
MAX_PASSKEYS = 20
"""Passkeys per user."""

_CHALLENGE_LIFETIME = timedelta(seconds=webauthn.CHALLENGE_SECONDS)


@dataclass(frozen=True, slots=True)
class Passkeys:
    """Registers passkeys and signs in with them.

    Args:
        db: Stores public keys.
        tokens: Creates challenges, each for one ceremony.
        rate_limits: Limits how many sign-ins a client starts.
        settings: The relying party's origin.
        clock: The time.
    """

    db: Database
    tokens: OneTimeTokens
    rate_limits: AuthRateLimits
    settings: Settings
    clock: Clock

    async def list(self, principal: Principal) -> Sequence[Passkey]:
        """The user's passkeys, the oldest first."""
        async with self.db.system("auth") as session:
            return await _passkeys_of(session, principal)

    async def begin_registration(self, principal: Principal) -> Mapping[str, Any]:
        """The options for registering one, valid for this session only.

        Raises:
            Conflict: The user has the maximum.
        """
        async with self.db.system("auth") as session:
            user = await session.require(User, principal.user_id)
            rows = await _passkeys_of(session, principal)
        _require_room(rows)
        challenge = await self._challenge("passkey_register", principal)
        return webauthn.registration(self.settings, challenge, user, rows)

    async def register(self, principal: Principal, credential: str, name: str) -> Passkey:
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
        row = webauthn.verify_new(
            self.settings,
            response,
            user_id=principal.user_id,
            name=name or "Passkey",
            now=self.clock(),
        )
        try:
            async with self.db.system("auth", write=True) as session:
                _require_room(await _passkeys_of(session, principal))
                session.add(row)
                await session.flush()
                await audit.append(
                    session,
                    "passkey_added",
                    actor=principal,
                    details={"passkey": row.id},
                    clock=self.clock,
                )
        except IntegrityError:  # the passkey is registered already, or the user was deleted
            raise InvalidPasskey from None
        return row

    async def rename(self, principal: Principal, passkey_id: UUID, name: str) -> None:
        """Rename one of the user's passkeys.

        Raises:
            NotFound: The user has no such passkey.
            InvalidName: The name is invalid.
        """
        name = clean_display_name(name) or "Passkey"
        async with self.db.system("auth", write=True) as session:
            renamed = await session.exec(
                update(Passkey).where(*_mine(principal, passkey_id)).values(name=name)
            )
            if not renamed.rowcount:
                raise NotFound

    async def remove(self, principal: Principal, passkey_id: UUID) -> None:
        """Remove one of the user's passkeys.

        Raises:
            NotFound: The user has no such passkey.
            LastLoginMethod: It is the only login method.
        """
        async with self.db.system("auth", write=True) as session:
            removed = await session.exec(delete(Passkey).where(*_mine(principal, passkey_id)))
            if not removed.rowcount:
                raise NotFound
            await require_login_method(session, principal.user_id)
            await audit.append(
                session,
                "passkey_removed",
                actor=principal,
                details={"passkey": passkey_id},
                clock=self.clock,
            )

    async def begin_sign_in(self, binding: str, client_ip: str) -> Mapping[str, Any]:
        """The options for signing in without a user name.

        Args:
            binding: A secret of the browser; the response must come with it.
            client_ip: For the rate limit.

        Raises:
            TooManyAttempts: Of this client.
        """
        async with self.rate_limits.start(client_ip):
            challenge = await self.tokens.create(
                "passkey_sign_in", lifetime=_CHALLENGE_LIFETIME, binding=binding
            )
        return webauthn.authentication(self.settings, challenge)

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
        async with self.db.system("auth") as session:
            rows = await _passkeys_of(session, principal)
        if not rows:
            raise NotFound
        challenge = await self._challenge("passkey_step_up", principal)
        return webauthn.authentication(self.settings, challenge, rows)

    async def step_up(self, principal: Principal, credential: str) -> None:
        """Verify a step-up.

        Raises:
            InvalidPasskey: It is not one of the user's, or the challenge is invalid.
        """
        response = webauthn.read(credential)
        await self._consume_own(response, "passkey_step_up", principal)
        await self._verify(response, principal.user_id)

    async def _challenge(self, purpose: Purpose, principal: Principal) -> str:
        return await self.tokens.create(
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
            return await self.tokens.consume(response.challenge, purpose, binding=binding)
        except InvalidToken:
            raise InvalidPasskey from None

    async def _verify(self, response: PasskeyResponse, user_id: UUID) -> Passkey:
        conditions = (
            col(Passkey.credential_id) == response.credential_id,
            col(Passkey.user_id) == user_id,
        )
        async with self.db.system("auth") as session:
            row = (await session.exec(select(Passkey).where(*conditions))).first()
        if row is None:
            raise InvalidPasskey
        count = webauthn.verify(self.settings, response, row)
        async with self.db.system("auth", write=True) as session:
            used = await session.exec(
                update(Passkey)
                # Two responses with one counter mean that one is from a clone.
                .where(*conditions, col(Passkey.sign_count) == row.sign_count)
                .values(sign_count=count, last_used_at=self.clock())
            )
            if not used.rowcount:
                raise InvalidPasskey
        return row


async def _passkeys_of(session: SystemSession, principal: Principal) -> Sequence[Passkey]:
    rows = await session.exec(
        select(Passkey)
        .where(col(Passkey.user_id) == principal.user_id)
        .order_by(col(Passkey.created_at), col(Passkey.id))
    )
    return rows.all()


def _mine(principal: Principal, passkey_id: UUID) -> tuple[Any, ...]:
    return col(Passkey.id) == passkey_id, col(Passkey.user_id) == principal.user_id


def _require_room(registered: Sequence[Passkey]) -> None:
    if len(registered) >= MAX_PASSKEYS:
        raise Conflict(f"You have {MAX_PASSKEYS} passkeys, the maximum. Remove one first.")
