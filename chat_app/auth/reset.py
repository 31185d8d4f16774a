"""Choosing a new password by letter.

As with links, the work and the answer are the same whether or not there is an account. Nobody is
signed in by it: the new password, and a second factor where there is one, come afterwards.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, delete, select

from chat_app.auth.accounts import ISSUER, known_words
from chat_app.auth.emails import normalise
from chat_app.auth.links import LASTS, refuse_foreign
from chat_app.auth.mail.sending import Sending
from chat_app.auth.passwords import Passwords
from chat_app.auth.refusals import InvalidToken
from chat_app.auth.second_factor.devices import forget_devices
from chat_app.auth.sessions import Sessions
from chat_app.auth.take_over import take_over
from chat_app.auth.tokens import OneTimeTokens, Spent, revoke
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.system import SystemSession
from chat_app.db.tables import Account, User

REASON = "password_reset"
"""Why the sessions of somebody with a new password ended."""


class Resets:
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
        sessions: Sessions,
        passwords: Passwords,
        sends: Sending,
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
        self._sends.postman.must_work()
        subject = normalise(email)
        refuse_foreign(subject, self._sends.settings)
        async with self._sends.throttle.mail(subject, address):
            user_id = await self._whose(subject)
            token = await self._tokens.make(
                "reset_password", lasts=LASTS, user_id=user_id, subject=subject
            )
        letter = self._sends.letters.reset_password(subject, token)
        self._sends.postman.post(letter if user_id else self._sends.letters.unknown(subject))

    async def finish(self, token: str, password: str, address: str) -> None:
        """Take a new password from who has the link, once, and end every session.

        An account that nobody ever proved is cleared of every other way in.

        Args:
            token: What stood in the link.
            password: As typed. One that is refused leaves the link as it is.
            address: The client's address, for the limits.

        Raises:
            InvalidToken: It is used, expired or none of ours.
            PasswordTooLong, PasswordTooShort, WeakPassword: See `Passwords.judge`.
            RateLimited: Too many refused passwords.
        """
        seen = await self._tokens.peek(token, "reset_password")
        async with self._sends.throttle.new_password(address):
            await self._passwords.judge(password, known_words(seen.subject, ""))
        password_hash = await self._passwords.hash(password)
        async with self._db.system("auth", write=True) as session:
            spent = await self._tokens.consume_in(session, token, "reset_password")
            ended = await self._change(session, spent, password_hash)
        self._sessions.tell(ended, REASON)
        self._sends.postman.post(self._sends.letters.password_changed(spent.subject))

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
        self, session: SystemSession, spent: Spent, password_hash: str
    ) -> Sequence[UUID]:
        user = await session.get(User, spent.user_id) if spent.user_id else None
        # Meanwhile they may have been shut out, or have moved to another address.
        if user is None or user.email != spent.subject or not self._may(user):
            raise InvalidToken
        now = self._clock()
        ended = await self._clear(session, user, now)
        account = Account(
            user_id=user.id,
            issuer=ISSUER,
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
            return await take_over(session, self._sessions, user.id, now)
        old = col(Account.issuer) == ISSUER
        await session.exec(delete(Account).where(col(Account.user_id) == user.id, old))
        await forget_devices(session, user.id)
        await revoke(session, user.id)
        return await self._sessions.end_all(session, user.id, reason=REASON)
