"""Two-factor authentication: TOTP enrolment, challenges, backup codes and the lock after failures.

Failures are counted in the user's row, so that neither another sign-in, nor another kind of code,
nor a restart resets them.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from limits import RateLimitItem, parse
from sqlmodel import case, col, delete, func, select, update

from chat_app import audit
from chat_app.auth.account.roles import require_admin
from chat_app.auth.devices import forget_devices
from chat_app.auth.errors import InvalidToken, InvalidTwoFactorCode, TwoFactorLocked
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens, revoke_tokens
from chat_app.auth.principal import Principal
from chat_app.auth.totp import (
    is_backup_code,
    is_totp_code,
    matching_step,
    new_backup_codes,
    new_secret,
    normalize_code,
)
from chat_app.core.clock import Clock
from chat_app.core.crypto import DecryptionError, KeyRing, hash_token
from chat_app.core.errors import Conflict, Unavailable
from chat_app.core.rate_limit import releasing
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import BackupCode, RememberedDevice, Totp
from chat_app.settings import Settings

_KEY_PURPOSE = "second factor"


@dataclass(frozen=True, slots=True)
class TwoFactorStatus:
    """The state of a user's two-factor authentication.

    Args:
        since: When it was turned on; None is off.
        codes_left: Unused backup codes.
        devices: Remembered devices.
    """

    since: datetime | None
    codes_left: int
    devices: int


@dataclass(frozen=True, slots=True)
class TwoFactor:
    """Enrols second factors and checks their codes.

    Args:
        db: Stores secrets and backup codes.
        tokens: Stores the challenges of sign-ins.
        keyring: Encrypts the secrets.
        settings: The limit of failures.
        clock: The time.
    """

    db: Database
    tokens: OneTimeTokens
    keyring: KeyRing
    settings: Settings
    clock: Clock

    @property
    def _rate(self) -> RateLimitItem:
        """How many failures lock the second factor, and for how long."""
        return parse(self.settings.limit_second_factor)

    async def status(self, principal: Principal) -> TwoFactorStatus:
        """The user's second factor."""
        user_id = principal.user_id
        async with self.db.system("auth") as session:
            row = await confirmed_totp(session, user_id)
            if row is None:
                return TwoFactorStatus(None, 0, 0)
            unused = col(BackupCode.user_id) == user_id, col(BackupCode.used_at).is_(None)
            known = (
                col(RememberedDevice.user_id) == user_id,
                col(RememberedDevice.expires_at) > self.clock(),
            )
            codes = select(func.count()).select_from(BackupCode).where(*unused)
            devices = select(func.count()).select_from(RememberedDevice).where(*known)
            return TwoFactorStatus(
                row.confirmed_at,
                (await session.exec(codes)).one(),
                (await session.exec(devices)).one(),
            )

    async def begin(self, principal: Principal) -> str:
        """Start enrolment with a new secret, which is not asked for until it is confirmed.

        Returns:
            The secret in base32, shown only now.

        Raises:
            Conflict: Two-factor authentication is already on.
        """
        secret, now = new_secret(), self.clock()
        encrypted = self.keyring.encrypt(_KEY_PURPOSE, secret.encode())
        async with self.db.system("auth", write=True) as session:
            row = await session.get(Totp, principal.user_id)
            if row is not None and row.confirmed_at is not None:
                raise Conflict("Two-factor authentication is already on. Turn it off first.")
            row = row or Totp(user_id=principal.user_id, secret="", created_at=now)
            row.secret, row.created_at, row.last_step = encrypted, now, 0
            session.add(row)
        return secret

    async def confirm(self, principal: Principal, code: str) -> Sequence[str]:
        """Finish enrolment with the authenticator's first code.

        Returns:
            Ten backup codes, shown only now.

        Raises:
            InvalidTwoFactorCode: It is not the current code.
            Conflict: It is already on, or enrolment was not started.
        """
        now, user_id = self.clock(), principal.user_id
        async with self.db.system("auth", write=True) as session:
            row = await session.get(Totp, user_id)
            if row is None or row.confirmed_at is not None:
                raise Conflict("Start again; there is nothing to confirm.")
            step = matching_step(self._secret_of(row), normalize_code(code), now)
            if step is None:
                raise InvalidTwoFactorCode
            row.confirmed_at, row.last_step, row.failures, row.locked_until = now, step, 0, None
            session.add(row)
            await forget_devices(session, user_id)
            codes = await self._new_codes(session, user_id)
            await audit.append(session, "second_factor_on", actor=principal, clock=self.clock)
        return codes

    async def renew_codes(self, principal: Principal) -> Sequence[str]:
        """Replace the backup codes with ten new ones.

        Raises:
            Conflict: Two-factor authentication is off.
        """
        async with self.db.system("auth", write=True) as session:
            if await confirmed_totp(session, principal.user_id) is None:
                raise Conflict("Turn on two-factor authentication first.")
            await audit.append(session, "backup_codes_renewed", actor=principal, clock=self.clock)
            return await self._new_codes(session, principal.user_id)

    async def turn_off(self, principal: Principal) -> None:
        """Remove the secret, backup codes, remembered devices and pending challenges."""
        await self.remove(principal.user_id, actor=principal)

    async def remove(self, user_id: UUID, *, actor: audit.Actor) -> bool:
        """Turn two-factor authentication off, as `turn_off`, for the operator too.

        Args:
            user_id: The user.
            actor: Who does it, for the audit log.

        Returns:
            Whether it was on.
        """
        async with self.db.system("auth", write=True) as session:
            if isinstance(actor, Principal) and actor.user_id != user_id:
                await require_admin(session, actor)
            was_on = await confirmed_totp(session, user_id) is not None
            for table in (BackupCode, Totp):
                await session.exec(delete(table).where(col(table.user_id) == user_id))
            await forget_devices(session, user_id)
            await revoke_tokens(session, user_id, "second_factor")
            if was_on:
                subject = audit.Subject("user", user_id)
                await audit.append(
                    session, "second_factor_off", actor=actor, subject=subject, clock=self.clock
                )
        return was_on

    async def check(self, user_id: UUID, code: str) -> None:
        """Check a code and consume it.

        Args:
            user_id: The user.
            code: As typed: a TOTP code or a backup code.

        Raises:
            InvalidTwoFactorCode: It is incorrect or was used before.
            TwoFactorLocked: Too many failures; it was not checked.
            InvalidToken: The user has no second factor.
        """
        async with self._attempt(user_id), self.db.system("auth", write=True) as session:
            await self._consume_code(session, user_id, normalize_code(code))

    async def pass_challenge(self, token: str, code: str) -> ConsumedToken:
        """Check the code of a sign-in's challenge; consume both.

        Args:
            token: The challenge from `MfaRequired`.
            code: As typed.

        Raises:
            InvalidToken: The challenge is expired, used or unknown.
            InvalidTwoFactorCode, TwoFactorLocked: As in `check`.
        """
        challenge = await self.tokens.reserve_attempt(
            token, "second_factor", max_attempts=self._rate.amount
        )
        user_id = challenge.user_id
        if user_id is None:
            raise ValueError("A two-factor challenge has no user.")
        async with (
            releasing(lambda: self.tokens.release_attempt(challenge)),
            self._attempt(user_id),
            self.db.system("auth", write=True) as session,
        ):
            await self._consume_code(session, user_id, normalize_code(code))
            return await self.tokens.consume_in(session, token, "second_factor")

    @asynccontextmanager
    async def _attempt(self, user_id: UUID) -> AsyncIterator[None]:
        """Around one attempt, which counts as failed until its code is known to be correct.

        Raises:
            TwoFactorLocked: Too many failures.
            InvalidToken: The user has no second factor.
        """
        await self._reserve_attempt(user_id)
        async with releasing(lambda: self._release_attempt(user_id)):
            yield

    async def _reserve_attempt(self, user_id: UUID) -> None:
        now, rate = self.clock(), self._rate
        until = now + timedelta(seconds=rate.get_expiry())
        mine = col(Totp.user_id) == user_id, col(Totp.confirmed_at).is_not(None)
        async with self.db.system("auth", write=True) as session:
            await session.exec(
                update(Totp)
                .where(*mine, col(Totp.locked_until) <= now)
                .values(failures=0, locked_until=None)
            )
            counted = await session.exec(
                update(Totp)
                .where(*mine, col(Totp.locked_until).is_(None))
                .values(
                    failures=Totp.failures + 1,
                    locked_until=case((col(Totp.failures) + 1 >= rate.amount, until), else_=None),
                )
            )
            if counted.rowcount:
                return
            locked = (await session.exec(select(Totp.locked_until).where(*mine))).first()
            if locked is None:
                raise InvalidToken
            raise TwoFactorLocked(max(1, int((locked - now).total_seconds())))

    async def _release_attempt(self, user_id: UUID) -> None:
        """Undo the reservation after a failure of this server."""
        async with self.db.system("auth", write=True) as session:
            await session.exec(
                update(Totp)
                .where(col(Totp.user_id) == user_id, col(Totp.failures) > 0)
                .values(failures=Totp.failures - 1, locked_until=None)
            )

    async def _consume_code(self, session: SystemSession, user_id: UUID, code: str) -> None:
        """Consume a code and reset the count of failures, or raise InvalidTwoFactorCode."""
        if is_totp_code(code):
            await self._use_step(session, user_id, code)
        elif is_backup_code(code):
            await self._use_backup_code(session, user_id, code)
        else:
            raise InvalidTwoFactorCode
        await session.exec(
            update(Totp).where(col(Totp.user_id) == user_id).values(failures=0, locked_until=None)
        )

    async def _use_step(self, session: SystemSession, user_id: UUID, code: str) -> None:
        row = await session.get(Totp, user_id)
        if row is None:
            raise InvalidTwoFactorCode
        secret = self._secret_of(row)
        step = matching_step(secret, code, self.clock())
        if step is None:
            raise InvalidTwoFactorCode
        # Rotates the secret to the newest key.
        is_outdated = self.keyring.is_outdated(_KEY_PURPOSE, row.secret)
        encrypted = (
            self.keyring.encrypt(_KEY_PURPOSE, secret.encode()) if is_outdated else row.secret
        )
        used = await session.exec(
            update(Totp)
            # A code is accepted once (RFC 6238 §5.2).
            .where(col(Totp.user_id) == user_id, col(Totp.last_step) < step)
            .values(last_step=step, secret=encrypted)
        )
        if not used.rowcount:
            raise InvalidTwoFactorCode

    async def _use_backup_code(self, session: SystemSession, user_id: UUID, code: str) -> None:
        used = await session.exec(
            update(BackupCode)
            .where(
                col(BackupCode.user_id) == user_id,
                col(BackupCode.code_hash) == hash_token(code),
                col(BackupCode.used_at).is_(None),
            )
            .values(used_at=self.clock())
        )
        if not used.rowcount:
            raise InvalidTwoFactorCode

    async def _new_codes(self, session: SystemSession, user_id: UUID) -> Sequence[str]:
        codes, now = new_backup_codes(), self.clock()
        await session.exec(delete(BackupCode).where(col(BackupCode.user_id) == user_id))
        for code in codes:
            code_hash = hash_token(normalize_code(code))
            session.add(BackupCode(user_id=user_id, code_hash=code_hash, created_at=now))
        return codes

    def _secret_of(self, row: Totp) -> str:
        try:
            return self.keyring.decrypt(_KEY_PURPOSE, row.secret).decode()
        except DecryptionError:
            # The operator removed the key; backup codes still work.
            raise Unavailable("Codes can't be checked right now. Use a backup code.") from None


async def confirmed_totp(session: SystemSession, user_id: UUID) -> Totp | None:
    """The user's second factor; None while two-factor authentication is off."""
    row = await session.get(Totp, user_id)
    return None if row is None or row.confirmed_at is None else row
