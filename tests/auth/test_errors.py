import pytest

from chat_app.auth.errors import (
    AuthError,
    InvalidCredentials,
    PasswordTooShort,
    SignInPaused,
    TooManyAttempts,
    TwoFactorLocked,
    error_code_of,
    error_messages,
)
from chat_app.core.errors import NotFound, RateLimited
from chat_app.settings import Settings


def test_every_refusal_has_its_sentence_on_the_page(settings: Settings) -> None:
    shown = error_messages(settings.password_min_length)
    for kind in AuthError.__subclasses__():
        values = {"min_length": settings.password_min_length, "max_length": 1024, "when": "later"}
        error = kind(**values)
        assert shown[error_code_of(error)] == error.message


def test_limits_are_named_in_the_sentence(settings: Settings) -> None:
    assert (
        "10 characters" in error_messages(settings.password_min_length)[PasswordTooShort.error_code]
    )


def test_other_errors_have_a_word_with_a_sentence_too(settings: Settings) -> None:
    assert error_code_of(RateLimited("x", 1)) in error_messages(settings.password_min_length)
    assert error_code_of(NotFound()) == "Default"
    assert error_code_of(InvalidCredentials()) == "CredentialsSignin"
    assert error_messages(settings.password_min_length)["Default"]


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [
        (1, "in 1 second"),
        (30, "in 30 seconds"),
        (91, "in 2 minutes"),
        (900, "in 15 minutes"),
        (3600, "in 60 minutes"),
        (6000, "in 2 hours"),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(seconds: int, wait: str) -> None:
    assert TooManyAttempts(seconds).message == f"Too many attempts. Try again {wait}."
    assert SignInPaused(seconds).message.endswith(f" another way, or try again {wait}.")
    assert TwoFactorLocked(seconds).message == f"Too many incorrect codes. Try again {wait}."
