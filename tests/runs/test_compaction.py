"""A long conversation goes on: a summary takes the place of its older messages, and says so."""

import contextlib
import re
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.core.events import Event, Finish, PartAdded, TextDelta, Usage, encode_payload
from chat_app.core.parts import Part, SummaryPart, notice_part, summary_of, text_part
from chat_app.db.tables import Message, Run, RunEvent, SearchEntry, Thread
from chat_app.llm.base import DEFAULT_OPTIONS, CallOptions, ModelInfo, PromptMessage
from chat_app.llm.errors import Failure
from chat_app.runs.finalize import reap_lost_runs
from chat_app.runs.follow import EndEvent, PartEvent
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, ScriptedModel, run_harness, text_of

WINDOW = 8_192
FACT = "The password of the archive is heliotrope."


class StrictModel(ScriptedModel):
    """A model that refuses what does not fit, and summarizes by keeping the beginning.

    Attributes:
        prompts: What it got and answered.
        refused: How many calls it refused.
        summaries: What it got and was asked for when it was to summarize.
    """

    def __init__(self, info: ModelInfo, *, bytes_per_token: float = 3.0, fails: bool = False):
        super().__init__("one")
        self.info, self.prompts, self.refused = info, list[tuple[PromptMessage, ...]](), 0
        self.summaries: list[tuple[tuple[PromptMessage, ...], CallOptions]] = []
        self._bytes_per_token, self._fails = bytes_per_token, fails

    def fail(self) -> None:
        """Fail to summarize from now on."""
        self._fails = True

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[Event]:
        tokens = sum(len(message.text.encode()) for message in prompt) / self._bytes_per_token
        if tokens + (options.max_tokens or 0) > (self.info.window or WINDOW):
            self.refused += 1
            raise Failure.CONTEXT.error(self.name)
        task = prompt[-1].text
        if is_summary := prompt[0].text.startswith("You write summaries"):
            self.summaries.append((tuple(prompt), options))
            if self._fails:
                raise Failure.RATE_LIMIT.error(self.name, 1)
        else:
            self.prompts.append(tuple(prompt))
        yield TextDelta(task.split("\n\n", 1)[1][:1_500] if is_summary else "An answer.")
        yield Usage(int(tokens), 3)
        yield Finish("stop")


async def long_thread(harness: RunHarness, who: Principal, texts: Sequence[str]) -> UUID:
    """A stored thread with these messages, from the user and the model in turn."""
    thread = await harness.threads.create(who)
    async with harness.db.write(who) as session:
        parent: UUID | None = None
        for number, text in enumerate(texts):
            message = Message(
                thread_id=thread.id,
                owner_id=who.user_id,
                parent_id=parent,
                role="assistant" if number % 2 else "user",
                parts=[text_part(text)],
            )
            session.add(message)
            await session.flush()
            parent = message.id
        (await session.exec(select(Thread).where(Thread.id == thread.id))).one().head_id = parent
    return thread.id


async def ask(harness: RunHarness, who: Principal, thread: UUID, text: str) -> Message:
    """The answer to a question."""
    sent = await harness.runs.send(who, text=text, client_id=uuid4().hex, thread_id=thread)
    await harness.read(who, sent.run_id)
    return await harness.message(who, sent.message_id)


async def branch(harness: RunHarness, who: Principal, leaf: UUID | None) -> list[Message]:
    """The messages from the root to one."""
    found = list[Message]()
    while leaf is not None:
        found.append(await harness.message(who, leaf))
        leaf = found[-1].parent_id
    return found[::-1]


def covered_by(summary: SummaryPart, messages: Sequence[Message]) -> set[UUID]:
    """The messages that a summary names."""
    ids = [message.id for message in messages]
    return set(ids[: ids.index(UUID(summary["until"])) + 1])


