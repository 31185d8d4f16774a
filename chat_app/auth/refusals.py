"""What sign-in and sign-up say no with: a type, a sentence, and the word in a page's `?error=`.

The words that Auth.js has are Auth.js's; the others are ours. A page looks the word up
in `sentences`, so that no text from a URL is ever shown.
"""

from typing import ClassVar

from chat_app.errors import (
    ChatError,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    RateLimited,
    Unauthenticated,
)
from chat_app.settings import Settings

PASSWORD_MAX_LENGTH = 1024
"""Characters. More would only be work for the hash."""


class Refusal(ChatError):
    """A refusal that a sign-in page can show.

    Args:
        values: What the sentence leaves open.
    """

    word: ClassVar[str]
    says: ClassVar[str]

    def __init__(self, **values: object) -> None:
        ChatError.__init__(self, self.says.format(**values))


class WrongCredentials(Refusal, Unauthenticated):
    """Unknown address, wrong password or disabled person: one answer for all of them."""

    word = "CredentialsSignin"
    says = "The e-mail address or the password is not right."


class SignUpClosed(Refusal, Forbidden):
    """The operator makes the accounts here."""

    code = "sign_up_closed"
    word = "SignUpClosed"
    says = "New accounts are made by the operator here."


class InvalidEmail(Refusal, InvalidInput):
    """Not one plain e-mail address."""

    code = "invalid_email"
    word = "InvalidEmail"
    says = "Enter one e-mail address, such as you@example.org."


class InvalidName(Refusal, InvalidInput):
    """A name that is too long or holds control characters."""

    code = "invalid_name"
    word = "InvalidName"
    says = "Use at most 100 ordinary characters for the name."


class EmailTaken(Refusal, Conflict):
    """There is an account already. Said openly because no mail can be sent instead (T21)."""

    code = "email_taken"
    word = "EmailTaken"
    says = "There is an account for this address already; sign in instead."


class PasswordTooShort(Refusal, InvalidInput):
    """Below the operator's minimum."""

    code = "password_too_short"
    word = "PasswordTooShort"
    says = "Use at least {min_length} characters for the password."


class PasswordTooLong(Refusal, InvalidInput):
    """Above what is hashed."""

    code = "password_too_long"
    word = "PasswordTooLong"
    says = "Use at most {max_length} characters for the password."


class WeakPassword(Refusal, InvalidInput):
    """Guessable, by zxcvbn's estimate."""

    code = "weak_password"
    word = "WeakPassword"
    says = "This password is easy to guess; use a longer or a less common one."


class WrongCsrfToken(Refusal, Forbidden):
    """A token was sent, and it is not this browser's."""

    code = "csrf"
    word = "MissingCSRF"
    says = "The form was too old or came from elsewhere; try again."


class AccessDenied(Refusal, Forbidden):
    """Disabled, not on an allow-list, or the operator's function said no: one answer for all."""

    code = "access_denied"
    word = "AccessDenied"
    says = "This account may not sign in here."


class AccountNotLinked(Refusal, Conflict):
    """The address is somebody's, and an address joins no accounts."""

    code = "account_not_linked"
    word = "OAuthAccountNotLinked"
    says = (
        "There is an account for this address already. Sign in the way you did before; then you "
        "can connect this one in the settings."
    )


class AccountTaken(Refusal, Conflict):
    """What should be connected belongs to another person here."""

    code = "account_taken"
    word = "AccountTaken"
    says = "That account is connected to somebody else here."


class EmailRequired(Refusal, Forbidden):
    """A provider that does not say an address."""

    code = "email_required"
    word = "EmailRequired"
    says = "That account has no e-mail address that could be used here."


class LastWayIn(Refusal, Conflict):
    """Without it nobody could sign in to the account again."""

    code = "last_way_in"
    word = "LastWayIn"
    says = "This is the only way into your account; add another one first."


class StepUpRequired(Refusal, Forbidden):
    """The proof of who they are is old."""

    code = "step_up_required"
    word = "StepUpRequired"
    says = "Confirm that it is you first."


