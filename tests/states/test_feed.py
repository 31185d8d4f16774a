"""What a tab is sent: the same answer in every tab, at a cost that does not grow."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseBusy
from chat_app.llm.base import Delta, PromptMessage, TextDelta
from chat_app.runs.flush import FlushThrottle
from chat_app.seed import seed_messages
from chat_app.states import feed
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from chat_app.states.thread_list import ThreadListState
from testing.reflex_tabs import (
    Harness,
    Tab,
    has_ended,
    is_watched,
    open_harness,
    open_tab,
    size,
    wait_for_value,
    wait_until,
)

TOKENS = 2_000


class LockStep:
    """A model that sends a token only when the one before has reached the tab."""

    id = name = "fake"

    def __init__(self, inner: object, tab: Tab) -> None:
        self._inner, self._tab = inner, tab
        self._before = len(tab.chunks) + 1  # the question's own frame comes first

    async def stream(
        self, prompt: Sequence[PromptMessage], *, max_tokens: int | None = None
    ) -> AsyncIterator[Delta]:
        tokens = 0
        async for delta in self._inner.stream(prompt, max_tokens=max_tokens):  # pyright: ignore
            yield delta
            if isinstance(delta, TextDelta):
                tokens += 1
                wanted = self._before + tokens
                await wait_until(self._tab, lambda wanted=wanted: len(self._tab.chunks) >= wanted)


async def cost(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, principal: Principal, thread: str
) -> float:
    """Bytes a token for an answer of 2,000 tokens in a thread, everything the tab is sent."""
    tab = await open_tab(harness, principal, thread)
    model = harness.live.models.get(f"fake:{TOKENS}x0")
    in_step = LockStep(model, tab)
    monkeypatch.setattr(harness.live.models, "get", lambda _: in_step)
    before = len(tab.updates)
    await tab.send(ChatState.send("one-answer", thread, "Say a lot."), thread)
    await wait_until(tab, lambda: has_ended(tab))
    monkeypatch.undo()
    tab.close()
    return size(tab.updates[before:]) / TOKENS


class Unhurried(FlushThrottle):
    """Commits as soon as there is something, so that every token has its own frame."""

    async def rest(self, seconds: float, urgent: asyncio.Event) -> float:
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
    in_empty = await cost(harness, monkeypatch, ada, str(empty))
    bob = await harness.user("bob@example.com")
    long = await seed_messages(harness.live.db, bob, 1_000)
    in_long = await cost(harness, monkeypatch, bob, str(long))
    assert in_empty <= 150
    assert abs(in_long / in_empty - 1) <= 0.05


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
        assert [row.text for row in state._view.tail] == ["", ""]
        assert assembled(tab, state._view.tail[1].stream_id) == stored
        assert assembled(tab, state._view.tail[0].stream_id) == "Hello"
        tab.close()


async def test_a_tab_opened_in_the_middle_has_the_whole_text(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = str((await harness.live.threads.create(ada)).id)
    first = await open_tab(harness, ada, thread)
    await first.send(ChatState.pick_model("fake"), thread)
    await first.send(ChatState.send("c1", thread, "Hello"), thread)
    await wait_until(first, lambda: len(first.chunks) > 3)
    late = await open_tab(harness, ada, thread)
    await wait_until(late, lambda: has_ended(late))
    window = await harness.live.threads.window(ada, UUID(thread))
    answer = (await late.state(ChatState))._view.tail[-1]
    assert assembled(late, answer.stream_id) == window.messages[-1].text
    first.close()
    late.close()


async def test_a_resync_sends_the_whole_text(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = str((await harness.live.threads.create(ada)).id)
    tab = await open_tab(harness, ada, thread)
    await tab.send(ChatState.send("c1", thread, "Hello"), thread)
    await wait_until(tab, lambda: has_ended(tab))
    answer = (await tab.state(ChatState))._view.tail[-1]
    seen = len(tab.chunks)
    await tab.send(Feed.resync(answer.stream_id, 3), thread)
    window = await harness.live.threads.window(ada, UUID(thread))
    assert tab.chunks[seen:] == [[answer.stream_id, 0, window.messages[-1].text, "complete"]]
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


async def test_a_closed_tab_follows_nothing_and_the_answer_goes_on(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = str((await harness.live.threads.create(ada)).id)
    tab = await open_tab(harness, ada, thread)
    await tab.send(ChatState.send("c1", thread, "Hello"), thread)
    await wait_until(tab, lambda: len(tab.chunks) > 3)
    tab.close()
    window = await harness.live.threads.window(ada, UUID(thread))
    assert window.run is not None
    async for _ in harness.live.runs.follow(ada, window.run.run_id):
        pass
    assert not has_ended(tab)
    assert not is_watched(harness, ada)
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
    """What the page's text component makes of the frames of one handle."""
    text = ""
    for run, offset, piece, *_ in tab.chunks:
        if run == stream_id:
            have = len(text.encode("utf-16-le")) // 2
            assert offset <= have, "a gap"
            text += piece.encode("utf-16-le")[2 * (have - offset) :].decode("utf-16-le")
    return text
