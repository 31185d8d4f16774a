from chat_app.auth.errors import (
    AuthError,
    InvalidCredentials,
    PasswordTooShort,
    error_code_of,
    error_messages,
)
from chat_app.core.errors import NotFound, RateLimited
from chat_app.settings import Settings


def test_every_refusal_has_its_sentence_on_the_page(settings: Settings) -> None:
    shown = error_messages(settings)
    for kind in AuthError.__subclasses__():
        error = kind(min_length=settings.password_min_length, max_length=1024)
        assert shown[error_code_of(error)] == error.message


def test_limits_are_named_in_the_sentence(settings: Settings) -> None:
    assert "10 characters" in error_messages(settings)[PasswordTooShort.error_code]


def test_other_errors_have_a_word_with_a_sentence_too(settings: Settings) -> None:
    assert error_code_of(RateLimited("x", 1)) in error_messages(settings)
    assert error_code_of(NotFound()) == "Default"
    assert error_code_of(InvalidCredentials()) == "CredentialsSignin"
    assert error_messages(settings)["Default"]
