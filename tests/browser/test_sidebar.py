"""The sidebar: its edges, how it is closed and stays so, and its rows under a finger."""

from playwright.async_api import Page, expect

from testing.browser_user import Meet, composer, until_done
from testing.program import Program

EDGES = """() => {
    const edge = (selector, side) => document.querySelector(selector).getBoundingClientRect()[side];
    const begin = [".sidebar-head .mark", ".new-chat .icon", ".find .icon", ".day", ".row-title",
        ".account-button .avatar"];
    const end = [".new-chat", ".find .field", ".row", ".account-button"];
    const textOf = (selector) => {
        const style = getComputedStyle(document.querySelector(selector));
        return edge(selector, "left") + parseFloat(style.paddingLeft);
    };
    return [begin.map((one) => one === ".day" ? textOf(one) : edge(one, "left")),
        end.map((one) => edge(one, "right"))];
}"""

ARCHIVE = """(thread) => fetch(`/api/threads/${thread}`, { method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ status: "archived" }) })"""


async def _is_drawn_closed(page: Page) -> bool:
    """Whether the sidebar is missing from the first picture on."""
    return await page.evaluate("document.documentElement.dataset.sidebar === 'closed'")


async def test_the_rows_of_the_sidebar_begin_and_end_together_and_it_stays_closed(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    page = ada.page
    await ada.sign_up()
    await ada.ask("echo: Rain")
    await ada.thread()
    await until_done(page)
    await expect(ada.titles()).to_have_count(1)
    for edges in await page.evaluate(EDGES):
        assert max(edges) - min(edges) <= 1, edges

    sidebar = page.locator("#sidebar")
    await page.get_by_role("button", name="Close sidebar").press("Enter")
    await expect(sidebar).to_be_hidden()
    opener = page.get_by_role("button", name="Open sidebar")
    await expect(opener).to_be_focused()
    await expect(opener).to_have_attribute("aria-expanded", "false")
    await page.reload()
    await expect(composer(page)).to_be_visible()
    assert await _is_drawn_closed(page)
    await expect(sidebar).to_be_hidden()

    await page.keyboard.press("Control+b")
    await expect(sidebar).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text="Sidebar opened")).to_have_count(1)
    await expect(composer(page)).to_be_focused()
    await page.get_by_label("Search chats").focus()
    await page.keyboard.press("Control+b")
    await expect(opener).to_be_focused()
    await opener.press("Enter")
    await expect(page.get_by_role("button", name="Close sidebar")).to_be_focused()
    await page.reload()
    await expect(sidebar).to_be_visible()
    assert not await _is_drawn_closed(page)
    assert ada.errors == []


async def test_a_finger_renames_and_deletes_with_one_menu(program: Program, meet: Meet) -> None:
    phone = {"width": 360, "height": 640}
    ada = await meet("Ada", program.url, viewport=phone, has_touch=True, is_mobile=True)
    page = ada.page
    await ada.sign_up()
    await composer(page).fill("echo: Rain")
    await page.get_by_test_id("send").tap()  # Enter makes a new line there
    await ada.thread()
    await until_done(page)
    await page.get_by_role("button", name="Your chats").tap()
    await expect(ada.titles()).to_have_text("echo: Rain")
    buttons = page.locator(".row button")
    assert [await one.is_visible() for one in await buttons.all()] == [False, False, True]
    await page.get_by_role("button", name="Options for echo: Rain").tap()
    await page.get_by_role("menuitem", name="Rename").tap()
    await expect(page.get_by_label("New title")).to_be_focused()
    await page.keyboard.type("Snow")
    await page.keyboard.press("Enter")
    await expect(ada.titles()).to_have_text("Snow")
    await page.get_by_role("button", name="Options for Snow").tap()
    await page.get_by_role("menuitem", name="Delete").tap()
    # The open chat is gone, and the drawer with it: the page itself offers to undo that.
    await page.wait_for_url(f"{program.url}/")
    await expect(page.locator("#sidebar")).to_be_hidden()
    await page.get_by_role("button", name="Undo").tap()
    await page.get_by_role("button", name="Your chats").tap()
    await expect(ada.titles()).to_have_text("Snow")
    assert ada.errors == []


async def test_a_search_leads_by_keyboard_to_a_message_and_a_reload_stays_there(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    page = ada.page
    await ada.sign_up()
    for text in ("echo: How do **tomatoes** grow?", "echo: Rain"):
        await ada.open("/")
        # until then the tab still holds the chat before, and what is sent opens no page
        await expect(page.get_by_role("heading", name="What can I help with?")).to_be_visible()
        await ada.ask(text)
        await ada.thread()
        await until_done(page)
    rain = page.url
    field, hits = page.get_by_label("Search chats"), page.get_by_test_id("hit")
    await field.fill("tomatoes")
    await expect(hits).to_have_count(2)
    await expect(ada.titles()).to_have_count(1)
    await expect(hits.first.locator("mark")).to_have_text("tomatoes")
    await expect(page.get_by_role("status").filter(has_text="2 messages found")).to_have_count(1)
    await field.press("ArrowDown")
    await expect(page.get_by_test_id("thread")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(hits.first).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowUp")
    await expect(field).to_be_focused()
    await hits.first.focus()
    await page.keyboard.press("Enter")
    sought = page.locator("article.sought")
    await expect(sought).to_contain_text("tomatoes")
    await expect(sought).to_be_focused()
    assert page.url != rain
    message = await sought.get_attribute("data-message")
    assert page.url.endswith(f"?message={message}")
    await page.reload()
    await expect(sought).to_have_attribute("data-message", str(message))
    await expect(sought).to_be_focused()
    await field.fill("no such words")
    await expect(page.get_by_text("No messages have all these words.")).to_be_visible()
    await field.fill("")
    await expect(ada.titles()).to_have_count(2)
    await expect(page.locator(".hits")).to_have_count(0)
    assert ada.errors == []


async def test_a_chat_that_a_program_archives_is_found_by_its_link_and_by_a_search(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    page = ada.page
    await ada.sign_up()
    await ada.ask("echo: Rain")
    thread = await ada.thread()
    await until_done(page)
    await expect(ada.titles()).to_have_text(["echo: Rain"])
    said = page.get_by_role("status").filter(has_text="This chat is archived.")
    await expect(said).to_have_count(0)
    await page.evaluate(ARCHIVE, thread)
    await expect(said).to_be_visible()
    await expect(ada.titles()).to_have_count(0)

    await ada.open("/")
    await expect(page.get_by_text("Your chats will appear here.")).to_be_visible()
    await page.get_by_label("Search chats").fill("Rain")
    await expect(page.get_by_test_id("thread").first).to_contain_text("Archived")
    await ada.open(f"/c/{thread}")
    await expect(page.locator("[data-role=assistant]")).to_contain_text("Rain")
    await said.get_by_role("button", name="Unarchive").press("Enter")
    await expect(said).to_have_count(0)
    await expect(page.get_by_test_id("thread").first).not_to_contain_text("Archived")
    await page.get_by_label("Search chats").fill("")
    await expect(ada.titles()).to_have_text(["echo: Rain"])
    assert ada.errors == []
