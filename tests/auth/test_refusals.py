from chat_app.auth.refusals import (
    PasswordTooShort,
    Refusal,
    WrongCredentials,
    sentences,
    word,
)
from chat_app.errors import NotFound, RateLimited
from chat_app.settings import Settings


def test_every_refusal_has_its_sentence_on_the_page(settings: Settings) -> None:
    shown = sentences(settings)
    for kind in Refusal.__subclasses__():
        error = kind(min_length=settings.password_min_length, max_length=1024)
        assert shown[word(error)] == error.sentence


def test_limits_are_named_in_the_sentence(settings: Settings) -> None:
    assert "10 characters" in sentences(settings)[PasswordTooShort.word]


def test_other_errors_have_a_word_with_a_sentence_too(settings: Settings) -> None:
    assert word(RateLimited("x", 1)) in sentences(settings)
    assert word(NotFound()) == "Default"
    assert word(WrongCredentials()) == "CredentialsSignin"
    assert sentences(settings)["Default"]
