"""The search in the sidebar, and the way from a hit to its message."""

from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.seed import seed_messages
from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from chat_app.states.page_window import PAGE
from chat_app.states.search import SearchState
from chat_app.states.thread_list import ThreadListState
from testing.reflex_tabs import Harness, Tab, branch, on_page, open_tab, wait_for_value

MESSAGES = 200


async def _ask(
    harness: Harness, who: Principal, text: str, thread: str = "", number: int = 0
) -> tuple[str, str]:
    """The thread and the answer of a question."""
    sent = await harness.live.runs.send(
        who,
        text=text,
        client_id=f"c{number}",
        thread_id=UUID(thread) if thread else None,
        model="fake:5x0",
    )
    async for _ in harness.live.runs.follow(who, sent.run_id):
        pass
    return str(sent.thread_id), str(sent.message_id)


async def _type(tab: Tab, text: str) -> SearchState:
    await tab.send(ThreadListState.find(text))
    await tab.send(SearchState.find_messages(text))
    return await tab.state(SearchState)


async def test_what_is_typed_is_searched_in_titles_and_below_them_in_messages(
    harness: Harness,
) -> None:
    ada, eve = await harness.user("ada@example.com"), await harness.user("eve@example.com")
    thread, _ = await _ask(harness, ada, "How do tomatoes grow?")
    await harness.live.threads.rename(ada, UUID(thread), "A garden")
    other = await harness.live.threads.create(ada, title="About tomatoes")
    await _ask(harness, eve, "tomatoes too")
    tab = await open_tab(harness, ada)
    search = await _type(tab, "TOMATOES")
    titles = await tab.state(ThreadListState)
    assert [item.id for item in titles.items] == [str(other.id)]
    (hit,) = search.hits
    assert (hit.thread, hit.title, hit.role, hit.day) == (thread, "A garden", "user", "Today")
    assert hit.url.startswith(f"/c/{thread}?message=")
    assert [part.text for part in hit.snippet if part.is_hit] == ["tomatoes"]
    assert (search.searching, search.hint, search.told) == (False, "", "1 message found")
    for query, hint in {
        "t": "Type a whole word to search in messages.",
        "role:x": "role: takes user or assistant.",
        "nothing": "",
    }.items():
        search = await _type(tab, query)
        assert (search.hits, search.hint) == ([], hint), query
    search = await _type(tab, "")
    assert (search.hits, search.hint, search.told) == ([], "", "")
    assert len(titles.items) == 2
    tab.close()


async def test_a_hit_follows_its_chat(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread, _ = await _ask(harness, ada, "tomatoes")
    tab = await open_tab(harness, ada)
    search = await _type(tab, "tomatoes")

    async def titles() -> list[str]:
        return [hit.title for hit in search.hits]

    await harness.live.threads.rename(ada, UUID(thread), "A garden")
    await wait_for_value(tab, titles, ["A garden"])
    await harness.live.threads.delete(ada, UUID(thread))
    await wait_for_value(tab, titles, [])
    tab.close()


async def test_a_hit_goes_with_its_message(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread, _ = await _ask(harness, ada, "tomatoes")
    _, answer = await _ask(harness, ada, "more tomatoes", thread, 1)
    await _ask(harness, ada, "other tomatoes", number=2)
    question = (await branch(harness, ada, thread))[2]
    tab = await open_tab(harness, ada)
    search = await _type(tab, "tomatoes")
    assert len(search.hits) == 3
    left = [hit.url for hit in search.hits if question not in hit.url]
    assert len(left) == 2

    async def urls() -> list[str]:
        return [hit.url for hit in search.hits]

    # Nothing that is found: the hits stay.
    await harness.live.threads.delete_branch(ada, UUID(thread), UUID(answer))
    await harness.live.threads.delete_branch(ada, UUID(thread), UUID(question))
    await wait_for_value(tab, urls, left)
    await harness.live.threads.rename(ada, UUID(thread), "A garden")

    async def titles() -> set[str]:
        return {hit.title for hit in search.hits if thread in hit.url}

    await wait_for_value(tab, titles, {"A garden"})
    assert await urls() == left
    tab.close()


async def test_hits_come_page_by_page(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    await seed_messages(harness.live.db, ada, 50)
    tab = await open_tab(harness, ada)
    search = await _type(tab, "question")
    assert (len(search.hits), search.has_more_hits, search.told) == (20, True, "20+ messages found")
    await tab.send(SearchState.more_messages())
    assert (len(search.hits), search.has_more_hits) == (25, False)
    tab.close()


async def test_a_url_with_a_message_opens_the_page_that_has_it(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = str(await seed_messages(harness.live.db, ada, MESSAGES))
    everything = await branch(harness, ada, thread)
    for place in (0, 100, MESSAGES - 1):
        tab = await open_tab(harness, ada, f"{thread}?message={everything[place]}")
        state = await tab.state(ChatState)

        async def sought(state: ChatState = state) -> str:
            return state.sought

        await wait_for_value(tab, sought, everything[place])
        assert everything[place] in on_page(state)
        assert len(on_page(state)) <= PAGE
        while state.has_newer:
            await tab.send(ChatState.newer(), thread)
        assert on_page(state)[-1] == everything[-1]
        while state.has_older:
            await tab.send(ChatState.older(), thread)
        assert on_page(state)[0] == everything[0]
        await tab.send(ChatState.seek(everything[place]), thread)
        assert everything[place] in on_page(state)
        await tab.begin(Feed.open(), thread)  # without a message in the URL
        await wait_for_value(tab, sought, "")
        tab.close()


async def test_a_hit_in_an_answer_that_was_regenerated_switches_to_it(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread, old = await _ask(harness, ada, "hello")
    again = await harness.live.runs.retry(ada, UUID(old))
    async for _ in harness.live.runs.follow(ada, again.run_id):
        pass
    tab = await open_tab(harness, ada, f"{thread}?message={old}")
    state = await tab.state(ChatState)

    async def last() -> str:
        return on_page(state)[-1] if on_page(state) else ""

    await wait_for_value(tab, last, old)
    assert (await branch(harness, ada, thread))[-1] == old
    assert state.notice == ""
    tab.close()


async def test_a_message_that_is_gone_leaves_the_end_of_the_chat_and_a_notice(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    thread, answer = await _ask(harness, ada, "hello")
    tab = await open_tab(harness, ada, f"{thread}?message={thread}")
    state = await tab.state(ChatState)

    async def notice() -> str:
        return state.notice

    await wait_for_value(tab, notice, "This message is no longer there.")
    assert on_page(state)[-1] == answer
    assert state.sought == ""
    tab.close()
