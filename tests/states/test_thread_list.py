"""What a change of the list costs, and that it stays one list."""

from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.states.thread_list import ThreadListState
from chat_app.states.thread_list_view import PAGE
from testing.reflex_tabs import Harness, Tab, open_tab, size, wait_for_value


async def _listed(tab: Tab) -> list[str]:
    state = await tab.state(ThreadListState)
    return [row.title for row in [*state.items, *state.older]]


async def _with_threads(harness: Harness, principal: Principal, count: int) -> list[UUID]:
    return [(await harness.live.threads.create(principal, title=f"{n}")).id for n in range(count)]


async def _cost_of_a_new_title(
    harness: Harness, tab: Tab, principal: Principal, thread: UUID
) -> int:
    before = len(tab.updates)
    listed = await _listed(tab)
    where = listed.index(str(PAGE * 4 - 1))
    await harness.live.threads.rename(principal, thread, "new")
    await wait_for_value(tab, lambda: _listed(tab), [*listed[:where], "new", *listed[where + 1 :]])
    cost = size(tab.updates[before:])
    await harness.live.threads.rename(principal, thread, listed[where])
    await wait_for_value(tab, lambda: _listed(tab), listed)
    return cost


async def test_a_change_costs_the_same_after_any_scrolling(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    threads = await _with_threads(harness, ada, PAGE * 4)
    tab = await open_tab(harness, ada)
    short = await _cost_of_a_new_title(harness, tab, ada, threads[-1])
    for _ in range(3):
        await tab.send(ThreadListState.more())
    assert len(await _listed(tab)) == PAGE * 4
    scrolled = await _cost_of_a_new_title(harness, tab, ada, threads[-1])
    assert scrolled <= short * 1.05
    tab.close()


async def test_the_two_parts_are_one_list_after_every_change(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    threads = await _with_threads(harness, ada, PAGE * 2)
    tab = await open_tab(harness, ada)
    await tab.send(ThreadListState.more())
    wanted = [f"{n}" for n in reversed(range(PAGE * 2))]
    assert await _listed(tab) == wanted
    # The rows about the border go one by one, and new ones come until the border moves.
    for n in range(PAGE - 3, PAGE + 3):
        await harness.live.threads.delete(ada, threads[n])
        wanted.remove(f"{n}")
        await wait_for_value(tab, lambda: _listed(tab), wanted)
    for n in range(PAGE + 10):
        await harness.live.threads.create(ada, title=f"more {n}")
        wanted.insert(0, f"more {n}")
    await wait_for_value(tab, lambda: _listed(tab), wanted)
    assert PAGE <= len((await tab.state(ThreadListState)).items) <= 2 * PAGE
    tab.close()
