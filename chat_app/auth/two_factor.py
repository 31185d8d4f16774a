"""How often somebody may be wrong about the second factor.

The count is in the person's row: it does not begin anew with another sign-in, another kind of code
or another start of the program. A try takes its place before the code is looked at, so a burst gets
no further than one after the other would.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from limits import RateLimitItem, parse
from sqlmodel import case, col, delete, func, select, update

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
from chat_app.core.errors import ChatError, Conflict, Unavailable
from chat_app.core.keyring import DecryptionError, KeyRing
from chat_app.core.tokens import hash_token
from chat_app.db.engine import Database
from chat_app.db.sessions import SystemSession
from chat_app.db.tables import BackupCode, RememberedDevice, Totp
from chat_app.settings import Settings


async def reserve_attempt(
    session: SystemSession, user_id: UUID, now: datetime, until: datetime, rate: RateLimitItem
) -> None:
    """Count one try as wrong, before it is judged. `reset_attempts` it when it was right.

    Args:
        session: A transaction of its own, committed before the code is looked at.
        user_id: Whose factor.
        now: The time.
        until: When a lock that begins now will end.
        rate: How many wrong ones there may be before that.

    Raises:
        SecondFactorLocked: There were too many.
        InvalidToken: They have no second factor (any more).
    """
    mine = col(Totp.user_id) == user_id, col(Totp.confirmed_at).is_not(None)
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
        .returning(col(Totp.user_id))
    )
    if counted.first() is not None:
        return
    locked = (await session.exec(select(Totp.locked_until).where(*mine))).first()
    if locked is None:
        raise InvalidToken
    raise TwoFactorLocked(max(1, int((locked - now).total_seconds())))


async def release_attempt(session: SystemSession, user_id: UUID) -> None:
    """Undo `reserve_attempt`: our own failure is nobody's try."""
    await session.exec(
        update(Totp)
        .where(col(Totp.user_id) == user_id, col(Totp.failures) > 0)
        .values(failures=Totp.failures - 1, locked_until=None)
    )


async def reset_attempts(session: SystemSession, user_id: UUID) -> None:
    """Begin to count anew: they have shown that it is they."""
    await session.exec(
        update(Totp).where(col(Totp.user_id) == user_id).values(failures=0, locked_until=None)
    )


_SEALED_FOR = "second factor"


@dataclass(frozen=True, slots=True)
class TwoFactorStatus:
    """What somebody's second factor is, without anything secret.

    Args:
        since: When it was turned on; None is off.
        codes_left: Backup codes not used yet.
        devices: Browsers that are remembered now.
    """

    since: datetime | None
    codes_left: int
    devices: int


