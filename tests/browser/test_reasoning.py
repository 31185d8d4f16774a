"""A model that thinks: seen while it does, folded afterwards, and there when it is wanted."""

import re
from typing import Any

from playwright.async_api import Page, expect

from testing.browser_user import BrowserUser, Meet, answers, ask_model, until_done
from testing.program import Program

SLOW = "fake:think1000:20x25"
"""It thinks for 25 seconds, in which another tab opens and is looked at twice."""
THOUGHT = "First this, then *that*."
ASKED = f"think: {THOUGHT} echo: So it is."
THOUGHT_FOR = re.compile(r"^Thought for \d+ s$")


def details(page: Page) -> Any:
    """The thought of the last answer."""
    return page.locator("[data-role=assistant]").last.locator("details.ct-reasoning")


async def until_thinking(page: Page, least: int) -> str:
    """Wait until so many characters of a running thought are in sight; what is there then."""
    await expect(details(page)).to_have_attribute("data-running", "true")
    await page.wait_for_function(
        """(least) => {
            const all = document.querySelectorAll("details.ct-reasoning[open] .ct-part");
            return [...all].at(-1)?.innerText.length >= least;
        }""",
        arg=least,
    )
    return await details(page).locator(".ct-part").inner_text()


async def thought_shown(page: Page) -> str:
    """The text of the last answer's thought, once it is open and there."""
    await expect(details(page)).to_have_attribute("open", "")
    await expect(details(page).locator(".ct-part > :not(.ct-loading)").first).to_be_visible()
    return await details(page).locator(".ct-part").inner_text()


async def until_answered(ada: BrowserUser, page: Page) -> None:
    await expect(details(page)).to_have_attribute("data-running", "false")
    await until_done(page)


async def test_a_thought_is_seen_in_every_tab_then_folds_and_is_there_when_wanted(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ask_model(ada, "Think for a while.", SLOW)
    await expect(details(ada.page).locator("summary")).to_have_text("Thinking…")
    seen = await until_thinking(ada.page, 80)

    late = await ada.tab()
    await late.goto(ada.page.url)
    joined = await until_thinking(late, len(seen))
    assert joined.startswith(seen[:60]), "a tab that joins in mid-thought has it from the start"

    await details(late).locator("summary").press("Enter")
    await expect(details(late)).not_to_have_attribute("open", "")
    await details(late).locator("summary").press("Space")
    await until_thinking(late, len(joined))

    for page in (ada.page, late):
        await until_answered(ada, page)
        await expect(details(page).locator("summary")).to_have_text(THOUGHT_FOR)
    await expect(details(ada.page)).not_to_have_attribute("open", "")
    await expect(details(late)).to_have_attribute("open", "")
    whole = await thought_shown(late)

    await ada.page.reload()
    await expect(details(ada.page).locator("summary")).to_have_text(THOUGHT_FOR)
    await expect(details(ada.page)).not_to_have_attribute("open", "")
    await details(ada.page).locator("summary").press("Enter")
    assert await thought_shown(ada.page) == whole
    await late.close()
    assert ada.errors == []


async def test_a_thought_is_neither_copied_nor_in_the_text_of_the_answer(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await ada.sign_up()
    await ask_model(ada, ASKED, "fake:think")
    await until_answered(ada, ada.page)
    for _ in range(2):
        row = ada.page.locator("[data-role=assistant]").last
        await row.get_by_role("button", name="Copy message").click()
        await expect(row.get_by_role("button", name="Copied")).to_be_visible()
        assert await ada.page.evaluate("navigator.clipboard.readText()") == "So it is."
        await ada.page.reload()
        await expect(answers(ada.page).last).to_have_attribute("data-state", "done")
    await details(ada.page).locator("summary").click()
    assert await thought_shown(ada.page) == "First this, then that."
    await expect(details(ada.page).locator("em")).to_have_text("that")


async def test_an_answer_that_is_stopped_in_mid_thought_keeps_it(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ask_model(ada, "Think for a while.", SLOW)
    seen = await until_thinking(ada.page, 60)
    await ada.page.get_by_test_id("stop").click()
    await until_answered(ada, ada.page)
    await expect(details(ada.page).locator("summary")).to_have_text("Thought")
    await ada.page.reload()
    await details(ada.page).locator("summary").click()
    kept = await thought_shown(ada.page)
    assert kept.startswith(seen[:50])
    ending = ada.page.locator(".ending")
    await expect(ending).to_have_attribute("data-reason", "user")
    await expect(ending.get_by_role("button", name="Retry")).to_be_visible()


async def test_a_screen_reader_hears_that_it_thinks_and_then_the_answer(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ask_model(ada, ASKED, "fake:think40:1x250")  # a page that reads late sees it think too
    said = ada.page.get_by_role("status", name="Spoken answer").locator("p")
    await expect(said).to_have_text(["Thinking", "So it is.", "Answer finished"])
