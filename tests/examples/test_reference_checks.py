"""The four checks of assistant-ui's page on Auth.js, for the example and for our own page.

https://www.assistant-ui.com/docs/integrations/auth/next-auth, "Run and verify"
"""

import pytest
from playwright.async_api import expect

from resilience.page_recorder import forget, record
from testing.browser_user import BrowserUser
from testing.example_user import ExampleUser

from .conftest import Arrive

FRONT_ENDS = pytest.mark.parametrize("kind", [ExampleUser, BrowserUser], ids=["example", "page"])
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


@FRONT_ENDS
async def test_the_chat_route_streams_when_signed_in_and_answers_401_when_not(
    arrive: Arrive, kind: type[BrowserUser]
) -> None:
    ada = await arrive("Ada", kind)
    await ada.sign_up()
    status, media_type, body = await ada.page.evaluate(CHAT)
    assert (status, media_type) == (200, "text/event-stream")
    assert '"type":"text-delta"' in body
    assert body.endswith("data: [DONE]\n\n")
    await ada.sign_out()
    status, media_type, body = await ada.page.evaluate(CHAT)
    assert status == 401
    assert media_type != "text/event-stream"
    assert "hello" not in body


@FRONT_ENDS
async def test_two_users_see_two_lists_of_their_own_threads_alone(
    arrive: Arrive, kind: type[BrowserUser]
) -> None:
    ada, bob = await arrive("Ada", kind), await arrive("Bob", kind)
    for user in (ada, bob):
        await user.sign_up()
        await user.ask(f"echo: {user.name}")
        await expect(user.titles()).to_have_text([f"echo: {user.name}"])
    for user in (ada, bob):
        assert await user.page.evaluate(LIST) == [f"echo: {user.name}"]
        await user.page.reload()
        await expect(user.titles()).to_have_text([f"echo: {user.name}"])
        assert user.errors == []


@FRONT_ENDS
async def test_the_next_user_of_a_tab_never_sees_the_threads_of_the_one_before(
    arrive: Arrive, kind: type[BrowserUser]
) -> None:
    bob = await arrive("Bob", kind)
    await bob.sign_up()
    await bob.ask("echo: his")
    await expect(bob.titles()).to_have_text(["echo: his"])

    ada = await arrive("Ada", kind)
    await ada.sign_up()
    await ada.ask("echo: hers")
    await expect(ada.titles()).to_have_text(["echo: hers"])
    name = ada.email
    await ada.sign_out()
    await forget(ada.page)
    before = len((await record(ada.page)).entries)
    ada.email = bob.email
    await ada.sign_in()
    await expect(ada.titles()).to_have_text(["echo: his"])
    await ada.page.reload()
    await expect(ada.titles()).to_have_text(["echo: his"])

    told = await record(ada.page)
    seen = [one.said for one in told.entries[before:] if one.kind == "seen"]
    assert any("echo: his" in text for text in seen)
    assert not [text for text in (*seen, *told.kept) if "hers" in text or name in text]
    assert ada.errors == []
