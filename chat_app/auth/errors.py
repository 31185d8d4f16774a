"""What sign-in and sign-up say no with: a type, a sentence, and the word in a page's `?error=`.

The words that Auth.js has are Auth.js's; the others are ours. A page looks the word up
in `error_messages`, so that no text from a URL is ever shown.
"""

from typing import ClassVar

from chat_app.core.errors import (
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


class AuthError(ChatError):
    """A refusal that a sign-in page can show.

    Args:
        values: What the sentence leaves open.
    """

    error_code: ClassVar[str]
    message_template: ClassVar[str]

    def __init__(self, **values: object) -> None:
        ChatError.__init__(self, self.message_template.format(**values))


class InvalidCredentials(AuthError, Unauthenticated):
    """Unknown address, wrong password or disabled person: one answer for all of them."""

    error_code = "CredentialsSignin"
    message_template = "The e-mail address or the password is not right."


class SignUpClosed(AuthError, Forbidden):
    """The operator makes the accounts here."""

    code = "sign_up_closed"
    error_code = "SignUpClosed"
    message_template = "New accounts are made by the operator here."


class InvalidEmail(AuthError, InvalidInput):
    """Not one plain e-mail address."""

    code = "invalid_email"
    error_code = "InvalidEmail"
    message_template = "Enter one e-mail address, such as you@example.org."


class InvalidName(AuthError, InvalidInput):
    """A name that is too long or holds control characters."""

    code = "invalid_name"
    error_code = "InvalidName"
    message_template = "Use at most 100 ordinary characters for the name."


class EmailTaken(AuthError, Conflict):
    """There is an account already. Said openly because no mail can be sent instead (T21)."""

    code = "email_taken"
    error_code = "EmailTaken"
    message_template = "There is an account for this address already; sign in instead."


class PasswordTooShort(AuthError, InvalidInput):
    """Below the operator's minimum."""

    code = "password_too_short"
    error_code = "PasswordTooShort"
    message_template = "Use at least {min_length} characters for the password."


class PasswordTooLong(AuthError, InvalidInput):
    """Above what is hashed."""

    code = "password_too_long"
    error_code = "PasswordTooLong"
    message_template = "Use at most {max_length} characters for the password."


class WeakPassword(AuthError, InvalidInput):
    """Guessable, by zxcvbn's estimate."""

    code = "weak_password"
    error_code = "WeakPassword"
    message_template = "This password is easy to guess; use a longer or a less common one."


class InvalidCsrfToken(AuthError, Forbidden):
    """A token was sent, and it is not this browser's."""

    code = "csrf"
    error_code = "MissingCSRF"
    message_template = "The form was too old or came from elsewhere; try again."


class AccessDenied(AuthError, Forbidden):
    """Disabled, not on an allow-list, or the operator's function said no: one answer for all."""

    code = "access_denied"
    error_code = "AccessDenied"
    message_template = "This account may not sign in here."


class AccountNotLinked(AuthError, Conflict):
    """The address is somebody's, and an address joins no accounts."""

    code = "account_not_linked"
    error_code = "OAuthAccountNotLinked"
    message_template = (
        "There is an account for this address already. Sign in the way you did before; then you "
        "can connect this one in the settings."
    )


class AccountTaken(AuthError, Conflict):
    """What should be connected belongs to another person here."""

    code = "account_taken"
    error_code = "AccountTaken"
    message_template = "That account is connected to somebody else here."


class EmailRequired(AuthError, Forbidden):
    """A provider that does not say an address."""

    code = "email_required"
    error_code = "EmailRequired"
    message_template = "That account has no e-mail address that could be used here."


class LastLoginMethod(AuthError, Conflict):
    """Without it nobody could sign in to the account again."""

    code = "last_way_in"
    error_code = "LastWayIn"
    message_template = "This is the only way into your account; add another one first."


class StepUpRequired(AuthError, Forbidden):
    """The proof of who they are is old."""

    code = "step_up_required"
    error_code = "StepUpRequired"
    message_template = "Confirm that it is you first."


class InvalidToken(AuthError, Forbidden):
    """Used, expired, made for something else, or made by nobody: one answer for all."""

    code = "invalid_token"
    error_code = "Verification"
    message_template = "This link or this step cannot be used any more; start again."


class UnknownIdentityProvider(AuthError, NotFound):
    """No provider of that name is configured."""

    code = "provider_unknown"
    error_code = "Configuration"
    message_template = "This way of signing in is not set up here."


class IdentityProviderUnavailable(AuthError, Conflict):
    """The provider cannot be asked now, or does not answer as it should."""

    code = "provider_unavailable"
    error_code = "OAuthSignin"
    message_template = (
        "The sign-in service cannot be reached now; try again soon, or sign in another way."
    )


class OAuthCallbackFailed(AuthError, Conflict):
    """Whatever came back from the provider proves nothing: one answer for all of it."""

    code = "provider_refused"
    error_code = "OAuthCallback"
    message_template = "Signing in there did not work, or took too long; start again."


class InvalidTwoFactorCode(AuthError, Forbidden):
    """Not the code of this moment and no unused backup code, or it was used before."""

    code = "second_factor_wrong"
    error_code = "SecondFactorWrong"
    message_template = "This code is not right, or it was used before."


class TwoFactorLocked(AuthError, RateLimited):
    """Too many wrong codes; the next one is not looked at.

    Args:
        retry_after: Seconds until another one is.
    """

    code = "second_factor_locked"
    error_code = "SecondFactorLocked"
    message_template = "Too many wrong codes; wait a while and try again."

    def __init__(self, retry_after: int = 1, **values: object) -> None:
        super().__init__(**values)
        self.retry_after = retry_after


class PasswordNotConfirmed(AuthError, Forbidden):
    """A wrong password of somebody who is signed in, or a password where it is not enough."""

    code = "not_confirmed"
    error_code = "NotConfirmed"
    message_template = "The password is not right."


class InvalidPasskey(AuthError, Forbidden):
    """Unknown, removed, replayed, or not proved by its owner: one answer for all."""

    code = "passkey_refused"
    error_code = "PasskeyRefused"
    message_template = "This passkey was not accepted; try again, or take another way."


class SessionRequired(AuthError, Unauthenticated):
    """Something that only a signed-in person can do."""

    error_code = "SessionRequired"
    message_template = "Sign in first."


TOO_MANY = "Too many tries; wait a while and try again."
"""The sentence of every `RateLimited` of this layer."""

_MESSAGES = {
    kind.error_code: kind.message_template
    for kind in (
        InvalidCredentials,
        SignUpClosed,
        InvalidEmail,
        InvalidName,
        EmailTaken,
        PasswordTooShort,
        PasswordTooLong,
        WeakPassword,
        InvalidCsrfToken,
        AccessDenied,
        AccountNotLinked,
        AccountTaken,
        EmailRequired,
        LastLoginMethod,
        StepUpRequired,
        InvalidToken,
        UnknownIdentityProvider,
        IdentityProviderUnavailable,
        OAuthCallbackFailed,
        InvalidTwoFactorCode,
        TwoFactorLocked,
        PasswordNotConfirmed,
        InvalidPasskey,
        SessionRequired,
    )
} | {
    "RateLimited": TOO_MANY,
    "Default": "That did not work; try again.",
}


def error_code_of(error: ChatError) -> str:
    """The `?error=` word of an error; `Default` (Auth.js's own) for one that has none."""
    if isinstance(error, AuthError):
        return error.error_code
    return "RateLimited" if isinstance(error, RateLimited) else "Default"


def known_error_code(text: str, otherwise: str = "") -> str:
    """A word that came from outside when the pages have a sentence for it.

    Args:
        text: What was said.
        otherwise: The answer when nothing was.
    """
    return text if text in _MESSAGES else "Default" if text else otherwise


def error_messages(settings: Settings) -> dict[str, str]:
    """What a page shows for each `?error=` word, with `Default` for every other."""
    return {
        error_code_of: message_template.format(
            min_length=settings.password_min_length, max_length=PASSWORD_MAX_LENGTH
        )
        for error_code_of, message_template in _MESSAGES.items()
    }
