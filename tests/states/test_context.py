"""The context meter in open tabs: after answers, with another model or branch, and summaries."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseBusy, InvalidInput
from chat_app.core.parts import summary_of
from chat_app.states.branches import BranchState
from chat_app.states.chat import ChatState
from chat_app.states.context import ContextState, WarningState, is_compacting
from chat_app.threads.views import Window
from testing.reflex_tabs import (
    Harness,
    Tab,
    open_harness,
    open_tab,
    wait_for_value,
    wait_until,
)

LONG = "echo: " + "A long answer. " * 100


async def ask(
    harness: Harness, who: Principal, text: str, thread: str = "", model: str = "fake:5x0"
) -> str:
    """Ask, and wait for the answer; the thread."""
    sent = await harness.live.runs.send(
        who,
        text=text,
        client_id=uuid4().hex,
        thread_id=UUID(thread) if thread else None,
        model=model,
    )
    async for _ in harness.live.runs.follow(who, sent.run_id):
        pass
    return str(sent.thread_id)


async def context(tab: Tab) -> Any:
    return (await tab.state(ContextState)).context


def tokens(shown: str) -> int:
    return int(shown.replace(",", ""))


async def is_counted(tab: Tab) -> bool:
    shown = await context(tab)
    return shown is not None and not shown.is_estimate


async def rows_of(tab: Tab) -> list[Any]:
    """The messages on the page."""
    chat = await tab.state(ChatState)
    return [*(row for slot in chat.order for row in getattr(chat, f"page{slot}")), *chat.tail]


async def count_rows(tab: Tab) -> int:
    return len(await rows_of(tab))


async def end_of(harness: Harness, who: Principal, thread: str) -> Any:
    return (await harness.live.threads.window(who, UUID(thread))).messages[-1]


async def test_an_empty_chat_shows_nothing_and_each_answer_is_counted_in_every_tab(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    empty = await open_tab(harness, ada)
    assert await context(empty) is None
    thread = await ask(harness, ada, LONG)
    tabs = [await open_tab(harness, ada, thread) for _ in range(2)]
    for tab in tabs:
        await wait_for_value(tab, lambda tab=tab: is_counted(tab), True)
    before = await context(tabs[0])
    assert (before.whole, before.is_window) == ("32,768", True)
    await ask(harness, ada, LONG, thread)
    for tab in tabs:

        async def has_grown(tab: Tab = tab) -> bool:
            shown = await context(tab)
            return not shown.is_estimate and tokens(shown.used) > tokens(before.used)

        await wait_for_value(tab, has_grown, True)
    assert await context(empty) is None


async def test_another_model_and_another_chat_have_their_own(tmp_path: Path) -> None:
    providers = [
        {
            "name": "local",
            "base_url": "http://127.0.0.1:9/v1",
            "models": [{"id": "small", "window": 4_096}],
        }
    ]
    async with open_harness(tmp_path, chat_providers=providers) as harness:
        ada = await harness.user("ada@example.com")
        thread = await ask(harness, ada, LONG)
        tab = await open_tab(harness, ada, thread)
        await wait_for_value(tab, lambda: is_counted(tab), True)
        await tab.send(ChatState.pick_model("local/small"), thread)

        async def whole() -> str:
            return (await context(tab)).whole

        await wait_for_value(tab, whole, "4,096")


async def test_another_branch_is_measured(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = await ask(harness, ada, "hi")
    tab = await open_tab(harness, ada, thread)
    await wait_for_value(tab, lambda: is_counted(tab), True)
    short = (await context(tab)).used
    first = await end_of(harness, ada, thread)
    await harness.live.runs.send(
        ada, text=LONG * 3, client_id="c2", edits=first.parent_id, model="fake:5x0"
    )

    async def differs() -> bool:
        shown = await context(tab)
        return not shown.is_estimate and shown.used != short

    await wait_for_value(tab, differs, True)
    await tab.send(BranchState.choose(str(first.id)), thread)

    async def used() -> str:
        return (await context(tab)).used

    await wait_for_value(tab, used, short)


async def test_a_summary_is_made_on_request_and_shown_in_every_tab(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = await ask(harness, ada, LONG)
    watching = await open_tab(harness, ada, thread)
    await ask(harness, ada, "hi", thread)
    tabs = [watching, await open_tab(harness, ada, thread)]
    await wait_for_value(watching, lambda: count_rows(watching), 4)
    await wait_for_value(tabs[1], lambda: is_counted(tabs[1]), True)
    await tabs[1].send(ContextState.look(), thread)
    state = await tabs[1].state(ContextState)
    assert (state.outlook.summarized, state.outlook.can_summarize) == (0, True)
    await tabs[1].send(ContextState.compact(thread), thread)
    for tab in tabs:

        async def last_types(tab: Tab = tab) -> list[str]:
            return [part["type"] for row in (await rows_of(tab))[-1:] for part in row.parts]

        await wait_for_value(tab, last_types, ["text", "summary"])
        await wait_for_value(tab, lambda tab=tab: is_counted(tab), False)
        state = await tab.state(ContextState)
        assert (state.compacting, state.outlook) == (False, None)
        assert state.said == "Older messages are summarized."
    message = await end_of(harness, ada, thread)
    assert summary_of(message.parts) is not None
    await tabs[1].send(ContextState.look(), thread)
    outlook = (await tabs[1].state(ContextState)).outlook
    assert (outlook.summarized, outlook.can_summarize) == (2, False)


async def test_a_summary_made_before_the_thread_is_read_again_is_said(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.user("ada@example.com")
    thread = await ask(harness, ada, LONG)
    await ask(harness, ada, "hi", thread)
    tab = await open_tab(harness, ada, thread)
    await wait_for_value(tab, lambda: is_counted(tab), True)
    read, late = harness.live.threads.window, list[UUID]()

    async def window(*given: Any, **options: Any) -> Window:
        """Reads nothing while a summary is being made."""
        while is_compacting(found := await read(*given, **options)):
            assert found.run is not None
            late.append(found.run.run_id)
            async for _ in harness.live.runs.follow(ada, found.run.run_id):
                pass
        return found

    monkeypatch.setattr(harness.live.threads, "window", window)
    usage, calls = harness.live.runs.contexts.usage, list[object]()

    async def busy_once(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise DatabaseBusy
        return await usage(*given)

    monkeypatch.setattr(harness.live.runs.contexts, "usage", busy_once)
    await tab.send(ContextState.compact(thread), thread)

    async def said() -> str:
        return (await tab.state(ContextState)).said

    await wait_for_value(tab, said, "Older messages are summarized.")
    assert late
    await harness.live.threads.rename(ada, UUID(thread), "Another title")
    await wait_until(tab, lambda: len(calls) > 1)
    assert await said() == "Older messages are summarized."
    await ask(harness, ada, "hi", thread)
    await wait_for_value(tab, said, "")


async def test_every_tab_says_that_a_summary_is_being_made_and_stop_ends_it(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    thread = await ask(harness, ada, "x" * 3_000, model="fake:5x0")
    await ask(harness, ada, "hi", thread)
    await harness.live.threads.change(ada, UUID(thread), model="fake:3000x1000")
    tabs = [await open_tab(harness, ada, thread) for _ in range(2)]
    await tabs[0].send(ContextState.compact(thread), thread)
    for tab in tabs:

        async def busy(tab: Tab = tab) -> tuple[bool, bool]:
            return (await tab.state(ContextState)).compacting, (await tab.state(ChatState)).busy

        await wait_for_value(tab, busy, (True, True))
    late = await open_tab(harness, ada, thread)

    async def late_busy() -> bool:
        return (await late.state(ContextState)).compacting

    await wait_for_value(late, late_busy, True)
    await tabs[0].send(ChatState.stop(thread), thread)
    for tab in (*tabs, late):

        async def idle(tab: Tab = tab) -> tuple[bool, bool]:
            return (await tab.state(ContextState)).compacting, (await tab.state(ChatState)).busy

        await wait_for_value(tab, idle, (False, False))
    assert [part["type"] for part in (await end_of(harness, ada, thread)).parts] == ["text"]


async def test_nothing_to_summarize_is_one_clear_sentence(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = await ask(harness, ada, "hi")
    tab = await open_tab(harness, ada, thread)
    await tab.send(ContextState.compact(thread), thread)
    chat = await tab.state(ChatState)
    assert chat.notice == "There are no older messages to summarize yet."


async def test_a_chat_whose_model_is_no_longer_offered_shows_no_old_figure(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.user("ada@example.com")
    thread = await ask(harness, ada, LONG)
    tab = await open_tab(harness, ada, thread)
    await wait_for_value(tab, lambda: is_counted(tab), True)

    get, chosen = harness.live.models.get, (await tab.state(ChatState)).model
    other = next(model.id for model in harness.live.models.all() if model.id != chosen)

    def offered(model: str) -> Any:
        if model == other:
            raise InvalidInput("There is no such model.")
        return get(model)

    monkeypatch.setattr(harness.live.models, "get", offered)
    await harness.live.threads.change(ada, UUID(thread), model=other)
    await wait_for_value(tab, lambda: context(tab), None)
    assert (await tab.state(ContextState)).level == ""


async def test_an_answer_is_shown_although_its_context_cannot_be_measured(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.user("ada@example.com")
    thread = await ask(harness, ada, "hi")
    tab = await open_tab(harness, ada, thread)
    await wait_for_value(tab, lambda: is_counted(tab), True)
    calls = list[object]()

    async def busy(*given: object) -> None:
        calls.append(given)
        raise DatabaseBusy

    monkeypatch.setattr(harness.live.runs.contexts, "usage", busy)
    seen = len(tab.chunks)
    await ask(harness, ada, "echo: heliotrope", thread)
    await wait_until(tab, lambda: "heliotrope" in json.dumps(tab.chunks[seen:]))
    assert calls


async def test_the_warning_of_a_chat_is_closed_and_stays_closed(tmp_path: Path) -> None:
    async with open_harness(tmp_path, chat_context_chars=4_000) as harness:
        ada = await harness.user("ada@example.com")
        thread = await ask(harness, ada, "echo: " + "y" * 3_200)
        tab = await open_tab(harness, ada, thread)

        async def level() -> str:
            return (await tab.state(ContextState)).level

        await wait_for_value(tab, level, "near")
        await tab.send(WarningState.dismiss(thread), thread)
        other = await ask(harness, ada, "hi")
        await tab.send(ChatState.dismiss(), other)
        assert (await tab.state(WarningState)).dismissed == [thread]


async def test_an_outlook_that_cannot_be_read_is_said(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.user("ada@example.com")
    thread = await ask(harness, ada, "hi")
    tab = await open_tab(harness, ada, thread)

    async def busy(*_: object) -> None:
        raise DatabaseBusy

    monkeypatch.setattr(harness.live.runs.contexts, "outlook", busy)
    await tab.send(ContextState.look(), thread)
    assert (await tab.state(ChatState)).notice == DatabaseBusy().message


async def test_a_title_measures_nothing_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.user("ada@example.com")
    thread = await ask(harness, ada, "hi")
    tab = await open_tab(harness, ada, thread)
    await wait_for_value(tab, lambda: is_counted(tab), True)

    async def usage(*_: object) -> None:
        raise AssertionError("it is measured again")

    monkeypatch.setattr(harness.live.runs.contexts, "usage", usage)
    await harness.live.threads.rename(ada, UUID(thread), "Another title")

    async def title() -> str:
        return (await tab.state(ChatState)).title

    await wait_for_value(tab, title, "Another title")
