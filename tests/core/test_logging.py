"""What a line of the log holds, as text and as JSON, and what of others goes into it."""

import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from chat_app.core.logging import (
    JsonFormatter,
    TextFormatter,
    error_words,
    log_security_event,
    log_unexpected_error,
    request_id,
)


class Lines(logging.Handler):
    """Collects formatted lines."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    logger, handler = logging.getLogger("chat_app"), Lines(request.param())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(level)


as_text = pytest.mark.parametrize("lines", [TextFormatter], indirect=True)
as_json = pytest.mark.parametrize("lines", [JsonFormatter], indirect=True)


@as_text
def test_a_line_begins_with_the_time_and_its_zone(lines: list[str]) -> None:
    logging.getLogger("chat_app.any").warning("something %s", "happened")
    time, level, text = lines[0].split(" ", 2)
    assert (level, text) == ("WARNING", "something happened")
    parsed = datetime.fromisoformat(time)
    assert parsed.utcoffset() == datetime.now().astimezone().utcoffset()
    assert abs(datetime.now().astimezone() - parsed) < timedelta(hours=1)


@as_text
def test_no_text_forges_a_line(lines: list[str]) -> None:
    log = logging.getLogger("chat_app.any")
    log.info("one\r\n2026-01-01T00:00:00 ERROR \x1b[31mtwo\u2028")
    log.info("named", extra={"fields": {"path": '/a b="c"\n', "empty": ""}})
    assert all(line.isprintable() for line in lines)
    assert lines[1].endswith(r' named path="/a b=\"c\"\n" empty=""')


@as_json
def test_a_line_of_json_has_the_same_parts(lines: list[str]) -> None:
    token = request_id.set("abc-1")
    log_security_event("sign_in", user=UUID(int=1), method="password", provider="", client="::1")
    request_id.reset(token)
    error_id = log_unexpected_error(ValueError("a secret"), "a test")
    event, error = map(json.loads, lines)
    assert datetime.fromisoformat(event.pop("time")).tzinfo
    assert event == {
        "level": "info",
        "logger": "chat_app.security",
        "message": "security sign_in",
        "event": "sign_in",
        "user": str(UUID(int=1)),
        "method": "password",
        "client": "::1",
        "request_id": "abc-1",
    }
    assert "request_id" not in error
    assert error_id in error["message"]
    assert "a secret" not in lines[1]


@as_text
def test_a_security_event_is_one_line_that_can_be_searched(lines: list[str]) -> None:
    log_security_event("locked_out", error="RateLimited", client="203.0.113.9")
    pattern = r"INFO security locked_out event=locked_out error=RateLimited client=203\.0\.113\.9$"
    assert re.search(pattern, lines[0])


def test_the_words_of_another_server_are_one_line_without_secrets() -> None:
    said = "535 5.7.8\r\n2026-01-01 ERROR forged\x1b[31m for Chat with S3cret pass\n"
    assert error_words(said, "chat", "s3cret pass", "") == (
        "535 5.7.8 2026-01-01 ERROR forged [31m for … with …"
    )


def test_long_words_are_cut() -> None:
    assert error_words("x" * 10_000_000) == "x" * 300


def test_nothing_said_is_empty() -> None:
    assert error_words("") == error_words("\r\n\x1b") == ""
