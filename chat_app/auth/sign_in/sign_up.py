"""Sign-up with email verification: no user is created before the email is confirmed.

Until then there is only a token. So an attacker can't plant an account and wait for the email's
owner, and the response is the same whether or not an account exists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import IntegrityError

from chat_app import audit
from chat_app.auth.account.profile import clean_display_name
from chat_app.auth.emails import normalise
from chat_app.auth.errors import (
    AccountNotLinked,
    AuthError,
    EmailTaken,
    InvalidCredentials,
    SignUpClosed,
    SignUpRefused,
)
from chat_app.auth.sign_in.email_flows import SIGN_UP_LIFETIME, EmailFlow, is_same_browser
from chat_app.auth.sign_in.identity import (
    Browser,
    MfaRequired,
    SignedIn,
    VerifiedIdentity,
    domain_of,
)
from chat_app.auth.sign_in.passwords import PASSWORD_ISSUER, PasswordHashing, add_user, known_words
from chat_app.auth.sign_in.service import SignInService
from chat_app.core.crypto import hash_token, new_token
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import User
from chat_app.mail.templates import Email


@dataclass(frozen=True, slots=True)
class EmailSignUps(EmailFlow):
    """Takes sign-ups, and creates users of those that are confirmed.

    Args:
        sign_in_service: Decides who may sign in.
        passwords: Judges and hashes passwords.
    """

    sign_in_service: SignInService
    passwords: PasswordHashing

    async def begin(
        self,
        *,
        email: str,
        password: str,
        name: str,
        client_ip: str,
        callback_url: str = "",
        known: str = "",
    ) -> str:
        """Send a confirmation link, or an email that says that there is an account already.

        Args:
            email: As typed.
            password: As typed.
            name: As typed; may be empty.
            client_ip: For the rate limits.
            callback_url: The page after the sign-in, checked by the caller.
            known: `KnownBrowsers.find` of this browser and email.

        Returns:
            A secret for the browser, which may confirm without the password.

        Raises:
            MailUnavailable: No email can be sent.
            SignUpClosed, SignUpRefused: The policy lets nobody, or no email of this domain.
            InvalidEmail, InvalidName: Invalid input.
            AccessDenied: The email's domain is not allowed.
            PasswordTooLong, PasswordTooShort, WeakPassword: See `PasswordHashing.judge`.
            TooManyAttempts: Of this client, or too many emails.
        """
        self.mail.mailer.require_available()
        policy = await self.sign_in_service.policies.current()
        if policy.mode == "closed":
            raise SignUpClosed
        subject, name = normalise(email), clean_display_name(name)
        self.mail.require_allowed_domain(subject)
        if policy.mode == "domains" and domain_of(subject) not in policy.domains:
            raise SignUpRefused  # as every email of that domain, so it says nothing of users
        async with self.mail.rate_limits.new_password(client_ip):
            await self.passwords.judge(password, known_words(subject, name))
        browser_secret = new_token()
        async with (
            self.mail.rate_limits.sign_up(client_ip),
            self.mail.rate_limits.email(subject, client_ip, known),
        ):
            password_hash = await self.passwords.hash(password)
            template = await self._template_for(subject, name)
            data = {
                "name": name,
                "password": password_hash,
                "browser": hash_token(browser_secret),
                "goes_to": callback_url,
            }
            token = await self.tokens.create(
                "sign_up", lifetime=SIGN_UP_LIFETIME, subject=subject, data=data
            )
        self.mail.mailer.send(template(subject, token))
        return browser_secret

    async def finish(
        self, token: str, *, browser_secret: str | None, password: str, browser: Browser
    ) -> SignedIn | MfaRequired:
        """Create the user and sign them in.

        The link must be opened in the browser that signed up, or the chosen password must be typed.
        Otherwise the owner of a mailbox would confirm, with one click, an account whose password an
        attacker chose.

        Args:
            token: From the link.
            browser_secret: What `begin` returned, if this browser has it.
            password: As typed; checked in any other browser.
            browser: The client.

        Raises:
            InvalidToken: It is used, expired or unknown.
            InvalidCredentials: Another browser and an incorrect password; the link stays valid.
            EmailTaken: The email has an account by now.
            AccessDenied, SignUpClosed, SignUpRefused: No longer allowed.
            TooManyAttempts: Too many incorrect passwords.
        """
        pending = await self.tokens.peek(token, "sign_up")
        if not is_same_browser(pending, browser_secret):
            async with self.mail.rate_limits.sign_in(pending.subject, browser.client_ip):
                if not await self.passwords.verify(pending.data["password"], password):
                    raise InvalidCredentials
        identity = _identity(pending.subject, pending.data["name"])
        create = partial(self._create_user, token=token)
        try:
            return await self.sign_in_service.sign_up(identity, browser, create)
        except IntegrityError:
            raise EmailTaken from None

    async def _create_user(self, session: SystemSession, token: str) -> None:
        now = self.clock()
        confirmed = await self.tokens.consume_in(session, token, "sign_up")
        user = User(
            email=confirmed.subject,
            name=confirmed.data["name"],
            created_at=now,
            email_verified_at=now,
        )
        user_id = await add_user(session, user, confirmed.data["password"])
        await audit.append(session, "user_created", actor=user_id, clock=self.clock)

    async def _template_for(self, subject: str, name: str) -> Callable[[str, str], Email]:
        """The email to send; only one of the templates contains the token."""
        try:
            decision = await self.sign_in_service.check(_identity(subject, name))
        except AccountNotLinked:
            return self.mail.templates.account_exists
        except AuthError:
            return self.mail.templates.email_not_allowed
        is_new = decision.user is None
        return self.mail.templates.sign_up if is_new else self.mail.templates.account_exists


def _identity(subject: str, name: str) -> VerifiedIdentity:
    return VerifiedIdentity(
        "password", PASSWORD_ISSUER, subject, email=subject, email_verified=True, name=name
    )
