"""Signing in with a link that comes by letter.

Whether somebody has an account shows neither in the answer nor in the work: either way one token
is made and one letter written. It is the letter that differs, and the mailbox's owner reads it.
"""

from datetime import timedelta
from uuid import UUID

from chat_app.auth.admission import Admission
from chat_app.auth.emails import normalise
from chat_app.auth.mail.sending import Sending
from chat_app.auth.proof import Admitted, Browser, Challenged, Proof
from chat_app.auth.refusals import AccessDenied, Refusal
from chat_app.auth.rules import Create, domain_of
from chat_app.auth.tokens import OneTimeTokens
from chat_app.settings import Settings

ISSUER = "email"
"""The issuer of the account of somebody who came in by letter; its subject is the address."""

LASTS = timedelta(minutes=10)
"""How long a link works."""


class SignInLinks:
    """Sends links, and lets in who comes with one.

    Args:
        tokens: Makes what stands in a link.
        admission: Decides who may come in.
        sends: Writes, counts and delivers.
    """

    def __init__(
        self,
        tokens: OneTimeTokens,
        admission: Admission,
        sends: Sending,
    ) -> None:
        self._tokens = tokens
        self._admission = admission
        self._sends = sends

    async def send(self, email: str, address: str, goes_to: str = "") -> None:
        """Send a link to an address, or a letter that says why there is none.

        Args:
            email: As typed.
            address: The client's address, for the limits.
            goes_to: Where the link leads in the end; the caller has checked that it is ours.

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
            is_welcome, user_id = await self._ask(proof_of(subject))
            token = await self._tokens.make(
                "sign_in_link",
                lasts=LASTS,
                user_id=user_id,
                subject=subject,
                data={"goes_to": goes_to},
            )
        # The token of a letter that was not written is known to nobody.
        letter = self._sends.letters.sign_in(subject, token)
        self._sends.postman.post(letter if is_welcome else self._sends.letters.unknown(subject))

    async def follow(self, token: str, browser: Browser) -> Admitted | Challenged:
        """Let somebody in who has the link, once.

        Raises:
            InvalidToken: It is used, expired or none of ours.
            AccessDenied, AccountNotLinked, SignUpClosed: They were welcome when it was sent.
        """
        spent = await self._tokens.consume(token, "sign_in_link")
        return await self._admission.admit(proof_of(spent.subject), browser)

    async def _ask(self, proof: Proof) -> tuple[bool, UUID | None]:
        """Whether somebody would be let in, and who of ours they would be."""
        try:
            decision = await self._admission.check(proof)
        except Refusal:
            return False, None
        return True, None if isinstance(decision, Create) else decision.user.user_id


def proof_of(subject: str) -> Proof:
    """What somebody has proved who reads a letter to an address."""
    return Proof("email", ISSUER, subject, email=subject, email_verified=True)


def refuse_foreign(subject: str, settings: Settings) -> None:
    """Refuse an address that no person could come in with; that tells of nobody.

    Raises:
        AccessDenied: Its domain is not among those the operator lets in.
    """
    domains = settings.auth_allowed_domains
    if domains and domain_of(subject) not in domains:
        raise AccessDenied
