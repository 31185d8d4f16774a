"""What goes into the log of what others say."""

from chat_app.core.logging import error_words


def test_the_words_of_another_server_are_one_line_without_secrets() -> None:
    said = "535 5.7.8\r\n2026-01-01 ERROR forged\x1b[31m for Chat with S3cret pass\n"
    assert error_words(said, "chat", "s3cret pass", "") == (
        "535 5.7.8 2026-01-01 ERROR forged [31m for … with …"
    )


def test_long_words_are_cut() -> None:
    assert error_words("x" * 10_000_000) == "x" * 300


def test_nothing_said_is_empty() -> None:
    assert error_words("") == error_words("\r\n\x1b") == ""
