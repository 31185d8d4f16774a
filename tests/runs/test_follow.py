"""Readers of a run."""

import asyncio
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.core.parts import utf16_length
from chat_app.db.tables import RunEvent
from chat_app.llm.base import ReasoningDelta, Usage
from chat_app.runs.follow import EndEvent, TextEvent
from testing.run_services import RunHarness, rest_of, run_harness, text_of

WORDS = ["Ra", "in ", "\N{UMBRELLA WITH RAIN DROPS}", " \N{GRINNING FACE}", "é", "\n\n", "# T"]


async def test_every_event_is_stored_before_a_reader_sees_it(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    seen = ""
    reader = harness.runs.follow(alice, sent.run_id)
    for word in WORDS:
        answer.say(word)
        event = await anext(reader)
        assert isinstance(event, TextEvent)
        seen += event.text
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
    assert events[-1] == EndEvent(run.last_seq, "complete", "", utf16_length(whole))


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
        {"type": "reasoning", "text": "hmm"},
        {"type": "text", "text": "Yes."},
    ]
    assert message.status == run.status == "complete"
    assert (run.input_tokens, run.output_tokens) == (7, 3)
    assert run.finished_at is not None
    assert await harness.count(alice, RunEvent) == 0


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
    assert await anext(slow) == TextEvent(4, 1, "bcd")


async def test_a_finished_answer_is_one_text_event_and_an_end_event(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say("a", "b").finish()
    live = await harness.read(alice, sent.run_id)
    after = await harness.read(alice, sent.run_id)
    end = live[-1]
    assert after == [TextEvent(end.seq, 0, "ab"), end]
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
    data=st.data(),
)
def test_from_any_point_the_whole_is_reached(tmp_path_factory, pieces, data: st.DataObject):
    whole = "".join(word for piece in pieces for word in piece)

    async def scene() -> None:
        path = tmp_path_factory.mktemp("follow") / "chat.db"
        async with run_harness(path) as harness:
            alice = await harness.person()
            sent = await harness.runs.send(alice, text="hi", client_id="c1")
            answer = await harness.models.one.answer()
            quick = harness.runs.follow(alice, sent.run_id)
            seen: list[TextEvent | EndEvent] = []
            resumed = []
            for piece in pieces:
                answer.say(*piece)
                seen.append(await anext(quick))
                cut = data.draw(st.integers(0, len(seen)))
                after = seen[cut - 1].seq if cut else 0
                rest = asyncio.create_task(harness.read(alice, sent.run_id, after))
                resumed.append((seen[:cut], rest))
            answer.finish()
            seen += await rest_of(quick)
            assert text_of(seen) == whole
            for before, rest in resumed:
                assert text_of([*before, *await rest]) == whole
            for cut in range(len(seen)):
                after = seen[cut - 1].seq if cut else 0
                again = await harness.read(alice, sent.run_id, after)
                assert text_of([*seen[:cut], *again]) == whole

    asyncio.run(scene())
