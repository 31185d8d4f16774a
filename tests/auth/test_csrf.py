from pathlib import Path

import pytest

from chat_app.api import forms
from chat_app.settings import Settings
from testing.auth_services import settings_of


def test_the_token_of_a_browsers_own_cookie_is_right(settings: Settings) -> None:
    kept = forms.make_csrf_token(settings)
    token = forms.csrf_token_of(settings, kept)
    assert token is not None
    assert forms.is_csrf_token_valid(settings, kept, token)


def test_every_browser_has_its_own_token(settings: Settings) -> None:
    mine, theirs = forms.make_csrf_token(settings), forms.make_csrf_token(settings)
    token = forms.csrf_token_of(settings, theirs)
    assert token is not None
    assert not forms.is_csrf_token_valid(settings, mine, token)


@pytest.mark.parametrize(
    "kept", [None, "", ".", "abc", "abc.", "abc.def", "abc.\u00e9", "\u00e9.x"]
)
def test_a_cookie_that_was_not_signed_here_has_no_token(
    settings: Settings, kept: str | None
) -> None:
    assert forms.csrf_token_of(settings, kept) is None
    assert not forms.is_csrf_token_valid(settings, kept, "abc")


def test_a_cookie_signed_with_another_secret_has_no_token(
    settings: Settings, tmp_path: Path
) -> None:
    other = settings_of(tmp_path, auth_secret="50f68a3b-another-key-of-tests-2d7e14c9")
    assert forms.csrf_token_of(settings, forms.make_csrf_token(other)) is None


@pytest.mark.parametrize("sent", ["", "\u00e9", "\ud800"])
def test_whatever_is_sent_instead_of_the_token_is_wrong(settings: Settings, sent: str) -> None:
    assert not forms.is_csrf_token_valid(settings, forms.make_csrf_token(settings), sent)