class TwoFactor:
    """The second factor of every person.

    Args:
        db: Where they are kept.
        tokens: Holds sign-ins that wait for it.
        keys: Seals the secrets.
        settings: How often one may be wrong.
        clock: The time.
    """

    def __init__(
        self,
        db: Database,
        tokens: OneTimeTokens,
        keyring: KeyRing,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._keyring = keyring
        self._rate = parse(settings.limit_second_factor)
        self._lock = timedelta(seconds=self._rate.get_expiry())
        self._clock = clock

    async def status(self, principal: Principal) -> TwoFactorStatus:
        """The person's second factor, as it is now."""
        user_id = principal.user_id
        async with self._db.system("auth") as session:
            row = await session.get(Totp, user_id)
            if row is None or row.confirmed_at is None:
                return TwoFactorStatus(None, 0, 0)
            unused = col(BackupCode.user_id) == user_id, col(BackupCode.used_at).is_(None)
            known = (
                col(RememberedDevice.user_id) == user_id,
                col(RememberedDevice.expires_at) > self._clock(),
            )
            codes = select(func.count()).select_from(BackupCode).where(*unused)
            devices = select(func.count()).select_from(RememberedDevice).where(*known)
            return TwoFactorStatus(
                row.confirmed_at,
                (await session.exec(codes)).one(),
                (await session.exec(devices)).one(),
            )

    async def begin(self, principal: Principal) -> str:
        """A new secret for an authenticator. It asks for nothing until it is confirmed.

        Returns:
            The secret in base32, to be shown now and never again.

        Raises:
            Conflict: It is on already.
        """
        secret, now = new_secret(), self._clock()
        sealed = self._keyring.encrypt(_SEALED_FOR, secret.encode())
        async with self._db.system("auth", write=True) as session:
            row = await session.get(Totp, principal.user_id)
            if row is not None and row.confirmed_at is not None:
                raise Conflict("Two-factor authentication is already on. Turn it off first.")
            row = row or Totp(user_id=principal.user_id, secret="", created_at=now)
            row.secret, row.created_at, row.last_step = sealed, now, 0
            session.add(row)
        return secret

    async def confirm(self, principal: Principal, code: str) -> Sequence[str]:
        """Turn it on, with the first code that the authenticator shows.

        Returns:
            Ten backup codes, to be shown now and never again.

        Raises:
            SecondFactorWrong: It is not the code of this moment.
            Conflict: It is on already, or nobody began.
        """
        now, user_id = self._clock(), principal.user_id
        async with self._db.system("auth", write=True) as session:
            row = await session.get(Totp, user_id)
            if row is None or row.confirmed_at is not None:
                raise Conflict("Start again; there is nothing to confirm.")
            step = matching_step(self._opened(row), normalize_code(code), now)
            if step is None:
                raise InvalidTwoFactorCode
            row.confirmed_at, row.last_step, row.failures, row.locked_until = now, step, 0, None
            session.add(row)
            await forget_devices(session, user_id)
            return await self._new_codes(session, user_id)

    async def renew_codes(self, principal: Principal) -> Sequence[str]:
        """Ten new backup codes; the old ones are worth nothing from then on.

        Raises:
            Conflict: There is no second factor that they could stand in for.
        """
        async with self._db.system("auth", write=True) as session:
            row = await session.get(Totp, principal.user_id)
            if row is None or row.confirmed_at is None:
                raise Conflict("Turn on two-factor authentication first.")
            return await self._new_codes(session, principal.user_id)

    async def turn_off(self, principal: Principal) -> None:
        """Remove it with its codes, its remembered browsers and the sign-ins that wait for it."""
        user_id = principal.user_id
        async with self._db.system("auth", write=True) as session:
            for table in (BackupCode, Totp):
                await session.exec(delete(table).where(col(table.user_id) == user_id))
            await forget_devices(session, user_id)
            await revoke_tokens(session, user_id, "second_factor")

    async def check(self, user_id: UUID, code: str) -> None:
        """Prove that somebody has their second factor. The code is used up by it.

        Args:
            user_id: The person.
            code: What they typed: a code of the moment, or a backup code.

        Raises:
            SecondFactorWrong: It is none, or it was used before.
            SecondFactorLocked: Too many were wrong; it was not looked at.
            InvalidToken: They have no second factor.
        """
        async with self._counted(user_id), self._db.system("auth", write=True) as session:
            await self._judge(session, user_id, normalize_code(code))

    async def pass_challenge(self, token: str, code: str) -> ConsumedToken:
        """Finish a sign-in that waits for the second factor. The code and the token are used up.

        Args:
            token: What the first half of the sign-in left with the browser.
            code: What was typed.

        Raises:
            InvalidToken: The first half is too long ago, finished, or was somewhere else.
            SecondFactorWrong, SecondFactorLocked: As in `check`.
        """
        held = await self._tokens.reserve_attempt(
            token, "second_factor", max_attempts=self._rate.amount
        )
        if held.user_id is None:
            raise ValueError("A two-factor challenge has no user.")
        try:
            async with (
                self._counted(held.user_id),
                self._db.system("auth", write=True) as session,
            ):
                await self._judge(session, held.user_id, normalize_code(code))
                return await self._tokens.consume_in(session, token, "second_factor")
        except Exception as error:
            if not isinstance(error, ChatError) or error.status >= 500:
                await self._tokens.release_attempt(held)
            raise

    @asynccontextmanager
    async def _counted(self, user_id: UUID) -> AsyncIterator[None]:
        now = self._clock()
        async with self._db.system("auth", write=True) as session:
            await reserve_attempt(session, user_id, now, now + self._lock, self._rate)
        try:
            yield
        except Exception as error:
            # Only what somebody got wrong is a try; a cancelled one stays counted.
            if not isinstance(error, ChatError) or error.status >= 500:
                async with self._db.system("auth", write=True) as session:
                    await release_attempt(session, user_id)
            raise

    async def _judge(self, session: SystemSession, user_id: UUID, code: str) -> None:
        """Use a code up, or refuse it."""
        if is_totp_code(code):
            await self._use_step(session, user_id, code)
        elif is_backup_code(code):
            await self._use_backup_code(session, user_id, code)
        else:
            raise InvalidTwoFactorCode
        await reset_attempts(session, user_id)

    async def _use_step(self, session: SystemSession, user_id: UUID, code: str) -> None:
        row = await session.get(Totp, user_id)
        if row is None:
            raise InvalidTwoFactorCode
        secret = self._opened(row)
        step = matching_step(secret, code, self._clock())
        if step is None:
            raise InvalidTwoFactorCode
        # Sealed by a key that will be taken away one day: this is the moment to change it.
        is_old = self._keyring.is_outdated(_SEALED_FOR, row.secret)
        sealed = self._keyring.encrypt(_SEALED_FOR, secret.encode()) if is_old else row.secret
        used = await session.exec(
            update(Totp)
            # A code that was seen over a shoulder is worth nothing (RFC 6238 §5.2).
            .where(col(Totp.user_id) == user_id, col(Totp.last_step) < step)
            .values(last_step=step, secret=sealed)
            .returning(col(Totp.user_id))
        )
        if used.first() is None:
            raise InvalidTwoFactorCode

    async def _use_backup_code(self, session: SystemSession, user_id: UUID, code: str) -> None:
        used = await session.exec(
            update(BackupCode)
            .where(
                col(BackupCode.user_id) == user_id,
                col(BackupCode.code_hash) == hash_token(code),
                col(BackupCode.used_at).is_(None),
            )
            .values(used_at=self._clock())
            .returning(col(BackupCode.id))
        )
        if used.first() is None:
            raise InvalidTwoFactorCode

    async def _new_codes(self, session: SystemSession, user_id: UUID) -> Sequence[str]:
        codes, now = new_backup_codes(), self._clock()
        await session.exec(delete(BackupCode).where(col(BackupCode.user_id) == user_id))
        hashes = (hash_token(normalize_code(code)) for code in codes)
        session.add_all(
            BackupCode(user_id=user_id, code_hash=kept, created_at=now) for kept in hashes
        )
        return codes

    def _opened(self, row: Totp) -> str:
        try:
            return self._keyring.decrypt(_SEALED_FOR, row.secret).decode()
        except DecryptionError:
            # The operator has lost the key; backup codes still work.
            raise Unavailable("Codes can't be checked right now. Use a backup code.") from None
