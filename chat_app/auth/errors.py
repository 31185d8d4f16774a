"""The errors of sign-in, sign-up and account changes: types, messages and `?error=` codes.

Auth.js's codes are used where it has one. A page looks a code up in `error_messages`, so that no
text of a URL is ever shown.
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
    wait_phrase,
)

PASSWORD_MAX_LENGTH = 1024
"""Characters; bounds the work of one hash."""


class AuthError(ChatError):
    """An error that a sign-in page can show.

    Its `?error=` code is the name of its class, unless `error_code` says otherwise.

    Args:
        values: The parameters of `message_template`.
    """

    error_code: ClassVar[str]
    message_template: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.error_code = vars(cls).get("error_code", cls.__name__)

    def __init__(self, **values: object) -> None:
        ChatError.__init__(self, self.message_template.format(**values))


class InvalidCredentials(AuthError, Unauthenticated):
    """Unknown email, wrong password or disabled user; the response is the same for all three."""

    error_code = "CredentialsSignin"
    message_template = "Incorrect email or password."


class SignUpClosed(AuthError, Forbidden):
    """Only the operator creates accounts here."""

    code = "sign_up_closed"
    message_template = "Sign-up is closed. Ask your administrator for an account."


class SignUpRefused(AuthError, Forbidden):
    """Others may create an account here: with an email of some domains, or who is invited."""

    code = "sign_up_refused"
    message_template = (
        "No account can be created here with this email. Ask your administrator to invite you."
    )


class InvalidEmail(AuthError, InvalidInput):
    """Not exactly one plain email address."""

    code = "invalid_email"
    message_template = "Enter a valid email address, such as you@example.org."


class InvalidName(AuthError, InvalidInput):
    """A display name that is too long or has control characters."""

    code = "invalid_name"
    message_template = "A name can have at most 100 characters, and no control characters."


class EmailTaken(AuthError, Conflict):
    """The email has an account. Shown only where no email can be sent instead."""

    code = "email_taken"
    message_template = "An account with this email already exists. Sign in instead."


class NewEmailTaken(AuthError, Conflict):
    """The email that a user changes to has an account by now; shown to who can read its mailbox."""

    code = "email_taken"
    message_template = "Another account has this email by now, so yours has not changed."


class PasswordTooShort(AuthError, InvalidInput):
    """Below the operator's minimum."""

    code = "password_too_short"
    message_template = "Use at least {min_length} characters for the password."


class PasswordTooLong(AuthError, InvalidInput):
    """Above `PASSWORD_MAX_LENGTH`."""

    code = "password_too_long"
    message_template = "Use at most {max_length} characters for the password."


class WeakPassword(AuthError, InvalidInput):
    """Guessable, by zxcvbn's estimate."""

    code = "weak_password"
    message_template = "This password is easy to guess. Use a longer or less common one."


class InvalidCsrfToken(AuthError, Forbidden):
    """A CSRF token that does not belong to this browser."""

    code = "csrf"
    error_code = "MissingCSRF"
    message_template = "This form has expired. Try again."


class AccessDenied(AuthError, Forbidden):
    """Disabled, not on an allow-list, or refused by the operator's hook; one response for all."""

    code = "access_denied"
    message_template = "This account can't sign in here."


class AccountNotLinked(AuthError, Conflict):
    """The email has another account; accounts are never linked by email."""

    code = "account_not_linked"
    error_code = "OAuthAccountNotLinked"
    message_template = (
        "An account with this email already exists. Sign in the way you did before, then connect "
        "this account in the settings."
    )


class AccountTaken(AuthError, Conflict):
    """The identity is linked to another user."""

    code = "account_taken"
    message_template = "That account is already connected to another user."


class EmailRequired(AuthError, Forbidden):
    """The identity provider returned no usable email."""

    code = "email_required"
    message_template = "That account has no email address that can be used here."


class LastLoginMethod(AuthError, Conflict):
    """Removing it would lock the user out."""

    code = "last_way_in"
    error_code = "LastWayIn"
    message_template = "This is the only way to sign in to your account. Add another one first."


class StepUpRequired(AuthError, Forbidden):
    """The session is not fresh enough for a sensitive change."""

    code = "step_up_required"
    message_template = "Confirm that it's you first."


