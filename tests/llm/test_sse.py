import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.llm.sse import SSEParser, SSETooLarge, SSEvent

PLAIN = st.text(st.characters(exclude_characters="\r\n{[", exclude_categories=["Cs"]), max_size=12)
NOISE = st.sampled_from([": ping", ":", "event: message", "id: 7", "retry: 10", "unknown"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A stream as a server may write it, and the payloads it holds."""
    raw, payloads, end = "", [], draw(ENDS)
    for lines in draw(st.lists(st.lists(PLAIN, min_size=1, max_size=3), max_size=5)):
        for line in lines:
            for noise in draw(st.lists(NOISE, max_size=2)):
                raw += noise + end
            raw += "data: " + line + end
        raw += end
        payloads.append("\n".join(lines))
    return raw.encode(), payloads


def decoded(payload: str) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[start:end] for start, end in pairwise(edges)]


@given(streams(), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_chunking_gives_the_same_events(
    stream: tuple[bytes, list[str]], places: list[int]
) -> None:
    raw, payloads = stream
    lines = SSEParser()
    events = [event for chunk in cut(raw, places) for event in lines.feed(chunk)]
    assert [event.data for event in events] == [decoded(payload) for payload in payloads]
    assert lines.end() == []


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=20))
def test_any_bytes_are_taken_and_chunking_never_matters(raw: bytes, places: list[int]) -> None:
    whole, pieces = SSEParser(), SSEParser()
    at_once = whole.feed(raw)
    assert [payload for chunk in cut(raw, places) for payload in pieces.feed(chunk)] == at_once
    assert pieces.end() == whole.end()


def test_lines_of_one_event_are_joined_and_one_space_is_dropped() -> None:
    assert SSEParser().feed(b"data:  a\ndata:b\ndata\ndata: \n\n") == [SSEvent(" a\nb\n\n")]


def test_an_event_cut_off_by_the_end_is_given_by_end() -> None:
    lines = SSEParser()
    assert lines.feed(b"data: a\n\ndata: [DO") == [SSEvent("a")]
    assert lines.feed(b"NE]") == []
    assert lines.end() == [SSEvent("[DONE]")]
    assert lines.end() == []


def test_a_byte_order_mark_is_dropped() -> None:
    assert SSEParser().feed(b"\xef\xbb\xbfdata: a\n\n") == [SSEvent("a")]


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        pytest.param(
            b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n',
            [SSEvent({"a": 1}), SSEvent({"b": 2}), SSEvent("[DONE]")],
            id="one newline between events",
        ),
        pytest.param(
            b'data: ping\ndata: {"a": 1}\n', [SSEvent("ping"), SSEvent({"a": 1})], id="a word first"
        ),
        pytest.param(
            b'data: {"a":\ndata:  {"b": "}"}\ndata: }\n\n',
            [SSEvent({"a": {"b": "}"}})],
            id="JSON over several data lines",
        ),
        pytest.param(b'data: {"a": {}\ndata: }\n\n', [SSEvent({"a": {}})], id="a brace at the end"),
        pytest.param(
            b'{"a": 1}\n{"b": 2}\n', [SSEvent({"a": 1}), SSEvent({"b": 2})], id="JSON lines"
        ),
        pytest.param(b'{\n  "a": {\n  }\n}\n', [SSEvent({"a": {}})], id="a printed JSON body"),
        pytest.param(
            b'{\n"a": 1\n}\n' * 9, [SSEvent({"a": 1})] * 9, id="many printed JSON objects"
        ),
        pytest.param(
            b'{\n"a":\n}\n}\n}\n}\ndata: ping\n\n{\n"a": 1\n}\n',
            [SSEvent('{\n"a":\n}\n}\n}\n}'), SSEvent("ping"), SSEvent({"a": 1})],
            id="a printed JSON object after broken JSON",
        ),
        pytest.param(b"event: ping\ndata: {}\n\n", [SSEvent({}, "ping")], id="a named event"),
        pytest.param(
            b'error: {"code": 500}\n\n', [SSEvent({"code": 500}, "error")], id="an error field"
        ),
        pytest.param(
            b'data: {"code": 1}\nevent: error\n\n',
            [SSEvent({"code": 1}), SSEvent("", "error")],
            id="the name after the data",
        ),
        pytest.param(b'data: data: {"a": 1}\n\n', [SSEvent({"a": 1})], id="a field twice"),
    ],
)
def test_events_are_read_however_they_are_written(raw: bytes, events: list[SSEvent]) -> None:
    assert SSEParser().feed(raw) == events
    pieces = SSEParser()
    assert [event for byte in raw for event in pieces.feed(bytes([byte]))] == events


def test_a_json_body_without_a_newline_is_given_by_end() -> None:
    lines = SSEParser()
    assert lines.feed(b'{"a":') == lines.feed(b" 1}") == []
    assert lines.end() == [SSEvent({"a": 1})]


def test_a_long_json_body_costs_its_length_not_its_square() -> None:
    lines = SSEParser(max_bytes=1 << 20)
    raw = b"[\n" + b"{\n}\n,\n" * 140_000
    assert lines.feed(raw) == []
    (cut_off,) = lines.end()
    assert isinstance(cut_off.data, str)


def test_many_events_with_one_newline_are_not_one_large_one() -> None:
    lines = SSEParser(max_bytes=100)
    assert len([event for _ in range(50) for event in lines.feed(b'data: {"a": 1}\n')]) == 50


@pytest.mark.parametrize("chunk", [b"x" * 10, b"data: abc\n"])
def test_an_event_without_end_is_refused(chunk: bytes) -> None:
    lines = SSEParser(max_bytes=100)
    taken = [lines.feed(chunk) for _ in range(100 // len(chunk))]
    assert taken == [[]] * len(taken)
    with pytest.raises(SSETooLarge):
        lines.feed(chunk)


def test_many_small_events_are_not_one_large_one() -> None:
    lines = SSEParser(max_bytes=100)
    assert (
        len([payload for _ in range(50) for payload in lines.feed(b": ping\n\ndata: a\n\n")]) == 50
    )


def test_comments_for_ever_are_not_one_large_event() -> None:
    lines = SSEParser(max_bytes=100)
    assert [lines.feed(b": processing\n") for _ in range(50)] == [[]] * 50