@pytest.mark.parametrize("fails", [False, True], ids=["summary", "excerpt"])
async def test_a_thread_of_400_messages_goes_on_with_a_small_window(
    database: DatabaseUnderTest, fails: bool
) -> None:
    model = StrictModel(ModelInfo(window=WINDOW), fails=fails)
    async with run_harness(database) as harness:
        harness.models.one = model
        ada = await harness.person()
        texts = [f"Message {n}. {FACT if n == 0 else 'x' * 120}" for n in range(400)]
        thread = await long_thread(harness, ada, texts)
        answers = [
            await ask(harness, ada, thread, f"Question {number} " + "y" * 1_500)
            for number in range(6)
        ]
        messages = await branch(harness, ada, answers[-1].id)
    assert {answer.status for answer in answers} == {"complete"}
    assert model.refused == 0
    assert len(messages) == 412
    summaries = [found for message in messages if (found := summary_of(message.parts))]
    assert 1 <= len(summaries) < 6, "not at every question"
    assert {part["origin"] for part in summaries} == {"excerpt" if fails else "model"}
    sent = {message.id for message in model.prompts[-1]}
    covered = covered_by(summaries[-1], messages)
    assert {message.id for message in messages[:-1]} == covered | (sent - {None})
    assert covered.isdisjoint(sent)
    assert summaries[-1]["count"] == len(covered)
    assert FACT in "\n".join(message.text for message in model.prompts[-1])


async def test_a_short_conversation_is_sent_whole(harness: RunHarness, alice: Principal) -> None:
    model = StrictModel(ModelInfo(window=WINDOW))
    harness.models.one = model
    thread = await long_thread(harness, alice, ["one", "two"])
    answer = await ask(harness, alice, thread, "three")
    assert [message.text for message in model.prompts[-1]][-3:] == ["one", "two", "three"]
    assert summary_of(answer.parts) is None


async def test_a_model_whose_window_is_smaller_than_known_gets_less(
    harness: RunHarness, alice: Principal
) -> None:
    model = StrictModel(ModelInfo(), bytes_per_token=1.0)
    harness.models.one = model
    thread = await long_thread(harness, alice, ["x" * 1_000] * 20)
    answer = await ask(harness, alice, thread, "Go on")
    assert answer.status == "complete"
    assert model.refused >= 1
    assert summary_of(answer.parts) is not None
    again = await ask(harness, alice, thread, "And on")
    assert again.status == "complete"


async def test_one_question_that_is_too_long_is_refused_with_a_sentence(
    harness: RunHarness, alice: Principal
) -> None:
    harness.models.one = StrictModel(ModelInfo(window=WINDOW))
    thread = await long_thread(harness, alice, ["one", "two"])
    answer = await ask(harness, alice, thread, "z" * 60_000)
    assert (answer.status, answer.error) == ("failed", "context_too_long")


async def test_a_branch_above_a_summary_is_sent_whole_again(
    harness: RunHarness, alice: Principal
) -> None:
    model = StrictModel(ModelInfo(window=WINDOW))
    harness.models.one = model
    thread = await long_thread(harness, alice, ["x" * 2_000] * 20)
    answer = await ask(harness, alice, thread, "Go on")
    summary = summary_of(answer.parts)
    assert summary is not None
    messages = await branch(harness, alice, answer.id)
    async with harness.db.write(alice) as session:
        (await session.exec(select(Thread))).one().head_id = messages[1].id
    other = await ask(harness, alice, thread, "Another way")
    assert summary_of(other.parts) is None
    assert len([message for message in model.prompts[-1] if message.id]) == 3


async def test_every_call_of_a_thread_names_the_same_conversation(
    harness: RunHarness, alice: Principal
) -> None:
    threads = [await long_thread(harness, alice, ["one", "two"]) for _ in range(2)]
    for number, thread in enumerate((*threads, threads[0]), 1):
        sent = await harness.runs.send(alice, text="hi", client_id=uuid4().hex, thread_id=thread)
        (await harness.models.one.answer(number)).say("a").finish()
        await harness.read(alice, sent.run_id)
    first, second, third = (answer.options.cache_key for answer in harness.models.one.answers)
    assert first == third != second
    assert first
    assert second


async def test_a_summary_for_a_large_window_is_shortened_for_a_small_one(
    harness: RunHarness, alice: Principal
) -> None:
    model = StrictModel(ModelInfo(window=WINDOW))
    harness.models.one = model
    thread = await long_thread(harness, alice, ["one", "two", "three", "four"])
    answer = await ask(harness, alice, thread, "five")
    messages = await branch(harness, alice, answer.id)
    summary: SummaryPart = {
        "type": "summary",
        "text": FACT + "z" * 30_000,
        "until": str(messages[0].id),
        "count": 1,
        "origin": "model",
    }
    async with harness.db.write(alice) as session:
        row = (await session.exec(select(Message).where(Message.id == messages[1].id))).one()
        row.parts = [summary, *row.parts]
    again = await ask(harness, alice, thread, "six")
    assert (again.status, model.refused) == ("complete", 0)
    assert FACT in model.prompts[-1][1].text


