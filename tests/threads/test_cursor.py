"""Cursors: pure."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.errors import InvalidInput
from chat_app.threads.queries import decode_cursor, encode_cursor


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.uuids())
def test_a_cursor_round_trips(time: datetime, thread_id: UUID):
    time = time.replace(tzinfo=UTC)
    assert decode_cursor(encode_cursor(time, thread_id)) == (time, thread_id)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "a" * 10_000,
        "====",
        "\0",
        base64.urlsafe_b64encode(b"1.2").decode(),
        base64.urlsafe_b64encode(b"x." + b"a" * 32).decode(),
        base64.urlsafe_b64encode(b"1." + b"g" * 32).decode(),
        base64.urlsafe_b64encode(b"9" * 40 + b"." + b"a" * 32).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_a_malformed_cursor_is_refused(cursor: str):
    with pytest.raises(InvalidInput):
        decode_cursor(cursor)


@given(st.text())
def test_no_text_crashes_the_cursor_decoder(cursor: str):
    try:
        decode_cursor(cursor)
    except InvalidInput:
        return
