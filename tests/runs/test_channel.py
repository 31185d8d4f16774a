"""The channel of an active run, and the memory of ended sessions."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.events import (
    Event,
    Finish,
    PartAdded,
    PartDelta,
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
    ToolCallDelta,
    Usage,
    fold,
    text_length,
)
from chat_app.core.parts import notice_part
from chat_app.core.text import utf16_length
from chat_app.runs.follow import Channel, EndEvent, PartEvent, RevokedCredentials, RunMetrics
from testing.event_strategies import answers, events

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


def channel_of(log: Sequence[Event]) -> Channel:
    channel = Channel()
    for seq, event in enumerate(log, 1):
        channel.put(seq, event)
    return channel


def lengths_of(read: Sequence[PartEvent]) -> dict[int, int]:
    """The length of each part that a reader has; it checks that every offset fits."""
    lengths: dict[int, int] = {}
    for event in read:
        if isinstance(event.event, PartDelta):
            assert event.offset == lengths.get(event.part, 0)
            lengths[event.part] = event.offset + utf16_length(event.event.text)
    return lengths


@given(st.lists(words), st.data())
def test_a_reader_from_any_index_gets_the_rest_as_one_event(texts: list[str], data: st.DataObject):
    channel = channel_of([TextDelta(text) for text in texts])
    after = data.draw(st.integers(0, len(texts)))
    read, index = channel.read(channel.index_after(after))
    assert index == len(texts)
    if after == len(texts):
        assert read == []
    else:
        seen = utf16_length("".join(texts[:after]))
        assert read == [PartEvent(len(texts), 0, seen, TextDelta("".join(texts[after:])))]
        assert channel.read(index) == ([], index)


def test_texts_are_joined_within_a_part_only():
    notice = PartAdded(notice_part("model_changed"))
    channel = channel_of(
        [
            notice,
            ReasoningDelta("h"),
            ReasoningDelta("m"),
            ReasoningEnd(1.5),
            ReasoningDelta("oh"),
            TextDelta("a"),
            ToolCallDelta("c", "n", "{"),
            ToolCallDelta("c", "n", "}"),
            TextDelta("b"),
            TextDelta("\N{GRINNING FACE}"),
            TextDelta("c"),
        ]
    )
    assert channel.read(0) == (
        [
            PartEvent(1, 0, 0, notice),
            PartEvent(3, 1, 0, ReasoningDelta("hm")),
            PartEvent(4, 1, 0, ReasoningEnd(1.5)),
            PartEvent(5, 2, 0, ReasoningDelta("oh")),
            PartEvent(6, 3, 0, TextDelta("a")),
            PartEvent(7, 4, 0, ToolCallDelta("c", "n", "{")),
            PartEvent(8, 4, 0, ToolCallDelta("c", "n", "}")),
            PartEvent(11, 5, 0, TextDelta("b\N{GRINNING FACE}c")),
        ],
        11,
    )
    assert channel.read(9) == ([PartEvent(11, 5, 1, TextDelta("\N{GRINNING FACE}c"))], 11)
    assert channel.length == 9


def test_usage_and_finish_are_kept_and_move_only_the_sequence():
    channel = channel_of([TextDelta("a"), Usage(1, 2), Finish("length")])
    assert channel.read(0) == ([PartEvent(1, 0, 0, TextDelta("a"))], 1)
    assert (channel.seq, channel.usage, channel.finish) == (3, Usage(1, 2), Finish("length"))


@given(answers() | st.lists(events), st.data())
def test_a_replay_from_any_point_agrees_with_the_whole(log: list[Event], data: st.DataObject):
    channel = channel_of(log)
    parts = fold(log).parts
    whole, _ = channel.read(0)
    assert fold(event.event for event in whole).parts == parts
    assert sum(lengths_of(whole).values()) == channel.length == text_length(parts)
    first, _ = channel_of(log[: data.draw(st.integers(0, len(log)))]).read(0)
    after = first[-1].seq if first else 0
    rest, _ = channel.read(channel.index_after(after))
    assert lengths_of([*first, *rest]) == lengths_of(whole)
    assert fold(event.event for event in [*first, *rest]).parts == parts


async def test_every_waiting_reader_is_woken_once_per_change():
    channel = Channel()
    readers = [asyncio.create_task(channel.changed()) for _ in range(3)]
    await asyncio.sleep(0)
    channel.put(1, TextDelta("a"))
    await asyncio.gather(*readers)
    late = asyncio.create_task(channel.changed())
    await asyncio.sleep(0)
    assert not late.done()
    channel.close(EndEvent(1, "complete", "stop", "", 1, RunMetrics("one")))
    await late


def test_the_memory_of_ended_sessions_is_bounded_and_keeps_the_newest():
    ended = RevokedCredentials(max_size=3)
    ids = [uuid4() for _ in range(5)]
    for one in ids:
        ended.add(one)
    assert [one in ended for one in ids] == [False, False, True, True, True]