async def test_a_summary_is_asked_for_within_the_limit_of_an_answer(
    database: DatabaseUnderTest,
) -> None:
    model = StrictModel(ModelInfo(window=WINDOW, efforts=("low", "high")))
    async with run_harness(database, chat_max_tokens=400) as harness:
        harness.models.one = model
        ada = await harness.person()
        thread = await long_thread(harness, ada, ["x" * 1_000] * 40)
        await ask(harness, ada, thread, "Go on")
    assert model.summaries
    for prompt, options in model.summaries:
        assert (options.max_tokens, options.effort) == (400, "low")
        assert "at most 100 words" in prompt[-1].text


async def test_a_model_that_is_known_to_fail_is_not_asked_for_a_summary(
    harness: RunHarness, alice: Principal
) -> None:
    model = StrictModel(ModelInfo(window=WINDOW))
    harness.models.one = model
    for _ in range(5):
        harness.models.health.started(model.id)
        harness.models.health.failed(model.id, Failure.UNREACHABLE.error(model.name))
    thread = await long_thread(harness, alice, ["x" * 1_000] * 40)
    answer = await ask(harness, alice, thread, "Go on")
    summary = summary_of(answer.parts)
    assert summary is not None
    assert (summary["origin"], model.summaries) == ("excerpt", [])


EXCHANGES = [f"Message {n}. {FACT if n == 0 else 'x' * 400}" for n in range(8)]
NOTHING = "There are no older messages to summarize yet."


async def compact(harness: RunHarness, who: Principal, thread: UUID) -> Message:
    """The last answer, with the summary that its user has asked for."""
    created = await harness.runs.compact(who, thread)
    await harness.read(who, created.run_id)
    return await harness.message(who, created.message_id)


async def test_a_summary_by_hand_is_the_last_part_of_the_last_answer_and_takes_effect(
    harness: RunHarness, alice: Principal
) -> None:
    model = StrictModel(ModelInfo(window=WINDOW))
    harness.models.one = model
    thread = await long_thread(harness, alice, EXCHANGES)
    before = await ask(harness, alice, thread, "How are you?")
    metrics = await harness.runs.metrics(alice, before.id)
    watch = harness.watch(alice)
    answer = await compact(harness, alice, thread)
    assert watch.kinds == ["thread", "run_started", "run_ended", "thread"]
    summary = summary_of(answer.parts)
    assert summary is not None
    assert answer.parts == [*before.parts, summary]
    assert (answer.status, answer.finish_reason, answer.error) == ("complete", "stop", "")
    assert answer.size > before.size
    assert (summary["count"], summary["origin"]) == (8, "model")
    assert await harness.runs.metrics(alice, before.id) == metrics, "those of the answer alone"
    await ask(harness, alice, thread, "And now?")
    sent = model.prompts[-1]
    assert [message.text for message in sent[-3:]] == ["How are you?", "An answer.", "And now?"]
    assert FACT in sent[-4].text
    assert not any(message.text == "x" * 400 for message in sent)
    messages = await branch(harness, alice, answer.id)
    assert covered_by(summary, messages) == {message.id for message in messages[:8]}


@pytest.mark.parametrize("steps", ["aca", "acca", "acaca", "caaacaca", "aaaaaacaaaaaaca"])
async def test_every_message_is_in_the_next_request_or_covered_by_a_summary(
    harness: RunHarness, alice: Principal, steps: str
) -> None:
    model = StrictModel(ModelInfo(window=WINDOW))
    harness.models.one = model
    thread = await long_thread(harness, alice, EXCHANGES)
    by_hand = 0
    for number, step in enumerate(steps):
        if step == "c":
            with contextlib.suppress(InvalidInput):  # nothing was added since the last one
                await compact(harness, alice, thread)
                by_hand += 1
            continue
        answer = await ask(harness, alice, thread, f"Question {number} " + "y" * 1_500)
        above = (await branch(harness, alice, answer.id))[:-1]
        summaries = [found for message in above if (found := summary_of(message.parts))]
        summaries += [found for found in [summary_of(answer.parts)] if found]
        covered = covered_by(summaries[-1], above) if summaries else set[UUID]()
        sent = {message.id for message in model.prompts[-1]} - {None}
        assert {message.id for message in above} == covered | sent
        assert covered.isdisjoint(sent)
        assert not summaries or summaries[-1]["count"] == len(covered)
    assert by_hand
    assert model.refused == 0


