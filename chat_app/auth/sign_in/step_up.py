"""Whether somebody has proved lately who they are (ASVS 7.5.1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select

from chat_app.auth.errors import PasswordNotConfirmed, StepUpRequired
from chat_app.auth.passkeys import Passkeys
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sessions.models import IssuedSession, ResolvedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.passwords import PASSWORD_ISSUER, PasswordHashing
from chat_app.auth.two_factor import TwoFactor
from chat_app.db.engine import Database
from chat_app.db.tables import Account, Passkey, Totp
from chat_app.settings import Settings


def require_fresh(resolved: ResolvedSession, now: datetime, settings: Settings) -> None:
    """Refuse a sensitive change when the proof is old. Use of the session does not renew it.

    Raises:
        StepUpRequired: They must prove it again.
    """
    if now - resolved.authenticated_at > timedelta(minutes=settings.fresh_minutes):
        raise StepUpRequired


@dataclass(frozen=True, slots=True)
class StepUpMethods:
    """How somebody can prove who they are without leaving.

    Args:
        code: By the second factor. Who has one is not asked for the password alone.
        password: By their password.
        passkey: By a passkey.
    """

    code: bool
    password: bool
    passkey: bool


class StepUp:
    """Makes a session fresh.

    Args:
        db: Where accounts are kept.
        sessions: Writes it down, with a new token for the same session.
        passwords: Checks passwords.
        throttle: The budgets of signing in: guessing here is no cheaper than there.
        second_factors: Checks codes.
        passkeys: Checks passkeys.
    """

    def __init__(
        self,
        db: Database,
        sessions: SessionService,
        passwords: PasswordHashing,
        rate_limits: AuthRateLimits,
        two_factor: TwoFactor,
        passkeys: Passkeys,
    ) -> None:
        self._db = db
        self._sessions = sessions
        self._passwords = passwords
        self._rate_limits = rate_limits
        self._two_factor = two_factor
        self._passkeys = passkeys

    async def ways(self, principal: Principal) -> StepUpMethods:
        """How this person can do it."""
        mine = principal.user_id
        async with self._db.system("auth") as session:
            factor = await session.get(Totp, mine)
            has_code = factor is not None and factor.confirmed_at is not None
            account = await session.exec(_password_of(mine))
            passkey = await session.exec(
                select(Passkey.id).where(col(Passkey.user_id) == mine).limit(1)
            )
            return StepUpMethods(
                code=has_code,
                password=account.first() is not None and not has_code,
                passkey=passkey.first() is not None,
            )

    async def by_password(self, principal: Principal, password: str, address: str) -> IssuedSession:
        """With the password; not for who has a second factor.

        Args:
            principal: Who asks.
            password: As typed.
            address: The client's address.

        Raises:
            NotConfirmed: It is not right, or it is not enough.
            RateLimited: Too many failures; it was not looked at.
        """
        async with self._db.system("auth") as session:
            account = (await session.exec(_password_of(principal.user_id))).first()
        if account is None or not (await self.ways(principal)).password:
            raise PasswordNotConfirmed
        subject, stored = account
        async with self._rate_limits.sign_in(subject, address):
            if not await self._passwords.verify(stored, password):
                raise PasswordNotConfirmed
        return await self._sessions.step_up(principal, method="password")

    async def by_code(self, principal: Principal, code: str) -> IssuedSession:
        """With a code of the second factor.

        Raises:
            SecondFactorWrong, SecondFactorLocked, InvalidToken: See `TwoFactor.check`.
        """
        await self._two_factor.check(principal.user_id, code)
        return await self._sessions.step_up(principal, method="code")

    async def by_passkey(self, principal: Principal, credential: str) -> IssuedSession:
        """With a passkey of the person's own.

        Raises:
            PasskeyRefused: See `Passkeys.step_up`.
        """
        await self._passkeys.step_up(principal, credential)
        return await self._sessions.step_up(principal, method="passkey")


def _password_of(user_id: UUID):
    return select(Account.subject, Account.password_hash).where(
        col(Account.user_id) == user_id, Account.issuer == PASSWORD_ISSUER
    )
