"""What a change of the list costs, and that it stays one list."""

from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.states.thread_list import ThreadListState
from chat_app.states.thread_list_view import PAGE
from testing.reflex_tabs import Stage, Tab, opened, size, until


async def _listed(tab: Tab) -> list[str]:
    state = await tab.state(ThreadListState)
    return [row.title for row in [*state.items, *state.older]]


async def _with_threads(stage: Stage, who: Principal, count: int) -> list[UUID]:
    return [(await stage.live.threads.create(who, title=f"{n}")).id for n in range(count)]


async def _cost_of_a_new_title(stage: Stage, tab: Tab, who: Principal, thread: UUID) -> int:
    before = len(tab.updates)
    listed = await _listed(tab)
    where = listed.index(str(PAGE * 4 - 1))
    await stage.live.threads.rename(who, thread, "new")
    await until(tab, lambda: _listed(tab), [*listed[:where], "new", *listed[where + 1 :]])
    cost = size(tab.updates[before:])
    await stage.live.threads.rename(who, thread, listed[where])
    await until(tab, lambda: _listed(tab), listed)
    return cost


async def test_a_change_costs_the_same_however_far_was_scrolled(on_stage: Stage) -> None:
    ada = await on_stage.person("ada@example.com")
    threads = await _with_threads(on_stage, ada, PAGE * 4)
    tab = await opened(on_stage, ada)
    short = await _cost_of_a_new_title(on_stage, tab, ada, threads[-1])
    for _ in range(3):
        await tab.send(ThreadListState.more())
    assert len(await _listed(tab)) == PAGE * 4
    scrolled = await _cost_of_a_new_title(on_stage, tab, ada, threads[-1])
    assert scrolled <= short * 1.05
    tab.close()


async def test_the_two_parts_are_one_list_whatever_comes_and_goes(on_stage: Stage) -> None:
    ada = await on_stage.person("ada@example.com")
    threads = await _with_threads(on_stage, ada, PAGE * 2)
    tab = await opened(on_stage, ada)
    await tab.send(ThreadListState.more())
    wanted = [f"{n}" for n in reversed(range(PAGE * 2))]
    assert await _listed(tab) == wanted
    # The rows about the border go one by one, and new ones come until the border moves.
    for n in range(PAGE - 3, PAGE + 3):
        await on_stage.live.threads.delete(ada, threads[n])
        wanted.remove(f"{n}")
        await until(tab, lambda: _listed(tab), wanted)
    for n in range(PAGE + 10):
        await on_stage.live.threads.create(ada, title=f"more {n}")
        wanted.insert(0, f"more {n}")
    await until(tab, lambda: _listed(tab), wanted)
    assert PAGE <= len((await tab.state(ThreadListState)).items) <= 2 * PAGE
    tab.close()
