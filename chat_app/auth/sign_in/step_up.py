"""Step-up: confirming the user's identity before a sensitive change (ASVS 7.5.1)."""

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
from chat_app.auth.two_factor import TwoFactor, confirmed_totp
from chat_app.db.engine import Database
from chat_app.db.tables import Account, AuthSession, Passkey
from chat_app.settings import Settings


def require_fresh(resolved: ResolvedSession, now: datetime, settings: Settings) -> None:
    """Refuse a sensitive change in a session that is not fresh; using it does not make it fresh.

    Raises:
        StepUpRequired: The user must confirm their identity.
    """
    if _is_stale(resolved.authenticated_at, now, settings):
        raise StepUpRequired


def _is_stale(authenticated_at: datetime, now: datetime, settings: Settings) -> bool:
    return now - authenticated_at > timedelta(minutes=settings.fresh_minutes)


CONFIRM_PAGE = "/settings/confirm"
"""Where a user authenticates again, before a sensitive change."""


@dataclass(frozen=True, slots=True)
class StepUpMethods:
    """The step-up methods of a user.

    Args:
        code: A two-factor code. With one, the password alone is not enough.
        password: The password.
        passkey: A passkey.
    """

    code: bool
    password: bool
    passkey: bool


@dataclass(frozen=True, slots=True)
class StepUp:
    """Makes a session fresh.

    Args:
        db: Stores accounts.
        sessions: Issues the session's new token.
        passwords: Checks passwords.
        rate_limits: The same as of sign-in.
        two_factor: Checks codes.
        passkeys: Checks passkeys.
    """

    db: Database
    sessions: SessionService
    passwords: PasswordHashing
    rate_limits: AuthRateLimits
    two_factor: TwoFactor
    passkeys: Passkeys

    async def is_fresh(self, principal: Principal, now: datetime, settings: Settings) -> bool:
        """Whether the session's user has authenticated lately; see `require_fresh`."""
        async with self.db.system("auth") as session:
            found = await session.exec(
                select(AuthSession.authenticated_at).where(
                    col(AuthSession.id) == principal.credential_id,
                    col(AuthSession.user_id) == principal.user_id,
                )
            )
            authenticated_at = found.first()
        return authenticated_at is not None and not _is_stale(authenticated_at, now, settings)

    async def methods(self, principal: Principal) -> StepUpMethods:
        """The user's step-up methods."""
        user_id = principal.user_id
        async with self.db.system("auth") as session:
            has_code = await confirmed_totp(session, user_id) is not None
            account = await session.exec(_password_of(user_id))
            passkey = await session.exec(
                select(Passkey.id).where(col(Passkey.user_id) == user_id).limit(1)
            )
            return StepUpMethods(
                code=has_code,
                password=account.first() is not None and not has_code,
                passkey=passkey.first() is not None,
            )

    async def by_password(
        self, principal: Principal, password: str, client_ip: str, known: str = ""
    ) -> IssuedSession:
        """By password, for a user without two-factor authentication.

        Args:
            principal: The user.
            password: As typed.
            client_ip: For the rate limits.
            known: `KnownBrowsers.find` of this browser and the user's email.

        Raises:
            PasswordNotConfirmed: It is incorrect or not enough.
            TooManyAttempts: Too many failures; it was not checked.
        """
        async with self.db.system("auth") as session:
            account = (await session.exec(_password_of(principal.user_id))).first()
        if account is None or not (await self.methods(principal)).password:
            raise PasswordNotConfirmed
        subject, stored = account
        async with self.rate_limits.sign_in(subject, client_ip, known):
            if not await self.passwords.verify(stored, password):
                raise PasswordNotConfirmed
        return await self.sessions.step_up(principal, method="password")

    async def by_code(self, principal: Principal, code: str) -> IssuedSession:
        """By two-factor code.

        Raises:
            InvalidTwoFactorCode, TwoFactorLocked, InvalidToken: See `TwoFactor.check`.
        """
        await self.two_factor.check(principal.user_id, code)
        return await self.sessions.step_up(principal, method="code")

    async def by_passkey(self, principal: Principal, credential: str) -> IssuedSession:
        """By one of the user's passkeys.

        Raises:
            InvalidPasskey: See `Passkeys.step_up`.
        """
        await self.passkeys.step_up(principal, credential)
        return await self.sessions.step_up(principal, method="passkey")


def _password_of(user_id: UUID):
    return select(Account.subject, Account.password_hash).where(
        col(Account.user_id) == user_id, Account.issuer == PASSWORD_ISSUER
    )