class InvalidToken(Refusal, Forbidden):
    """Used, expired, made for something else, or made by nobody: one answer for all."""

    code = "invalid_token"
    word = "Verification"
    says = "This link or this step cannot be used any more; start again."


class ProviderUnknown(Refusal, NotFound):
    """No provider of that name is configured."""

    code = "provider_unknown"
    word = "Configuration"
    says = "This way of signing in is not set up here."


class ProviderUnavailable(Refusal, Conflict):
    """The provider cannot be asked now, or does not answer as it should."""

    code = "provider_unavailable"
    word = "OAuthSignin"
    says = "The sign-in service cannot be reached now; try again soon, or sign in another way."


class ProviderRefused(Refusal, Conflict):
    """Whatever came back from the provider proves nothing: one answer for all of it."""

    code = "provider_refused"
    word = "OAuthCallback"
    says = "Signing in there did not work, or took too long; start again."


class SecondFactorWrong(Refusal, Forbidden):
    """Not the code of this moment and no unused backup code, or it was used before."""

    code = "second_factor_wrong"
    word = "SecondFactorWrong"
    says = "This code is not right, or it was used before."


class SecondFactorLocked(Refusal, RateLimited):
    """Too many wrong codes; the next one is not looked at.

    Args:
        retry_after: Seconds until another one is.
    """

    code = "second_factor_locked"
    word = "SecondFactorLocked"
    says = "Too many wrong codes; wait a while and try again."

    def __init__(self, retry_after: int = 1, **values: object) -> None:
        super().__init__(**values)
        self.retry_after = retry_after


class NotConfirmed(Refusal, Forbidden):
    """A wrong password of somebody who is signed in, or a password where it is not enough."""

    code = "not_confirmed"
    word = "NotConfirmed"
    says = "The password is not right."


class PasskeyRefused(Refusal, Forbidden):
    """Unknown, removed, replayed, or not proved by its owner: one answer for all."""

    code = "passkey_refused"
    word = "PasskeyRefused"
    says = "This passkey was not accepted; try again, or take another way."


class SessionRequired(Refusal, Unauthenticated):
    """Something that only a signed-in person can do."""

    word = "SessionRequired"
    says = "Sign in first."


TOO_MANY = "Too many tries; wait a while and try again."
"""The sentence of every `RateLimited` of this layer."""

_SENTENCES = {
    kind.word: kind.says
    for kind in (
        WrongCredentials,
        SignUpClosed,
        InvalidEmail,
        InvalidName,
        EmailTaken,
        PasswordTooShort,
        PasswordTooLong,
        WeakPassword,
        WrongCsrfToken,
        AccessDenied,
        AccountNotLinked,
        AccountTaken,
        EmailRequired,
        LastWayIn,
        StepUpRequired,
        InvalidToken,
        ProviderUnknown,
        ProviderUnavailable,
        ProviderRefused,
        SecondFactorWrong,
        SecondFactorLocked,
        NotConfirmed,
        PasskeyRefused,
        SessionRequired,
    )
} | {
    "RateLimited": TOO_MANY,
    "Default": "That did not work; try again.",
}


def word(error: ChatError) -> str:
    """The `?error=` word of an error; `Default` (Auth.js's own) for one that has none."""
    if isinstance(error, Refusal):
        return error.word
    return "RateLimited" if isinstance(error, RateLimited) else "Default"


def known_word(text: str, otherwise: str = "") -> str:
    """A word that came from outside when the pages have a sentence for it.

    Args:
        text: What was said.
        otherwise: The answer when nothing was.
    """
    return text if text in _SENTENCES else "Default" if text else otherwise


def sentences(settings: Settings) -> dict[str, str]:
    """What a page shows for each `?error=` word, with `Default` for every other."""
    return {
        word: says.format(min_length=settings.password_min_length, max_length=PASSWORD_MAX_LENGTH)
        for word, says in _SENTENCES.items()
    }
