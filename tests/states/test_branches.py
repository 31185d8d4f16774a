"""Versions in open tabs: what one tab does, every other one shows."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.clock import utc_now
from chat_app.seed import seed_messages
from chat_app.states.branches import BranchState
from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from chat_app.states.page_window import PAGE
from chat_app.states.thread_list import UNDO_TIME
from testing.reflex_tabs import Harness, Tab, branch, open_harness, open_tab, wait_until


def shown(state: ChatState) -> list[str]:
    """The ids of the rows on the page, in its order."""
    view = state._view
    pages = [view.history.pages[slot] for slot in view.history.order]
    return [row.id for page in (*pages, view.tail) for row in page]


async def agree(harness: Harness, who: Principal, thread: str, *tabs: Tab) -> list[str]:
    """Wait until all tabs show the chosen branch, whole; its ids."""
    for tab in tabs:
        state = await tab.state(ChatState)
        while state.busy or shown(state) != await branch(harness, who, thread):
            await tab.arrival()
    return await branch(harness, who, thread)


async def conversation(harness: Harness) -> tuple[Principal, str, list[Tab]]:
    """A thread of two exchanges, one of which arrives in two open tabs."""
    ada = await harness.user("ada@example.com")
    sent = await harness.live.runs.send(ada, text="one", client_id="c1", model="fake:5x0")
    async for _ in harness.live.runs.follow(ada, sent.run_id):
        pass
    thread = str(sent.thread_id)
    tabs = [await open_tab(harness, ada, thread), await open_tab(harness, ada, thread)]
    await tabs[0].send(ChatState.send("c2", thread, "two"), thread)
    await agree(harness, ada, thread, *tabs)
    return ada, thread, tabs


async def test_all_tabs_show_the_version_that_one_makes_or_chooses(harness: Harness) -> None:
    ada, thread, tabs = await conversation(harness)
    before = await branch(harness, ada, thread)
    await tabs[0].send(BranchState.edit("e1", before[2], "deux"), thread)
    state = await tabs[0].state(BranchState)
    assert (state.edited, state.accepted, state.refused_edit) == ("e1", "e1", "")
    edited = await agree(harness, ada, thread, *tabs)
    assert (edited[:2], edited[2] != before[2]) == (before[:2], True)
    await tabs[1].send(ChatState.retry(edited[1]), thread)
    again = await agree(harness, ada, thread, *tabs)
    assert (again[0], len(again)) == (edited[0], 2)
    for message, wanted in ((edited[1], edited), (before[2], before), (again[1], again)):
        await tabs[0].send(BranchState.choose(message), thread)
        assert await agree(harness, ada, thread, *tabs) == wanted
    late = await open_tab(harness, ada, thread)
    assert await agree(harness, ada, thread, late) == again
    for tab in (*tabs, late):
        tab.close()


async def test_a_refused_edit_keeps_its_text_and_says_why(harness: Harness) -> None:
    ada, thread, tabs = await conversation(harness)
    before = await branch(harness, ada, thread)
    tab = tabs[0]
    await tab.send(BranchState.edit("e1", before[1], "not a question"), thread)
    state = await tab.state(BranchState)
    assert (state.refused_edit, state.edited) == ("e1", "")
    assert "own messages" in state.notice
    await harness.live.threads.delete_branch(ada, UUID(thread), UUID(before[2]))
    await tab.send(BranchState.edit("e2", before[2], "deux"), thread)
    assert state.refused_edit == "e2"
    assert "deleted" in state.notice
    for one in tabs:
        one.close()


async def test_a_deleted_branch_leaves_all_tabs_and_comes_back(harness: Harness) -> None:
    ada, thread, tabs = await conversation(harness)
    before = await branch(harness, ada, thread)
    await tabs[0].send(BranchState.delete(before[2]), thread)
    assert await agree(harness, ada, thread, *tabs) == before[:2]
    assert (await tabs[0].state(BranchState)).deleted_message == before[2]
    assert (await tabs[1].state(BranchState)).deleted_message == ""
    await tabs[0].send(BranchState.undo_delete(), thread)
    assert await agree(harness, ada, thread, *tabs) == before
    assert (await tabs[0].state(BranchState)).deleted_message == ""
    for tab in tabs:
        tab.close()


async def test_all_tabs_follow_a_continued_answer(harness: Harness) -> None:
    ada, thread, tabs = await conversation(harness)
    model = "fake:2000x10"
    sent = await harness.live.runs.send(
        ada, text="long", client_id="c3", thread_id=UUID(thread), model=model
    )
    await wait_until(tabs[1], lambda: any(len(chunk) == 4 for chunk in tabs[1].chunks[-1:]))
    await tabs[0].send(ChatState.stop(thread), thread)
    await agree(harness, ada, thread, *tabs)
    late = await open_tab(harness, ada, thread)
    state = await late.state(ChatState)
    await wait_until(late, lambda: state.continuable == str(sent.message_id))
    await tabs[0].send(BranchState.continue_answer(str(sent.message_id)), thread)
    await wait_until(late, lambda: state.busy and late.chunks)
    assert state.continuable == ""
    await tabs[0].send(ChatState.stop(thread), thread)
    await agree(harness, ada, thread, *tabs, late)
    whole = await harness.live.threads.message(ada, UUID(thread), sent.message_id)
    for tab in (*tabs, late):
        rows = (await tab.state(ChatState))._view
        row = (*rows.history.end, *rows.tail)[-1]
        assert (row.id, row.length) == (str(sent.message_id), len(whole.text))
        tab.close()


async def test_a_version_far_above_the_end_is_shown_where_it_stands(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = str(await seed_messages(harness.live.db, ada, 5 * PAGE))
    before = await branch(harness, ada, thread)
    questions = before[0::2]
    sent = await harness.live.runs.send(
        ada, text="deux", client_id="e1", edits=UUID(questions[30]), model="fake:5x0"
    )
    async for _ in harness.live.runs.follow(ada, sent.run_id):
        pass
    tab = await open_tab(harness, ada, thread)
    await wait_until(tab, lambda: bool(tab.updates))
    await tab.send(BranchState.choose(questions[30]), thread)
    state = await tab.state(ChatState)
    assert questions[30] in shown(state)
    assert state.has_newer
    while state.has_newer:
        await tab.send(ChatState.newer(), thread)
    assert shown(state)[-1] == before[-1]
    tab.close()


async def test_the_notice_of_a_deletion_outlives_a_new_page_but_not_its_time(
    tmp_path: Path,
) -> None:
    now = utc_now()

    def clock() -> datetime:
        return now

    async with open_harness(tmp_path, clock=clock) as harness:
        ada, thread, tabs = await conversation(harness)
        message = (await branch(harness, ada, thread))[2]
        await tabs[0].send(BranchState.delete(message), thread)
        state = await tabs[0].state(BranchState)
        now += UNDO_TIME - timedelta(milliseconds=1)
        await tabs[0].begin(Feed.open(), thread)
        await agree(harness, ada, thread, tabs[0])
        assert state.deleted_message == message
        now += timedelta(milliseconds=1)
        await (await tabs[0].begin(Feed.open(), thread))
        assert state.deleted_message == ""
        for tab in tabs:
            tab.close()
