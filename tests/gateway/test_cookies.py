"""Cookies: names, attributes, parsing."""

from pathlib import Path

import pytest

from chat_app.gateway import cookies
from chat_app.gateway.paths import RouteKind
from chat_app.settings import Settings
from testing.auth_services import settings_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


def session_in(settings: Settings, *headers: tuple[bytes, bytes]) -> str | None:
    return cookies.first(cookies.parse(headers), settings, cookies.SESSION)


def test_over_https_a_cookie_is_secure_and_bound_to_its_host(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path, app_url="https://chat.example")
    assert cookies.full_name(settings, cookies.SESSION) == "__Host-chat_session"
    written = cookies.write(settings, cookies.SESSION, "abc")
    assert written == "__Host-chat_session=abc; Path=/; HttpOnly; SameSite=Lax; Secure"


def test_over_http_a_cookie_is_not_secure_but_still_http_only(
    settings: Settings,
) -> None:
    written = cookies.write(settings, cookies.SESSION, "abc", max_age=60)
    assert written == "chat_session=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"


def test_a_cleared_cookie_expires_at_once(settings: Settings) -> None:
    cleared = cookies.write(settings, cookies.SESSION, "", max_age=0)
    assert cleared.startswith("chat_session=; ")
    assert cleared.endswith("Max-Age=0")


def test_the_token_is_found_among_other_cookies(settings: Settings) -> None:
    headers = [
        (b"accept", b"chat_session=no"),
        (b"Cookie", b"theme=dark; xchat_session=no;chat_session=a=b ; chat_session=second"),
    ]
    assert session_in(settings, *headers) == "a=b"


def test_without_the_cookie_there_is_no_token(settings: Settings) -> None:
    assert session_in(settings) is None
    assert session_in(settings, (b"cookie", b"chat_session; \xff=\xfe;;=")) is None


def test_the_secure_name_is_not_read_over_http(settings: Settings) -> None:
    assert session_in(settings, (b"cookie", b"__Host-chat_session=x")) is None


def test_a_route_receives_no_session_and_no_more_cookies_than_it_uses(settings: Settings) -> None:
    headers = [(b"cookie", b"a=1; chat_session=x; chat_known=k"), (b"cookie", b"chat_session=y")]
    pairs = cookies.parse(headers)
    passed = {kind: cookies.passed_on(kind, pairs, settings) for kind in RouteKind}
    assert passed.pop(RouteKind.AUTH) == "a=1; chat_known=k"
    assert passed.pop(RouteKind.API) == "chat_known=k"
    assert set(passed.values()) == {""}
    assert cookies.passed_on(RouteKind.AUTH, (("chat_session", "x"),), settings) == ""
