"""An answer has a size of its own, whatever its provider was told."""

from collections.abc import AsyncIterator

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.events import (
    Event,
    Finish,
    NativeItemAdded,
    PartAdded,
    ReasoningDelta,
    TextDelta,
    TextWasReasoning,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from chat_app.core.parts import PART_BYTES
from chat_app.runs.follow import EndEvent
from chat_app.runs.size_limit import SizeLimit
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, run_harness, text_of

LIMIT = 10_000


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[RunHarness]:
    async with run_harness(database, answer_bytes=LIMIT) as one:
        yield one


async def test_an_answer_over_the_limit_ends_there_and_is_kept_up_to_it(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    answer.say(*(f"{n:04} " for n in range(3_000)))  # and it would go on
    events = await harness.read(alice, sent.run_id)
    assert answer.closed.is_set(), "the provider's connection is closed"
    assert not answer.finished
    said = "".join(f"{n:04} " for n in range(3_000))
    assert text_of(events) == said[: LIMIT - PART_BYTES]
    end = events[-1]
    assert isinstance(end, EndEvent)
    assert (end.status, end.reason, end.error) == ("complete", "size", "")
    message = await harness.message(alice, sent.message_id)
    run = await harness.run(alice, sent.run_id)
    assert (message.status, message.finish_reason, run.finish_reason) == (
        "complete",
        "size",
        "size",
    )
    assert harness.stored(sent.run_id) == text_of(events)


async def test_a_full_answer_ends_though_its_provider_falls_silent(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    answer.say("x" * (LIMIT + 1))
    await harness.read(alice, sent.run_id)
    assert answer.closed.is_set()
    assert (await harness.message(alice, sent.message_id)).finish_reason == "size"


async def test_endless_reasoning_counts_and_is_kept(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    answer.send(*(ReasoningDelta("hm " * 100) for _ in range(100)))
    await harness.read(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    (part,) = message.parts
    assert (part["type"], len(part["text"])) == ("reasoning", LIMIT - PART_BYTES)
    assert "seconds" in part, "a reader sees that the thought is over"
    assert (message.status, message.finish_reason) == ("failed", "size")
    assert message.error == "limit_before_answer"
    assert answer.closed.is_set()


async def test_an_answer_of_exactly_the_limit_is_whole(harness: RunHarness, alice: Principal):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    (await harness.models.one.answer()).say("x" * (LIMIT - PART_BYTES)).finish()
    await harness.read(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    assert (message.status, message.finish_reason) == ("complete", "stop")


async def test_an_answer_is_complete_without_a_native_item_that_does_not_fit(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    small = NativeItemAdded("one", {"type": "thinking", "signature": "s"})
    large = NativeItemAdded("one", {"type": "thinking", "signature": "s" * LIMIT})
    answer.send(ReasoningDelta("hm"), large, TextDelta("a"), large, TextDelta("b"), small)
    answer.send(Usage(3, 4), Finish("stop")).finish()
    await harness.read(alice, sent.run_id)
    message = await harness.message(alice, sent.message_id)
    assert (message.status, message.finish_reason) == ("complete", "stop")
    assert [part["text"] for part in message.parts if "text" in part] == ["hm", "ab"]
    assert [native["item"] for native in message.native or ()] == [small.item]
    run = await harness.run(alice, sent.run_id)
    assert (run.input_tokens, run.output_tokens) == (3, 4)


def fitted(events: list[Event], limit: int = 1_000) -> list[Event]:
    """What fits of the events of an answer."""
    size, found, last = SizeLimit(limit), [], None
    for event in events:
        fits = size.fit(event, begins_part=type(event) is not last)
        last = type(event)
        if fits is not None:
            found.append(fits)
        if size.is_exceeded:
            break
    return found


ENDLESS: dict[str, list[Event]] = {
    "text": [TextDelta("a" * 50)] * 1_000,
    "reasoning": [ReasoningDelta("a" * 50)] * 1_000,
    "tiny parts": [TextDelta("a"), ReasoningDelta("b")] * 1_000,
    "retracted text": [TextDelta("a"), TextWasReasoning()] * 1_000,
    "tool arguments": [ToolCallDelta("c", "t", '{"a":')] * 1_000,
    "tool calls without arguments": [ToolCallDelta(str(n), "t", "") for n in range(1_000)],
    "ids of calls": [ToolCallDelta("c" * 100, "t", "")] * 1_000,
    "names of tools": [ToolCallDelta("c", "t" * 100, "")] * 1_000,
    "native items": [NativeItemAdded("m", {"a": "b"})] * 1_000,
    "tool results": [ToolResult("c", "r" * 100)] * 1_000,
    "sources": [PartAdded({"type": "source", "id": "1", "url": "https://a.test", "title": "A"})]
    * 1_000,
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_whatever_a_model_repeats_reaches_the_limit(kind: str):
    assert len(fitted(ENDLESS[kind])) < 40


@pytest.mark.parametrize(
    "call", [ToolCallDelta("c" * 800, "t", ""), ToolCallDelta("c", "é" * 400, "")]
)
def test_the_id_and_the_name_of_a_call_count(call: ToolCallDelta):
    assert fitted([call, call]) == [call]


def test_a_character_is_never_cut_in_two():
    for limit in range(PART_BYTES, PART_BYTES + 12):
        kept = fitted([TextDelta("aé€😀z")], limit)
        assert not kept or "aé€😀z".startswith(kept[0].text)  # pyright: ignore


def test_nothing_is_left_after_a_piece_that_was_cut_off():
    size = SizeLimit(100)
    cut = size.fit(TextDelta("a" * 70 + "é" * 20), begins_part=False)
    assert cut == TextDelta("a" * 70 + "é" * 15)
    cut = size.fit(TextDelta("é" * 70), begins_part=False)
    assert (cut, size.is_exceeded) == (None, True)


def test_what_tells_about_an_answer_always_fits():
    events: list[Event] = [TextDelta("a" * 800), Usage(1, 2), Finish("stop")]
    assert fitted(events) == events
