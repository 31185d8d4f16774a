"""Every page in every theme and size, judged by axe-core: no violation at all."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, Route, expect

from screenshots.viewports import DARK_PHONE, EVERY, LIGHT, Viewport, apply
from testing.axe import violations
from testing.browser_user import (
    BrowserUser,
    Meet,
    composer,
    pick_model,
    until_done,
    until_text,
)
from testing.program import Program

RICH = """\
echo: ## Everything at once

Words with `code`, a [link](https://example.org) and ~~more~~.

| Tide | Range |
|---|---:|
| Spring | large |

| Tide | Range |
|---|---:|
| Neap | small |

- [x] done
- [ ] not yet

```python
def steps(items: list[str]) -> int:
    \"\"\"Count.\"\"\"
    return len(items) + 1  # one more
```

> A quotation.

1. one
2. two
"""
COLOUR_RULES = ("color-contrast", "link-in-text-block")
"""What the dark theme can break beside the light one of the same size."""

SMALL = """() => {
    const small = (one) => parseFloat(getComputedStyle(one).fontSize) < 14;
    const controls = "a, button, input, label, select, summary, textarea, [role=menuitem]";
    const found = [];
    for (const control of document.querySelectorAll(controls)) {
        if (!control.checkVisibility()) continue;
        if (control.matches("input, select, textarea") && small(control)) found.push(control);
        const texts = document.createTreeWalker(control, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const holder = texts.currentNode.parentElement;
            const isSeen = texts.currentNode.data.trim() && holder.checkVisibility();
            if (isSeen && !holder.closest(".sr-only") && small(holder)) found.push(holder);
        }
    }
    return found.map((one) => one.outerHTML);
}"""
"""Controls with text below 14 pixels."""


async def _judge(page: Page, axe: str, viewports: tuple[Viewport, ...] = EVERY) -> None:
    for viewport in viewports:
        await apply(page, viewport)
        has_light = any((one.width, one.theme) == (viewport.width, "light") for one in viewports)
        rules = COLOUR_RULES if viewport.theme == "dark" and has_light else ()
        assert await violations(page, axe, rules) == [], viewport.name
        assert await page.evaluate(SMALL) == [], viewport.name


async def _refused(ada: BrowserUser) -> None:
    await ada.open("/signin")
    await ada.page.fill("[name=email]", "nobody@example.com")
    await ada.page.fill("[name=password]", "not the password")
    await ada.page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(ada.page.locator("#problem")).not_to_be_empty()


async def _waiting(ada: BrowserUser) -> None:
    async def hold(route: Route) -> None:
        """Nothing comes back, as after many failures of one client."""

    await ada.page.route("**/api/auth/callback/credentials", hold)
    await ada.page.clock.install()
    await ada.open("/signin")
    await ada.page.fill("[name=email]", ada.email)
    await ada.page.fill("[name=password]", "a password")
    await ada.page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(ada.page.get_by_label("Email")).to_be_disabled()
    await ada.page.clock.fast_forward(3_000)
    await expect(ada.page.get_by_text("Please wait.")).to_be_visible()


async def _loading(ada: BrowserUser) -> None:
    await ada.sign_up()
    await ada.page.route_web_socket("**/_event/**", lambda _: None)
    await ada.page.reload()
    await expect(ada.page.locator(".skeleton").last).to_be_visible()


async def _drawer(ada: BrowserUser) -> None:
    await ada.sign_up()
    await ada.ask("echo: short")
    await ada.thread()
    await until_done(ada.page)
    await ada.page.set_viewport_size({"width": 360, "height": 640})
    await ada.page.get_by_role("button", name="Your chats").click()
    await expect(ada.titles()).to_be_visible()
    await ada.page.get_by_role("searchbox").fill("short")
    await expect(ada.page.get_by_test_id("hit").first).to_be_visible()


async def _menu(ada: BrowserUser) -> None:
    await ada.sign_up()
    await ada.page.get_by_test_id("account-menu").click()
    await expect(ada.page.get_by_role("button", name="Sign out")).to_be_visible()


async def _renaming(ada: BrowserUser) -> None:
    await ada.sign_up()
    await ada.ask("echo: short")
    await ada.thread()
    await until_done(ada.page)
    await ada.page.locator(".row").hover()
    await ada.page.get_by_role("button", name="Rename").click()
    await expect(ada.page.get_by_label("New title")).to_be_visible()


async def _deleted(ada: BrowserUser) -> None:
    await ada.sign_up()
    await ada.ask("echo: short")
    await ada.thread()
    await until_done(ada.page)
    await ada.page.locator(".row").hover()
    await ada.page.get_by_role("button", name="Delete").click()
    await expect(ada.page.get_by_role("button", name="Undo")).to_be_visible()


async def _models(ada: BrowserUser) -> None:
    await ada.sign_up()
    await ada.page.get_by_role("combobox", name="Model").press("Enter")
    await expect(ada.page.get_by_role("listbox")).to_be_visible()


async def _failed(ada: BrowserUser) -> None:
    await ada.sign_up()
    await pick_model(ada.page, "fake:drop")
    await ada.ask("What can go wrong?")
    row = ada.page.locator("[data-role=assistant]")
    await expect(row).to_have_attribute("data-status", "failed")


async def _answering(ada: BrowserUser) -> None:
    await ada.sign_up()
    await ada.ask("Tell me everything")
    await until_text(ada.page, 60)


async def _editing(ada: BrowserUser) -> None:
    await ada.sign_up()
    await ada.ask("echo: first")
    await ada.thread()
    await until_done(ada.page)
    row = ada.page.locator("[data-role=assistant]")
    await row.get_by_role("button", name="Regenerate").click()
    await expect(row.get_by_role("group", name="Versions")).to_be_visible()
    await until_done(ada.page)
    await row.get_by_role("button", name="Delete this version").click()
    await ada.page.get_by_role("button", name="Undo").click()
    await expect(row.get_by_role("group", name="Versions")).to_be_visible()
    await composer(ada.page).press("ArrowUp")
    await expect(ada.page.get_by_role("textbox", name="Message text")).to_be_visible()


async def _rich(ada: BrowserUser) -> None:
    await ada.sign_up()
    await ada.ask(RICH)
    await until_text(ada.page)
    await until_done(ada.page)
    await expect(ada.page.locator(".ct-code .hljs-keyword").first).to_be_visible()


async def _context(ada: BrowserUser) -> None:
    await ada.sign_up()
    complete = ada.page.locator("[data-role=assistant][data-status=complete]")
    await ada.ask("echo: " + "The tide rises. " * 80)
    await expect(complete).to_have_count(1)
    await ada.ask("echo: And falls.")
    await expect(complete).to_have_count(2)
    await ada.page.locator(".context-button").click()
    await ada.page.get_by_role("button", name="Summarize older messages").click()
    await expect(ada.page.locator(".ct-summary")).to_be_visible()
    await ada.page.locator(".ct-summary summary").click()
    await ada.page.locator(".context-button").click()
    await expect(ada.page.get_by_text("no more messages to summarize")).to_be_visible()


STATES: dict[str, Callable[[BrowserUser], Awaitable[None]]] = {
    "sign-in": _waiting,
    "refused": _refused,
    "sign-up": lambda ada: ada.open("/signup"),
    "loading": _loading,
    "empty": _models,
    "rich": _rich,
    "answering": _answering,
    "failed": _failed,
    "editing": _editing,
    "drawer": _drawer,
    "menu": _menu,
    "renaming": _renaming,
    "deleted": _deleted,
    "context": _context,
}


@pytest.mark.parametrize("state", STATES)
async def test_every_state_is_accessible(
    state: str, program: Program, meet: Meet, axe: str
) -> None:
    ada = await meet("Ada", program.url)
    await STATES[state](ada)
    await _judge(ada.page, axe)
    assert ada.errors == []


async def test_a_missing_page_is_accessible(program: Program, meet: Meet, axe: str) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ada.open("/c/00000000-0000-4000-8000-000000000000")
    await expect(ada.page.get_by_text("Chat not found")).to_be_visible()
    await _judge(ada.page, axe)


async def test_the_settings_are_accessible(program: Program, meet: Meet, axe: str) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ada.open("/settings")
    await expect(ada.page.locator(".settings-section").first).to_be_visible()
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text("Account")
    await _judge(ada.page, axe, (LIGHT, DARK_PHONE))
    for title in ("Account", "Security", "Chat", "Data"):
        await ada.page.set_viewport_size({"width": 360, "height": 640})
        # A link's name has what the page is about too, and that may have another's title.
        await ada.page.locator(".settings-menu").get_by_text(title, exact=True).click()
        heading = ada.page.locator(".settings:not(.index) h1")
        await expect(heading).to_have_text(title)
        await expect(ada.page.locator(".skeleton")).to_have_count(0)
        # Nothing can be connected here, so no section says so.
        await expect(ada.page.locator("#connections")).to_have_count(0)
        await _judge(ada.page, axe, (LIGHT, DARK_PHONE))
        await ada.page.get_by_role("link", name="Settings", exact=True).click()
        await expect(ada.page.locator(".settings.index")).to_be_visible()
    assert ada.errors == []


async def test_the_settings_of_a_chat_are_accessible(
    program: Program, meet: Meet, axe: str
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await pick_model(ada.page, "fake:think")
    await ada.page.get_by_role("button", name="Chat settings").click()
    await expect(ada.page.get_by_label("Thinking effort")).to_be_visible()
    await _judge(ada.page, axe, (LIGHT, DARK_PHONE))
    assert ada.errors == []


async def test_an_address_without_a_page_leads_back(program: Program, meet: Meet, axe: str) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    heading = ada.page.get_by_role("heading", name="Page not found")
    for path in ("/_anything", "/no/such/page", "/settings/nothing", "/nothing.png"):
        response = await ada.page.goto(f"{program.url}{path}")
        assert response is not None
        assert response.status == 404, path
        await expect(heading).to_be_visible()
        if path.startswith(("/_", "/no/")):
            await _judge(ada.page, axe)
    await expect(ada.page).to_have_title("Page not found · Chat")
    for _ in range(2):  # the second time, the page before was a chat a moment ago
        await ada.page.get_by_role("link", name="Go to your chats").click()
        await expect(composer(ada.page)).to_be_visible()
        await ada.page.goto(f"{program.url}/nothing.png")
    assert ada.errors == []
