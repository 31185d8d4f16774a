"""The keyboard keeps its place in a list whose rows and buttons change."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROWS = [["Ada", ["Disable", "Delete"]], ["Bob", ["Disable", "Delete"]]]


async def _mount(page: Page) -> None:
    await page.evaluate(
        'rows => { window.it = lab.mount("KeptRows", { rows }, { events: ["onAct"] }) }', ROWS
    )


async def _set(page: Page, **props: Any) -> None:
    await page.evaluate("props => it.set(props)", props)


async def _confirm(page: Page, name: str) -> None:
    await page.get_by_role("button", name=f"Confirm: {name}").press("Enter")


async def test_what_takes_the_place_of_an_action_takes_the_focus(page: Page) -> None:
    await _mount(page)
    await _confirm(page, "Disable Bob")
    await _set(page, rows=[ROWS[0], ["Bob", ["Enable", "Delete"]]])
    await expect(page.get_by_text("Enable Bob", exact=True)).to_be_focused()


async def test_it_is_found_where_another_action_has_gone_too(page: Page) -> None:
    await _mount(page)
    await _set(page, rows=[["Ada", ["Link", "End", "Disable", "Delete"]]])
    await _confirm(page, "Disable Ada")
    await _set(page, rows=[["Ada", ["Link", "Enable", "Delete"]]])
    await expect(page.get_by_text("Enable Ada", exact=True)).to_be_focused()


async def test_the_next_row_takes_the_focus_of_one_that_is_gone(page: Page) -> None:
    await _mount(page)
    await _confirm(page, "Delete Ada")
    await _set(page, rows=ROWS[1:])
    await expect(page.get_by_role("button", name="Manage Bob")).to_be_focused()


async def test_the_row_before_takes_the_focus_of_the_last_one(page: Page) -> None:
    await _mount(page)
    await _confirm(page, "Delete Bob")
    await _set(page, rows=ROWS[:1])
    await expect(page.get_by_role("button", name="Manage Ada")).to_be_focused()


async def test_a_button_that_is_disabled_gives_the_focus_to_its_neighbour(page: Page) -> None:
    await _mount(page)
    await page.get_by_role("button", name="Next page").press("Enter")
    await _set(page, isLast=True)
    await expect(page.get_by_role("button", name="Previous page")).to_be_focused()


async def test_what_was_left_takes_no_focus_when_it_is_removed(page: Page) -> None:
    await _mount(page)
    await page.get_by_role("button", name="Confirm: Disable Bob").focus()
    await page.mouse.click(5, 5)
    await expect(page.locator("body")).to_be_focused()
    await _set(page, rows=ROWS[:1])
    await expect(page.locator("li")).to_have_count(1)
    await expect(page.locator("body")).to_be_focused()
