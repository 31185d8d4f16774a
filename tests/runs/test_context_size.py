"""How much of the context window a branch uses: what the provider counted, else an estimate."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from chat_app.auth.principal import Principal
from chat_app.core.events import TextDelta, Usage
from chat_app.core.parts import Part, text_part
from chat_app.db.tables import Message, Thread
from chat_app.llm.base import Model, ModelInfo
from chat_app.runs.context import DEFAULT_BYTES_PER_TOKEN, DEFAULT_PROMPT_BYTES
from chat_app.runs.context_size import ContextUsage
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, run_harness
from testing.sql_statements import statements

WINDOW = 10_000
COUNTED = Usage(4_000, 300)


async def ask(
    harness: RunHarness,
    who: Principal,
    text: str,
    usage: Usage | None,
    thread: UUID | None = None,
    answer: str = "Yes.",
) -> UUID:
    """Ask, and answer; the thread."""
    number = len(harness.models.one.answers) + 1
    sent = await harness.runs.send(who, text=text, client_id=uuid4().hex, thread_id=thread)
    call = (await harness.models.one.answer(number)).send(TextDelta(answer))
    if usage is not None:
        call.send(usage)
    call.finish()
    await harness.read(who, sent.run_id)
    return sent.thread_id


async def used(harness: RunHarness, who: Principal, thread: UUID, limit: int = 4) -> ContextUsage:
    """What the meter of the thread shows."""
    window = await harness.threads.window(who, thread, limit=limit)
    model: Model = harness.models.one
    found = await harness.runs.contexts.usage(who, window, model)
    assert found is not None
    return found


async def stored_thread(harness: RunHarness, who: Principal, texts: Sequence[str]) -> UUID:
    """A thread with these messages, of which no run is known."""
    thread = await harness.threads.create(who)
    async with harness.db.write(who) as session:
        parent: UUID | None = None
        for number, text in enumerate(texts):
            role = "assistant" if number % 2 else "user"
            row = Message(
                thread_id=thread.id,
                owner_id=who.user_id,
                parent_id=parent,
                role=role,
                parts=[text_part(text)],
            )
            session.add(row)
            await session.flush()
            parent = row.id
        (await session.exec(select(Thread).where(Thread.id == thread.id))).one().head_id = parent
    return thread.id


@pytest.fixture(autouse=True)
def window_of_model(harness: RunHarness) -> None:
    harness.models.one.info = ModelInfo(window=WINDOW)


async def test_an_empty_thread_uses_nothing(harness: RunHarness, alice: Principal) -> None:
    thread = await harness.threads.create(alice)
    window = await harness.threads.window(alice, thread.id)
    assert await harness.runs.contexts.usage(alice, window, harness.models.one) is None


async def test_the_last_answer_s_tokens_are_used(harness: RunHarness, alice: Principal) -> None:
    thread = await ask(harness, alice, "hi", Usage(10, 3))
    assert (await used(harness, alice, thread)).used == 13
    await ask(harness, alice, "more", COUNTED, thread)
    found = await used(harness, alice, thread)
    assert (found.used, found.whole) == (4_300, WINDOW)
    assert (found.is_window, found.is_estimate, found.level) == (True, False, "")


async def test_a_question_that_is_being_answered_is_added_to_them(
    harness: RunHarness, alice: Principal
) -> None:
    thread = await ask(harness, alice, "hi", Usage(100, 20))
    await harness.runs.send(alice, text="x" * 2_976, client_id="c", thread_id=thread)
    found = await used(harness, alice, thread)
    assert 1_120 <= found.used <= 1_130
    assert not found.is_estimate


async def test_without_a_count_the_bytes_are_measured(
    harness: RunHarness, alice: Principal
) -> None:
    thread = await ask(harness, alice, "x" * 3_000, None, answer="y" * 3_000)
    found = await used(harness, alice, thread)
    assert found.is_estimate
    assert 6_000 <= found.used * DEFAULT_BYTES_PER_TOKEN <= 6_600
    await ask(harness, alice, "z" * 3_000, None, thread, answer="z" * 3_000)
    again = await used(harness, alice, thread)
    assert again.used == pytest.approx(2 * found.used, rel=0.1)


async def test_a_long_thread_without_counts_is_read_once(
    harness: RunHarness, alice: Principal
) -> None:
    thread = await stored_thread(harness, alice, ["x" * 60] * 200)
    with statements() as first:
        found = await used(harness, alice, thread)
    assert found.used * DEFAULT_BYTES_PER_TOKEN >= 200 * 60
    with statements() as second:
        assert await used(harness, alice, thread) == found
    assert len(second.ran) < len(first.ran)
    await ask(harness, alice, "next", None, thread)
    with statements() as third:
        assert (await used(harness, alice, thread)).used > found.used
    assert len(third.ran) == len(second.ran)


async def test_a_count_costs_the_same_however_long_the_thread_is(
    harness: RunHarness, alice: Principal
) -> None:
    costs = list[int]()
    for length in (4, 400):
        thread = await stored_thread(harness, alice, ["x" * 300] * length)
        await ask(harness, alice, "and?", COUNTED, thread)
        window = await harness.threads.window(alice, thread, limit=4)
        with statements() as noted:
            found = await harness.runs.contexts.usage(alice, window, harness.models.one)
        assert found is not None
        assert found.used == 4_300
        costs.append(len(noted.ran))
    assert costs[0] == costs[1]


async def test_a_summary_by_hand_makes_it_less_and_the_next_answer_counts_again(
    harness: RunHarness, alice: Principal
) -> None:
    thread = await ask(harness, alice, "x" * 6_000, Usage(2_000, 10), answer="y" * 6_000)
    await ask(harness, alice, "and?", COUNTED, thread)
    created = await harness.runs.compact(alice, thread)
    (await harness.models.one.answer(3)).say("Short.").finish()
    await harness.read(alice, created.run_id)
    found = await used(harness, alice, thread)
    assert found.is_estimate
    assert 0 < found.used < 100
    await ask(harness, alice, "next", Usage(150, 10), thread)
    found = await used(harness, alice, thread)
    assert (found.used, found.is_estimate) == (160, False)


async def test_an_answer_that_no_model_is_sent_is_not_counted(
    harness: RunHarness, alice: Principal
) -> None:
    thread = await stored_thread(harness, alice, ["x" * 300, "y" * 9_000])
    async with harness.db.write(alice) as session:
        row = (await session.exec(select(Message).where(col(Message.role) == "assistant"))).one()
        row.origin = "client"
    found = await used(harness, alice, thread)
    assert 100 <= found.used <= 200


async def test_each_branch_has_its_own(harness: RunHarness, alice: Principal) -> None:
    thread = await ask(harness, alice, "hi", Usage(100, 20))
    first = (await harness.threads.window(alice, thread)).messages[-1].id
    await ask(harness, alice, "more", COUNTED, thread)
    assert (await used(harness, alice, thread)).used == 4_300
    async with harness.db.write(alice) as session:
        row = (await session.exec(select(Thread).where(col(Thread.id) == thread))).one()
        row.head_id = first
    assert (await used(harness, alice, thread)).used == 120


@pytest.mark.parametrize(
    ("tokens", "level"), [(1_000, ""), (5_500, ""), (5_900, "near"), (6_800, "full")]
)
async def test_it_says_when_a_summary_is_near(
    database: DatabaseUnderTest, tokens: int, level: str
) -> None:
    # a quarter of the window is kept for the answer, a tenth of the rest for safety
    async with run_harness(database, chat_max_tokens=4_000) as harness:
        harness.models.one.info = ModelInfo(window=WINDOW)
        ada = await harness.person()
        thread = await ask(harness, ada, "hi", Usage(tokens - 100, 100))
        found = await used(harness, ada, thread)
        assert (found.limit, found.level) == (6_750, level)


@pytest.mark.parametrize(
    ("window", "max_bytes", "limit"),
    [(None, 0, DEFAULT_PROMPT_BYTES // 3), (None, 6_000, 2_000), (WINDOW, 6_000, 2_000)],
)
async def test_where_the_window_does_not_decide_the_limit_is_the_whole(
    database: DatabaseUnderTest, window: int | None, max_bytes: int, limit: int
) -> None:
    async with run_harness(database, chat_context_chars=max_bytes) as harness:
        harness.models.one.info = ModelInfo(window=window)
        ada = await harness.person()
        thread = await ask(harness, ada, "hi", Usage(90, 10))
        found = await used(harness, ada, thread)
        assert (found.limit, found.whole, found.is_window) == (limit, limit, False)


async def test_the_outlook_counts_what_is_summarized_and_tells_whether_more_can_be(
    harness: RunHarness, alice: Principal
) -> None:
    contexts = harness.runs.contexts
    empty = await harness.threads.create(alice)
    found = await contexts.outlook(alice, empty.id)
    assert (found.summarized, found.can_summarize) == (0, False)
    thread = await stored_thread(harness, alice, ["x" * 600] * 6)
    found = await contexts.outlook(alice, thread)
    assert (found.summarized, found.can_summarize) == (0, True)
    created = await harness.runs.compact(alice, thread)
    (await harness.models.one.answer()).say("Short.").finish()
    await harness.read(alice, created.run_id)
    found = await contexts.outlook(alice, thread)
    assert (found.summarized, found.can_summarize) == (4, False)


async def test_an_automatic_summary_is_in_the_count_of_its_answer(
    harness: RunHarness, alice: Principal
) -> None:
    thread = await ask(harness, alice, "hi", COUNTED)
    last = (await harness.threads.window(alice, thread)).messages[-1]
    summary: Part = {
        "type": "summary",
        "text": "s",
        "until": str(last.parent_id),
        "count": 1,
        "origin": "model",
    }
    async with harness.db.write(alice) as session:
        row = (await session.exec(select(Message).where(col(Message.id) == last.id))).one()
        row.parts = [summary, *row.parts]
    assert (await used(harness, alice, thread)).used == 4_300
