"""The context meter, with the mouse, the keyboard and a screen reader."""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from testing.script_page import dress

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTEXT: dict[str, Any] = {
    "percent": 42,
    "used": "13,800",
    "whole": "32,768",
    "limit": "25,000",
    "is_window": True,
    "is_estimate": False,
    "level": "",
}
OUTLOOK = {"summarized": 0, "can_summarize": True}


async def _mount(page: Page, **props: object) -> Locator:
    await dress(page, "composer")
    await page.evaluate(
        """(props) => {
            document.body.style.paddingTop = "300px";
            window.it = lab.mount("ContextMeter", props, { events: ["onLook", "onCompact"] });
        }""",
        {"context": CONTEXT, **props},
    )
    return page.locator(".context-button")


async def _calls(page: Page) -> list[str]:
    return await page.evaluate("it.calls.map(([name]) => name)")


async def test_nothing_is_shown_of_an_empty_chat(page: Page) -> None:
    button = await _mount(page, context=None)
    await expect(button).to_have_count(0)
    await page.evaluate("(context) => it.set({ context })", CONTEXT)
    await expect(button).to_have_accessible_name("42% of context used")
    await expect(button).to_have_attribute("title", "42% of context used")


async def test_the_keyboard_opens_it_asks_for_a_summary_and_the_focus_comes_back(
    page: Page,
) -> None:
    button = await _mount(page)
    await button.press("Enter")
    card = page.get_by_role("dialog", name="42% of context used")
    await expect(card).to_contain_text("13,800 of 32,768 tokens")
    await expect(card).to_contain_text("summarized above 25,000 tokens")
    await expect(button).to_have_attribute("aria-expanded", "true")
    assert await _calls(page) == ["onLook"]
    summarize = card.get_by_role("button", name="Summarize older messages")
    await expect(summarize).to_be_disabled()
    await page.evaluate("(outlook) => it.set({ outlook })", OUTLOOK)
    await page.keyboard.press("Tab")
    await expect(summarize).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(card).to_be_hidden()
    await expect(button).to_be_focused()
    assert await _calls(page) == ["onLook", "onCompact"]
    await button.press("Enter")
    await page.keyboard.press("Escape")
    await expect(card).to_be_hidden()
    assert await _calls(page) == ["onLook", "onCompact"], "the outlook is known"


async def test_an_open_card_looks_again_after_an_answer(page: Page) -> None:
    button = await _mount(page, outlook=OUTLOOK)
    await button.click()
    assert await _calls(page) == []
    await page.evaluate("it.set({ outlook: null })")
    assert await _calls(page) == ["onLook"]


@pytest.mark.parametrize(
    ("props", "sentence"),
    [
        ({"outlook": {"summarized": 0, "can_summarize": False}}, "no older messages to summarize"),
        ({"outlook": {"summarized": 7, "can_summarize": False}}, "no more messages to summarize"),
        ({"outlook": {"summarized": 7, "can_summarize": False}}, "a summary of 7 older messages"),
        ({"outlook": {"summarized": 1, "can_summarize": True}}, "a summary of 1 older message."),
        ({"outlook": OUTLOOK, "compacting": True}, "Summarizing older messages…"),
        ({"context": {**CONTEXT, "is_estimate": True}}, "About 13,800 of 32,768 tokens"),
        (
            {"context": {**CONTEXT, "is_window": False}},
            "13,800 of 32,768 tokens, the most this server sends",
        ),
    ],
)
async def test_the_card_says_what_is_so(page: Page, props: dict[str, Any], sentence: str) -> None:
    button = await _mount(page, **props)
    await button.click()
    await expect(page.get_by_role("dialog")).to_contain_text(sentence)


@pytest.mark.parametrize("props", [{"busy": True}, {"isDisconnected": True}])
async def test_nothing_is_asked_for_while_it_would_be_refused(
    page: Page, props: dict[str, Any]
) -> None:
    button = await _mount(page, outlook=OUTLOOK, **props)
    await button.click()
    await expect(page.get_by_role("button", name="Summarize older messages")).to_be_disabled()


async def test_the_card_stays_inside_a_narrow_page(page: Page) -> None:
    await page.set_viewport_size({"width": 320, "height": 640})
    button = await _mount(page, outlook=OUTLOOK)
    await page.evaluate("it.place.style.paddingLeft = '250px'")
    await button.click()
    box = await page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 320
    assert box["y"] >= 0


async def test_the_ring_has_the_share_and_a_colour_of_its_own_when_a_summary_is_near(
    page: Page,
) -> None:
    button = await _mount(page)
    ring = button.locator("circle").last
    await expect(ring).to_have_attribute("stroke-dasharray", "42 100")
    plain = await button.evaluate("(one) => getComputedStyle(one).color")
    await page.evaluate(
        "(context) => it.set({ context })", {**CONTEXT, "percent": 71, "level": "near"}
    )
    await expect(ring).to_have_attribute("stroke-dasharray", "71 100")
    # it changes by a transition
    await expect(button).not_to_have_css("color", plain)
