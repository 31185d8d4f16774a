"""Reading a long thread upwards and down again: what a tab shows, and what each step costs it."""

from pathlib import Path
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.seed import seed_messages
from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from chat_app.states.page_window import MAX_PAGES, PAGE
from testing.reflex_tabs import (
    Harness,
    Tab,
    branch,
    has_ended,
    on_page,
    open_harness,
    open_tab,
    size,
    wait_until,
)

MESSAGES = 1_000
GROWTH = 1.1


async def long(harness: Harness) -> tuple[Principal, str, Tab]:
    ada = await harness.user("ada@example.com")
    thread = str(await seed_messages(harness.live.db, ada, MESSAGES))
    return ada, thread, await open_tab(harness, ada, thread)


async def test_up_to_the_beginning_and_down_to_the_end_every_message_is_shown_in_its_order(
    harness: Harness,
) -> None:
    ada, thread, tab = await long(harness)
    everything = await branch(harness, ada, thread)
    steps, costs, seen = list[str](), list[int](), everything
    state = await tab.state(ChatState)
    for handler, goes_on in (
        (ChatState.older, lambda: state.has_older),
        (ChatState.newer, lambda: state.has_newer),
    ):
        while goes_on():
            begin = len(tab.updates)
            await tab.send(handler(), thread)
            costs.append(size(tab.updates[begin:]))
            seen = on_page(await tab.state(ChatState))
            at = everything.index(seen[0])
            assert seen == everything[at : at + len(seen)]
            assert len(seen) <= PAGE * MAX_PAGES
            steps.append(seen[0])
        assert (
            seen[0 if handler is ChatState.older else -1]
            == everything[0 if handler is ChatState.older else -1]
        )
    whole = costs[: MESSAGES // PAGE - 1]
    assert max(whole) <= GROWTH * whole[0], "a step costs more, the more was read"
    tab.close()


async def test_an_answer_that_arrives_meanwhile_does_not_scroll_the_page(
    harness: Harness,
) -> None:
    _, thread, tab = await long(harness)
    for _ in range(MAX_PAGES + 2):
        await tab.send(ChatState.older(), thread)
    before = on_page(await tab.state(ChatState))
    await tab.send(ChatState.send("c1", thread, "Hello"), thread)
    await wait_until(tab, lambda: has_ended(tab))
    state = await tab.state(ChatState)
    assert on_page(state) == before
    assert state.has_newer
    assert len(state.tail) == 2
    tab.close()


async def test_a_tab_that_reconnects_keeps_its_place_and_gets_what_it_missed(
    harness: Harness,
) -> None:
    ada, thread, tab = await long(harness)
    for _ in range(MAX_PAGES + 2):
        await tab.send(ChatState.older(), thread)
    before = on_page(await tab.state(ChatState))
    sent = await harness.live.runs.send(
        ada, text="meanwhile", client_id="c2", thread_id=UUID(thread), model="fake:5x0"
    )
    async for _ in harness.live.runs.follow(ada, sent.run_id):
        pass
    await tab.begin(Feed.open(), thread)
    everything = await branch(harness, ada, thread)
    state = await tab.state(ChatState)
    await wait_until(tab, lambda: state._view.history.end[-1].id == everything[-1])
    assert on_page(state) == before
    while state.has_newer:
        await tab.send(ChatState.newer(), thread)
    assert on_page(state)[-1] == everything[-1]
    tab.close()


async def test_a_page_that_takes_several_reads_is_shown_again(harness: Harness) -> None:
    _, thread, tab = await long(harness)
    for _ in range(MAX_PAGES + 2):
        await tab.send(ChatState.older(), thread)
    state = await tab.state(ChatState)
    before = on_page(state)
    threads = harness.live.threads
    threads._settings = threads._settings.model_copy(update={"messages_page_bytes": 1_000})
    await tab.send(ChatState.newer(), thread)
    assert on_page(state)[:-PAGE] == before[PAGE:]
    tab.close()


async def test_large_messages_that_were_missed_do_not_move_the_page(tmp_path: Path) -> None:
    async with open_harness(tmp_path, messages_page_bytes=10_000) as harness:
        ada, thread, tab = await long(harness)
        await tab.send(ChatState.older(), thread)
        before = on_page(await tab.state(ChatState))
        for number in range(2):
            sent = await harness.live.runs.send(
                ada,
                text="x" * 12_000,
                client_id=f"c{number}",
                thread_id=UUID(thread),
                model="fake:5x0",
            )
            async for _ in harness.live.runs.follow(ada, sent.run_id):
                pass
        await tab.begin(Feed.open(), thread)
        everything = await branch(harness, ada, thread)
        state = await tab.state(ChatState)
        await wait_until(tab, lambda: state._view.history.end[-1].id == everything[-1])
        shown = on_page(state)
        assert shown[: len(before)] == before
        assert shown[-1] == everything[-1]
        tab.close()


async def test_the_end_is_one_step_away(harness: Harness) -> None:
    ada, thread, tab = await long(harness)
    for _ in range(MAX_PAGES + 2):
        await tab.send(ChatState.older(), thread)
    await tab.send(ChatState.latest(), thread)
    state = await tab.state(ChatState)
    assert on_page(state) == (await branch(harness, ada, thread))[-PAGE:]
    assert state.has_older
    assert not state.has_newer
    tab.close()
