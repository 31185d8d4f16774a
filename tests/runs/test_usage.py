"""The usage of models as it is counted: each call once, also where calls or crashes meet."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from chat_app.auth.account.delete import delete_user
from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseUnreachable
from chat_app.core.events import Event, Finish, TextDelta, Usage, encode_payload
from chat_app.core.signals import ROLES, Signal
from chat_app.db.tables import (
    NO_USER,
    PRIVATE,
    Membership,
    Organisation,
    RunEvent,
    UsageLedger,
    User,
)
from chat_app.llm.base import (
    DEFAULT_OPTIONS,
    CallOptions,
    ModelInfo,
    PromptMessage,
    ProviderError,
    text_message,
)
from chat_app.llm.errors import Failure
from chat_app.usage.ledger import CountedCall, UsageRecorder, disown_usage, sweep_deleted_users
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, ScriptedModel, rest_of, run_harness

TODAY = date(2026, 1, 1)
PROMPT = (text_message("user", "hi"),)
BROKEN = Failure.SERVER.error("One")

Counts = tuple[int, int, int, int, int]
"""Calls, those that failed, those without reported tokens, and tokens of input and output."""


async def ledger(harness: RunHarness) -> dict[tuple[UUID, UUID, str, str], Counts]:
    """Every row, by user, organisation, model and purpose."""
    await harness.runs.usage_settled()
    async with harness.db.system("auth") as session:
        rows = (await session.exec(select(UsageLedger))).all()
    assert {row.day for row in rows} <= {TODAY}
    return {
        (row.owner_id, row.org_id, row.model, row.purpose): (
            *(row.calls, row.failed_calls, row.unreported_calls),
            *(row.input_tokens, row.output_tokens),
        )
        for row in rows
    }


async def used(harness: RunHarness, who: Principal) -> dict[tuple[str, str], Counts]:
    """What a user has used privately, by model and purpose."""
    return {
        (model, purpose): counts
        for (owner, org_id, model, purpose), counts in (await ledger(harness)).items()
        if owner == who.user_id and org_id == PRIVATE
    }


async def begun(harness: RunHarness, who: Principal, number: int = 1, **more: Any):
    """A send whose answer has a word that was shown."""
    sent = await harness.runs.send(who, text="hi", client_id=uuid4().hex, **more)
    answer = await harness.models.one.answer(number)
    answer.say("word")
    reader = harness.runs.follow(who, sent.run_id)
    await anext(reader)
    return sent, answer, reader


async def test_an_answer_is_counted_once_with_the_tokens_that_its_provider_reports(
    harness: RunHarness, alice: Principal
) -> None:
    _, answer, reader = await begun(harness, alice)
    answer.send(Usage(7, 3, 2, 5)).finish()
    await rest_of(reader)
    assert await used(harness, alice) == {("one", "answer"): (1, 0, 0, 7, 3)}
    async with harness.db.read(alice) as session:
        row = (await session.exec(select(UsageLedger))).one()
        assert (row.reasoning_tokens, row.cached_input_tokens) == (2, 5)


async def test_an_answer_that_is_regenerated_or_continued_is_counted_again(
    harness: RunHarness, alice: Principal
) -> None:
    sent, answer, reader = await begun(harness, alice)
    answer.send(Usage(7, 3)).finish("length")
    await rest_of(reader)
    more = await harness.runs.continue_answer(alice, sent.message_id)
    (await harness.models.one.answer(2)).say(" on").send(Usage(10, 1)).finish()
    await harness.read(alice, more.run_id)
    assert await used(harness, alice) == {("one", "answer"): (2, 0, 0, 17, 4)}
    again = await harness.runs.retry(alice, sent.message_id)
    (await harness.models.one.answer(3)).say("again").send(Usage(7, 2)).finish()
    await harness.read(alice, again.run_id)
    assert await used(harness, alice) == {("one", "answer"): (3, 0, 0, 24, 6)}


async def test_an_answer_that_is_stopped_is_a_call_without_tokens(
    harness: RunHarness, alice: Principal
) -> None:
    sent, _, _ = await begun(harness, alice)
    await harness.runs.stop(alice, sent.run_id)
    assert await used(harness, alice) == {("one", "answer"): (1, 0, 1, 0, 0)}


async def test_tokens_that_were_reported_before_a_stop_are_counted(
    harness: RunHarness, alice: Principal
) -> None:
    sent, answer, _ = await begun(harness, alice)
    answer.send(Usage(7, 1))
    await answer.taken()
    await harness.runs.stop(alice, sent.run_id)
    assert await used(harness, alice) == {("one", "answer"): (1, 0, 0, 7, 1)}


async def test_an_answer_whose_provider_fails_is_a_failed_call(
    harness: RunHarness, alice: Principal
) -> None:
    _, answer, reader = await begun(harness, alice)
    answer.fail(Failure.CUT_OFF.error("One"))
    await rest_of(reader)
    assert await used(harness, alice) == {("one", "answer"): (1, 1, 1, 0, 0)}


async def test_each_attempt_is_counted_for_the_model_that_was_called(
    database: DatabaseUnderTest,
) -> None:
    async with run_harness(database, chat_retries=1) as harness:
        alice = await harness.person()
        harness.models.fallbacks = {"one": (harness.models.two,)}
        sent = await harness.runs.send(alice, text="hi", client_id="c1")
        for number in (1, 2):
            (await harness.models.one.answer(number)).fail(BROKEN)
        (await harness.models.two.answer()).say("here").send(Usage(7, 3)).finish()
        await harness.read(alice, sent.run_id)
        assert await used(harness, alice) == {
            ("one", "answer"): (2, 2, 2, 0, 0),
            ("two", "answer"): (1, 0, 0, 7, 3),
        }


async def test_a_title_is_counted_and_so_is_one_that_is_cut_off(
    database: DatabaseUnderTest,
) -> None:
    async with run_harness(database, chat_titles=True) as harness:
        alice = await harness.person()
        for number, reason in ((1, "stop"), (3, "length")):
            _, answer, reader = await begun(harness, alice, number)
            answer.send(Usage(7, 3)).finish()
            await rest_of(reader)
            title = await harness.models.one.answer(number + 1)
            title.say("Rome").send(Usage(20, 2)).finish(reason)  # pyright: ignore[reportArgumentType]
            await harness.runs.titles_settled()
        assert await used(harness, alice) == {
            ("one", "answer"): (2, 0, 0, 14, 6),
            ("one", "title"): (2, 0, 0, 40, 4),
        }


async def test_a_title_that_is_cancelled_is_a_call_without_tokens(
    database: DatabaseUnderTest,
) -> None:
    async with run_harness(database, chat_titles=True) as harness:
        alice = await harness.person()
        _, answer, reader = await begun(harness, alice)
        answer.send(Usage(7, 3)).finish()
        await rest_of(reader)
        await harness.models.one.answer(2)
        harness.end_session(alice)
        await harness.runs.titles_settled()
        assert (await used(harness, alice))["one", "title"] == (1, 0, 1, 0, 0)


class SummarizingModel(ScriptedModel):
    """Answers at once, and counts the summaries that it is asked for."""

    def __init__(self, model_id: str) -> None:
        super().__init__(model_id)
        self.info = ModelInfo(window=8_192)
        self.summaries = 0
        self.tokens = [0, 0]  # of the prompts of answers, and of summaries

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[Event]:
        is_summary = prompt[0].text.startswith("You write summaries")
        tokens = sum(len(message.text) for message in prompt) // 3
        self.tokens[is_summary] += tokens
        self.summaries += is_summary
        yield TextDelta("In short.")
        yield Usage(tokens, 3)
        yield Finish("stop")


async def test_a_summary_that_an_answer_needs_is_counted_as_compaction(
    harness: RunHarness, alice: Principal
) -> None:
    harness.models.one = model = SummarizingModel("one")
    thread = await harness.threads.create(alice)
    for number in range(6):
        text = f"{number} " * 2_000
        given = {"client_id": f"c{number}", "thread_id": thread.id}
        sent = await harness.runs.send(alice, text=text, **given)
        await harness.read(alice, sent.run_id)
    found = await used(harness, alice)
    count = model.summaries
    assert count > 0
    assert found["one", "answer"] == (6, 0, 0, model.tokens[False], 18)
    assert found["one", "compaction"] == (count, 0, 0, model.tokens[True], 3 * count)


async def test_a_summary_by_hand_is_counted_as_compaction(
    harness: RunHarness, alice: Principal
) -> None:
    sent, answer, reader = await begun(harness, alice)
    answer.say("more " * 500).send(Usage(7, 3)).finish()
    await rest_of(reader)
    more = await harness.runs.send(alice, text="on", client_id="c2", thread_id=sent.thread_id)
    (await harness.models.one.answer(2)).say("yes").send(Usage(9, 1)).finish()
    await harness.read(alice, more.run_id)
    run = await harness.runs.compact(alice, sent.thread_id)
    (await harness.models.one.answer(3)).say("In short.").send(Usage(30, 4)).finish()
    await harness.read(alice, run.run_id)
    assert await used(harness, alice) == {
        ("one", "answer"): (2, 0, 0, 16, 4),
        ("one", "compaction"): (1, 0, 0, 30, 4),
    }


async def ask_unstored(harness: RunHarness, who: Principal) -> list[Any]:
    model: Any = harness.models.one
    asked = harness.runs.unstored.answer(who, model, PROMPT, CallOptions())
    async with asked as answer:
        return [event async for event in answer.events]


async def test_an_answer_that_is_stored_nowhere_is_counted_as_a_call_of_the_api(
    harness: RunHarness, alice: Principal
) -> None:
    for number, end in enumerate((Usage(7, 3), BROKEN), 1):
        asking = asyncio.create_task(ask_unstored(harness, alice))
        answer = (await harness.models.one.answer(number)).say("word")
        if isinstance(end, ProviderError):
            answer.fail(end)
            with pytest.raises(ProviderError):
                await asking
        else:
            answer.send(end).finish()
            await asking
    assert await used(harness, alice) == {("one", "api"): (2, 1, 1, 7, 3)}


async def test_a_client_that_leaves_has_made_a_call(harness: RunHarness, alice: Principal) -> None:
    asking = asyncio.create_task(ask_unstored(harness, alice))
    answer = (await harness.models.one.answer()).say("word")
    await answer.taken()
    asking.cancel()
    await asyncio.wait({asking})
    assert await used(harness, alice) == {("one", "api"): (1, 0, 1, 0, 0)}


@pytest.fixture
async def org_id(harness: RunHarness, alice: Principal) -> UUID:
    one = Organisation(name="Acme")
    async with harness.db.system("organisations", write=True) as session:
        session.add(one)
        await session.flush()
        session.add(Membership(user_id=alice.user_id, org_id=one.id, role="member"))
    return one.id


async def test_what_is_used_in_an_organisation_stays_its_after_a_member_has_left(
    harness: RunHarness, alice: Principal, org_id: UUID
) -> None:
    member = Principal(alice.user_id, alice.credential_id, memberships={org_id: "member"})
    _, answer, reader = await begun(harness, member, org_id=org_id)
    answer.send(Usage(7, 3))
    await answer.taken()
    harness.bus.publish(
        ROLES, Signal("roles_changed", user_id=alice.user_id, org_id=org_id, reason="left")
    )
    await rest_of(reader)
    key = (alice.user_id, org_id, "one", "answer")
    assert await ledger(harness) == {key: (1, 0, 0, 7, 3)}
    async with harness.db.read(alice) as session:
        assert (await session.exec(select(UsageLedger.input_tokens))).all() == [7]
    async with harness.db.system("organisations", write=True) as session:
        await session.delete(await session.require(Organisation, org_id))
    assert await ledger(harness) == {key: (1, 0, 0, 7, 3)}


async def test_what_was_used_outlives_its_thread(harness: RunHarness, alice: Principal) -> None:
    sent, answer, reader = await begun(harness, alice)
    answer.send(Usage(7, 3)).finish()
    await rest_of(reader)
    await harness.threads.delete(alice, sent.thread_id)
    harness.clock.time += timedelta(days=400)
    assert await harness.threads.purge() == 1
    harness.clock.time -= timedelta(days=400)
    assert await used(harness, alice) == {("one", "answer"): (1, 0, 0, 7, 3)}


async def test_answers_that_end_at_once_add_up_exactly(database: DatabaseUnderTest) -> None:
    count = 30
    async with run_harness(database, runs_per_user=count, limit_messages="1000/minute") as harness:
        people = [await harness.person() for _ in range(3)]
        sends = [
            harness.runs.send(who, text="hi", client_id=f"c{number}")
            for who in people
            for number in range(count)
        ]
        sent = await asyncio.gather(*sends)
        recorder = UsageRecorder(harness.db, harness.clock)
        await harness.models.one.answer(3 * count)
        for number, answer in enumerate(harness.models.one.answers):
            answer.say("word").send(Usage(7, 3)).finish()
            recorder.record(people[number % 3], PRIVATE, CountedCall("one", "answer", Usage(1, 1)))
        readers = zip(sorted(people * count, key=people.index), sent, strict=True)
        await asyncio.gather(*(harness.read(who, one.run_id) for who, one in readers))
        await recorder.idle()
        for who in people:
            expected = (2 * count, 0, 0, 8 * count, 4 * count)
            assert await used(harness, who) == {("one", "answer"): expected}


@pytest.mark.parametrize("attempts", [1, 3])
async def test_an_end_that_is_stored_at_a_later_attempt_is_counted_once(
    harness: RunHarness, alice: Principal, attempts: int
) -> None:
    _, answer, reader = await begun(harness, alice)
    harness.db.broken = [DatabaseUnreachable()] * attempts
    answer.send(Usage(7, 3)).finish()
    await rest_of(reader)
    await harness.runs.drain()
    assert await used(harness, alice) == {("one", "answer"): (1, 0, 0, 7, 3)}


async def test_an_end_that_is_stored_unheard_is_counted_once(
    harness: RunHarness, alice: Principal
) -> None:
    _, answer, reader = await begun(harness, alice)
    harness.db.unheard = [DatabaseUnreachable()]
    answer.send(Usage(7, 3)).finish()
    await rest_of(reader)
    await harness.runs.drain()
    assert await used(harness, alice) == {("one", "answer"): (1, 0, 0, 7, 3)}


LOST = {
    "nothing of it is stored": ([], None),
    "only text is stored": ([TextDelta("word")], (1, 0, 1, 0, 0)),
    "its tokens are stored": ([TextDelta("word"), Usage(7, 3)], (1, 0, 0, 7, 3)),
    "its end is stored": ([TextDelta("word"), Usage(7, 3), Finish("stop")], (1, 0, 0, 7, 3)),
}


@pytest.mark.parametrize("case", LOST)
async def test_an_answer_whose_server_was_killed_is_counted_once_by_what_is_stored(
    database: DatabaseUnderTest, case: str
) -> None:
    events, expected = LOST[case]
    async with run_harness(database) as lost:
        alice = await lost.person()
        sent = await lost.runs.send(alice, text="hi", client_id="c1")
        answer = await lost.models.one.answer()
        reader = lost.runs.follow(alice, sent.run_id)
        if events:
            answer.say("word")
            await anext(reader)
        async with lost.db.write(alice) as session:  # its provider has ended, its run has not
            for number, event in enumerate(events[1:], 2):
                session.add(
                    RunEvent(  # pyright: ignore[reportCallIssue]
                        run_id=sent.run_id,
                        seq=number,
                        kind=event.kind,
                        payload=encode_payload(event),
                    )
                )
        found: dict[tuple[str, str], Counts] = {}
        for _ in range(2):  # a second start finds nothing to recover
            async with run_harness(database) as harness:
                found = await used(harness, alice)
        assert found == ({("one", "answer"): expected} if expected else {})
        # and the lost server, if it is not lost after all, adds nothing to what was recovered
        answer.send(Usage(7, 3)).finish()
        await rest_of(reader)
        assert await used(lost, alice) == found


async def test_a_send_and_its_answer_take_no_more_transactions_than_without_the_ledger(
    harness: RunHarness, alice: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact, scoped = harness.db.transact, list[str]()

    async def counted(principal: Any, work: Any) -> Any:
        scoped.append(getattr(work, "__name__", ""))
        return await transact(principal, work)

    monkeypatch.setattr(harness.db, "transact", counted)
    _, answer, reader = await begun(harness, alice)
    answer.send(Usage(7, 3)).finish()
    await rest_of(reader)
    assert await used(harness, alice) == {("one", "answer"): (1, 0, 0, 7, 3)}
    assert len(scoped) == 2, "the send, and its end"
    assert set(harness.db.system_writes) - {"auth", "run recovery"} == {"run log"}


async def remove(harness: RunHarness, who: Principal) -> None:
    """Delete an account, as its user does."""

    class NoSessions:
        bus = harness.bus

        async def revoke_all(self, *_: Any, **__: Any) -> int:
            return 0

    sessions: Any = NoSessions()
    async with harness.db.system("auth", write=True, read_committed=True) as session:
        user = await session.require(User, who.user_id)
        await delete_user(session, sessions, user, actor=who)


async def test_what_a_deleted_account_has_used_is_that_of_no_user(
    harness: RunHarness, alice: Principal, bob: Principal
) -> None:
    for number, who in enumerate((alice, bob), 1):
        _, answer, reader = await begun(harness, who, number)
        answer.send(Usage(7, 3)).finish()
        await rest_of(reader)
    await remove(harness, alice)
    assert await ledger(harness) == {
        (NO_USER, PRIVATE, "one", "answer"): (1, 0, 0, 7, 3),
        (bob.user_id, PRIVATE, "one", "answer"): (1, 0, 0, 7, 3),
    }
    await remove(harness, bob)
    assert await ledger(harness) == {(NO_USER, PRIVATE, "one", "answer"): (2, 0, 0, 14, 6)}


async def test_what_ends_after_its_account_was_deleted_is_that_of_no_user_too(
    harness: RunHarness, alice: Principal
) -> None:
    _, answer, reader = await begun(harness, alice)
    await remove(harness, alice)
    answer.send(Usage(7, 3)).finish()
    await rest_of(reader)
    await harness.runs.drain()
    ((key, counts),) = (await ledger(harness)).items()
    assert (key[0], counts[0]) == (alice.user_id, 1)
    assert await sweep_deleted_users(harness.db, harness.clock) == 1
    assert await ledger(harness) == {(NO_USER, PRIVATE, "one", "answer"): counts}
    assert await sweep_deleted_users(harness.db, harness.clock) == 0


async def test_what_is_counted_while_an_account_is_deleted_is_not_lost(
    harness: RunHarness, alice: Principal
) -> None:
    recorder = UsageRecorder(harness.db, harness.clock)

    async def delete() -> None:
        async with harness.db.system("auth", write=True, read_committed=True) as session:
            await disown_usage(session, alice.user_id)

    for _ in range(5):
        for _ in range(5):
            recorder.record(alice, PRIVATE, CountedCall("one", "api", Usage(7, 3)))
        await delete()
    await recorder.idle()
    await delete()
    assert await ledger(harness) == {(NO_USER, PRIVATE, "one", "api"): (25, 0, 0, 175, 75)}


async def test_a_call_is_counted_although_the_database_fails_at_first(
    harness: RunHarness, alice: Principal
) -> None:
    pauses = list[float]()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    recorder = UsageRecorder(harness.db, harness.clock, sleep=sleep)
    harness.db.broken = [DatabaseUnreachable()] * 2
    recorder.record(alice, PRIVATE, CountedCall("one", "api", Usage(7, 3)))
    await recorder.idle()
    assert await used(harness, alice) == {("one", "api"): (1, 0, 0, 7, 3)}
    assert len(pauses) == 2


async def test_a_call_that_cannot_be_counted_is_logged_without_more(
    harness: RunHarness, alice: Principal, caplog: pytest.LogCaptureFixture
) -> None:
    async def sleep(_: float) -> None:
        pass

    recorder = UsageRecorder(harness.db, harness.clock, sleep=sleep)
    harness.db.broken = [DatabaseUnreachable()] * 20
    recorder.record(alice, PRIVATE, CountedCall("one", "api"))
    await recorder.idle()
    await asyncio.sleep(0)
    harness.db.broken.clear()
    said = [record.getMessage() for record in caplog.records]
    assert said == ["A call of a model was not counted: DatabaseUnreachable"]
    assert await used(harness, alice) == {}
