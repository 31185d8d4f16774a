"""What a tab is sent: the same answer in every tab, at a cost that does not grow."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseBusy
from chat_app.core.events import Event, PartDelta
from chat_app.core.signals import Signal, user_topic
from chat_app.llm.base import DEFAULT_OPTIONS, UNKNOWN_MODEL, CallOptions, PromptMessage
from chat_app.runs.flush import FlushThrottle
from chat_app.seed import seed_messages, seed_threads
from chat_app.states import feed
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.chunks import END
from chat_app.states.feed import Feed
from chat_app.states.thread_list import ThreadListState
from chat_app.states.thread_list_view import PAGE
from chat_app.states.views import stream_id
from testing.reflex_tabs import (
    Harness,
    Tab,
    has_ended,
    open_harness,
    open_tab,
    size,
    wait_for_value,
    wait_until,
    watching,
)
from testing.stream_chunks import parts_of

TOKENS = 2_000


class LockStep:
    """A model that sends a token only when the one before has reached the tab."""

    id = name = "fake"
    info = replace(UNKNOWN_MODEL, summarizes=False)  # a summary reaches no tab

    def __init__(self, inner: object, tab: Tab) -> None:
        self._inner, self._tab = inner, tab
        self._before = len(tab.values) + 1  # the question's own comes first

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncIterator[Event]:
        tokens = 0
        async for event in self._inner.stream(prompt, options):  # pyright: ignore
            yield event
            if isinstance(event, PartDelta):
                tokens += 1
                wanted = self._before + tokens
                await wait_until(self._tab, lambda wanted=wanted: len(self._tab.values) >= wanted)


async def cost(
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
    principal: Principal,
    thread: str,
    model_id: str = f"fake:{TOKENS}x0",
) -> tuple[float, float]:
    """What an answer of 2,000 tokens costs in a thread, everything the tab is sent.

    Returns:
        Bytes a token, and how many of them are not what the token says.
    """
    tab = await open_tab(harness, principal, thread)
    in_step = LockStep(harness.live.models.get(model_id), tab)
    monkeypatch.setattr(harness.live.models, "get", lambda _: in_step)
    before, chunks = len(tab.updates), len(tab.chunks)
    await tab.send(ChatState.send("one-answer", thread, "Say a lot."), thread)
    await wait_until(tab, lambda: has_ended(tab))
    monkeypatch.undo()
    tab.close()
    total = size(tab.updates[before:])
    said = sum(len(json.dumps(text_in(chunk))) - 2 for chunk in tab.chunks[chunks:])
    return total / TOKENS, (total - said) / TOKENS


class Held:
    """A model that sends its second half when it is told to."""

    id = name = "fake"
    info = LockStep.info

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self.go_on = asyncio.Event()

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncIterator[Event]:
        tokens = 0
        async for event in self._inner.stream(prompt, options):  # pyright: ignore
            yield event
            tokens += isinstance(event, PartDelta)
            if tokens == 10:
                await self.go_on.wait()


def begins_a_part(chunk: list[Any]) -> bool:
    return chunk[2] == 0 or (isinstance(chunk[2], dict) and "type" in chunk[2])


def text_in(chunk: list[Any]) -> str:
    return chunk[2].get("text", "") if isinstance(chunk[2], dict) else chunk[3]


class Unhurried(FlushThrottle):
    """Commits as soon as there is something, so that every token has its own frame."""

    async def rest(self, seconds: float, urgent: asyncio.Event, work: asyncio.Event) -> float:
        await asyncio.sleep(0)
        return 0.0

    def now(self) -> float:
        self._time = getattr(self, "_time", 0.0) + 1.0
        return self._time


@pytest.fixture
async def on_harness_unhurried(tmp_path: Path) -> AsyncIterator[Harness]:
    async with open_harness(tmp_path, Unhurried()) as harness:
        yield harness


async def test_a_chat_is_left_before_the_list_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        thread = await harness.live.threads.create(ada)
        tab = await harness.tab(ada)  # unwatched, so that nothing else reads the list
        await tab.send(AuthState.on_auth_change(), str(thread.id))
        assert (await tab.state(ChatState)).thread == str(thread.id)
        read, seen = harness.live.threads.page, []

        async def page(*args: Any, **kwargs: Any):
            seen.append((await tab.state(ChatState)).thread)
            return await read(*args, **kwargs)

        monkeypatch.setattr(harness.live.threads, "page", page)
        await tab.send(AuthState.on_auth_change())
        assert seen == [""]


async def test_an_empty_chat_has_nothing_to_wait_for(tmp_path: Path):
    async with open_harness(tmp_path) as harness:
        tab = await open_tab(harness, await harness.user("ada@example.com"))
        assert not (await tab.state(ChatState)).loading


async def test_a_token_costs_the_same_in_an_empty_and_in_a_long_thread(
    on_harness_unhurried: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = on_harness_unhurried
    ada = await harness.user("ada@example.com")
    empty = (await harness.live.threads.create(ada)).id
    in_empty, _ = await cost(harness, monkeypatch, ada, str(empty))
    bob = await harness.user("bob@example.com")
    long = await seed_messages(harness.live.db, bob, 1_000)
    in_long, _ = await cost(harness, monkeypatch, bob, str(long))
    assert in_empty <= 150
    assert abs(in_long / in_empty - 1) <= 0.05


async def test_a_token_of_reasoning_costs_what_one_of_text_does(
    on_harness_unhurried: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = on_harness_unhurried
    costs: list[float] = []
    for name, model_id in (("ada", f"fake:{TOKENS}x0"), ("bob", f"fake:think{TOKENS}:1x0")):
        user = await harness.user(f"{name}@example.com")
        thread = str((await harness.live.threads.create(user)).id)
        _, of_token = await cost(harness, monkeypatch, user, thread, model_id)
        costs.append(of_token)
    of_text, of_reasoning = costs
    assert abs(of_reasoning / of_text - 1) <= 0.01


async def test_a_second_tab_shows_the_same_answer(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = str((await harness.live.threads.create(ada)).id)
    first, second = await open_tab(harness, ada, thread), await open_tab(harness, ada, thread)
    await first.send(ChatState.send("c1", thread, "Hello"), thread)
    for tab in (first, second):
        await wait_until(tab, lambda tab=tab: has_ended(tab))
    window = await harness.live.threads.window(ada, UUID(thread))
    stored = window.messages[-1].text
    for tab in (first, second):
        state = await tab.state(ChatState)
        assert [row.parts for row in state._view.tail] == [[], []]
        assert assembled(tab, state._view.tail[1].stream_id) == stored
        assert assembled(tab, state._view.tail[0].stream_id) == "Hello"
        tab.close()


async def test_an_answer_waits_for_a_tab_that_does_not_read(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = str((await harness.live.threads.create(ada)).id)
    slow, quick = await open_tab(harness, ada, thread), await open_tab(harness, ada, thread)
    slow.queued = 100
    await quick.send(ChatState.send("c1", thread, "Hello"), thread)
    await wait_until(quick, lambda: has_ended(quick))
    assert not has_ended(slow)
    slow.queued = 0
    await wait_until(slow, lambda: has_ended(slow))
    stream = (await slow.state(ChatState))._view.tail[-1].stream_id
    assert assembled(slow, stream) == assembled(quick, stream) != ""
    slow.close()
    quick.close()


async def test_a_tab_opened_in_the_middle_has_the_whole_text(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = str((await harness.live.threads.create(ada)).id)
    first = await open_tab(harness, ada, thread)
    sent = await harness.live.runs.send(
        ada, text="Hello", client_id="c1", thread_id=UUID(thread), model="fake:2000x10"
    )
    await wait_until(first, lambda: len(first.chunks) > 3)
    late = await open_tab(harness, ada, thread)
    await wait_until(late, lambda: bool(late.chunks))
    await harness.live.runs.stop(ada, sent.run_id)
    await wait_until(late, lambda: has_ended(late))
    window = await harness.live.threads.window(ada, UUID(thread))
    answer = (await late.state(ChatState))._view.tail[-1]
    assert assembled(late, answer.stream_id) == window.messages[-1].text
    first.close()
    late.close()


def hold_readings(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let no tab read a thread until the event is set."""
    read, go_on = harness.live.threads.window, asyncio.Event()

    async def window(*given: Any, **options: Any) -> Any:
        await go_on.wait()
        return await read(*given, **options)

    monkeypatch.setattr(harness.live.threads, "window", window)
    return go_on


