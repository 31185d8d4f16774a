"""Whatever stands in the address, the chat is there or it is not; nothing breaks."""

from uuid import UUID, uuid4

import pytest

from chat_app.chat_app import app
from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from testing.reflex_tabs import Harness, open_tab, wait_for_value


@pytest.mark.parametrize("address", ["not-an-id", "0" * 300, "../etc/passwd", "{}"])
async def test_a_url_of_no_thread_shows_that_there_is_none(harness: Harness, address: str) -> None:
    ada = await harness.user("ada@example.com")
    tab = await harness.tab(ada)
    await (await tab.begin(Feed.open(), address))
    chat = await tab.state(ChatState)
    assert (chat.missing, chat.loading, chat.thread) == (True, False, "")
    refused = app.policy.refused["arguments"]
    await tab.send(ChatState.send(f"client-{uuid4().hex}", address, "Is anybody here?"), address)
    await tab.send(ChatState.stop(address), address)
    assert app.policy.refused["arguments"] == refused + 2
    assert (await harness.live.threads.page(ada)).threads == []
    tab.close()


async def test_a_url_in_capitals_is_the_same_thread(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = (await harness.live.threads.create(ada, title="One")).id
    tab = await open_tab(harness, ada, str(thread).upper())
    await harness.live.threads.rename(ada, thread, "Two")

    async def title() -> str:
        return (await tab.state(ChatState)).title

    await wait_for_value(tab, title, "Two")
    tab.close()


async def test_a_message_goes_to_the_thread_on_the_page(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    one = (await harness.live.threads.create(ada, title="One")).id
    two = (await harness.live.threads.create(ada, title="Two")).id
    tab = await open_tab(harness, ada, str(one))
    await tab.begin(Feed.open(), str(two))
    await tab.send(ChatState.send("c1", str(one), "for One"), str(one))
    assert (await harness.live.threads.window(ada, one)).messages
    assert not (await harness.live.threads.window(ada, two)).messages
    tab.close()


async def test_a_tab_that_is_loaded_anew_elsewhere_never_shows_the_chat_before(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    one = (await harness.live.threads.create(ada, title="One")).id
    two = (await harness.live.threads.create(ada, title="Two")).id
    tab = await open_tab(harness, ada, str(one))
    for shown in (str(two), ""):
        seen = len(tab.updates)
        await tab.call("reflex___state____state.hydrate", {}, shown)
        changes = [
            (update.delta or {}).get(ChatState.get_full_name(), {}) for update in tab.updates[seen:]
        ]
        assert {one["thread_rx_state_"] for one in changes if "thread_rx_state_" in one} == {shown}
    tab.close()


async def test_a_state_that_was_lost_does_not_misplace_a_message(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    thread = (await harness.live.threads.create(ada, title="One")).id
    tab = await open_tab(harness, ada, str(thread))
    for _, token in list(harness.manager._token_expires_at.values()):
        harness.manager._purge_token(token)
    await (await tab.begin(ChatState.send("c1", str(thread), "Where am I?"), str(thread)))
    (found,) = (await harness.live.threads.page(ada)).threads
    assert found.id == thread
    assert (await harness.live.threads.window(ada, thread)).messages[0].text == "Where am I?"
    tab.close()


async def test_a_first_message_opens_its_thread_though_the_tab_still_holds_another(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    former = (await harness.live.threads.create(ada, title="Former")).id
    tab = await open_tab(harness, ada, str(former))
    await tab.send(ChatState.send("c1", "", "A new question", "fake:drop"))
    (sent,) = [t for t in (await harness.live.threads.page(ada)).threads if t.id != former]
    chat = await tab.state(ChatState)
    assert (chat.accepted, chat.opened) == ("c1", str(sent.id))
    assert sent.model == "fake:drop"
    # What it shows changes when the page has gone there: the user may have moved on.
    assert chat.thread == str(former)
    assert "_redirect" not in tab.text()
    tab.close()


async def test_a_model_that_the_page_does_not_show_yet_answers_the_next_message(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    tab = await open_tab(harness, ada)
    shown = (await tab.state(ChatState)).model
    await tab.send(ChatState.pick_model("fake:drop"))
    await tab.send(ChatState.send("c1", "", "At once", shown))
    (thread,) = (await harness.live.threads.page(ada)).threads
    assert (shown, thread.model) == ("fake", "fake:drop")
    tab.close()


async def test_two_first_messages_go_to_one_thread(harness: Harness) -> None:
    ada = await harness.user("ada@example.com")
    tab = await open_tab(harness, ada)
    await tab.send(ChatState.send("c1", "", "one"))
    thread = (await tab.state(ChatState)).thread
    assert UUID(thread)
    await tab.send(ChatState.send("c2", thread, "two"))
    assert len((await harness.live.threads.page(ada)).threads) == 1
    tab.close()


async def test_a_thread_restored_elsewhere_is_here_again_and_its_answers_are_not_news(
    harness: Harness,
) -> None:
    ada = await harness.user("ada@example.com")
    runs, thread = harness.live.runs, (await harness.live.threads.create(ada, title="One")).id
    sent = await runs.send(ada, text="Hello", client_id="c1", thread_id=thread, model="fake:5x0")
    async for _ in runs.follow(ada, sent.run_id):
        pass
    tab = await open_tab(harness, ada, str(thread))

    async def missing() -> bool:
        return (await tab.state(ChatState)).missing

    await harness.live.threads.delete(ada, thread)
    await wait_for_value(tab, missing, True)
    await harness.live.threads.restore(ada, thread)
    await wait_for_value(tab, missing, False)
    await harness.live.threads.rename(ada, thread, "Later")

    async def title() -> str:
        return (await tab.state(ChatState)).title

    await wait_for_value(tab, title, "Later")  # what the restoring sent has come by then
    assert tab.chunks == []
    tab.close()
