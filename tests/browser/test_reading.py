"""Where things stand in a chat: the composer, the models, a long question, an answer on paper."""

from playwright.async_api import Locator, Page, ViewportSize, expect

from testing.browser_user import Meet, answers, composer, until_done, until_text
from testing.program import Program

WIDE, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=360, height=640)
LINES = "\n".join(f"        line_{n}()" for n in range(600))
QUESTION = f"    def first(): # echo: and on\n{LINES}"
"""Its answer is as long, and so stopped before its end."""
CODE = "word " * 60

# What a printer would leave out: text beyond an edge that scrolls or is cut off.
CUT_OFF = """() => [...document.querySelectorAll("main, main *")].filter((one) => {
    if (one.closest(".sr-only")) return false;
    const style = getComputedStyle(one);
    const hides = (way) => style[way] !== "visible" && one.checkVisibility();
    return (hides("overflowY") && one.scrollHeight > one.clientHeight + 1) ||
        (hides("overflowX") && one.scrollWidth > one.clientWidth + 1);
}).map((one) => one.className)"""


async def _edges(one: Locator) -> tuple[float, float]:
    """The upper and the lower edge, in pixels."""
    box = await one.bounding_box()
    assert box
    return box["y"], box["y"] + box["height"]


async def _places(page: Page) -> list[tuple[float, float]]:
    """The edges of the heading, the composer and the suggestions of an empty chat."""
    heading = page.get_by_role("heading", name="What can I help with?")
    field, suggestions = page.locator("form.ct-composer"), page.locator(".starters")
    return [await _edges(one) for one in (heading, field, suggestions)]


async def test_an_empty_chat_has_the_composer_under_its_heading_where_there_is_room(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url, viewport=WIDE)
    page = ada.page
    await ada.sign_up()
    await expect(page.locator(".starters")).to_be_visible()
    heading, field, suggestions = await _places(page)
    assert heading[1] < field[0] < field[1] < suggestions[0]
    assert field[0] - heading[1] < 60, "right under it"
    assert 200 < field[0] < 600, "in the middle of the page"

    await page.set_viewport_size(PHONE)
    heading, field, suggestions = await _places(page)
    assert heading[1] < suggestions[0] < suggestions[1] <= field[0]
    assert field[1] > 560, "at the lower edge"
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]

    learn = "Learn Explain how tides work to a curious ten-year-old."
    await expect(page.get_by_role("button", name=learn, exact=True)).to_be_visible()
    models = page.get_by_role("combobox", name="Model")
    left = await models.bounding_box()
    assert left is not None
    assert left["x"] < 60, "the model's name stands at the left"
    assert ada.errors == []


async def test_a_long_question_is_folded_and_its_answer_stops_at_escape(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url, viewport=WIDE)
    page = ada.page
    await ada.sign_up()
    models = page.get_by_role("combobox", name="Model")
    await models.focus()
    await page.keyboard.press("End")
    chosen = await page.locator("[data-active=true] .model-title").inner_text()
    await page.keyboard.press("Enter")
    await expect(models).to_have_text(chosen)
    await page.keyboard.press("Enter")
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await expect(models).to_have_text("Fake:300x20")

    await ada.ask(QUESTION)
    await until_text(page, 60)
    await models.press("Enter")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await expect(page.get_by_test_id("stop")).to_be_visible()
    await page.keyboard.press("Escape")
    await until_done(page)
    await expect(composer(page)).to_be_focused()
    ending = page.locator(".ending")
    await expect(ending.locator("span")).to_have_text("Stopped")
    await expect(ending).to_have_css("background-color", "rgba(0, 0, 0, 0)")

    assert (await ada.stored())[0]["parts"][0]["text"] == QUESTION
    question = page.locator("[data-role=user] .ct-text")
    assert await question.evaluate("(one) => one.textContent") == QUESTION
    more = page.get_by_role("button", name="Show more")
    await more.scroll_into_view_if_needed()
    top, _ = await _edges(question)
    await more.click()
    await expect(page.get_by_role("button", name="Show less")).to_be_focused()
    assert (await _edges(question))[0] == top, "what is opened stays under the pointer"
    await page.reload()
    await expect(more).to_be_visible()
    assert ada.errors == []


async def test_on_paper_there_is_the_whole_conversation_and_no_button(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url, viewport=WIDE, color_scheme="dark")
    page = ada.page
    await ada.sign_up()
    long = "\n\n".join(f"Paragraph {n}." for n in range(60))
    folded = "<details><summary>More</summary>\n\nFolded away.\n\n</details>"
    code, table = f"```python\n{CODE}\n```", f"{'| a ' * 40}|\n{'|---' * 40}|"
    await ada.ask(f"echo: {long}\n\n{folded}\n\n{code}\n\n{table}\n")
    await until_text(page)
    await until_done(page)
    await expect(answers(page)).to_have_attribute("data-state", "done")
    assert await page.evaluate(CUT_OFF) != []
    await page.set_viewport_size({"width": 700, "height": 900})
    await page.emulate_media(media="print")
    assert await page.evaluate(CUT_OFF) == []
    shown = "all => all.filter((one) => one.checkVisibility()).length"
    assert await page.locator("button, textarea, nav, main a").evaluate_all(shown) == 0
    await expect(page.get_by_text("Folded away.").last).to_be_visible()
    _, end = await _edges(answers(page))
    assert end > 2 * 900, "it goes on over more than one page"
    await expect(page.locator(".ct-pre")).to_have_css("white-space", "pre-wrap")
    await expect(page.locator("body")).to_have_css("background-color", "rgb(252, 251, 249)")
    assert ada.errors == []
