"""A person's own password: set, changed, removed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select

from chat_app.auth.account.login_methods import claim_unverified_account, require_login_method
from chat_app.auth.devices import forget_devices
from chat_app.auth.emails import normalise
from chat_app.auth.errors import AccountTaken, InvalidToken
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens, revoke_tokens
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sessions.models import IssuedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.magic_link import LINK_LIFETIME, MailContext, require_allowed_domain
from chat_app.auth.sign_in.passwords import PASSWORD_ISSUER, PasswordHashing, known_words
from chat_app.core.clock import Clock
from chat_app.core.errors import NotFound
from chat_app.db.engine import Database
from chat_app.db.sessions import SystemSession
from chat_app.db.tables import Account, User

PASSWORD_CHANGED = "password"  # noqa: S105 - a reason
"""Why the other sessions of somebody with a new password ended."""


class PasswordChange:
    """Changes passwords of people who have just proved who they are.

    Args:
        db: Where accounts are kept.
        passwords: Judges and hashes.
        throttle: Counts refused passwords; judging one is work.
        sessions: Ends the others.
        clock: The time.
    """

    def __init__(
        self,
        db: Database,
        passwords: PasswordHashing,
        rate_limits: AuthRateLimits,
        sessions: SessionService,
        clock: Clock,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._rate_limits = rate_limits
        self._sessions = sessions
        self._clock = clock

    async def is_set(self, principal: Principal) -> bool:
        """Whether the person has a password."""
        async with self._db.system("auth") as session:
            found = await session.exec(select(Account.id).where(*_mine(principal)))
            return found.first() is not None

    async def set(self, principal: Principal, password: str, address: str) -> IssuedSession:
        """Give the person a password, in place of any they had.

        Whoever knew the old one is out: every other session ends, links to reset it and remembered
        browsers are worth nothing, and this session goes on with a new token (ASVS 7.4.3).

        Args:
            principal: The person, who has just proved who they are.
            password: As typed.
            address: The client's address, for the limits.

        Returns:
            This session's new token.

        Raises:
            PasswordTooShort, PasswordTooLong, WeakPassword: See `PasswordHashing.judge`.
            AccountTaken: Somebody else signs in with this address.
            NotFound: The person is gone.
            RateLimited: Too many refused passwords from this address.
            Unauthenticated: The session ended meanwhile.
        """
        async with self._db.system("auth") as session:
            user = await session.get(User, principal.user_id)
        if user is None:
            raise NotFound
        async with self._rate_limits.new_password(address):
            await self._passwords.judge(password, known_words(user.email, user.name))
        hashed = await self._passwords.hash(password)
        try:
            async with self._db.system("auth", write=True) as session:
                found = await session.exec(select(Account).where(*_mine(principal)))
                account = found.first() or Account(
                    user_id=user.id,
                    issuer=PASSWORD_ISSUER,
                    subject=user.email,
                    created_at=self._clock(),
                )
                account.password_hash = hashed
                session.add(account)
                await forget_devices(session, user.id)
                await revoke_tokens(session, user.id, "reset_password", "second_factor")
                ended = await self._sessions.revoke_all(
                    session, user.id, reason=PASSWORD_CHANGED, keep=principal.credential_id
                )
        except IntegrityError:
            raise AccountTaken from None
        self._sessions.publish_revoked(ended, PASSWORD_CHANGED)
        return await self._sessions.step_up(principal, method="password")

    async def remove(self, principal: Principal) -> None:
        """Sign in without a password from now on.

        Raises:
            LastWayIn: There is no other way in.
            NotFound: There is no password.
        """
        async with self._db.system("auth", write=True) as session:
            gone = await session.exec(delete(Account).where(*_mine(principal)))
            if not gone.rowcount:
                raise NotFound
            await require_login_method(session, principal.user_id)
            await revoke_tokens(session, principal.user_id, "reset_password")


def _mine(principal: Principal) -> tuple:
    return col(Account.user_id) == principal.user_id, col(Account.issuer) == PASSWORD_ISSUER


PASSWORD_RESET = "password_reset"  # noqa: S105 - a reason
"""Why the sessions of somebody with a new password ended."""


class PasswordResets:
    """Sends the letters, and changes the passwords.

    Args:
        db: Where the passwords are kept.
        tokens: Makes what stands in a link.
        sessions: Ends what was open under the old password.
        passwords: Judges and hashes.
        sends: Writes, counts and delivers.
        clock: The time.
    """

    def __init__(
        self,
        db: Database,
        tokens: OneTimeTokens,
        sessions: SessionService,
        passwords: PasswordHashing,
        sends: MailContext,
        clock: Clock,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._sessions = sessions
        self._passwords = passwords
        self._sends = sends
        self._clock = clock

    async def send(self, email: str, address: str) -> None:
        """Send a link, or a letter that says why there is none.

        Args:
            email: As typed.
            address: The client's address, for the limits.

        Raises:
            NoLetters: No letter goes out.
            InvalidEmail: It is no address.
            AccessDenied: Nobody of that domain may come in, whoever they are.
            RateLimited: Too many letters.
        """
        self._sends.mailer.require_available()
        subject = normalise(email)
        require_allowed_domain(subject, self._sends.settings)
        async with self._sends.rate_limits.email(subject, address):
            user_id = await self._whose(subject)
            token = await self._tokens.create(
                "reset_password", lifetime=LINK_LIFETIME, user_id=user_id, subject=subject
            )
        letter = self._sends.letters.reset_password(subject, token)
        self._sends.mailer.send(letter if user_id else self._sends.letters.no_account(subject))

    async def finish(self, token: str, password: str, address: str) -> None:
        """Take a new password from who has the link, once, and end every session.

        An account that nobody ever proved is cleared of every other way in.

        Args:
            token: What stood in the link.
            password: As typed. One that is refused leaves the link as it is.
            address: The client's address, for the limits.

        Raises:
            InvalidToken: It is used, expired or none of ours.
            PasswordTooLong, PasswordTooShort, WeakPassword: See `PasswordHashing.judge`.
            RateLimited: Too many refused passwords.
        """
        seen = await self._tokens.peek(token, "reset_password")
        async with self._sends.rate_limits.new_password(address):
            await self._passwords.judge(password, known_words(seen.subject, ""))
        password_hash = await self._passwords.hash(password)
        async with self._db.system("auth", write=True) as session:
            spent = await self._tokens.consume_in(session, token, "reset_password")
            ended = await self._change(session, spent, password_hash)
        self._sessions.publish_revoked(ended, PASSWORD_RESET)
        self._sends.mailer.send(self._sends.letters.password_changed(spent.subject))

    async def _whose(self, subject: str) -> UUID | None:
        async with self._db.system("auth") as session:
            user = (await session.exec(select(User).where(User.email == subject))).first()
        return user.id if user is not None and self._may(user) else None

    def _may(self, user: User) -> bool:
        """Whether the mailbox of a person is enough to choose their password."""
        is_proved = user.email_verified_at is not None
        may_clear = self._sends.settings.auth_unverified_accounts == "take_over"
        return user.disabled_at is None and (is_proved or may_clear)

    async def _change(
        self, session: SystemSession, spent: ConsumedToken, password_hash: str
    ) -> Sequence[UUID]:
        user = await session.get(User, spent.user_id) if spent.user_id else None
        # Meanwhile they may have been shut out, or have moved to another address.
        if user is None or user.email != spent.subject or not self._may(user):
            raise InvalidToken
        now = self._clock()
        ended = await self._clear(session, user, now)
        account = Account(
            user_id=user.id,
            issuer=PASSWORD_ISSUER,
            subject=user.email,
            password_hash=password_hash,
            created_at=now,
        )
        session.add(account)
        await session.flush()
        return ended

    async def _clear(self, session: SystemSession, user: User, now: datetime) -> Sequence[UUID]:
        """Remove what the old password opened; all there is where nobody proved the address."""
        if user.email_verified_at is None:
            return await claim_unverified_account(session, self._sessions, user.id, now)
        old = col(Account.issuer) == PASSWORD_ISSUER
        await session.exec(delete(Account).where(col(Account.user_id) == user.id, old))
        await forget_devices(session, user.id)
        await revoke_tokens(session, user.id)
        return await self._sessions.revoke_all(session, user.id, reason=PASSWORD_RESET)
