"""A whole visit without a mouse."""

import asyncio
import re

from playwright.async_api import Page, Route, expect

from chat_app.threads.titles import first_words
from testing.browser_user import (
    PASSWORD,
    SIGN_IN,
    TIMEOUT_MS,
    Meet,
    composer,
    until_done,
    until_text,
)
from testing.program import Program

SEA = f"A question about the sea. echo: {'On and on. ' * 400}"
"""Its answer is stopped before its end."""
FAR = 25
"""More stops than any way across the page has."""
FOCUSED = """() => {
    const one = document.activeElement;
    if (one === document.body) return ["", false];
    const named = one.getAttribute("aria-label") || one.innerText || one.name || "";
    return [named.trim().replace(/\\s+/g, " "), one.matches(":focus-visible")];
}"""

RENAME = """([thread, title]) => fetch(`/api/threads/${thread}`, { method: "PATCH",
    headers: { "Content-Type": "application/json" }, body: JSON.stringify({ title }) })"""

INSIDE = """() => {
    const one = document.activeElement;
    return one === document.body || one.closest("[role=dialog]") !== null;
}"""


async def _walk(page: Page, wanted: str, *, key: str = "Tab") -> None:
    """Press a key until what is focused is called so, and can be seen to be focused."""
    passed: list[str] = []
    for _ in range(FAR):
        await page.keyboard.press(key)
        name, is_seen = await page.evaluate(FOCUSED)
        passed.append(name)
        if name.startswith(wanted):
            assert is_seen
            return
    raise AssertionError(f"{wanted!r} was not on the way: {passed}")


async def _ask(page: Page, text: str) -> None:
    await expect(composer(page)).to_be_focused()
    await page.keyboard.insert_text(text)
    await page.keyboard.press("Enter")