class InvalidToken(AuthError, Forbidden):
    """Used, expired, for another purpose or unknown; one response for all."""

    code = "invalid_token"
    error_code = "Verification"
    message_template = "This link has expired or was already used. Start again."


class UnknownIdentityProvider(AuthError, NotFound):
    """No identity provider of that name is configured."""

    code = "provider_unknown"
    error_code = "Configuration"
    message_template = "This sign-in method is not set up here."


class IdentityProviderUnavailable(AuthError, Conflict):
    """The identity provider can't be reached, or its metadata can't be used."""

    code = "provider_unavailable"
    error_code = "OAuthSignin"
    message_template = (
        "The sign-in service can't be reached. Try again soon, or sign in another way."
    )


class OAuthCallbackFailed(AuthError, Conflict):
    """A callback that verifies no identity; one response for every cause."""

    code = "provider_refused"
    error_code = "OAuthCallback"
    message_template = "Signing in with that service failed or took too long. Start again."


class InvalidTwoFactorCode(AuthError, Forbidden):
    """Neither the current TOTP code nor an unused backup code."""

    code = "second_factor_wrong"
    error_code = "SecondFactorWrong"
    message_template = "Incorrect code, or it was already used."


class TooManyAttempts(AuthError, RateLimited):
    """A rate limit of sign-in, sign-up or email was reached.

    Args:
        retry_after: Seconds until another attempt can succeed.
    """

    error_code = "RateLimited"
    message_template = "Too many attempts. Try again {when}."

    def __init__(self, retry_after: int = 60, **values: object) -> None:
        super().__init__(**{"when": wait_phrase(retry_after)} | values)
        self.retry_after = retry_after


class SignInPaused(TooManyAttempts):
    """Too many failures of unknown browsers with one email; other login methods still work."""

    code = "sign_in_paused"
    error_code = "SignInPaused"
    message_template = (
        "Too many failed sign-ins with this email. Sign in another way, or try again {when}."
    )


class TwoFactorLocked(TooManyAttempts):
    """Too many incorrect codes; the next one is not checked until the lock ends."""

    code = "second_factor_locked"
    error_code = "SecondFactorLocked"
    message_template = "Too many incorrect codes. Try again {when}."


class PasswordNotConfirmed(AuthError, Forbidden):
    """A signed-in user's password is wrong, or a password is not enough."""

    code = "not_confirmed"
    error_code = "NotConfirmed"
    message_template = "Incorrect password."


class InvalidPasskey(AuthError, Forbidden):
    """Unknown, removed, replayed or not verified; one response for all."""

    code = "passkey_refused"
    error_code = "PasskeyRefused"
    message_template = "This passkey was not accepted. Try again, or sign in another way."


class SessionRequired(AuthError, Unauthenticated):
    """An action that needs a signed-in user."""

    message_template = "Sign in first."


FAILURES: tuple[type[AuthError], ...] = (
    InvalidCredentials,
    InvalidTwoFactorCode,
    InvalidPasskey,
    InvalidToken,
    InvalidCsrfToken,
    PasswordNotConfirmed,
    OAuthCallbackFailed,
    AccountNotLinked,
    AccessDenied,
)
"""The errors of an authentication that failed, for the log."""

_MESSAGES = {
    kind.error_code: kind.message_template
    for kind in (*AuthError.__subclasses__(), *TooManyAttempts.__subclasses__())
} | {"Default": "Something went wrong. Try again."}


def error_code_of(error: ChatError) -> str:
    """The `?error=` code of an error; `Default` (Auth.js's own) for one that has none."""
    if isinstance(error, AuthError):
        return error.error_code
    return TooManyAttempts.error_code if isinstance(error, RateLimited) else "Default"


def known_error_code(code: str, otherwise: str = "") -> str:
    """An untrusted code if there is a message for it, else `Default`.

    Args:
        code: From a request.
        otherwise: Returned when `code` is empty.
    """
    return code if code in _MESSAGES else "Default" if code else otherwise


def error_messages(password_min_length: int) -> dict[str, str]:
    """What a page shows for each `?error=` code. `Default` is for every unknown one."""
    values = {
        "min_length": password_min_length,
        "max_length": PASSWORD_MAX_LENGTH,
        "when": "later",  # a code in a URL does not say for how long
    }
    return {code: template.format(**values) for code, template in _MESSAGES.items()}
