from pathlib import Path

import pytest

from chat_app.api.responses import safe_callback_url
from chat_app.settings import Settings
from testing.auth_services import settings_of

HOME = "https://app.com"
OTHER = "https://chat.app.com:8443"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path, app_url=HOME, app_origins=(OTHER,))


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("/", HOME + "/"),
        ("/c/42", HOME + "/c/42"),
        ("/c/42?q=a%0Ab&next=//x#end", HOME + "/c/42?q=a%0Ab&next=//x#end"),
        ("/c/%C3%A9", HOME + "/c/%C3%A9"),
        ("/a//b", HOME + "/a//b"),
        (HOME, HOME + "/"),
        (HOME + "/c/42?x=1", HOME + "/c/42?x=1"),
        (HOME + "?x=1", HOME + "/?x=1"),
        ("HTTPS://APP.com/Case", HOME + "/Case"),
        (OTHER + "/c/42", OTHER + "/c/42"),
    ],
)
def test_a_page_of_ours_is_where_one_goes(settings: Settings, asked: str, target: str) -> None:
    assert safe_callback_url(asked, settings) == target


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "",
        "c/42",
        "?x",
        "#x",
        "//x",
        "///x",
        "//app.com",
        "/\\x",
        "\\\\x",
        "/\\/x",
        "\\/x",
        "/\t/x",
        "/\n/x",
        "\t//x",
        " /c/42",
        "/c/42 ",
        "/c/\x0042",
        "/c/\x7f",
        "/c/\u00e9",
        "/\u2215x",
        "\uff0f\uff0fx",
        "/%2Fx",
        "/%2f%2fx",
        "/%5Cx",
        "/%5c/x",
        "/%255Cx",
        "/%252Fx",
        "/%09/x",
        "/%0d%0aSet-Cookie:x=1",
        "/c/%00",
        "https://app.com.evil",
        "https://app.com.evil/",
        "https://evil.app.com/",
        "https://evil.com/https://app.com",
        "https://app.com@evil.com/",
        "https://app.com:pw@evil.com/",
        "https://user@app.com/",
        "https://app.com./",
        "https://app.com:8443/",
        "https://app.com:443/",
        "https://chat.app.com/",
        "https://app.com%2eevil/",
        "https://app.com\\@evil.com/",
        "https://app.com%5c.evil/",
        "https:app.com/",
        "https:/app.com/",
        "https:///app.com/",
        "https://app.com//evil.com",
        "https://app.com/%2fevil.com",
        "http://app.com/",
        "ftp://app.com/",
        "javascript:alert(1)",
        "data:text/html,x",
        "java\nscript:alert(1)",
        "https://[::1/",
        "https://[app.com]/",
        "https://\u0430pp.com/",
        "/" + "a" * 2_048,
    ],
)
def test_anywhere_else_collapses_to_home(settings: Settings, asked: str | None) -> None:
    assert safe_callback_url(asked, settings) == HOME + "/"


def test_a_path_is_taken_on_the_page_that_asked(settings: Settings) -> None:
    assert safe_callback_url("/c/42", settings, base=OTHER) == OTHER + "/c/42"
    assert safe_callback_url("//x", settings, base=OTHER, default="/signin") == OTHER + "/signin"
