"""Making an account whose address must be confirmed by letter first.

Until then there is no person, only a token. So nobody can wait in an account for the owner of the
address to come, and the answer to who asks is the same whether or not there is an account.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from chat_app.auth.accounts import ISSUER, add_person, known_words
from chat_app.auth.admission import Admission
from chat_app.auth.emails import normalise
from chat_app.auth.links import refuse_foreign
from chat_app.auth.mail.letters import Letter
from chat_app.auth.mail.sending import Sending
from chat_app.auth.names import clean_name
from chat_app.auth.passwords import Passwords
from chat_app.auth.proof import Admitted, Browser, Challenged, Proof
from chat_app.auth.refusals import (
    AccountNotLinked,
    EmailTaken,
    Refusal,
    SignUpClosed,
    WrongCredentials,
)
from chat_app.auth.rules import Create
from chat_app.auth.tokens import OneTimeTokens, Spent
from chat_app.clock import Clock
from chat_app.db.engine import Database

LASTS = timedelta(hours=24)
"""How long an account can be confirmed. The link alone opens nothing, so it may be this long."""


class SignUps:
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
        admission: Admission,
        passwords: Passwords,
        sends: Sending,
        clock: Clock,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._admission = admission
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
            PasswordTooLong, PasswordTooShort, WeakPassword: See `Passwords.judge`.
            RateLimited: Too many from this address, or too many letters.
        """
        self._sends.postman.must_work()
        if not (self._sends.settings.sign_up_is_open or self._sends.settings.auth_allowed_domains):
            raise SignUpClosed
        subject, name = normalise(email), clean_name(name)
        refuse_foreign(subject, self._sends.settings)
        async with self._sends.throttle.new_password(address):
            await self._passwords.judge(password, known_words(subject, name))
        browser = secrets.token_urlsafe(32)
        async with (
            self._sends.throttle.sign_up(address),
            self._sends.throttle.mail(subject, address),
        ):
            password_hash = await self._passwords.hash(password)
            write = await self._letter_for(subject, name)
            kept = {
                "name": name,
                "password": password_hash,
                "browser": _digest(browser),
                "goes_to": goes_to,
            }
            token = await self._tokens.make("sign_up", lasts=LASTS, subject=subject, data=kept)
        self._sends.postman.post(write(subject, token))
        return browser

    async def finish(
        self, token: str, *, known_as: str | None, password: str, browser: Browser
    ) -> Admitted | Challenged:
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
            async with self._sends.throttle.sign_in(seen.subject, browser.address):
                if not await self._passwords.verify(seen.data["password"], password):
                    raise WrongCredentials
        proof = _proof(seen.subject, seen.data["name"])
        if not isinstance(await self._admission.check(proof), Create):
            raise EmailTaken
        try:
            await self._make(token)
        except IntegrityError:
            raise EmailTaken from None
        return await self._admission.admit(proof, browser)

    async def _make(self, token: str) -> None:
        now = self._clock()
        async with self._db.system("auth", write=True) as session:
            spent = await self._tokens.consume_in(session, token, "sign_up")
            await add_person(
                session,
                spent.subject,
                spent.data["password"],
                spent.data["name"],
                now=now,
                verified_at=now,
            )

    async def _letter_for(self, subject: str, name: str) -> Callable[[str, str], Letter]:
        """Which letter an address gets; only one of them tells the token."""
        try:
            decision = await self._admission.check(_proof(subject, name))
        except AccountNotLinked:
            return self._sends.letters.already_here
        except Refusal:
            return self._sends.letters.not_welcome
        is_new = isinstance(decision, Create)
        return self._sends.letters.sign_up if is_new else self._sends.letters.already_here


def _proof(subject: str, name: str) -> Proof:
    return Proof("password", ISSUER, subject, email=subject, email_verified=True, name=name)


def is_from(seen: Spent, browser: str | None) -> bool:
    """Whether a sign-up came from the browser that has this secret."""
    return hmac.compare_digest(seen.data["browser"], _digest(browser or ""))


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