async def test_an_answer_that_is_regenerated_below_a_summary_by_hand_gets_everything(
    harness: RunHarness, alice: Principal
) -> None:
    model = StrictModel(ModelInfo(window=WINDOW))
    harness.models.one = model
    thread = await long_thread(harness, alice, EXCHANGES)
    answer = await ask(harness, alice, thread, "How are you?")
    await compact(harness, alice, thread)
    again = await harness.runs.retry(alice, answer.id)
    await harness.read(alice, again.run_id)
    assert len([message for message in model.prompts[-1] if message.id]) == 9


@pytest.mark.parametrize("texts", [[], ["one", "two"], ["a", "b", "c", "d"]])
async def test_where_nothing_is_to_be_gained_a_sentence_says_so(
    harness: RunHarness, alice: Principal, texts: list[str]
) -> None:
    thread = await long_thread(harness, alice, texts)
    with pytest.raises(InvalidInput) as refused:
        await harness.runs.compact(alice, thread)
    assert refused.value.message == NOTHING
    assert await harness.count(alice, Run) == 0


async def test_a_chat_that_ends_with_a_question_is_not_summarized(
    harness: RunHarness, alice: Principal
) -> None:
    thread = await long_thread(harness, alice, EXCHANGES[:7])
    with pytest.raises(InvalidInput, match="ends with an answer"):
        await harness.runs.compact(alice, thread)
    assert await harness.count(alice, Run) == 0


async def test_nothing_is_summarized_while_an_answer_is_written_or_for_another_user(
    harness: RunHarness, alice: Principal, bob: Principal
) -> None:
    thread = await long_thread(harness, alice, EXCHANGES)
    with pytest.raises(NotFound):
        await harness.runs.compact(bob, thread)
    sent = await harness.runs.send(alice, text="hi", client_id="c1", thread_id=thread)
    with pytest.raises(Conflict):
        await harness.runs.compact(alice, thread)
    (await harness.models.one.answer()).say("a").finish()
    await harness.read(alice, sent.run_id)
    compaction = await harness.runs.compact(alice, thread)
    for refused in (
        harness.runs.compact(alice, thread),
        harness.runs.retry(alice, sent.message_id),
    ):
        with pytest.raises(Conflict):
            await refused
    await harness.runs.stop(alice, compaction.run_id)


async def test_a_model_that_cannot_gives_an_excerpt_that_is_shorter(
    harness: RunHarness, alice: Principal
) -> None:
    harness.models.one = StrictModel(ModelInfo(window=WINDOW, summarizes=False))
    thread = await long_thread(harness, alice, EXCHANGES)
    summary = summary_of((await compact(harness, alice, thread)).parts)
    assert summary is not None
    assert (summary["origin"], summary["count"]) == ("excerpt", 6)
    assert len(summary["text"].encode()) <= sum(map(len, EXCHANGES[:6])) / 2
    assert "Message 0. The password" in summary["text"]


@pytest.mark.parametrize("end", ["stop", "sign out", "restart"])
async def test_a_compaction_that_does_not_end_leaves_the_answer_as_it_was(
    harness: RunHarness, alice: Principal, end: str
) -> None:
    thread = await long_thread(harness, alice, EXCHANGES)
    created = await harness.runs.compact(alice, thread)
    before = await harness.message(alice, created.message_id)
    call = await harness.models.one.answer()
    assert call.prompt[0].text.startswith("You write summaries")
    call.say("Half a summ")
    await call.taken()
    if end == "stop":
        await harness.runs.stop_thread(alice, thread)
    elif end == "sign out":
        harness.end_session(alice)
    else:
        models: Any = harness.models
        assert await reap_lost_runs(harness.db, harness.clock, models) == 1
        await harness.runs.stop_thread(alice, thread)
    statuses = {"stop": "stopped", "sign out": "revoked", "restart": "interrupted"}
    await harness.runs.drain()
    assert (await harness.run(alice, created.run_id)).status == statuses[end]
    after = await harness.message(alice, created.message_id)
    assert (after.parts, after.status, after.size) == (before.parts, "complete", before.size)


