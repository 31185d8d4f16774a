"""Readers of a run."""

import asyncio
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.core.events import (
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
    TextWasReasoning,
    Usage,
)
from chat_app.core.text import utf16_length
from chat_app.db.tables import RunEvent
from chat_app.runs.follow import EndEvent, PartEvent
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, parts_of, rest_of, run_harness, text_of

WORDS = ["Ra", "in ", "\N{UMBRELLA WITH RAIN DROPS}", " \N{GRINNING FACE}", "é", "\n\n", "# T"]


async def test_every_event_is_stored_before_a_reader_sees_it(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    events, seen = [], ""
    reader = harness.runs.follow(alice, sent.run_id)
    for word in WORDS:
        answer.say(word)
        events.append(await anext(reader))
        seen = text_of(events)
        assert harness.stored(sent.run_id).startswith(seen)
    answer.finish()
    end = await anext(reader)
    assert isinstance(end, EndEvent)
    assert harness.stored(sent.run_id) == seen == "".join(WORDS)
    assert (await harness.run(alice, sent.run_id)).status == "complete"


async def test_a_reader_gets_the_whole_answer_and_how_it_ended(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say(*WORDS).finish()
    events = await harness.read(alice, sent.run_id)
    whole = "".join(WORDS)
    assert text_of(events) == whole
    run = await harness.run(alice, sent.run_id)
    end = events[-1]
    assert isinstance(end, EndEvent)
    assert (end.seq, end.status, end.reason) == (run.last_seq, "complete", "stop")
    assert (end.error, end.length) == ("", utf16_length(whole))


async def test_the_log_is_folded_into_the_message_and_dropped(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    answer.send(ReasoningDelta("hm"), ReasoningDelta("m")).say("Yes", ".").send(Usage(7, 3))
    answer.finish()
    await harness.read(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    run = await harness.run(alice, sent.run_id)
    assert message.parts == [
        {"type": "reasoning", "text": "hmm", "seconds": 0.0},
        {"type": "text", "text": "Yes."},
    ]
    assert message.status == run.status == "complete"
    assert (run.input_tokens, run.output_tokens) == (7, 3)
    assert run.finished_at is not None
    assert await harness.count(alice, RunEvent) == 0


async def test_reasoning_is_followed_and_timed(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).send(ReasoningDelta("hm"))
    reader = harness.runs.follow(alice, sent.run_id)
    assert await anext(reader) == PartEvent(1, 0, 0, ReasoningDelta("hm"))
    harness.flush_throttle.time += 12.3456
    answer.send(ReasoningDelta("m"))
    assert await anext(reader) == PartEvent(2, 0, 2, ReasoningDelta("m"))
    answer.say("Yes.")
    end, text = await anext(reader), await anext(reader)
    assert isinstance(end, PartEvent)
    assert isinstance(end.event, ReasoningEnd)
    assert 12.345 < end.event.seconds < 13
    assert (end.part, end.seq) == (0, 3)
    assert text == PartEvent(4, 1, 0, TextDelta("Yes."))
    answer.finish()
    await rest_of(reader)
    (reasoning, _) = (await harness.message(alice, sent.message_id)).parts
    assert reasoning == {"type": "reasoning", "text": "hmm", "seconds": end.event.seconds}


async def test_every_stretch_of_reasoning_has_its_own_time(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).send(ReasoningDelta("a"), Usage(1, 1)).say("b")
    answer.send(ReasoningDelta("c")).finish()
    await harness.read(alice, sent.run_id)
    parts = (await harness.message(alice, sent.message_id)).parts
    assert [(part["type"], "seconds" in part) for part in parts] == [
        ("reasoning", True),
        ("text", False),
        ("reasoning", True),
    ]


async def test_a_text_that_was_reasoning_is_timed_too(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).say("Hm")
    reader = harness.runs.follow(alice, sent.run_id)
    assert await anext(reader) == PartEvent(1, 0, 0, TextDelta("Hm"))
    harness.flush_throttle.time += 12
    answer.say(".").send(TextWasReasoning()).say("Yes.").finish()
    await rest_of(reader)
    (reasoning, text) = (await harness.message(alice, sent.message_id)).parts
    assert (reasoning["type"], reasoning["text"]) == ("reasoning", "Hm.")
    assert 12 <= reasoning["seconds"] < 13
    assert text == {"type": "text", "text": "Yes."}


async def test_reasoning_that_is_stopped_has_no_time(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).send(ReasoningDelta("hm"))
    await anext(harness.runs.follow(alice, sent.run_id))
    await harness.runs.stop(alice, sent.run_id)
    parts = (await harness.message(alice, sent.message_id)).parts
    assert parts == [{"type": "reasoning", "text": "hm"}]


async def test_a_snapshot_is_what_is_there_now(
    harness: RunHarness, alice: Principal, bob: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    assert await harness.runs.snapshot(alice, sent.run_id) == []
    answer = (await harness.models.one.answer()).send(ReasoningDelta("hm")).say("a")
    reader = harness.runs.follow(alice, sent.run_id)
    seen = [await anext(reader) for _ in range(3)]
    assert await harness.runs.snapshot(alice, sent.run_id) == seen
    answer.say("b").finish()
    end = (await rest_of(reader))[-1]
    assert await harness.runs.snapshot(alice, sent.run_id) == [
        PartEvent(end.seq, 0, 0, ReasoningDelta("hm")),
        PartEvent(end.seq, 0, 0, ReasoningEnd(0.0)),
        PartEvent(end.seq, 1, 0, TextDelta("ab")),
    ]
    for who, run_id in [(bob, sent.run_id), (alice, uuid4())]:
        with pytest.raises(NotFound):
            await harness.runs.snapshot(who, run_id)
    harness.end_session(alice)
    assert await harness.runs.snapshot(alice, sent.run_id) == []


async def test_two_readers_see_the_same_bytes(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    early = asyncio.create_task(harness.read(alice, sent.run_id))
    for word in WORDS:
        answer.say(word)
    late = asyncio.create_task(harness.read(alice, sent.run_id))
    answer.finish()
    first, second = await asyncio.gather(early, late)
    assert text_of(first) == text_of(second) == "".join(WORDS)
    assert first[-1] == second[-1]


async def test_a_second_device_of_the_same_user_can_follow(harness: RunHarness, alice: Principal):
    device = Principal(alice.user_id, uuid4())
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say("a").finish()
    assert text_of(await harness.read(device, sent.run_id)) == "a"


async def test_a_reader_that_leaves_changes_nothing(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).say("a")
    reader = harness.runs.follow(alice, sent.run_id)
    await anext(reader)
    await reader.aclose()  # pyright: ignore[reportAttributeAccessIssue]
    answer.say("b").finish()
    assert text_of(await harness.read(alice, sent.run_id)) == "ab"


async def test_a_slow_reader_gets_what_it_missed_as_one_event(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).say("a")
    slow, quick = (harness.runs.follow(alice, sent.run_id) for _ in range(2))
    await anext(slow)
    await anext(quick)
    for word in "bcd":
        answer.say(word)
        await anext(quick)
    assert await anext(slow) == PartEvent(4, 0, 1, TextDelta("bcd"))


async def test_a_finished_answer_is_an_event_for_each_part_and_an_end_event(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say("a", "b").finish()
    live = await harness.read(alice, sent.run_id)
    after = await harness.read(alice, sent.run_id)
    end = live[-1]
    assert after == [PartEvent(end.seq, 0, 0, TextDelta("ab")), end]
    assert await harness.read(alice, sent.run_id, after=end.seq) == [end]


@pytest.mark.parametrize("ended", [False, True])
async def test_a_run_of_another_user_is_not_found(
    harness: RunHarness, alice: Principal, bob: Principal, ended: bool
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).say("a")
    await anext(harness.runs.follow(alice, sent.run_id))
    if ended:
        answer.finish()
        await harness.read(alice, sent.run_id)
    errors = []
    for run_id in (sent.run_id, uuid4()):
        with pytest.raises(NotFound) as raised:
            await harness.read(bob, run_id)
        errors.append(str(raised.value))
        with pytest.raises(NotFound):
            await harness.runs.stop(bob, run_id)
    assert len(set(errors)) == 1
    if not ended:
        assert not answer.closed.is_set(), "another user stops nothing"


async def test_a_reader_ends_with_its_own_session(harness: RunHarness, alice: Principal):
    device = Principal(alice.user_id, uuid4())
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = (await harness.models.one.answer()).say("a")
    reader = harness.runs.follow(device, sent.run_id)
    await anext(reader)
    waiting = asyncio.create_task(rest_of(reader))
    await asyncio.sleep(0)
    harness.end_session(device)
    (end,) = await waiting
    assert isinstance(end, EndEvent)
    assert end.status == "revoked"
    answer.say("b").finish()
    assert text_of(await harness.read(alice, sent.run_id)) == "ab", "the run is another session's"


async def test_an_ended_session_reads_no_more_text(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say("a").finish()
    await harness.read(alice, sent.run_id)
    harness.end_session(alice)
    (only,) = await harness.read(alice, sent.run_id)
    assert isinstance(only, EndEvent)
    assert only.status == "revoked"


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pieces=st.lists(
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), min_size=1, max_size=5
    ),
    thoughts=st.integers(0, 3),
    data=st.data(),
)
def test_from_any_point_the_whole_is_reached(
    database: DatabaseUnderTest, pieces, thoughts: int, data: st.DataObject
):
    said = [
        (kind, "".join(word for piece in some for word in piece))
        for kind, some in [("reasoning", pieces[:thoughts]), ("text", pieces[thoughts:])]
    ]
    whole = [(kind, text) for kind, text in said if text]

    async def scene() -> None:
        async with run_harness(database.emptied()) as harness:
            alice = await harness.person()
            sent = await harness.runs.send(alice, text="hi", client_id="c1")
            answer = await harness.models.one.answer()
            quick = harness.runs.follow(alice, sent.run_id)
            seen: list[PartEvent | EndEvent] = []
            resumed = []
            for number, piece in enumerate(pieces):
                kind = ReasoningDelta if number < thoughts else TextDelta
                answer.send(*map(kind, piece))
                seen.append(await anext(quick))
                if number == thoughts > 0:  # that was the end of the reasoning
                    seen.append(await anext(quick))
                cut = data.draw(st.integers(0, len(seen)))
                after = seen[cut - 1].seq if cut else 0
                rest = asyncio.create_task(harness.read(alice, sent.run_id, after))
                resumed.append((seen[:cut], rest))
            answer.finish()
            seen += await rest_of(quick)
            assert parts_of(seen) == whole
            for before, rest in resumed:
                assert parts_of([*before, *await rest]) == whole
            for cut in range(len(seen)):
                after = seen[cut - 1].seq if cut else 0
                again = await harness.read(alice, sent.run_id, after)
                assert parts_of([*seen[:cut], *again]) == whole
            stored = (await harness.message(alice, sent.message_id)).parts
            assert [(part["type"], part["text"]) for part in stored] == whole

    asyncio.run(scene())
