"""Of a long question the page shows the first lines, and the rest on request."""

import pytest
from playwright.async_api import Page, expect

from testing.script_page import dress

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUT = 240
"""Pixels that are shown."""


async def _mount(page: Page, height: int) -> None:
    await dress(page, "conversation")
    await page.evaluate(
        "(height) => { window.it = lab.mount('Clamped', { html: [['text', height]] }); }", height
    )


async def _height(page: Page) -> float:
    return await page.locator(".ct-clamp-body").evaluate("(body) => body.clientHeight")


async def test_a_long_text_is_cut_until_the_rest_is_wanted(page: Page) -> None:
    await _mount(page, 900)
    more = page.get_by_role("button", name="Show more")
    await expect(more).to_have_attribute("aria-expanded", "false")
    assert await _height(page) == CUT
    await more.click()
    assert await _height(page) == 900
    less = page.get_by_role("button", name="Show less")
    await expect(less).to_be_focused()
    await less.press("Enter")
    await expect(more).to_be_focused()
    assert await _height(page) == CUT


async def test_a_short_text_is_shown_whole(page: Page) -> None:
    await _mount(page, 200)
    await expect(page.get_by_role("button", name="Show")).to_have_count(0)
    assert await _height(page) == 200
    await page.evaluate("it.set({ html: [['text', 700]] })")
    await expect(page.get_by_role("button", name="Show more")).to_be_visible()


async def test_what_is_searched_or_reached_in_the_hidden_part_opens_it(page: Page) -> None:
    await _mount(page, 900)
    await expect(page.get_by_role("button", name="Show more")).to_be_visible()
    await page.locator(".ct-clamp-body").evaluate("(body) => { body.scrollTop = 300; }")
    await expect(page.get_by_role("button", name="Show less")).to_be_visible()
    assert await _height(page) == 900