async def test_a_summary_that_was_made_outlives_its_server(
    harness: RunHarness, alice: Principal
) -> None:
    thread = await long_thread(harness, alice, EXCHANGES)
    created = await harness.runs.compact(alice, thread)
    await harness.models.one.answer()
    summary: SummaryPart = {
        "type": "summary",
        "text": FACT,
        "until": str((await branch(harness, alice, created.message_id))[5].id),
        "count": 6,
        "origin": "model",
    }
    async with harness.db.write(alice) as session:
        for seq, event in enumerate((PartAdded(summary), Finish("stop")), 2):
            session.add(
                RunEvent(
                    owner_id=alice.user_id,
                    run_id=created.run_id,
                    seq=seq,
                    kind=event.kind,
                    payload=encode_payload(event),
                )
            )
    models: Any = harness.models
    assert await reap_lost_runs(harness.db, harness.clock, models) == 1
    message = await harness.message(alice, created.message_id)
    assert message.parts == [text_part(EXCHANGES[-1]), summary]
    assert (message.status, (await harness.run(alice, created.run_id)).status) == (
        "complete",
        "complete",
    )


async def test_a_compaction_that_fails_says_so_in_the_thread(
    harness: RunHarness, alice: Principal
) -> None:
    thread = await long_thread(harness, alice, EXCHANGES)
    created = await harness.runs.compact(alice, thread)
    (await harness.models.one.answer()).fail(RuntimeError("broken"))
    *_, end = await harness.read(alice, created.run_id)
    assert isinstance(end, EndEvent)
    assert (end.status, end.reason) == ("failed", "")
    message = await harness.message(alice, created.message_id)
    assert message.parts == [text_part(EXCHANGES[-1]), notice_part("summary_failed")]
    assert (message.status, message.error) == ("complete", "")


