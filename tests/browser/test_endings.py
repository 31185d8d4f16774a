"""How an answer ended, and what it took, as the page says it."""

import pytest
from playwright.async_api import expect

from testing.browser_user import Meet, ask_model, pick_model, until_done
from testing.program import Program

CUT = {
    "fake:length": ("length", "Reached the length limit."),
    "fake:content-filter": (
        "content-filter",
        "The provider withheld the rest of this answer.",
    ),
}


@pytest.mark.parametrize("model", CUT)
async def test_an_answer_that_is_not_whole_says_so(
    program: Program, meet: Meet, model: str
) -> None:
    reason, sentence = CUT[model]
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await pick_model(ada.page, model)
    await ada.ask("Tell me all.")
    row = ada.page.locator("[data-role=assistant]").last
    for _ in range(2):
        ending = row.locator(".ending")
        await expect(ending.locator("span")).to_have_text(sentence)
        await expect(ending).to_have_attribute("data-reason", reason)
        await expect(row).to_have_attribute("data-status", "complete")
        can_continue = ["Continue"] if reason == "length" else []
        await expect(ending.get_by_role("button")).to_have_text(can_continue)
        await expect(row.get_by_role("button", name="Regenerate")).to_be_visible()
        await ada.page.reload()
    old = await row.get_attribute("data-message") or ""
    await row.get_by_role("button", name="Regenerate").click()
    await expect(row).not_to_have_attribute("data-message", old)
    await until_done(ada.page)
    await expect(row.locator(".ending span")).to_have_text(sentence)


async def test_an_answer_of_the_largest_size_says_so(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ask_model(ada, "Tell me all.", "fake:4000x0")
    row = ada.page.locator("[data-role=assistant]").last
    for _ in range(2):
        ending = row.locator(".ending")
        await expect(ending.locator("span")).to_have_text("Reached this server's size limit.")
        await expect(ending).to_have_attribute("data-reason", "size")
        await expect(row).to_have_attribute("data-status", "complete")
        await expect(ending.get_by_role("button")).to_have_count(0)
        await ada.page.reload()


async def test_a_budget_spent_on_thinking_is_said_with_what_helps(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ask_model(ada, "Tell me all.", "fake:think40:length:0x0")
    row = ada.page.locator("[data-role=assistant]").last
    await expect(row).to_have_attribute("data-status", "failed")
    ending = row.locator(".ending")
    await expect(ending.locator("span")).to_have_text(
        "The model used its whole answer limit on thinking. Choose a lower thinking effort in Chat "
        "settings, or another model, then retry."
    )
    await expect(ending.get_by_role("button")).to_have_text(["Retry"])
    await expect(ada.page.get_by_role("button", name="Chat settings")).to_be_visible()
    await expect(ada.page.get_by_role("combobox", name="Model")).to_be_visible()


async def test_a_whole_answer_says_nothing(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ask_model(ada, "Tell me all.", "fake:30x1")
    row = ada.page.locator("[data-role=assistant]").last
    await expect(row).to_have_attribute("data-status", "complete")
    await expect(row.get_by_role("button", name="Regenerate")).to_be_visible()
    await expect(row.locator(".ending")).to_have_count(0)

    # Any answer can be asked for again, but not while another one is written.
    await ask_model(ada, "And again.", "fake:30x1")
    rows = ada.page.locator("[data-role=assistant]")
    await expect(rows.last).to_have_attribute("data-status", "complete")
    again = ada.page.get_by_role("button", name="Regenerate")
    for _ in range(2):
        await expect(again).to_have_count(2)
        await ada.page.reload()
    await expect(again).to_have_count(2)
    await ask_model(ada, "And again.", "fake:3000x20")
    await expect(again).to_have_count(0)
    await ada.page.get_by_test_id("stop").click()
    await expect(again).to_have_count(2)


async def test_the_details_of_one_answer_at_a_time_are_shown_by_keyboard(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    page = ada.page
    await ada.sign_up()
    await ask_model(ada, "One.", "fake:think20:30x1")
    row = page.locator("[data-role=assistant]")
    await expect(row).to_have_attribute("data-status", "complete")
    await ask_model(ada, "Two.", "fake:30x1")
    await expect(row).to_have_count(2)
    await until_done(page)
    first, second = (row.nth(n).get_by_role("button", name="Details") for n in range(2))
    shown = page.get_by_role("region", name="Details")

    await first.focus()
    await page.keyboard.press("Enter")
    await expect(first).to_have_attribute("aria-expanded", "true")
    await expect(shown.locator("dt")).to_have_text(
        ["Model", "Time", "Time to first token", "Input", "Output", "Context", "Speed"]
    )
    await expect(shown.locator("dd").nth(0)).to_have_text("Fake:think20:30x1")
    await expect(shown.locator("dd").nth(4)).to_contain_text("of them thinking")

    await second.focus()
    await page.keyboard.press("Enter")
    await expect(second).to_have_attribute("aria-expanded", "true")
    await expect(first).to_have_attribute("aria-expanded", "false")
    await expect(shown).to_have_count(1)
    await expect(shown.locator("dd").nth(0)).to_have_text("Fake:30x1")

    await page.keyboard.press("Escape")
    await expect(shown).to_have_count(0)
    await expect(second).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(shown).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(shown).to_have_count(0)
    assert ada.errors == []


async def test_a_change_of_the_model_is_noted_above_the_answer(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ask_model(ada, "One.", "fake:30x1")
    row = ada.page.locator("[data-role=assistant]")
    await expect(row).to_have_attribute("data-status", "complete")
    await expect(row.locator(".ct-notice")).to_have_count(0)
    await ask_model(ada, "Two.", "fake:29x1")
    await expect(row.last).to_have_attribute("data-status", "complete")
    for _ in range(2):
        notice = row.last.locator(".ct-text > :first-child")
        await expect(notice).to_have_class("ct-notice")
        await expect(notice).to_contain_text("Fake:29x1")
        await ada.page.reload()
        await expect(row).to_have_count(2)

    # A model that fails at once: its alternative answers, and says so. The chat keeps its model.
    await ask_model(ada, "Three.", "fake:refuse:1x1")
    await expect(row.last).to_have_attribute("data-status", "complete")
    await expect(row).to_have_count(3)
    for _ in range(2):
        notices = row.last.locator(".ct-notice")
        await expect(notices.last).to_have_text(
            "Fake:refuse:1x1 isn't available right now, so Fake:28x1 answered."
        )
        await row.last.get_by_role("button", name="Details").click()
        details = ada.page.get_by_role("region", name="Details")
        await expect(details.locator("dd").first).to_have_text("Fake:28x1")
        await expect(details).to_contain_text("Cost$0.000")
        await ada.page.keyboard.press("Escape")
        await ada.page.reload()
    await expect(row).to_have_count(3)
    await ask_model(ada, "Four.", "fake:refuse:1x1")
    await expect(row).to_have_count(4)
    await expect(row.last).to_have_attribute("data-status", "complete")
    await expect(row.last.locator(".ct-notice")).to_have_count(1)
    assert ada.errors == []
