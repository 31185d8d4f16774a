"""The `id`s of the stream: a client that reconnects at any event gets what follows, and no more."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import Any
from uuid import UUID

import pytest

from chat_app.api.wires.ai_sdk import Chunk, encoded
from chat_app.api.wires.ai_sdk_positions import Position, PositionTracker, position_of
from chat_app.api.wires.ai_sdk_tools import ClientVersion
from chat_app.core.events import (
    Event,
    PartAdded,
    ReasoningDelta,
    TextDelta,
    TextResumed,
    TextWasReasoning,
    ToolCallDelta,
    ToolResult,
    events_of,
    fold,
)
from chat_app.core.parts import notice_part
from chat_app.runs.follow import Channel, EndEvent, PartEvent, RunMetrics
from testing.event_sequences import ending, events, shown

RUN_ID, MESSAGE_ID, THREAD_ID = (UUID(int=number) for number in (10, 11, 12))
SEQUENCES = 1_000
END = EndEvent(0, "complete", "stop", "", 0, RunMetrics("alpha"))
NOTICE = PartAdded(notice_part("cut_off", model="One"))


@dataclass(frozen=True)
class Sent:
    """An event that an `EventSource` dispatches, and the last `id` when it does."""

    data: Any
    id: str


async def stream(
    answer: Sequence[PartEvent | EndEvent],
    *,
    version: ClientVersion = 6,
    after: Position | None = None,
) -> list[Sent]:
    """What an `EventSource` dispatches of an answer."""

    async def given() -> AsyncGenerator[PartEvent | EndEvent]:
        for event in answer:
            yield event

    ids: Any = {"run_id": RUN_ID, "message_id": MESSAGE_ID, "thread_id": THREAD_ID}
    pieces = encoded(given(), **ids, version=version, after=after)
    return dispatched(b"".join([piece async for piece in pieces]).decode())


def dispatched(body: str) -> list[Sent]:
    """The events of a body that have data."""
    sent, last_id = [], ""
    for block in body.removesuffix("\n\n").split("\n\n") if body else []:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        last_id = lines.get("id", last_id)
        if "data" in lines:
            data = lines["data"]
            sent.append(Sent(data if data == "[DONE]" else json.loads(data), last_id))
    return sent


def log_of(random: Random) -> list[Event]:
    """A random log, also one of an answer that was continued."""
    log = events(random)
    if random.random() < 0.5:
        return log
    for _ in range(random.randint(1, 2)):
        log.insert(random.randint(0, len(log)), TextResumed())
    return [event for event in log if not isinstance(event, TextWasReasoning)]


def live(log: Sequence[Event], random: Random | None = None) -> list[PartEvent]:
    """The events of a run that goes on: in pieces as they came, or all at once."""
    if random is not None:
        return shown(random, list(log))
    channel = Channel()
    for seq, event in enumerate(log, 1):
        channel.put(seq, event)
    return channel.read(0)[0]


def stored(log: Sequence[Event]) -> list[PartEvent]:
    """The events of a run that has ended: its log is dropped."""
    return [PartEvent(9, part, 0, event) for part, event in events_of(fold(log).parts)]


def joined(chunks: Sequence[Any]) -> list[Any]:
    """The chunks, with the deltas of a text that follow each other as one."""

    def key(chunk: Any) -> Any:
        is_delta = isinstance(chunk, dict) and "delta" in chunk
        return (chunk["type"], chunk["id"]) if is_delta else id(chunk)

    found = []
    for _, group in groupby(chunks, key):
        first, *more = group
        if more:
            first = {**first, "delta": "".join(chunk["delta"] for chunk in (first, *more))}
        found.append(first)
    return found


def content(chunks: Sequence[Any]) -> dict[str, Any]:
    """What the chunks say of each part, however they are ordered; checks that each is in place."""
    found: dict[str, Any] = {"whole": [], "end": []}
    open_ids, begun = set[str](), set[str]()
    for chunk in chunks:
        if chunk == "[DONE]":
            found["end"].append(chunk)
            continue
        kind, id_ = chunk["type"], chunk.get("id", chunk.get("toolCallId", ""))
        if kind in ("text-start", "reasoning-start", "tool-input-start"):
            is_resumed = id_.startswith("t") and "-" in id_
            assert id_ not in (open_ids if is_resumed else begun), f"{id_} begins twice"
            begun.add(id_)
            open_ids.add(id_)
        elif kind in ("text-delta", "reasoning-delta"):
            assert id_ in open_ids, f"{id_} is not open"
            part = id_.partition("-")[0]
            found[part] = found.get(part, "") + chunk["delta"]
        elif kind in ("text-end", "reasoning-end"):
            open_ids.remove(id_)
            part = id_.partition("-")[0]
            ours = {**chunk.get("providerMetadata", {}).get("chat-app", {})}
            if ours.pop("reasoning", False):  # it is stored as reasoning
                text, part = found.pop(part, ""), f"r{part[1:]}"
                found[part] = text
            found[f"{part}-end"] = ours
        elif kind == "tool-input-delta":
            found[id_] = found.get(id_, "") + chunk["inputTextDelta"]
        elif kind.startswith("tool-"):
            found.setdefault(f"{id_}-states", []).append(chunk)
        elif kind.startswith(("data-", "source-", "file")):
            found["whole"].append(chunk)
        else:
            found["end"].append(chunk)
    found["whole"].sort(key=lambda chunk: json.dumps(chunk, sort_keys=True))
    return {key: value for key, value in found.items() if value != ""}


@pytest.mark.parametrize("version", [5, 6, 7])
async def test_a_client_reconnects_at_any_event_of_an_answer_that_goes_on(version: ClientVersion):
    random = Random(4)
    for _ in range(SEQUENCES):
        log, end = log_of(random), ending(random)
        whole = await stream([*live(log, random), end], version=version)
        cut = random.randint(1, len(whole))
        position = position_of(whole[cut - 1].id)
        again = await stream([*live(log), end], version=version, after=position)
        got = [sent.data for sent in [*whole[:cut], *again]]
        if position and position.is_end:
            assert cut == len(whole)
            continue
        assert joined(got) == joined([sent.data for sent in whole]), (log, cut)
        assert again[-1].id == whole[-1].id


async def test_a_client_reconnects_at_any_event_after_the_answer_has_ended():
    random = Random(5)
    for _ in range(SEQUENCES):
        log, end = log_of(random), ending(random)
        whole = await stream([*live(log, random), end], version=7)
        for cut in {random.randint(1, len(whole) - 1) for _ in range(3)}:
            position = position_of(whole[cut - 1].id)
            again = await stream([*stored(log), end], version=7, after=position)
            got = content([sent.data for sent in [*whole[:cut], *again]])
            want = content([sent.data for sent in whole])
            if position and position.open and any(isinstance(one, TextResumed) for one in log):
                # in the stored events the resumed text comes first, and ends the open thought
                thought = f"r{position.open.part}-end"
                if got.get(thought) == {}:
                    want[thought] = {}
            assert got == want, (log, cut, whole[cut - 1].id)


async def test_a_client_reconnects_a_second_time():
    log = [TextDelta("one "), TextDelta("two \N{CAT}"), NOTICE, TextDelta("three")]
    whole = await stream([*live(log), END])
    got, position = list[Any](), None
    while position is None or not position.is_end:
        answer = stored(log) if len(got) % 2 else live(log)
        first = (await stream([*answer, END], after=position))[0]
        got.append(first.data)
        position = position_of(first.id)
    assert got == [sent.data for sent in whole]


async def test_a_text_that_was_cut_goes_on_in_the_middle_of_what_is_joined():
    first = await stream(live([TextDelta("\N{CAT}a")]))
    position = position_of(first[-1].id)
    log = [TextDelta("\N{CAT}a"), TextDelta("\N{DOG}"), TextDelta("b")]
    for answer in (live(log), stored(log)):
        again = await stream([*answer, END], after=position)
        assert again[0].data == {"type": "text-delta", "id": "t0", "delta": "\N{DOG}b"}


async def test_a_text_that_is_resumed_later_is_another_one():
    log = [TextDelta("Half of"), NOTICE, TextResumed(), TextDelta(" it"), NOTICE]
    whole = await stream([*live(log), END])
    for cut, sent in enumerate(whole[:-1], 1):
        for answer in (live(log), stored(log)):
            again = await stream([*answer, END], after=position_of(sent.id))
            data = [one.data for one in [*whole[:cut], *again]]
            assert content(data)["t0"] == "Half of it"


async def test_a_text_turns_out_to_be_reasoning_while_a_client_is_away():
    first = await stream(live([TextDelta("Hm")]))
    log = [TextDelta("Hm, so"), TextWasReasoning(1.5), TextDelta("Yes.")]
    for answer in (live(log), stored(log)):
        again = await stream([*answer, END], after=position_of(first[-1].id))
        assert [sent.data for sent in again][:2] == [
            {"type": "text-delta", "id": "t0", "delta": ", so"},
            {
                "type": "text-end",
                "id": "t0",
                "providerMetadata": {"chat-app": {"reasoning": True, "seconds": 1.5}},
            },
        ]


async def test_a_call_whose_arguments_were_cut_is_complete_at_its_result():
    begun = [ToolCallDelta("c", "sum", '{"a"'), TextDelta("x")]
    first = await stream(live(begun))
    log = [*begun, ToolCallDelta("c", "sum", ":1}"), ToolResult("c", 2), TextDelta("y")]
    for answer in (live(log), stored(log)):
        again = await stream([*answer, END], after=position_of(first[-1].id))
        chunks: list[Chunk] = [sent.data for sent in again]
        assert [chunk["type"] for chunk in chunks[:4]] == [
            *("tool-input-delta", "tool-input-available", "tool-output-available", "text-delta"),
        ]
        assert (chunks[1]["input"], chunks[3]["delta"]) == ({"a": 1}, "y")


async def test_a_client_whose_session_has_ended_has_not_seen_the_end():
    revoked = EndEvent(0, "revoked", "", "", 0, RunMetrics(""))
    first = await stream([*live([ReasoningDelta("Hm")]), revoked])
    position = position_of(first[-1].id)
    assert position is not None
    assert (position.is_end, position.ended) == (False, 0)


def test_an_id_that_would_be_too_long_for_a_header_is_not_sent():
    tracker, lines = PositionTracker(RUN_ID, None), list[bytes]()
    for part in range(1_000):
        tracker.add({"type": "tool-input-start"}, part)
        lines.append(tracker.id_line)
    ids = [line.decode().removeprefix("id: ").strip() for line in lines if line]
    assert None not in map(position_of, ids)
    assert lines[-1] == b"", "what many calls run at once in"
    end = position_of(tracker.end_line.decode().removeprefix("id: ").strip())
    assert end is not None
    assert end.is_end


@pytest.mark.parametrize(
    "said",
    [
        *(None, "", "5", "abc", "-1", "\N{CAT}", f"{RUN_ID}.2.1.0", f"{RUN_ID.hex}"),
        *(f"{RUN_ID.hex}.3.1.0", f"{RUN_ID.hex}.2.-1.0", f"{RUN_ID.hex}.2.1.0.", "." * 9_000),
        *(f"{RUN_ID.hex}.2.1.0.ot0", f"{RUN_ID.hex}.2.1.0.c0:1:4", f"{RUN_ID.hex.upper()}.2.1.0"),
        *(f"{RUN_ID.hex}.2.1.0.ot\N{ARABIC-INDIC DIGIT FIVE}:1", f" {RUN_ID.hex}.2.1.0"),
        f"{RUN_ID.hex}.2.1.0{'.xt0:1' * 1_000}",
    ],
)
def test_an_id_that_is_none_of_ours_is_no_position(said: str | None):
    assert position_of(said) is None


@pytest.mark.parametrize(
    "marks",
    [
        *(".ot0:1", ".ot7:99", ".or3:0", ".c0:5:0", ".c1:1:3", ".xt0:999", ".xr0:1", ""),
        *(".ot1:1.c0:0:2.xt2-4:1", ".ot0:1.ot1:1"),
    ],
)
async def test_a_position_that_no_stream_has_given_harms_nothing(marks: str):
    random = Random(6)
    for started, parts, ended in ((0, 0, "0"), (2, 1, "0"), (2, 99, "9"), (1, 3, "2")):
        position = position_of(f"{RUN_ID.hex}.{started}.{parts}.{ended}{marks}")
        assert position is not None
        for _ in range(20):
            log, end = log_of(random), ending(random)
            for answer in (live(log), stored(log)):
                sent = await stream([*answer, end], after=position)
                assert sent[-1].data == "[DONE]"
