"""The four checks of assistant-ui's page on Auth.js, for the example and for our own page.

https://www.assistant-ui.com/docs/integrations/auth/next-auth, "Run and verify"
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from resilience.page_recorder import forget, record
from testing.browser_user import BrowserUser
from testing.example_user import ExampleUser
from testing.tcp_relay import TcpRelay

from .conftest import Arrive, arrivals

CHAT = """async () => {
    const message = { id: crypto.randomUUID(), role: "user",
        parts: [{ type: "text", text: "echo: hello" }] };
    const answer = await fetch("/api/chat", { method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ messages: [message] }) });
    return [answer.status, answer.headers.get("content-type").split(";")[0], await answer.text()];
}"""
LIST = """async () => {
    const listed = await (await fetch("/api/threads?limit=50")).json();
    return listed.threads.map(({ title }) => title);
}"""
Pair = tuple[BrowserUser, BrowserUser]


@pytest_asyncio.fixture(
    scope="module", loop_scope="session", params=[ExampleUser, BrowserUser], ids=["example", "page"]
)
async def pair(
    request: pytest.FixtureRequest, relay: TcpRelay, browser: Browser
) -> AsyncIterator[Pair]:
    """Ada and Bob at one front end, each with a thread. The last test leaves Bob in Ada's tab."""

    async def begin(arrive: Arrive, name: str) -> BrowserUser:
        user = await arrive(name, request.param)
        await user.sign_up()
        await user.ask(f"echo: {name}'s")
        await expect(user.titles()).to_have_text([f"echo: {name}'s"])
        return user

    async with arrivals(browser, relay.url) as arrive:
        ada, bob = await asyncio.gather(begin(arrive, "Ada"), begin(arrive, "Bob"))
        yield ada, bob


async def test_two_users_see_two_lists_of_their_own_threads_alone(pair: Pair) -> None:
    for user in pair:
        assert await user.page.evaluate(LIST) == [f"echo: {user.name}'s"]
        await user.page.reload()
    for user in pair:
        await expect(user.titles()).to_have_text([f"echo: {user.name}'s"])
        assert user.errors == []


async def test_the_chat_route_streams_when_signed_in_and_answers_401_when_not(
    pair: Pair, arrive: Arrive
) -> None:
    ada, eve = pair[0], await arrive("Eve")
    status, media_type, body = await ada.page.evaluate(CHAT)
    assert (status, media_type) == (200, "text/event-stream")
    assert '"type":"text-delta"' in body
    assert body.endswith("data: [DONE]\n\n")
    await eve.page.goto(eve.home)
    status, media_type, body = await eve.page.evaluate(CHAT)
    assert status == 401
    assert media_type != "text/event-stream"
    assert "hello" not in body


async def test_the_next_user_of_a_tab_never_sees_the_threads_of_the_one_before(pair: Pair) -> None:
    ada, bob = pair
    hers = ada.name, ada.email
    await ada.sign_out()
    await forget(ada.page)
    before = len((await record(ada.page)).entries)
    assert (await ada.page.evaluate(CHAT))[0] == 401
    ada.email = bob.email
    await ada.sign_in()
    await expect(ada.titles()).to_have_text(["echo: Bob's"])
    await ada.page.reload()
    await expect(ada.titles()).to_have_text(["echo: Bob's"])

    told = await record(ada.page)
    seen = [one.said for one in told.entries[before:] if one.kind == "seen"]
    assert any("echo: Bob's" in text for text in seen)
    assert not [text for text in (*seen, *told.kept) if any(word in text for word in hers)]
    assert ada.errors == []