async def test_an_answer_that_is_stopped_and_continued_before_it_is_read_again_is_whole(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.user("ada@example.com")
    runs, thread = harness.live.runs, (await harness.live.threads.create(ada)).id
    tab = await open_tab(harness, ada, str(thread))
    sent = await runs.send(
        ada, text="Hello", client_id="c1", thread_id=thread, model="fake:2000x10"
    )
    await wait_until(tab, lambda: len(tab.chunks) > 1)
    go_on = hold_readings(harness, monkeypatch)
    await runs.stop(ada, sent.run_id)
    await wait_until(tab, lambda: has_ended(tab))
    await harness.live.threads.change(ada, thread, model="fake:5x0")
    continued = await runs.continue_answer(ada, sent.message_id)
    async for _ in runs.follow(ada, continued.run_id):
        pass
    go_on.set()
    stored = await harness.live.threads.message(ada, thread, sent.message_id)
    await wait_until(tab, lambda: assembled(tab, stream_id(sent.message_id)) == stored.text)
    tab.close()


async def test_an_answer_that_is_over_before_it_is_read_comes_whole_with_its_end(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.user("ada@example.com")
    runs, thread = harness.live.runs, (await harness.live.threads.create(ada)).id
    tab = await open_tab(harness, ada, str(thread))
    go_on = hold_readings(harness, monkeypatch)
    sent = await runs.send(ada, text="Hello", client_id="c1", thread_id=thread, model="fake:5x0")
    async for _ in runs.follow(ada, sent.run_id):
        pass
    go_on.set()

    def ends() -> dict[str, str]:
        return {chunk[0]: chunk[4] for chunk in tab.chunks if chunk[1] == END}

    await wait_until(tab, lambda: len(ends()) == 2)
    asked, answer = (await harness.live.threads.window(ada, thread)).messages
    assert assembled(tab, stream_id(answer.id)) == answer.text
    assert ends() == {stream_id(asked.id): "", stream_id(answer.id): "complete"}
    tab.close()


async def test_a_resync_sends_the_whole_text(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = str((await harness.live.threads.create(ada)).id)
    tab = await open_tab(harness, ada, thread)
    await tab.send(ChatState.send("c1", thread, "Hello"), thread)
    await wait_until(tab, lambda: has_ended(tab))
    answer = (await tab.state(ChatState))._view.tail[-1]
    seen = len(tab.chunks)
    await tab.send(Feed.resync(answer.stream_id, 0, 3), thread)
    window = await harness.live.threads.window(ada, UUID(thread))
    text = window.messages[-1].text
    assert tab.chunks[seen:] == [
        [answer.stream_id, 0, 0, text],
        [answer.stream_id, -1, len(text), "", "complete", 1],
    ]
    tab.close()


async def test_a_resync_in_mid_answer_sends_what_is_there_from_the_part_on(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    thread = str((await harness.live.threads.create(ada)).id)
    tab = await open_tab(harness, ada, thread)
    await tab.send(ChatState.pick_model("fake:think20:2000x10"), thread)
    sent = await harness.live.runs.send(
        ada, text="Hello", client_id="c1", thread_id=UUID(thread), model="fake:think20:2000x10"
    )
    stream = stream_id(sent.message_id)
    await wait_until(tab, lambda: any(chunk[:2] == [stream, 1] for chunk in tab.chunks))
    late = await harness.tab(ada)
    await late.begin(Feed.open(), thread)
    # else what it follows would begin the text while the parts are sent again
    await wait_until(late, lambda: any(chunk[:2] == [stream, 1] for chunk in late.chunks))
    for part in (0, 1):
        seen = len(late.chunks)
        await late.send(Feed.resync(stream, part, 0), thread)
        begins = [chunk[1] for chunk in late.chunks[seen:] if begins_a_part(chunk)]
        assert begins == list(range(part, 2))
    await harness.live.runs.stop(ada, sent.run_id)
    for one in (tab, late):
        await wait_until(one, lambda one=one: has_ended(one))
        window = await harness.live.threads.window(ada, UUID(thread))
        assert assembled(one, stream) == window.messages[-1].text
        one.close()


async def test_the_text_of_stored_reasoning_is_sent_alone_when_it_is_asked_for(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    sent = await harness.live.runs.send(ada, text="Hello", client_id="c1", model="fake:think")
    async for _ in harness.live.runs.follow(ada, sent.run_id):
        pass
    thread = str(sent.thread_id)
    tab = await open_tab(harness, ada, thread)
    row = (await tab.state(ChatState))._view.history.end[-1]
    assert [part["type"] for part in row.parts] == ["reasoning", "text"]
    assert "steady** answer" not in tab.text()
    await tab.send(Feed.resync(row.stream_id, 0, 0), thread)
    (thought,) = parts_of(tab.chunks, row.stream_id)
    assert thought["text"].startswith("The user asks for a **steady** answer")
    assert len(thought["text"]) == row.parts[0]["length"]
    assert {chunk[1] for chunk in tab.chunks if chunk[0] == row.stream_id} == {0}
    tab.close()


async def test_other_tabs_learn_of_new_renamed_and_deleted_threads(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    tab = await open_tab(harness, ada)

    async def titles() -> list[str]:
        return [item.title for item in (await tab.state(ThreadListState))._view.items]

    thread = await harness.live.threads.create(ada, title="First")
    await wait_for_value(tab, titles, ["First"])
    await harness.live.threads.rename(ada, thread.id, "Second")
    await wait_for_value(tab, titles, ["Second"])
    await harness.live.threads.delete(ada, thread.id)
    await wait_for_value(tab, titles, [])
    await harness.live.threads.restore(ada, thread.id)
    await wait_for_value(tab, titles, ["Second"])
    tab.close()


async def test_threads_that_are_added_at_once_are_listed_wherever_they_belong(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    await harness.live.threads.create(ada, title="Mine")
    tab = await open_tab(harness, ada)

    async def listed() -> int:
        state = await tab.state(ThreadListState)
        return len(state.items) + len(state.older)

    async def newest() -> str:
        return (await tab.state(ThreadListState)).items[0].title

    await seed_threads(harness.live.db, ada, 60, clock=harness.live.clock)
    harness.live.bus.publish(user_topic(ada.user_id), Signal("threads"))
    await wait_for_value(tab, listed, PAGE)
    await tab.send(ThreadListState.more())
    assert await listed() == 61
    await harness.live.threads.create(ada, title="Last")
    await wait_for_value(tab, newest, "Last")
    tab.close()


async def test_a_closed_tab_follows_nothing_and_the_answer_goes_on(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.user("ada@example.com")
    thread = str((await harness.live.threads.create(ada)).id)
    tab = await open_tab(harness, ada, thread)
    model = Held(harness.live.models.get("fake:20x0"))
    monkeypatch.setattr(harness.live.models, "get", lambda _: model)
    await tab.send(ChatState.send("c1", thread, "Hello"), thread)
    await wait_until(tab, lambda: len(tab.chunks) > 1)
    tab.close()
    await wait_until(tab, lambda: not watching(harness, ada))
    window = await harness.live.threads.window(ada, UUID(thread))
    assert window.run is not None
    model.go_on.set()
    async for _ in harness.live.runs.follow(ada, window.run.run_id):
        pass
    assert not has_ended(tab)
    done = await harness.live.threads.window(ada, UUID(thread))
    assert done.messages[-1].status == "complete"


async def test_a_tab_keeps_following_when_the_database_is_busy(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RETRY_SECONDS", 0)
    ada = await harness.user("ada@example.com")
    tab = await open_tab(harness, ada)
    get, failures = harness.live.threads.get, [DatabaseBusy(), DatabaseBusy()]

    async def sometimes(*given: Any) -> Any:
        if failures:
            raise failures.pop()
        return await get(*given)

    monkeypatch.setattr(harness.live.threads, "get", sometimes)

    async def titles() -> list[str]:
        return [item.title for item in (await tab.state(ThreadListState))._view.items]

    await harness.live.threads.create(ada, title="Heard after all")
    await wait_for_value(tab, titles, ["Heard after all"])
    assert failures == []
    tab.close()


def assembled(tab: Tab, stream_id: str) -> str:
    """The answer that the page makes of the chunks of one stream."""
    parts = parts_of(tab.chunks, stream_id)
    return "".join(part["text"] for part in parts if part["type"] == "text")
