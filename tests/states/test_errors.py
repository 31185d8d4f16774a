"""A handler that cannot do its work says so in one sentence, and the state stays as it was."""

import asyncio
import logging

import pytest

from chat_app.core.errors import DatabaseBusy
from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from chat_app.states.thread_list import ThreadListState
from testing.reflex_tabs import Harness, Tab

MISSING = "00000000-0000-4000-8000-000000000000"


async def test_a_busy_database_shows_a_notice_and_the_list_stays(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.user("ada@example.com")
    await harness.live.threads.create(ada, title="Kept")
    tab = await harness.tab(ada)
    await tab.send(ThreadListState.find(""))

    async def busy(*_: object, **__: object) -> None:
        raise DatabaseBusy

    monkeypatch.setattr(harness.live.threads, "page", busy)
    with pytest.raises(DatabaseBusy):
        await tab.send(ThreadListState.find("k"))
    assert await told(tab) == DatabaseBusy().message
    assert [row.title for row in (await tab.state(ThreadListState))._view.items] == ["Kept"]


async def test_a_bug_shows_a_notice_without_its_text(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tab = await harness.tab(await harness.user("ada@example.com"))

    async def broken(*_: object, **__: object) -> None:
        raise KeyError("the secret words")

    monkeypatch.setattr(harness.live.threads, "window", broken)
    monkeypatch.setattr(logging.getLogger("chat_app"), "propagate", True)
    with pytest.raises(KeyError):
        await tab.send(Feed.open(), MISSING)
    assert "on our side" in await told(tab)
    assert "secret words" not in tab.text() + caplog.text
    assert "KeyError" in caplog.text


async def test_a_refused_message_stays_with_its_author(harness: Harness) -> None:
    tab = await harness.tab(await harness.user("ada@example.com"))
    await tab.send(ChatState.send("c1", "", "x" * 100_001))
    state = await tab.state(ChatState)
    assert (state.refused, state.accepted) == ("c1", "")
    assert "100 kB" in state.notice


async def test_a_message_to_a_deleted_thread_stays_with_its_author(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = await harness.live.threads.create(ada, title="Gone soon")
    tab = await harness.tab(ada)
    state = await tab.state(ChatState)
    state.thread = str(thread.id)
    await harness.live.threads.delete(ada, thread.id)
    await tab.send(ChatState.send("c1", str(thread.id), "Hello?"), str(thread.id))
    assert (await tab.state(ChatState)).refused == "c1"


async def told(tab: Tab) -> str:
    """The sentence a tab shows, once it shows one."""
    async with asyncio.timeout(30):
        while not (notice := (await tab.state(ChatState)).notice):
            await tab.arrival()
    return notice
