"""A person's own password: set, changed, removed."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select

from chat_app.auth.accounts import ISSUER, known_words
from chat_app.auth.passwords import Passwords
from chat_app.auth.principal import Principal
from chat_app.auth.refusals import AccountTaken
from chat_app.auth.second_factor.devices import forget_devices
from chat_app.auth.session_views import Issued
from chat_app.auth.sessions import Sessions
from chat_app.auth.throttle import Throttle
from chat_app.auth.tokens import revoke
from chat_app.auth.ways import leave_one
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.tables import Account, User
from chat_app.errors import NotFound

REASON = "password"
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
        passwords: Passwords,
        throttle: Throttle,
        sessions: Sessions,
        clock: Clock,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._throttle = throttle
        self._sessions = sessions
        self._clock = clock

    async def is_set(self, principal: Principal) -> bool:
        """Whether the person has a password."""
        async with self._db.system("auth") as session:
            found = await session.exec(select(Account.id).where(*_mine(principal)))
            return found.first() is not None

    async def set(self, principal: Principal, password: str, address: str) -> Issued:
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
            PasswordTooShort, PasswordTooLong, WeakPassword: See `Passwords.judge`.
            AccountTaken: Somebody else signs in with this address.
            NotFound: The person is gone.
            RateLimited: Too many refused passwords from this address.
            Unauthenticated: The session ended meanwhile.
        """
        async with self._db.system("auth") as session:
            user = await session.get(User, principal.user_id)
        if user is None:
            raise NotFound
        async with self._throttle.new_password(address):
            await self._passwords.judge(password, known_words(user.email, user.name))
        hashed = await self._passwords.hash(password)
        try:
            async with self._db.system("auth", write=True) as session:
                found = await session.exec(select(Account).where(*_mine(principal)))
                account = found.first() or Account(
                    user_id=user.id, issuer=ISSUER, subject=user.email, created_at=self._clock()
                )
                account.password_hash = hashed
                session.add(account)
                await forget_devices(session, user.id)
                await revoke(session, user.id, "reset_password", "second_factor")
                ended = await self._sessions.end_all(
                    session, user.id, reason=REASON, keep=principal.session_id
                )
        except IntegrityError:
            raise AccountTaken from None
        self._sessions.tell(ended, REASON)
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
            await leave_one(session, principal.user_id)
            await revoke(session, principal.user_id, "reset_password")


def _mine(principal: Principal) -> tuple:
    return col(Account.user_id) == principal.user_id, col(Account.issuer) == ISSUER
