"""Making an account whose address must be confirmed by letter first.

Until then there is no person, only a token. So nobody can wait in an account for the owner of the
address to come, and the answer to who asks is the same whether or not there is an account.
"""

import hmac
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from chat_app.auth.account.profile import clean_display_name
from chat_app.auth.emails import normalise
from chat_app.auth.errors import (
    AccountNotLinked,
    AuthError,
    EmailTaken,
    InvalidCredentials,
    SignUpClosed,
)
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens
from chat_app.auth.sign_in.identity import (
    Browser,
    CreateUser,
    MfaRequired,
    SignedIn,
    VerifiedIdentity,
)
from chat_app.auth.sign_in.magic_link import MailContext, require_allowed_domain
from chat_app.auth.sign_in.passwords import PASSWORD_ISSUER, PasswordHashing, add_user, known_words
from chat_app.auth.sign_in.service import SignInService
from chat_app.core.clock import Clock
from chat_app.core.tokens import hash_token, new_token
from chat_app.db.engine import Database
from chat_app.mail.templates import Email

SIGN_UP_LIFETIME = timedelta(hours=24)
"""How long an account can be confirmed. The link alone opens nothing, so it may be this long."""


class EmailSignUps:
    """Takes sign-ups, and makes people of those that are confirmed.

    Args:
        db: Where people are kept.
        tokens: Holds what was typed until it is confirmed.
        admission: Decides who may come in.
        passwords: Judges and hashes.
        sends: Writes, counts and delivers.
        clock: The time.
    """

    def __init__(
        self,
        db: Database,
        tokens: OneTimeTokens,
        sign_in_service: SignInService,
        passwords: PasswordHashing,
        sends: MailContext,
        clock: Clock,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._sign_in_service = sign_in_service
        self._passwords = passwords
        self._sends = sends
        self._clock = clock

    async def begin(
        self, *, email: str, password: str, name: str, address: str, goes_to: str = ""
    ) -> str:
        """Send the letter that confirms a new account, or one that says there is one already.

        Args:
            email: As typed.
            password: As typed.
            name: As typed; may be empty.
            address: The client's address, for the limits.
            goes_to: Where the link leads in the end; the caller has checked that it is ours.

        Returns:
            A secret for the browser, by which it is known again when the letter is opened.

        Raises:
            NoLetters: No letter goes out.
            SignUpClosed: The operator makes the accounts here.
            InvalidEmail, InvalidName: What was typed is neither.
            AccessDenied: Nobody of that domain may come in, whoever they are.
            PasswordTooLong, PasswordTooShort, WeakPassword: See `PasswordHashing.judge`.
            RateLimited: Too many from this address, or too many letters.
        """
        self._sends.mailer.require_available()
        if not (self._sends.settings.sign_up_is_open or self._sends.settings.auth_allowed_domains):
            raise SignUpClosed
        subject, name = normalise(email), clean_display_name(name)
        require_allowed_domain(subject, self._sends.settings)
        async with self._sends.rate_limits.new_password(address):
            await self._passwords.judge(password, known_words(subject, name))
        browser = new_token()
        async with (
            self._sends.rate_limits.sign_up(address),
            self._sends.rate_limits.email(subject, address),
        ):
            password_hash = await self._passwords.hash(password)
            write = await self._letter_for(subject, name)
            kept = {
                "name": name,
                "password": password_hash,
                "browser": hash_token(browser),
                "goes_to": goes_to,
            }
            token = await self._tokens.create(
                "sign_up", lifetime=SIGN_UP_LIFETIME, subject=subject, data=kept
            )
        self._sends.mailer.send(write(subject, token))
        return browser

    async def finish(
        self, token: str, *, known_as: str | None, password: str, browser: Browser
    ) -> SignedIn | MfaRequired:
        """Make the person, and let them in.

        Who opens the letter must be who signed up: the same browser, or the password that was
        chosen. Else somebody else's click would make the account that a stranger asked for.

        Args:
            token: What stood in the link.
            known_as: The secret that `begin` gave the browser.
            password: As typed; looked at when the browser is another one.
            browser: Where.

        Raises:
            InvalidToken: It is used, expired or none of ours.
            WrongCredentials: Another browser, and not that password. The link stays as it is.
            EmailTaken: Meanwhile there is an account for the address.
            AccessDenied, SignUpClosed: They were welcome when they asked.
            RateLimited: Too many wrong passwords.
        """
        seen = await self._tokens.peek(token, "sign_up")
        if not is_from(seen, known_as):
            async with self._sends.rate_limits.sign_in(seen.subject, browser.address):
                if not await self._passwords.verify(seen.data["password"], password):
                    raise InvalidCredentials
        identity = _proof(seen.subject, seen.data["name"])
        if not isinstance(await self._sign_in_service.check(identity), CreateUser):
            raise EmailTaken
        try:
            await self._make(token)
        except IntegrityError:
            raise EmailTaken from None
        return await self._sign_in_service.sign_in(identity, browser)

    async def _make(self, token: str) -> None:
        now = self._clock()
        async with self._db.system("auth", write=True) as session:
            spent = await self._tokens.consume_in(session, token, "sign_up")
            await add_user(
                session,
                spent.subject,
                spent.data["password"],
                spent.data["name"],
                now=now,
                verified_at=now,
            )

    async def _letter_for(self, subject: str, name: str) -> Callable[[str, str], Email]:
        """Which letter an address gets; only one of them tells the token."""
        try:
            decision = await self._sign_in_service.check(_proof(subject, name))
        except AccountNotLinked:
            return self._sends.letters.account_exists
        except AuthError:
            return self._sends.letters.email_not_allowed
        is_new = isinstance(decision, CreateUser)
        return self._sends.letters.sign_up if is_new else self._sends.letters.account_exists


def _proof(subject: str, name: str) -> VerifiedIdentity:
    return VerifiedIdentity(
        "password", PASSWORD_ISSUER, subject, email=subject, email_verified=True, name=name
    )


def is_from(seen: ConsumedToken, browser: str | None) -> bool:
    """Whether a sign-up came from the browser that has this secret."""
    return hmac.compare_digest(seen.data["browser"], hash_token(browser or ""))
