"""The dialog with the options of a chat, with the mouse, the keyboard and a screen reader."""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from testing.script_page import dress

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNSET: dict[str, Any] = {"instructions": "", "temperature": None, "effort": None}
CAPS = {
    "instructions": 40,
    "temperature": 1.5,
    "efforts": [{"value": value, "name": value.title()} for value in ("none", "low", "high")],
}
MODELS = [
    {"id": "thinker", "efforts": ["low", "high"], "temperature": False},
    {"id": "plain", "efforts": [], "temperature": True},
    {"id": "both", "efforts": ["none", "low"], "temperature": True},
]


async def _mount(page: Page, **props: object) -> Locator:
    if not await page.locator("style").count():
        await dress(page, "composer")
    await page.evaluate(
        """(props) => {
            window.submitted = [];
            window.it = lab.mount("ChatOptions", props, { events: ["onSave"] });
        }""",
        {"options": UNSET, "caps": CAPS, "models": MODELS, "model": "both", **props},
    )
    return page.get_by_role("button", name="Chat settings")


async def _saved(page: Page) -> list[dict[str, Any]]:
    return await page.evaluate("it.calls.map(([, , options]) => options)")


async def test_what_is_saved_comes_back_and_the_dialog_closes_when_it_is_stored(
    page: Page,
) -> None:
    button = await _mount(page, options={**UNSET, "instructions": "Be kind.", "effort": "low"})
    await expect(button).to_have_attribute("data-set", "true")
    await button.click()
    dialog = page.get_by_role("dialog", name="Chat settings")
    await expect(dialog.get_by_role("heading")).to_be_focused()
    await expect(dialog.get_by_label("Instructions")).to_have_value("Be kind.")
    await expect(dialog.get_by_label("Thinking effort")).to_have_value("low")
    await expect(dialog.get_by_label("Temperature")).to_have_value("")
    await dialog.get_by_label("Instructions").fill("Be brief.\nBe kind.")
    await dialog.get_by_label("Thinking effort").select_option("")
    await dialog.get_by_label("Temperature").fill("0.7")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("status")).to_have_text("Saving…")
    await dialog.get_by_role("button", name="Save").press("Enter")
    chosen = {"instructions": "Be brief.\nBe kind.", "temperature": 0.7, "effort": None}
    assert await _saved(page) == [chosen]
    assert await page.evaluate("submitted") == []
    await page.evaluate("(options) => it.set({ options, saved: it.calls[0][1] })", chosen)
    await expect(dialog).to_have_count(0)
    await expect(button).to_be_focused()
    await page.evaluate("(options) => it.set({ options })", UNSET)
    await expect(button).to_have_attribute("data-set", "false")


async def test_it_stays_where_development_mode_shows_it_twice(page: Page) -> None:
    """Each effect runs twice there; the event that says that it was closed comes afterwards."""
    button = await _mount(page)
    await button.click()
    dialog = page.get_by_role("dialog", name="Chat settings")
    await dialog.evaluate(
        """(dialog) => new Promise((done) => {
            dialog.addEventListener("close", () => setTimeout(done));
            dialog.close();
            dialog.showModal();
        })"""
    )
    await expect(dialog).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)


async def test_what_is_refused_stays_with_the_reason(page: Page) -> None:
    button = await _mount(page)
    await button.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Temperature").fill("1.9")
    await dialog.get_by_label("Temperature").press("Enter")
    await page.evaluate("it.set({ refused: it.calls[0][1], problem: 'Too hot.' })")
    await expect(dialog.get_by_role("alert")).to_have_text("Too hot.")
    await dialog.get_by_label("Temperature").fill("1.5")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_be_empty()
    assert [one["temperature"] for one in await _saved(page)] == [1.9, 1.5]


@pytest.mark.parametrize(
    ("model", "efforts", "has_temperature"),
    [("thinker", ["", "low", "high"], 0), ("plain", [], 1), ("both", ["", "none", "low"], 1)],
)
async def test_there_is_a_field_for_what_the_model_takes_and_the_rest_is_kept(
    page: Page, model: str, efforts: list[str], has_temperature: int
) -> None:
    chosen = {"instructions": "", "temperature": 0.3, "effort": "low"}
    button = await _mount(page, model=model, options=chosen)
    await button.click()
    dialog = page.get_by_role("dialog")
    options = dialog.locator("option")
    await expect(options).to_have_count(len(efforts))
    assert await options.evaluate_all("all => all.map(({ value }) => value)") == efforts
    await expect(dialog.get_by_label("Temperature")).to_have_count(has_temperature)
    await dialog.get_by_role("button", name="Save").click()
    assert await _saved(page) == [chosen]


