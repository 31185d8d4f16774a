"""A secret that is shown once is copied with one press, and says so."""

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

GIVEN = {"title": "Copy your API key", "lead": "You won't see it again.", "value": "first"}


async def _mount(page: Page) -> None:
    await page.evaluate(
        'given => { window.it = lab.mount("ShownOnce", given, { events: ["onDone"] }) }', GIVEN
    )


async def test_a_secret_is_copied_and_a_screen_reader_hears_it(page: Page) -> None:
    await _mount(page)
    heading = page.get_by_role("heading", name=GIVEN["title"])
    await expect(heading).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Copy")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("Copied")
    await expect(page.get_by_role("button", name="Copied")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == GIVEN["value"]


async def test_another_secret_takes_the_focus_and_was_not_copied(page: Page) -> None:
    await _mount(page)
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("status")).to_have_text("Copied")
    await page.evaluate("it.set({ value: 'second' })")
    await expect(page.get_by_role("heading", name=GIVEN["title"])).to_be_focused()
    await expect(page.get_by_role("status")).to_have_text("")


async def test_the_focus_stays_in_the_section_when_the_secret_is_gone(page: Page) -> None:
    await _mount(page)
    await page.get_by_role("button", name="Done").press("Enter")
    assert await page.evaluate("it.calls") == [["onDone"]]
    await page.evaluate("it.set({ isShown: false })")
    await expect(page.get_by_role("heading", name="API keys")).to_be_focused()
