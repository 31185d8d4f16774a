"""The address of a signed-in person: proving it, and moving to another one.

The link in the letter works only for the person who asked, signed in. Else an account with
somebody's address could be made theirs by a click of that somebody, and waited in.
"""

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from chat_app.auth.emails import normalise
from chat_app.auth.errors import EmailTaken, InvalidToken
from chat_app.auth.one_time_tokens import OneTimeTokens, Purpose, revoke_tokens
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.magic_link import EMAIL_ISSUER as EMAIL
from chat_app.auth.sign_in.magic_link import LINK_LIFETIME, MailContext, require_allowed_domain
from chat_app.auth.sign_in.passwords import PASSWORD_ISSUER as PASSWORD
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, NotFound
from chat_app.db.engine import Database
from chat_app.db.tables import Account, User


class EmailChanges:
    """Proves and changes people's addresses.

    Args:
        db: Where people are kept.
        tokens: Makes what stands in a link.
        sends: Writes, counts and delivers.
        clock: The time.
    """

    def __init__(
        self,
        db: Database,
        tokens: OneTimeTokens,
        sends: MailContext,
        clock: Clock,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._sends = sends
        self._clock = clock

    async def send_proof(self, principal: Principal, address: str) -> None:
        """Send the letter that proves the person's address; none when it is proved.

        Args:
            principal: Who asks.
            address: The client's address, for the limits.

        Raises:
            NoLetters: No letter goes out.
            NotFound: They are gone.
            RateLimited: Too many letters.
        """
        self._sends.mailer.require_available()
        async with self._db.system("auth") as session:
            user = await session.get(User, principal.user_id)
        if user is None:
            raise NotFound
        if user.email_verified_at is not None:
            return
        async with self._sends.rate_limits.email(user.email, address):
            token = await self._tokens.create(
                "verify_email", lifetime=LINK_LIFETIME, user_id=user.id, subject=user.email
            )
        self._sends.mailer.send(self._sends.letters.verify_email(user.email, token))

    async def send_change(self, principal: Principal, email: str, address: str) -> None:
        """Send a letter to the address that the person wants to have from now on.

        Whether it is somebody's already, only its mailbox learns.

        Args:
            principal: Who asks; the caller has checked that their proof is fresh.
            email: As typed.
            address: The client's address, for the limits.

        Raises:
            NoLetters: No letter goes out.
            InvalidEmail: It is no address.
            AccessDenied: Nobody of that domain may come in, whoever they are.
            Conflict: They have it already.
            RateLimited: Too many letters.
        """
        self._sends.mailer.require_available()
        subject = normalise(email)
        require_allowed_domain(subject, self._sends.settings)
        async with self._sends.rate_limits.email(subject, address):
            async with self._db.system("auth") as session:
                held = (await session.exec(select(User.id).where(User.email == subject))).first()
            if held == principal.user_id:
                raise Conflict("This is already your email.")
            token = await self._tokens.create(
                "change_email", lifetime=LINK_LIFETIME, user_id=principal.user_id, subject=subject
            )
        letter = self._sends.letters.change_email(subject, token)
        self._sends.mailer.send(
            letter if held is None else self._sends.letters.email_in_use(subject)
        )

    async def prove(self, principal: Principal, token: str) -> None:
        """Take the proof of somebody's own address.

        Raises:
            InvalidToken: It is used, expired, somebody else's or none of ours, or they have
                another address by now.
        """
        await self._take(principal, token, "verify_email")

    async def change(self, principal: Principal, token: str) -> None:
        """Give the person the address that they have now proved, and tell the old one.

        Raises:
            InvalidToken: It is used, expired, somebody else's or none of ours.
            EmailTaken: Meanwhile it is somebody's.
        """
        try:
            old = await self._take(principal, token, "change_email")
        except IntegrityError:
            raise EmailTaken from None
        self._sends.mailer.send(self._sends.letters.email_changed(old))

    async def _take(self, principal: Principal, token: str, purpose: Purpose) -> str:
        """Use a token of the person's up and make its address theirs.

        Returns:
            The address they had.
        """
        now = self._clock()
        async with self._db.system("auth", write=True) as session:
            spent = await self._tokens.consume_in(session, token, purpose)
            user = await session.get(User, principal.user_id)
            # Raised inside the transaction: the token stays as it is for whom it belongs to.
            if user is None or spent.user_id != user.id:
                raise InvalidToken
            if purpose == "verify_email" and spent.subject != user.email:
                raise InvalidToken
            old, user.email = user.email, spent.subject
            user.email_verified_at = now
            session.add(user)
            await session.flush()
            await session.exec(
                update(Account)
                .where(col(Account.user_id) == user.id, col(Account.issuer).in_([PASSWORD, EMAIL]))
                .values(subject=spent.subject)
            )
            await revoke_tokens(
                session, user.id, "verify_email", "change_email", "reset_password", "sign_in_link"
            )
        return old