async def test_a_visit_without_a_mouse(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url, permissions=["clipboard-write"])
    page, title = ada.page, first_words(SEA)
    await ada.sign_up()
    await ada.sign_out()

    await expect(page.get_by_label("Email")).to_be_focused()
    await expect(page.get_by_text("You've been signed out.")).to_have_count(0)
    await page.keyboard.type(ada.email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")

    await _ask(page, SEA)
    await until_text(page, 30)
    await _walk(page, "Stop answer")
    await page.keyboard.press("Enter")
    await until_done(page)
    await expect(composer(page)).to_be_focused()
    await _walk(page, "Copy message", key="Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-copied=true]")).to_have_count(1)
    await _walk(page, "Copy your message", key="Shift+Tab")

    await _walk(page, "New chat", key="Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("What can I help with?")).to_be_visible()
    await _ask(page, "echo: The mountains are high.")
    await until_text(page)
    await until_done(page)
    await expect(ada.titles()).to_have_count(2)

    newest = page.get_by_test_id("thread").first
    await _walk(page, "echo: The mountains", key="Shift+Tab")
    await _walk(page, "Rename", key="Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("New title")).to_be_focused()
    await page.keyboard.type("Mountains")
    await page.keyboard.press("Enter")
    await expect(newest).to_have_text("Mountains")
    await expect(newest).to_be_focused()

    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_test_id("thread").nth(1)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("h1.thread-title")).to_have_text(title)
    await expect(page).to_have_title(f"{title} · Chat")
    await expect(composer(page)).to_be_focused()

    await _walk(page, "A question about", key="Shift+Tab")
    await page.keyboard.press("Home")
    await expect(newest).to_be_focused()
    await _walk(page, "Delete Mountains")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Undo")).to_be_focused()
    await expect(ada.titles()).to_have_text([title])
    await page.keyboard.press("Enter")
    await expect(newest).to_have_text("Mountains")
    await expect(newest).to_be_focused()
    await expect(page.locator("h1.thread-title")).to_have_text(title)

    await _walk(page, "A Account of Ada")
    await page.keyboard.press("Enter")
    await _walk(page, "Sign out")
    await page.keyboard.press("Enter")
    await page.wait_for_url(SIGN_IN)
    assert ada.errors == []


async def test_a_long_list_is_one_stop_of_the_tab_key(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    for n in range(3):
        await ada.open("/")
        # until then the tab still holds the chat before, and what is sent opens no page
        await expect(ada.page.get_by_role("heading", name="What can I help with?")).to_be_visible()
        await ada.ask(f"echo: Number {n}")
        await ada.thread()
        await until_done(ada.page)
    await expect(ada.titles()).to_have_count(3)
    # the menu of a row is for fingers alone, and not drawn here
    stops = ada.page.locator(".threads :is(a, button):not([tabindex='-1'])").filter(visible=True)
    await expect(stops).to_have_count(3)
    await ada.page.get_by_test_id("thread").nth(2).focus()
    await expect(stops).to_have_count(3)
    await expect(stops.nth(0)).to_be_focused()


async def test_the_drawer_of_a_phone_keeps_the_focus_and_gives_it_back(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url, viewport={"width": 360, "height": 640})
    page = ada.page
    await ada.sign_up()
    opener = page.get_by_role("button", name="Your chats")
    drawer = page.get_by_role("dialog", name="Your chats")
    main = page.locator("main")
    await opener.focus()
    await page.keyboard.press("Enter")
    await expect(drawer.get_by_role("link", name="start a new chat")).to_be_focused()
    await expect(main).to_have_js_property("inert", True)
    for key in ("Tab", "Shift+Tab"):
        for _ in range(FAR):
            await page.keyboard.press(key)
            # Where there is nothing more the browser itself is a stop, as with every dialog.
            assert await page.evaluate(INSIDE), key
    await page.keyboard.press("Escape")
    await expect(drawer).to_have_count(0)
    await expect(main).to_have_js_property("inert", False)
    await expect(opener).to_be_focused()

    # A link to where the page is already, a wide window, and a click beside it close it too.
    await opener.click()
    await drawer.get_by_role("link", name="New chat", exact=True).click()
    await expect(drawer).to_have_count(0)
    await opener.click()
    await page.set_viewport_size({"width": 1024, "height": 640})
    await expect(drawer).to_have_count(0)
    await expect(main).to_have_js_property("inert", False)
    await page.set_viewport_size({"width": 360, "height": 640})
    await opener.click()
    await expect(drawer).to_be_visible()
    await page.mouse.click(350, 300)
    await expect(drawer).to_have_count(0)
    await expect(opener).to_be_focused()
    assert ada.errors == []


async def test_escape_leaves_a_title_as_it_was_and_the_drawer_open(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ada.ask("echo: Rain")
    await ada.thread()
    await until_done(ada.page)
    row = ada.page.get_by_test_id("thread")
    await row.focus()
    await _walk(ada.page, "Rename")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.get_by_label("New title")).to_be_focused()
    await ada.page.keyboard.type("Snow")
    await ada.page.keyboard.press("Escape")
    await expect(row).to_have_text("echo: Rain")
    await expect(row).to_be_focused()


async def test_a_chat_that_opens_leaves_all_as_it_is(program: Program, meet: Meet) -> None:
    """The first message leads to another route, whose script comes while the user goes on."""
    may_load = asyncio.Event()

    async def hold(route: Route) -> None:
        await may_load.wait()
        await route.continue_()

    ada = await meet("Ada", program.url)
    page = ada.page
    await page.route(re.compile(r"/_c_\.__thread_\._index"), hold)
    await ada.sign_up()
    await ada.ask(f"echo: {'On and on. ' * 600}")  # it is stopped before its end
    await until_text(page, 30)
    await _walk(page, "Stop answer")
    assert await page.evaluate("location.pathname") == "/"

    await page.locator(".app").evaluate("app => { app.dataset.before = '' }")
    models = page.locator(".model-list")
    await models.evaluate("list => list.showPopover()")
    await page.get_by_test_id("stop").focus()
    may_load.set()
    await page.wait_for_url("**/c/*")
    await expect(page.get_by_test_id("stop")).to_be_focused()
    await expect(models).to_be_visible()
    await models.evaluate("list => list.hidePopover()")
    await page.get_by_test_id("stop").focus()
    await page.keyboard.press("Enter")
    await until_done(page)
    await expect(composer(page)).to_be_focused()

    await _walk(page, "New chat", key="Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("What can I help with?")).to_be_visible()
    await expect(composer(page)).to_be_focused()
    await expect(page.locator(".app[data-before]")).to_have_count(1)


async def test_the_messages_of_a_chat_that_opens_stay_as_they_are(
    program: Program, meet: Meet
) -> None:
    may_load, has_come = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        await may_load.wait()
        await route.continue_()

    def came(frame: str | bytes) -> None:
        if may_load.is_set() and "order_rx_state_" in str(frame):
            has_come.set()

    ada = await meet("Ada", program.url)
    page = ada.page
    page.on("websocket", lambda socket: socket.on("framereceived", came))
    await page.route(re.compile(r"/_c_\.__thread_\._index"), hold)
    await ada.sign_up()
    await ada.ask("echo: The sea")
    copy = page.get_by_role("button", name="Copy message")
    await copy.focus()
    may_load.set()
    thread = await ada.thread()
    await asyncio.wait_for(has_come.wait(), TIMEOUT_MS / 1000)
    # what the server sends after the messages of the chat is there
    await page.evaluate(RENAME, [thread, "Tides"])
    await expect(page.locator("h1.thread-title")).to_have_text("Tides")
    await expect(copy).to_be_focused()


async def test_a_dialog_of_a_chat_closes_with_it(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    page = ada.page
    await ada.sign_up()
    await ada.ask("echo: Hello")
    await ada.thread()
    await until_done(page)
    dialog = page.get_by_role("dialog", name="Chat settings")
    for leave in (page.go_back, page.go_forward):
        await page.get_by_role("button", name="Chat settings").click()
        await expect(dialog).to_be_visible()
        await leave()
        await expect(dialog).to_have_count(0)
    await expect(composer(page)).to_be_focused()


async def test_a_link_of_the_menu_keeps_the_focus(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    page = ada.page
    await ada.sign_up()
    await ada.open("/settings")
    await expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()
    for title in ("Security", "API keys"):
        await _walk(page, title)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        await expect(page.get_by_role("link", name=title)).to_be_focused()
