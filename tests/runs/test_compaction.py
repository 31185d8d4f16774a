"""A long conversation goes on: a summary takes the place of its older messages, and says so."""

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.events import Event, Finish, TextDelta, Usage
from chat_app.core.parts import SummaryPart, summary_of, text_part
from chat_app.db.tables import Message, Thread
from chat_app.llm.base import DEFAULT_OPTIONS, CallOptions, ModelInfo, PromptMessage
from chat_app.llm.errors import Failure
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, ScriptedModel, run_harness

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

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[Event]:
        tokens = sum(len(message.text.encode()) for message in prompt) / self._bytes_per_token
        if tokens + (options.max_tokens or 0) > WINDOW:
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
