"""The fold and the channel: pure."""

import asyncio
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.parts import fold, utf16_length
from chat_app.runs.follow import Channel, EndEvent, RevokedSessions, TextEvent

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


def test_neighbouring_entries_of_a_kind_become_one_part():
    entries = [("reasoning", "hm"), ("reasoning", "m"), ("text", "Hel"), ("text", "lo")]
    assert fold(entries) == [
        {"type": "reasoning", "text": "hmm"},
        {"type": "text", "text": "Hello"},
    ]


def test_an_empty_log_folds_to_no_parts():
    assert fold([]) == []
    assert fold([("text", "")]) == []


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_length_is_what_a_browser_counts(text: str):
    assert utf16_length(text) == sum(2 if ord(c) > 0xFFFF else 1 for c in text)


@given(st.lists(words), st.data())
def test_a_reader_from_any_index_gets_the_rest_as_one_event(texts: list[str], data: st.DataObject):
    channel = Channel()
    for seq, text in enumerate(texts, 1):
        channel.put(seq, text)
    after = data.draw(st.integers(0, len(texts)))
    event, index = channel.read(channel.index_after(after))
    assert index == len(texts)
    if after == len(texts):
        assert event is None
    else:
        seen = "".join(texts[:after])
        assert event == TextEvent(len(texts), utf16_length(seen), "".join(texts[after:]))
        assert channel.read(index) == (None, index)


async def test_every_waiting_reader_is_woken_once_per_change():
    channel = Channel()
    readers = [asyncio.create_task(channel.changed()) for _ in range(3)]
    await asyncio.sleep(0)
    channel.put(1, "a")
    await asyncio.gather(*readers)
    late = asyncio.create_task(channel.changed())
    await asyncio.sleep(0)
    assert not late.done()
    channel.close(EndEvent(1, "complete", "", 1))
    await late


def test_an_entry_that_is_not_shown_moves_only_the_sequence():
    channel = Channel()
    channel.put(1, "")
    channel.put(2, "a")
    assert channel.read(0) == (TextEvent(2, 0, "a"), 1)
    assert channel.seq == 2


def test_the_memory_of_ended_sessions_is_bounded_and_keeps_the_newest():
    ended = RevokedSessions(max_size=3)
    ids = [uuid4() for _ in range(5)]
    for one in ids:
        ended.add(one)
    assert [one in ended for one in ids] == [False, False, True, True, True]