@pytest.mark.parametrize("failure", ["refused", "known to fail", "slow"])
async def test_a_provider_that_fails_leaves_a_chat_that_fits_as_it_was(
    harness: RunHarness, alice: Principal, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = StrictModel(ModelInfo(window=WINDOW), fails=failure == "refused")
    if failure == "slow":
        monkeypatch.setattr("chat_app.runs.compact._SECONDS", 0.0)
    else:
        harness.models.one = model
    if failure == "known to fail":
        for _ in range(5):
            harness.models.health.started(model.id)
            harness.models.health.failed(model.id, Failure.UNREACHABLE.error(model.name))
        model.fail()
    thread = await long_thread(harness, alice, EXCHANGES)
    created = await harness.runs.compact(alice, thread)
    *_, end = await harness.read(alice, created.run_id)
    assert isinstance(end, EndEvent)
    assert end.status == "failed"
    run = await harness.run(alice, created.run_id)
    assert run.error == ("summary_failed" if failure == "slow" else "rate_limited")
    message = await harness.message(alice, created.message_id)
    assert message.parts == [text_part(EXCHANGES[-1]), notice_part("summary_failed")]
    assert (message.status, message.error) == ("complete", "")


@pytest.mark.parametrize("summarizes", [True, False], ids=["summary", "excerpt"])
async def test_another_summary_by_hand_keeps_what_the_one_before_it_tells(
    harness: RunHarness, alice: Principal, summarizes: bool
) -> None:
    model = StrictModel(ModelInfo(window=32_768, summarizes=summarizes))
    harness.models.one = model
    thread = await long_thread(harness, alice, [f"Message {n}. " + "x" * 400 for n in range(60)])
    first = summary_of((await compact(harness, alice, thread)).parts)
    assert first is not None
    old = "".join(f"{number:09} " for number in range(600))
    async with harness.db.write(alice) as session:
        for row in (await session.exec(select(Message))).all():
            if summary_of(row.parts):
                row.parts = [*row.parts[:-1], {**first, "text": old}]
    await ask(harness, alice, thread, "One " + "z" * 600)
    await ask(harness, alice, thread, "Two " + "z" * 600)
    answer = await compact(harness, alice, thread)
    second = summary_of(answer.parts)
    assert second is not None
    assert second["count"] > first["count"]
    if summarizes:
        task = model.summaries[-1][0][-1].text
        assert old in task
        words = re.search(r"at most (\d+) words", task)
        assert words is not None
        assert int(words[1]) > 400
    else:
        assert second["text"].startswith(old[: len(old) // 2])
        assert "One zzz" in second["text"]
        assert len(second["text"]) <= len(old)


@pytest.mark.parametrize("status", ["regular", "archived"])
async def test_a_summary_by_hand_leaves_the_thread_where_it_is(
    harness: RunHarness, alice: Principal, status: str
) -> None:
    harness.models.one = StrictModel(ModelInfo(window=WINDOW))
    thread = await long_thread(harness, alice, EXCHANGES)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    async with harness.db.write(alice) as session:
        row = (await session.exec(select(Thread))).one()
        row.status, row.updated_at = status, long_ago
    answer = await compact(harness, alice, thread)
    assert summary_of(answer.parts) is not None
    async with harness.db.read(alice) as session:
        row = (await session.exec(select(Thread))).one()
    assert (row.status, row.updated_at, row.head_id) == (status, long_ago, answer.id)


@pytest.mark.parametrize("is_stopped", [False, True], ids=["made", "stopped"])
async def test_what_a_client_has_appended_keeps_its_parts_beside_a_summary(
    harness: RunHarness, alice: Principal, is_stopped: bool
) -> None:
    call: Part = {
        "type": "tool-call",
        "call_id": "same",
        "name": "search",
        "arguments": "{}",
        "state": "done",
        "result": 1,
    }
    parts = [text_part("A"), text_part("B"), call, call]
    thread = await long_thread(harness, alice, EXCHANGES)
    async with harness.db.write(alice) as session:
        head = (await session.exec(select(Thread))).one().head_id
        row = (await session.exec(select(Message).where(Message.id == head))).one()
        row.parts, row.origin = parts, "client"
    created = await harness.runs.compact(alice, thread)
    answer = await harness.models.one.answer()
    if is_stopped:
        await harness.runs.stop(alice, created.run_id)
    else:
        answer.say("Short.").finish()
        await harness.read(alice, created.run_id)
    found = (await harness.message(alice, created.message_id)).parts
    assert found[:4] == parts
    assert [part["type"] for part in found[4:]] == ([] if is_stopped else ["summary"])


async def test_a_reader_gets_the_whole_answer_and_the_summary_live_and_afterwards(
    harness: RunHarness, alice: Principal
) -> None:
    harness.models.one = StrictModel(ModelInfo(window=WINDOW))
    thread = await long_thread(harness, alice, EXCHANGES)
    created = await harness.runs.compact(alice, thread)
    live = await harness.read(alice, created.run_id)
    stored = await harness.read(alice, created.run_id)
    for events in (live, stored):
        *parts, end = events
        assert [event.part for event in parts if isinstance(event, PartEvent)] == [0, 1]
        assert text_of(events) == EXCHANGES[-1]
        assert isinstance(end, EndEvent)
        assert (end.status, end.reason) == ("complete", "")
    assert await harness.count(alice, SearchEntry) == len(EXCHANGES), "its text is found as before"


async def test_a_summary_by_hand_covers_what_the_one_before_it_does(
    harness: RunHarness, alice: Principal
) -> None:
    harness.models.one = StrictModel(ModelInfo(window=WINDOW))
    thread = await long_thread(harness, alice, EXCHANGES)
    first = summary_of((await compact(harness, alice, thread)).parts)
    await ask(harness, alice, thread, "One " + "z" * 600)
    await ask(harness, alice, thread, "Two " + "z" * 600)
    answer = await compact(harness, alice, thread)
    second = summary_of(answer.parts)
    assert first is not None
    assert second is not None
    assert (first["count"], second["count"]) == (6, 10)
    assert FACT in second["text"]
    messages = await branch(harness, alice, answer.id)
    assert covered_by(second, messages) == {message.id for message in messages[:10]}
