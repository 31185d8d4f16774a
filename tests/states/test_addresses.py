"""Whatever stands in the address, the chat is there or it is not; nothing breaks."""

from uuid import UUID, uuid4

import pytest

from chat_app.chat_app import app
from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from testing.reflex_tabs import Stage, opened, until


@pytest.mark.parametrize("address", ["not-an-id", "0" * 300, "../etc/passwd", "{}"])
async def test_an_address_of_no_thread_shows_that_nothing_is_here(
    on_stage: Stage, address: str
) -> None:
    ada = await on_stage.person("ada@example.com")
    tab = await on_stage.tab(ada)
    await (await tab.begin(Feed.open(), address))
    chat = await tab.state(ChatState)
    assert (chat.missing, chat.loading, chat.thread) == (True, False, "")
    refused = app.policy.refused["arguments"]
    await tab.send(ChatState.send(f"client-{uuid4().hex}", address, "Is anybody here?"), address)
    await tab.send(ChatState.stop(address), address)
    assert app.policy.refused["arguments"] == refused + 2
    assert (await on_stage.live.threads.page(ada)).threads == []
    tab.close()


async def test_an_address_in_capitals_is_the_same_thread(on_stage: Stage) -> None:
    ada = await on_stage.person("ada@example.com")
    thread = (await on_stage.live.threads.create(ada, title="One")).id
    tab = await opened(on_stage, ada, str(thread).upper())
    await on_stage.live.threads.rename(ada, thread, "Two")

    async def title() -> str:
        return (await tab.state(ChatState)).title

    await until(tab, title, "Two")
    tab.close()


async def test_a_message_goes_to_the_thread_on_the_page(on_stage: Stage) -> None:
    ada = await on_stage.person("ada@example.com")
    one = (await on_stage.live.threads.create(ada, title="One")).id
    two = (await on_stage.live.threads.create(ada, title="Two")).id
    tab = await opened(on_stage, ada, str(one))
    await tab.begin(Feed.open(), str(two))
    await tab.send(ChatState.send("c1", str(one), "for One"), str(one))
    assert (await on_stage.live.threads.window(ada, one)).messages
    assert not (await on_stage.live.threads.window(ada, two)).messages
    tab.close()


async def test_a_state_that_was_lost_does_not_misplace_a_message(on_stage: Stage) -> None:
    ada = await on_stage.person("ada@example.com")
    thread = (await on_stage.live.threads.create(ada, title="One")).id
    tab = await opened(on_stage, ada, str(thread))
    for _, token in list(on_stage.manager._token_expires_at.values()):
        on_stage.manager._purge_token(token)
    await (await tab.begin(ChatState.send("c1", str(thread), "Where am I?"), str(thread)))
    (found,) = (await on_stage.live.threads.page(ada)).threads
    assert found.id == thread
    assert (await on_stage.live.threads.window(ada, thread)).messages[0].text == "Where am I?"
    tab.close()


async def test_two_first_messages_go_to_one_thread(on_stage: Stage) -> None:
    ada = await on_stage.person("ada@example.com")
    tab = await opened(on_stage, ada)
    await tab.send(ChatState.send("c1", "", "one"))
    thread = (await tab.state(ChatState)).thread
    assert UUID(thread)
    await tab.send(ChatState.send("c2", thread, "two"))
    assert len((await on_stage.live.threads.page(ada)).threads) == 1
    tab.close()


async def test_a_thread_restored_elsewhere_is_here_again(on_stage: Stage) -> None:
    ada = await on_stage.person("ada@example.com")
    thread = (await on_stage.live.threads.create(ada, title="One")).id
    tab = await opened(on_stage, ada, str(thread))

    async def missing() -> bool:
        return (await tab.state(ChatState)).missing

    await on_stage.live.threads.delete(ada, thread)
    await until(tab, missing, True)
    await on_stage.live.threads.restore(ada, thread)
    await until(tab, missing, False)
    tab.close()
