"""Titles change in their place, pages come when they are near, starters start once."""

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _calls(page: Page) -> list[list[object]]:
    return await page.evaluate("lab.calls")


async def _rename(page: Page) -> None:
    await page.evaluate("lab.showRow('Rain', true)")
    await expect(page.get_by_label("New title")).to_be_focused()


async def test_enter_keeps_the_new_title_and_the_place(page: Page) -> None:
    await _rename(page)
    await page.keyboard.type("Snow")
    await page.keyboard.press("Enter")
    assert await _calls(page) == [["save", {"title": "Snow"}]]
    await page.evaluate("lab.showRow('Snow', false)")
    await expect(page.get_by_role("link", name="Snow")).to_be_focused()


async def test_escape_leaves_the_title_as_it_was(page: Page) -> None:
    await _rename(page)
    await page.keyboard.type("Snow")
    await page.keyboard.press("Escape")
    assert await _calls(page) == [["cancel"]]


async def test_leaving_the_field_keeps_the_title_once(page: Page) -> None:
    await _rename(page)
    await page.keyboard.type("Snow")
    await page.keyboard.press("Tab")
    await page.evaluate("lab.showRow('Snow', false)")
    assert await _calls(page) == [["save", {"title": "Snow"}]]


@pytest.mark.parametrize("typed", ["Rain", "   "])
async def test_a_title_that_says_nothing_new_changes_nothing(page: Page, typed: str) -> None:
    await _rename(page)
    await page.keyboard.type(typed)
    await page.keyboard.press("Enter")
    assert await _calls(page) == [["cancel"]]


async def test_the_end_of_the_list_asks_once_for_each_page(page: Page) -> None:
    await page.evaluate("lab.showList(50, 20000)")
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert await _calls(page) == []
    await page.evaluate("scrollTo(0, 1e6)")
    await page.wait_for_function("() => lab.calls.length")
    await page.evaluate("scrollTo(0, 0)")
    await page.evaluate("scrollTo(0, 1e6)")
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert await _calls(page) == [["reach"]]


async def test_a_page_too_short_to_scroll_asks_for_the_next(page: Page) -> None:
    await page.evaluate("lab.showList(1, 10)")
    await page.wait_for_function("() => lab.calls.length === 1")
    await page.evaluate("lab.showList(2, 10)")
    await page.wait_for_function("() => lab.calls.length === 2")


async def test_a_starter_pressed_twice_is_one_message(page: Page) -> None:
    await page.evaluate("lab.showStarter('Write a haiku')")
    await page.get_by_role("button").dblclick()
    first, second = await _calls(page)
    assert first == second
    name, client_id, text = first
    assert (name, text) == ("send", "Write a haiku")
    assert len(str(client_id)) >= 22


async def test_a_row_has_one_menu_for_a_finger_and_for_keys(page: Page) -> None:
    await page.evaluate("lab.showMenus(['Rain', 'Snow'])")
    button = page.get_by_role("button", name="Options for Snow")
    await button.click()
    await expect(page.get_by_role("menuitem")).to_have_text(["Rename", "Delete"])
    await expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    await button.click()
    await expect(page.get_by_role("menu")).to_have_count(0)

    await button.press("Enter")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("menu")).to_have_count(0)
    await expect(button).to_be_focused()
    assert await _calls(page) == []

    await button.press("Enter")
    await page.keyboard.press("End")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menu")).to_have_count(0)
    await page.get_by_role("button", name="Options for Rain").click()
    await page.get_by_role("menuitem", name="Rename").click()
    assert await _calls(page) == [["delete", "Snow"], ["rename", "Rain"]]


async def test_a_menu_opens_again_at_once(page: Page) -> None:
    await page.evaluate("lab.showMenus(['Rain'])")
    button = page.get_by_role("button", name="Options for Rain")
    await button.click()
    await button.evaluate(
        """(button) => {
            document.querySelector("[role=menu]").hidePopover(); // as Escape does
            button.click();
        }"""
    )
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    await expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
