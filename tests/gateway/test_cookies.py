"""Cookies: names, attributes, parsing."""

from pathlib import Path

import pytest

from chat_app.gateway import cookies
from chat_app.settings import Settings
from testing.auth_services import settings_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


def test_over_https_a_cookie_is_secure_and_bound_to_its_host(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path, app_url="https://chat.example")
    name = cookies.session_name(settings)
    assert name == "__Host-chat_session"
    written = cookies.write(settings, name, "abc")
    assert written == "__Host-chat_session=abc; Path=/; HttpOnly; SameSite=Lax; Secure"


def test_over_http_a_cookie_is_not_secure_but_still_http_only(
    settings: Settings,
) -> None:
    written = cookies.write(settings, cookies.session_name(settings), "abc", max_age=60)
    assert written == "chat_session=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"


def test_a_cleared_cookie_expires_at_once(settings: Settings) -> None:
    assert cookies.clear(settings, "chat_session").startswith("chat_session=; ")
    assert cookies.clear(settings, "chat_session").endswith("Max-Age=0")


def test_the_token_is_found_among_other_cookies(settings: Settings) -> None:
    headers = [
        (b"accept", b"chat_session=no"),
        (b"Cookie", b"theme=dark; xchat_session=no;chat_session=a=b ; chat_session=second"),
    ]
    assert cookies.read(headers, cookies.session_name(settings)) == "a=b"


def test_without_the_cookie_there_is_no_token(settings: Settings) -> None:
    assert cookies.read([], "chat_session") is None
    assert (
        cookies.read([(b"cookie", b"chat_session; \xff=\xfe;;=")], cookies.session_name(settings))
        is None
    )


def test_the_secure_name_is_not_read_over_http(settings: Settings) -> None:
    assert (
        cookies.read([(b"cookie", b"__Host-chat_session=x")], cookies.session_name(settings))
        is None
    )


def test_every_cookie_but_the_session_is_passed_on(settings: Settings) -> None:
    headers = [(b"cookie", b"a=1; chat_session=x; b=2"), (b"cookie", b"chat_session=y")]
    assert cookies.without_session(cookies.parse(headers), settings) == "a=1; b=2"
    assert cookies.without_session((("chat_session", "x"),), settings) == ""
