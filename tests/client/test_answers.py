"""Streams of the server, read by the client and cut anywhere: nothing is doubled, nothing lost."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from uuid import UUID, uuid4

import pytest

from chat_app.api.wires.ai_sdk import MessageStreamEncoder, encode
from chat_app.api.wires.sse import DONE
from chat_app.client import (
    AnswerEvent,
    ApiError,
    ErrorEvent,
    FinishEvent,
    NoticeEvent,
    ReasoningEvent,
    TextEvent,
    TextWasReasoningEvent,
    ToolApprovalEvent,
    ToolCallEvent,
    ToolResultEvent,
    WholePartEvent,
)
from chat_app.client.answers import AnswerReader
from chat_app.client.errors import CONNECTION_LOST, UNEXPECTED_RESPONSE, UNREACHABLE
from chat_app.client.operations import ApiRequest, regenerate, resume, send
from chat_app.client.sse import SseDecoder
from chat_app.core.events import (
    Event,
    PartAdded,
    ReasoningDelta,
    TextDelta,
    TextResumed,
    TextWasReasoning,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolCallEnd,
    events_of,
    fold,
)
from chat_app.core.parts import Part
from chat_app.runs.follow import EndEvent, PartEvent, RunMetrics
from testing.event_sequences import ending, events, shown

SEQUENCES = 300
WHOLE = ("file", "source", "data", "notice", "summary")
MESSAGE_ID, THREAD_ID, RUN_ID = uuid4(), uuid4(), uuid4()
HEADERS = {"x-resumable-stream-id": str(RUN_ID), "x-thread-id": str(THREAD_ID)}
STOPPED = EndEvent(0, "stopped", "user", "", 0, RunMetrics("alpha"))


def stream(log: Iterable[PartEvent], end: EndEvent) -> bytes:
    """What the server sends of an answer."""
    encoder = MessageStreamEncoder(MESSAGE_ID, THREAD_ID)
    chunks = [*encoder.start()]
    for event in log:
        chunks += encoder.event(event)
    return encode([*chunks, *encoder.end(end)]) + DONE


def stored(parts: Sequence[Part]) -> list[PartEvent]:
    """What a follower gets of an answer that has ended."""
    return [PartEvent(1, part, 0, event) for part, event in events_of(parts)]


def opened(request: ApiRequest[None] | None = None, waits: Sequence[float] = (0,)) -> AnswerReader:
    reader = AnswerReader(request or send("hi", None, None, None), waits)
    reader.opened(HEADERS)
    return reader


def pieces(random: Random, body: bytes) -> Iterable[bytes]:
    """The bytes as a network may deliver them."""
    while body:
        size = random.randint(1, 200)
        yield body[:size]
        body = body[size:]


def seen(found: Sequence[AnswerEvent]) -> tuple[dict[int, tuple[str, str]], list[AnswerEvent]]:
    """The kind and the text of each part, and the other events."""
    texts: dict[int, tuple[str, str]] = {}
    others: list[AnswerEvent] = []
    for event in found:
        if isinstance(event, TextEvent | ReasoningEvent):
            assert event.text
            kind, text = texts.get(event.part, (event.type, ""))
            assert kind == event.type
            texts[event.part] = kind, text + event.text
        elif isinstance(event, TextWasReasoningEvent):
            texts[event.part] = "reasoning", texts.get(event.part, ("", ""))[1]
        else:
            others.append(event)
    return texts, others


def test_a_stream_cut_anywhere_goes_on_without_doubling_or_losing() -> None:
    for seed in range(SEQUENCES):
        check_cut_stream(Random(seed))


def check_cut_stream(random: Random) -> None:
    log = events(random)
    parts, end = fold(log).parts, ending(random)
    reader, found = opened(), list[AnswerEvent]()
    for _ in range(random.randint(0, 3)):
        body = stream(shown(random, log), end)
        for piece in pieces(random, body[: random.randrange(len(body))]):
            found += reader.feed(piece)
        reader.opened(HEADERS)
    last = stored(parts) if random.random() < 0.5 else shown(random, log)
    for piece in pieces(random, stream(last, end)):
        found += reader.feed(piece)

    texts, others = seen(found)
    expected = {
        index: (part["type"], part["text"])
        for index, part in enumerate(parts)
        if (part["type"] == "text" or part["type"] == "reasoning") and part["text"]
    }
    assert {index: one for index, one in texts.items() if one[1]} == expected
    assert reader.text == "".join(text for kind, text in expected.values() if kind == "text")
    assert reader.reasoning == "".join(t for kind, t in expected.values() if kind == "reasoning")
    kinds = Counter(type(event) for event in others)
    uncut = opened().feed(stream(stored(parts), end))
    assert tools_of(found) == tools_of(uncut)
    states = [part["state"] for part in parts if part["type"] == "tool-call"]
    assert kinds[ToolCallEvent] == sum(state != "streaming" for state in states)
    whole = [index for index, part in enumerate(parts) if part["type"] in WHOLE]
    assert [one.part for one in others if isinstance(one, NoticeEvent | WholePartEvent)] == whole
    assert kinds[ErrorEvent] == (end.status in ("failed", "interrupted"))
    assert kinds[FinishEvent] == 1
    assert reader.finish == found[-1]


def tools_of(found: Iterable[AnswerEvent]) -> Counter[str]:
    """How often each event of a tool call comes; a value may be none that can be hashed."""
    tools = (ToolCallEvent, ToolApprovalEvent, ToolResultEvent)
    return Counter(repr(event) for event in found if isinstance(event, tools))


def followed(log: Sequence[Event]) -> list[PartEvent]:
    return shown(Random(0), list(log))


def test_a_text_that_goes_on_behind_a_notice_is_one_part() -> None:
    notice = PartAdded({"type": "notice", "code": "cut_off", "params": {}})
    log = [TextDelta("Half a "), notice, TextResumed(), TextDelta("sentence")]
    body = stream(followed(log), STOPPED)
    for cut in (body.index(b"sentence"), body.index(b"data-notice"), len(body)):
        for rest in (body, stream(stored(fold(log).parts), STOPPED)):
            reader = opened()
            found = reader.feed(body[:cut])
            reader.opened(HEADERS)
            found += reader.feed(rest)
            assert reader.text == "Half a sentence"
            assert {one.part for one in found if isinstance(one, TextEvent)} == {0}
            assert [event.type for event in found].count("notice") == 1


def test_reasoning_that_was_sent_as_text_is_said_once() -> None:
    log = [TextDelta("Let me think"), TextWasReasoning(1.0), TextDelta("Yes.")]
    body = stream(followed(log), STOPPED)
    for cut in range(len(body)):
        for rest in (body, stream(stored(fold(log).parts), STOPPED)):
            reader = opened()
            found = reader.feed(body[:cut])
            reader.opened(HEADERS)
            found += reader.feed(rest)
            assert (reader.reasoning, reader.text) == ("Let me think", "Yes.")
            is_text = any(event.type == "text" and event.part == 0 for event in found)
            told = [event.type for event in found].count("text-was-reasoning")
            assert told == is_text


def test_a_tool_call_that_its_user_does_not_allow() -> None:
    log = [
        ToolCallDelta("c1", "delete", '{"id": 7}'),
        ToolCallEnd("c1"),
        ToolApprovalRequest("c1", "a1"),
        ToolApprovalResponse("c1", False, ""),
    ]
    call, asked, denied, _ = opened().feed(stream(followed(log), STOPPED))
    assert call == ToolCallEvent("c1", "delete", {"id": 7})
    assert asked == ToolApprovalEvent("c1", "a1")
    assert denied == ToolResultEvent("c1", denied=True)


def test_the_servers_own_limit_has_its_own_reason() -> None:
    end = EndEvent(0, "complete", "size", "", 0, RunMetrics("alpha", total_seconds=2.0))
    reader = opened()
    reader.feed(stream([], end))
    assert reader.finish is not None
    assert reader.finish.reason == "size"
    assert reader.finish.metadata.model == "alpha"
    assert reader.finish.metadata.timings is not None
    assert reader.finish.metadata.timings.total_ms == 2000


def test_chunks_of_a_later_server_are_passed_over() -> None:
    reader = opened()
    body = stream(followed([ReasoningDelta("a"), TextDelta("b")]), STOPPED)
    later = encode([{"type": "audio-delta", "id": "a0", "delta": {"x": 1}}])
    found = reader.feed(
        body.replace(b'data: {"type":"text-start"', later + b'data: {"type":"text-start"')
    )
    assert [event.type for event in found] == ["reasoning", "text", "finish"]


@pytest.mark.parametrize(
    "sent",
    ["{", "[]", "null", "{}", '{"type":"text-delta","id":"t7","delta":"x"}', '{"type":"start"}'],
)
def test_what_is_no_event_is_an_error_of_one_sentence(sent: str) -> None:
    with pytest.raises(ApiError) as raised:
        opened().feed(f"data: {sent}\n\n".encode())
    assert raised.value.code == UNEXPECTED_RESPONSE
    assert raised.value.message.endswith(".")


def test_events_are_decoded_from_any_pieces() -> None:
    text = "a\u2028b\x85c\u000bd עברית 😀"
    body = f"id: 7\r\n\r\n: keepalive\n\ndata: {json.dumps(text, ensure_ascii=False)}\r\n\r\n"
    body = (body + "event: x\ndata:1\ndata: 2\n\ndata: lost").encode()
    for size in (1, 2, 3, 7, len(body)):
        decoder = SseDecoder()
        found = [
            data for at in range(0, len(body), size) for data in decoder.feed(body[at : at + size])
        ]
        assert [json.loads(found[0]), *found[1:]] == [text, "1\n2"]


def lost() -> ApiError:
    return ApiError("Lost.", code=CONNECTION_LOST)


def test_only_what_the_server_takes_once_is_sent_twice() -> None:
    for request, goes_on in (
        (send("hi", None, None, None), True),
        (regenerate("x", None, None), False),
    ):
        reader = AnswerReader(request, (1, 2))
        assert reader.next_request() is request
        assert reader.wait_after(ApiError("Down.", code=UNREACHABLE)) == 1
        if goes_on:
            assert reader.wait_after(lost()) == 2
        else:
            with pytest.raises(ApiError, match=r"Lost\."):
                reader.wait_after(lost())
        refused = ApiError("Busy.", code="busy", status=503)
        with pytest.raises(ApiError, match=r"Busy\."):
            AnswerReader(request, (1, 2)).wait_after(refused)


def test_an_open_stream_is_resumed_as_often_as_it_brings_something_new() -> None:
    reader = opened(regenerate("x", None, None), (1, 2))
    assert reader.next_request().path == resume(RUN_ID).path
    body = stream(followed([TextDelta("one"), TextDelta("two")]), STOPPED)
    assert [reader.wait_after(lost()), reader.wait_after(lost())] == [1, 2]
    with pytest.raises(ApiError, match=r"Lost\."):
        reader.wait_after(lost())
    reader.feed(body[: body.index(b"text-end")])
    assert reader.wait_after(ApiError("Gone.", code="unavailable", status=503)) == 1
    for status in (401, 403, 404, 500):
        with pytest.raises(ApiError, match=r"No\."):
            reader.wait_after(ApiError("No.", code="no", status=status))


def test_the_ids_of_a_stream_are_those_of_its_headers() -> None:
    reader = opened()
    reader.feed(stream([], STOPPED))
    ids = (reader.stream_id, reader.thread_id, reader.message_id)
    assert ids == (RUN_ID, THREAD_ID, MESSAGE_ID)
    assert all(isinstance(one, UUID) for one in ids)