@pytest.mark.parametrize(("effort", "name"), [("none", "None"), ("xhigh", "xhigh")])
async def test_an_effort_that_the_model_does_not_take_stays_until_another_is_chosen(
    page: Page, effort: str, name: str
) -> None:
    button = await _mount(page, model="thinker", options={**UNSET, "effort": effort})
    for value in (effort, "high"):
        await button.click()
        dialog = page.get_by_role("dialog")
        field = dialog.get_by_label("Thinking effort")
        await expect(field).to_have_value(effort)
        await expect(field.locator("option:checked")).to_have_text(name)
        if value != effort:
            await field.select_option(value)
        await dialog.get_by_label("Instructions").fill("Be brief.")
        await dialog.get_by_role("button", name="Save").click()
        assert (await _saved(page))[-1] == {**UNSET, "instructions": "Be brief.", "effort": value}
        await page.evaluate("it.set({ saved: it.calls.at(-1)[1] })")
        await expect(dialog).to_have_count(0)


async def test_escape_and_cancel_save_nothing_and_give_the_focus_back(page: Page) -> None:
    button = await _mount(page)
    for leave in ("Escape", "Cancel"):
        await button.click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Instructions").fill("Not kept")
        if leave == "Cancel":
            await dialog.get_by_role("button", name="Cancel").click()
        else:
            await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await expect(button).to_be_focused()
    await button.click()
    await expect(page.get_by_label("Instructions")).to_have_value("")
    assert await _saved(page) == []


async def test_it_waits_for_the_connection_and_sends_again_what_was_not_answered(
    page: Page,
) -> None:
    button = await _mount(page)
    await button.click()
    dialog = page.get_by_role("dialog")
    save = dialog.get_by_role("button", name="Save")
    await page.evaluate("it.set({ isDisconnected: true })")
    await expect(save).to_have_attribute("aria-disabled", "true")
    await save.press("Enter")
    assert await _saved(page) == []
    await page.evaluate("it.set({ isDisconnected: false })")
    await save.click()
    await page.evaluate("it.set({ isDisconnected: true })")
    await expect(dialog.get_by_role("status")).to_have_text("Waiting for the connection…")
    await page.evaluate("it.set({ isDisconnected: false })")
    requests = await page.evaluate("it.calls.map(([, request]) => request)")
    assert len(requests) == 2
    assert requests[0] == requests[1]


async def test_a_server_without_instructions_has_no_field_for_them(page: Page) -> None:
    button = await _mount(page, caps={**CAPS, "instructions": 0})
    await button.click()
    await expect(page.get_by_label("Temperature")).to_be_visible()
    await expect(page.get_by_label("Instructions")).to_have_count(0)


async def test_it_cannot_be_opened_before_the_options_are_known(page: Page) -> None:
    button = await _mount(page, options=None)
    await expect(button).to_be_disabled()


UNKNOWN = {"thread": "", "options": None, "models": [], "model": ""}


async def test_what_is_typed_stays_while_the_page_loads_again(page: Page) -> None:
    shown = {"thread": "t1", "options": UNSET, "models": MODELS, "model": "thinker"}
    button = await _mount(page, **shown)
    await button.click()
    dialog = page.get_by_role("dialog")
    save = dialog.get_by_role("button", name="Save")
    await dialog.get_by_label("Instructions").fill("Be brief.")
    await dialog.get_by_label("Thinking effort").select_option("high")
    await page.evaluate("(unknown) => it.set(unknown)", UNKNOWN)
    await page.evaluate("it.set({ thread: 't1' })")
    await expect(save).to_have_attribute("aria-disabled", "true")
    await save.press("Enter")
    assert await _saved(page) == []
    await page.evaluate("(shown) => it.set(shown)", shown)
    await expect(dialog.get_by_label("Temperature")).to_have_count(0)
    await save.click()
    chosen = {**UNSET, "instructions": "Be brief.", "effort": "high"}
    assert await _saved(page) == [chosen]
    await page.evaluate("(unknown) => it.set(unknown)", UNKNOWN)
    await page.evaluate("(shown) => it.set(shown)", shown)
    assert await _saved(page) == [chosen, chosen]


@pytest.mark.parametrize(
    "other", [{"thread": "t2", "options": None}, {"thread": "", "options": UNSET}]
)
async def test_another_chat_closes_it(page: Page, other: dict[str, Any]) -> None:
    button = await _mount(page, thread="t1")
    await button.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.evaluate("(other) => it.set(other)", other)
    await expect(page.get_by_role("dialog")).to_have_count(0)
