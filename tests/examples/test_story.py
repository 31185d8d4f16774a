"""A day with the example: real assistant-ui, AI SDK and Auth.js clients against this server."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.async_api import Page, ViewportSize, expect

from testing.axe import violations
from testing.example_user import ExampleUser, is_out
from testing.tcp_relay import TcpRelay

from .conftest import Arrive

NOT_FOUND = "This chat was not found. What you send begins a new one."
UNREACHABLE = "The server can't be reached. Check your network connection."
LONG = "A title that is wider than the screen of a phone, and than the sidebar at a desk"
DESK: ViewportSize = {"width": 1100, "height": 700}
PHONE: ViewportSize = {"width": 360, "height": 640}


async def stored(user: ExampleUser) -> list[dict[str, Any]]:
    """The messages of the open thread, as the server has them."""
    return await user.page.evaluate(
        """async () => {
            const thread = new URLSearchParams(location.search).get("thread");
            const answer = await fetch(`/api/threads/${thread}/messages?limit=30`);
            return (await answer.json()).messages;
        }"""
    )


@contextmanager
def no_network(relay: TcpRelay) -> Iterator[None]:
    """End every connection at once, and each new one as it comes."""
    relay.refuses = True
    relay.cut()
    try:
        yield
    finally:
        relay.refuses = False


async def judge(page: Page, axe: str) -> None:
    """Find no violation on a page, neither in light at a desk nor in dark on a phone."""
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size(DESK)
    assert await violations(page, axe) == []
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size(PHONE)
    assert await violations(page, axe) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


async def test_a_reload_and_an_idle_tab_follow_an_answer_without_doubling(arrive: Arrive) -> None:
    ada = await arrive("Ada")
    await ada.sign_up()
    other = await ada.tab()
    await other.goto(ada.home)
    await expect(other.get_by_text("Your chats will appear here.")).to_be_visible()
    await ada.ask("Tell me about the rain")
    before = await ada.until_text(40)
    await expect(ada.titles(other)).to_have_text(["Tell me about the rain answering…"])
    await ada.page.reload()
    await ada.titles(other).click()
    await expect(other.get_by_role("button", name="Stop")).to_be_visible()
    after = await ada.until_text(len(before) + 40)
    assert after.startswith(before)
    await other.get_by_role("button", name="Stop").click()
    whole = await ada.until_done()
    await expect(ada.answers(other)).to_have_text([whole])
    await expect(ada.titles(other)).to_have_text(["Tell me about the rain"])
    assert await ada.page.locator(".message").count() == 2
    messages = await stored(ada)
    assert [one["role"] for one in messages] == ["user", "assistant"]
    assert [part["text"] for part in messages[-1]["parts"]] == [whole]

    draft = other.get_by_role("textbox", name="Message")
    await draft.fill("And the snow?")
    await ada.ask("echo: the wind")
    await expect(ada.answers(other)).to_have_text([whole, "the wind"])
    await expect(draft).to_have_value("And the snow?")
    await ada.until_done()
    await ada.page.reload()
    await expect(ada.answers()).to_have_text([whole, "the wind"])
    assert len(await stored(ada)) == 4
    await ada.do("Tell me about the rain", "Archive")
    await expect(ada.titles(other)).to_have_count(0)
    assert ada.errors == []


async def test_threads_and_versions_of_answers_are_kept_as_chosen(arrive: Arrive, axe: str) -> None:
    ada = await arrive("Ada")
    await ada.page.goto(ada.home)
    await is_out(ada.page)
    await judge(ada.page, axe)
    await ada.page.set_viewport_size(DESK)
    await ada.sign_up()
    for question in ("echo: one", "echo: two"):
        await ada.new_chat()
        await ada.ask(question)
        await ada.until_done()
    await expect(ada.titles()).to_have_text(["echo: two", "echo: one"])
    await ada.titles().last.click()
    await expect(ada.answers()).to_have_text(["one"])

    rename = ada.page.get_by_role("button", name="Rename echo: one")
    await rename.press("Enter")
    await ada.page.keyboard.press("Escape")
    await expect(rename).to_be_focused()
    await rename.press("Enter")
    await ada.page.get_by_label("Title").fill(LONG)
    await ada.page.keyboard.press("Enter")
    await expect(ada.titles()).to_have_text(["echo: two", LONG])
    await ada.page.get_by_role("button", name="Archive echo: two").press("Enter")
    await expect(ada.titles()).to_have_text([LONG])
    await expect(ada.page.get_by_role("button", name="New chat", exact=True)).to_be_focused()
    await ada.page.reload()
    await expect(ada.titles()).to_have_text([LONG])
    await ada.page.get_by_role("button", name="Archived", exact=True).click()
    await expect(ada.titles()).to_have_text(["echo: two"])
    await ada.do("echo: two", "Unarchive")
    await expect(ada.page.get_by_text("No archived chats.")).to_be_visible()
    await ada.page.get_by_role("button", name="Archived", exact=True).click()
    await ada.do("echo: two", "Delete")
    await expect(ada.titles()).to_have_text([LONG])
    await ada.page.reload()
    await expect(ada.titles()).to_have_text([LONG])

    await ada.titles().click()
    await expect(ada.answers()).to_have_text(["one"])
    [_, first] = await stored(ada)
    await ada.page.get_by_role("button", name="Regenerate").click()
    versions = ada.page.locator(".actions")
    await expect(versions).to_contain_text("2/2")
    async with ada.page.expect_response(lambda one: one.request.method == "PATCH"):
        await ada.page.get_by_role("button", name="Previous").click()
    await expect(versions).to_contain_text("1/2")
    assert [one["id"] for one in await stored(ada)][-1] == first["id"]
    await ada.page.reload()
    await expect(versions).to_contain_text("1/2")

    await judge(ada.page, axe)
    await ada.page.get_by_role("button", name="Chats", exact=True).click()
    await expect(ada.page.get_by_role("button", name="Sign out")).to_be_in_viewport()
    await judge(ada.page, axe)
    assert ada.errors == []


async def test_what_fails_is_said_and_nothing_is_lost(arrive: Arrive, relay: TcpRelay) -> None:
    ada = await arrive("Ada")
    await ada.sign_up()
    await ada.page.goto(f"{ada.home}?thread=00000000-0000-4000-8000-000000000000")
    alert = ada.page.get_by_role("alert").filter(has_text=".")
    await expect(alert).to_have_text(NOT_FOUND)
    await ada.ask("Tell me about the rain")
    await expect(ada.titles()).to_have_text(["Tell me about the rain answering…"])
    before = await ada.until_text(40)
    with no_network(relay):
        await expect(alert.last).to_have_text("Connection lost. Reconnecting…")
        await ada.do("Tell me about the rain", "Archive")
        await expect(alert.filter(has_text=UNREACHABLE)).to_be_visible()
        await expect(ada.titles()).to_contain_text(["Tell me about the rain"])
    await ada.titles().click()
    await ada.until_text(len(before) + 40)
    await ada.page.get_by_role("button", name="Stop").click()
    whole = await ada.until_done()
    assert whole.startswith(before)
    assert whole.count("A deterministic answer") == 1
    await expect(ada.page.locator(".message")).to_have_count(2)
    await ada.page.get_by_role("button", name="Dismiss").click()
    await expect(alert).to_have_count(0)

    message = ada.page.get_by_role("textbox", name="Message")
    too_large = "echo: " + "x" * 1990
    await ada.ask(too_large)
    await expect(alert).to_have_text("This message is 2 kB; the limit is 1 kB.Dismiss")
    await expect(message).to_have_value(too_large)
    await expect(ada.page.locator(".message")).to_have_count(2)
    assert [one["role"] for one in await stored(ada)] == ["user", "assistant"]
    await ada.ask("echo: short")
    await expect(ada.answers()).to_have_text([whole, "short"])
    await ada.until_done()
    assert len(await stored(ada)) == 4
    assert ada.errors == []


async def test_signing_out_in_one_tab_empties_the_other_and_the_next_user_finds_nothing(
    arrive: Arrive,
) -> None:
    bob, ada = await arrive("Bob"), await arrive("Ada")
    await asyncio.gather(bob.create_account(), ada.sign_up())
    await ada.ask("echo: hers")
    await ada.until_done()
    thread = ada.page.url
    other = await ada.tab()
    await other.goto(thread)
    await expect(ada.titles(other)).to_have_text(["echo: hers"])

    await ada.sign_out()
    await is_out(other)
    ada.email = bob.email
    await ada.sign_in()
    await expect(other.locator("footer")).to_contain_text(bob.email)
    await expect(ada.titles(other)).to_have_count(0)
    await other.goto(thread)
    await expect(other.locator("footer")).to_contain_text(bob.email)
    await expect(other.get_by_role("alert").filter(has_text=".")).to_have_text(NOT_FOUND)
    await expect(other.locator(".message")).to_have_count(0)
