"""Archived threads on the page: out of the list, in a search, and open with a way back."""

from chat_app.core.parts import text_part
from chat_app.states.chat import ChatState
from chat_app.states.thread_list import ThreadListState
from chat_app.threads.client_messages import HEAD, ClientMessage
from testing.reflex_tabs import Harness, Tab, on_page, open_tab, wait_for_value


async def _listed(tab: Tab) -> list[tuple[str, bool]]:
    return [(row.title, row.archived) for row in (await tab.state(ThreadListState)).items]


async def _is_archived(tab: Tab) -> bool:
    return (await tab.state(ChatState)).archived


async def test_an_archived_thread_leaves_the_list_and_a_search_finds_it(harness: Harness) -> None:
    ada, threads = await harness.user("ada@example.com"), harness.live.threads
    await threads.create(ada, title="Rain")
    old = await threads.create(ada, title="Old rain")
    tab = await open_tab(harness, ada)
    assert await _listed(tab) == [("Old rain", False), ("Rain", False)]
    await threads.change(ada, old.id, status="archived")
    await wait_for_value(tab, lambda: _listed(tab), [("Rain", False)])
    await tab.send(ThreadListState.find("rain"))
    assert await _listed(tab) == [("Old rain", True), ("Rain", False)]
    await threads.rename(ada, old.id, "Older rain")
    found = [("Older rain", True), ("Rain", False)]
    await wait_for_value(tab, lambda: _listed(tab), found)
    await tab.send(ThreadListState.find(""))
    assert await _listed(tab) == [("Rain", False)]
    await threads.change(ada, old.id, status="regular")
    back = [("Older rain", False), ("Rain", False)]
    await wait_for_value(tab, lambda: _listed(tab), back)
    tab.close()


async def test_an_open_thread_says_that_it_is_archived_and_comes_back(harness: Harness) -> None:
    ada, threads = await harness.user("ada@example.com"), harness.live.threads
    thread = (await threads.create(ada, title="Rain")).id
    tab = await open_tab(harness, ada, str(thread))
    assert not await _is_archived(tab)
    await threads.change(ada, thread, status="archived")
    await wait_for_value(tab, lambda: _is_archived(tab), True)
    await tab.send(ChatState.unarchive(str(thread)), str(thread))
    await wait_for_value(tab, lambda: _is_archived(tab), False)
    assert (await threads.get(ada, thread)).status == "regular"
    await threads.change(ada, thread, status="archived")
    await wait_for_value(tab, lambda: _is_archived(tab), True)
    sent = await harness.live.runs.send(
        ada, text="hi", client_id="c1", thread_id=thread, model="fake:1x0"
    )
    async for _ in harness.live.runs.follow(ada, sent.run_id):
        pass
    await wait_for_value(tab, lambda: _is_archived(tab), False)
    await wait_for_value(tab, lambda: _listed(tab), [("Rain", False)])
    tab.close()


async def test_a_message_that_a_program_appends_is_shown(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = (await harness.live.threads.create(ada, title="Rain")).id
    tab = await open_tab(harness, ada, str(thread))
    message = ClientMessage("x1", HEAD, "user", [text_part("hi")])
    appended, _ = await harness.live.client_messages.append(ada, thread, message)

    async def shown() -> list[str]:
        return on_page(await tab.state(ChatState))

    await wait_for_value(tab, shown, [str(appended)])
    tab.close()
