import pytest

from chat_app.auth.devices import clean_user_agent, device_label

_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (f"Mozilla/5.0 (Windows NT 10.0) {_APPLE} Chrome/140.0 Safari/537.36", "Chrome on Windows"),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {_APPLE} Chrome/140 Edg/140",
            "Edge on Windows",
        ),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) {_APPLE} Safari/605", "Safari on macOS"),
        (f"Mozilla/5.0 (iPhone; CPU like Mac OS X) {_APPLE} Safari/604.1", "Safari on iPhone"),
        (f"Mozilla/5.0 (Linux; Android 14) {_APPLE} Chrome/140 Mobile", "Chrome on Android"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown device"),
        ("<script>", "Unknown device"),
    ],
)
def test_a_device_is_named_in_a_few_words(user_agent: str, name: str) -> None:
    assert device_label(user_agent) == name


def test_a_stored_user_agent_is_short_and_on_one_line() -> None:
    assert clean_user_agent("a\r\nb\x1b[31m\u00e9" + "c" * 300) == "ab[31m" + "c" * 194
