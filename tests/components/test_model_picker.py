"""The choice of a model, with the mouse, the keyboard and a screen reader."""

import pytest
from playwright.async_api import Locator, Page, expect

from testing.script_page import dress

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = ("Alpha", "Beta", "Gamma", "Gemma", "Omega")
MODELS = [{"id": name.lower(), "name": name} for name in NAMES]


async def _mount(page: Page, **props: object) -> Locator:
    if not await page.locator("style").count():
        await dress(page, "composer")
    await page.evaluate(
        "(props) => { window.it = lab.mount('ModelPicker', props, { events: ['onPick'] }); }",
        {"models": MODELS, "value": "beta", **props},
    )
    return page.get_by_role("combobox", name="Model")


async def _active(page: Page) -> str:
    """The option that a screen reader is at."""
    return await page.evaluate(
        """() => {
            const button = document.querySelector("[role=combobox]");
            const option = document.getElementById(button.getAttribute("aria-activedescendant"));
            return option.matches("[data-active=true]") ? option.textContent : "unmarked";
        }"""
    )


async def _picked(page: Page) -> list[str]:
    return await page.evaluate("it.calls.map(([, id]) => id)")


async def test_it_says_what_is_chosen_and_lists_the_rest_when_it_is_opened(page: Page) -> None:
    combobox = await _mount(page)
    await expect(combobox).to_have_text("Beta")
    await expect(combobox).to_have_attribute("aria-expanded", "false")
    options = page.get_by_role("option")
    await expect(options).to_have_count(0)
    await combobox.click()
    await expect(page.get_by_role("listbox", name="Model")).to_be_visible()
    await expect(combobox).to_have_attribute("aria-expanded", "true")
    await expect(options).to_have_text(NAMES)
    await expect(page.get_by_role("option", selected=True)).to_have_text("Beta")
    assert await _active(page) == "Beta"
    await options.nth(3).click()
    await expect(options).to_have_count(0)
    await expect(combobox).to_be_focused()
    assert await _picked(page) == ["gemma"]
    await page.evaluate("it.set({ value: 'gemma' })")
    await expect(combobox).to_have_text("Gemma")


async def test_each_model_says_what_it_can_what_it_costs_and_why_it_may_not_answer(
    page: Page,
) -> None:
    about, price, problem = "128k context · Images", "$1 in, $4 out", "Alpha is busy."
    models = [{**MODELS[0], "about": about, "price": price, "problem": problem}, *MODELS[1:]]
    combobox = await _mount(page, models=models, value="alpha")
    await expect(combobox.locator(".model-warning")).to_have_attribute("title", problem)
    await combobox.press("ArrowDown")
    await expect(page.get_by_role("option").first).to_have_text(f"Alpha {about} {price} {problem}")
    await page.evaluate("it.set({ value: 'beta' })")
    await expect(combobox.locator(".model-warning")).to_have_count(0)


async def test_a_second_click_or_one_elsewhere_closes_the_list(page: Page) -> None:
    combobox = await _mount(page)
    options = page.get_by_role("option")
    await combobox.click()
    await expect(options).to_have_count(5)
    await combobox.click()
    await expect(options).to_have_count(0)
    await combobox.click()
    await expect(options).to_have_count(5)
    await page.mouse.click(900, 500)
    await expect(options).to_have_count(0)
    assert await _picked(page) == []


WALKS = {
    "Enter": "Beta",
    "Space": "Beta",
    "ArrowDown": "Beta",
    "Alt+ArrowDown": "Beta",
    "ArrowUp": "Beta",
    "Home": "Alpha",
    "End": "Omega",
    "Enter ArrowDown ArrowDown": "Gemma",
    "Enter ArrowUp ArrowUp": "Alpha",
    "Enter End ArrowDown": "Omega",
    "Enter PageDown": "Omega",
    "Enter End PageUp": "Alpha",
    "g": "Gamma",
    "g g": "Gemma",
    "g g g": "Gamma",
    "g a": "Gamma",
    "o": "Omega",
    "Enter o x": "Omega",
}


async def test_keys_open_the_list_and_go_through_it(page: Page) -> None:
    for keys, active in WALKS.items():
        combobox = await _mount(page)
        await combobox.focus()
        for key in keys.split():
            await page.keyboard.press(key)
        await expect(page.get_by_role("listbox")).to_be_visible()
        assert await _active(page) == active, keys
        await expect(combobox).to_be_focused()
        assert await _picked(page) == []
        await page.evaluate("it.unmount()")


async def test_a_key_chooses_and_closes_the_list(page: Page) -> None:
    for key in ("Enter", "Space", "Alt+ArrowUp", "Tab"):
        combobox = await _mount(page)
        await combobox.focus()
        for step in ("Enter", "ArrowDown", key):
            await page.keyboard.press(step)
        await expect(page.get_by_role("option")).to_have_count(0)
        assert await _picked(page) == ["gamma"], key
        await page.evaluate("it.unmount()")


async def test_neither_escape_nor_the_model_that_answers_already_changes_anything(
    page: Page,
) -> None:
    combobox = await _mount(page)
    await combobox.focus()
    for key in ("Enter", "ArrowDown", "Escape", "Enter", "Enter"):
        await page.keyboard.press(key)
        await expect(combobox).to_be_focused()
    await expect(page.get_by_role("option")).to_have_count(0)
    assert await _picked(page) == []


@pytest.mark.parametrize("top", [0, 660])
async def test_a_long_list_stays_on_the_page_and_shows_the_active_one(page: Page, top: int) -> None:
    models = [{"id": f"m{n}", "name": f"Model {n}"} for n in range(99)]
    await page.set_viewport_size({"width": 360, "height": 700})
    combobox = await _mount(page, models=models, value="m50")
    await combobox.evaluate(
        "(button, top) => { button.style.position = 'fixed'; button.style.top = `${top}px`; }", top
    )
    await combobox.click()
    listbox = page.get_by_role("listbox")
    await expect(page.get_by_role("option", selected=True)).to_be_in_viewport()
    await page.keyboard.press("End")
    await expect(page.get_by_role("option").last).to_be_in_viewport()
    box = await listbox.bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= 700 - box["height"]
    assert 0 <= box["x"] <= 360 - box["width"]


async def test_what_is_not_among_several_models_has_its_name_there_all_the_same(
    page: Page,
) -> None:
    combobox = await _mount(page, value="gone:1")
    await expect(combobox).to_have_text("gone:1")
    await combobox.click()
    await expect(page.get_by_role("option")).to_have_count(5)
    await expect(page.get_by_role("option", selected=True)).to_have_count(0)
    await page.evaluate("(models) => it.set({ models, value: 'alpha' })", MODELS[:1])
    await expect(combobox).to_have_count(0)
    await expect(page.locator(".only-model")).to_have_text("Model: Alpha")
