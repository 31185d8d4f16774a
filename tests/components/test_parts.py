"""What a reader sees of the parts of an answer that are not its text."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATER = {"type": "text", "text": "The answer."}


async def _mount(page: Page, **props: object) -> None:
    await page.evaluate("(props) => { window.it = lab.mount('MessageText', props); }", props)


async def _send(page: Page, *values: list) -> None:
    await page.evaluate("(values) => values.forEach((v) => lab.chunks.receive(v))", list(values))


async def _set(page: Page, **props: object) -> None:
    await page.evaluate("(props) => it.set(props)", props)


def _thinks(text: str) -> list:
    return ["r", 0, {"type": "reasoning", "text": text}]


def _details(page: Page) -> Locator:
    return page.locator("details.ct-reasoning")


async def _is_open(page: Page) -> bool:
    return await _details(page).evaluate("(details) => details.open")


async def _running(page: Page, message: str = "m") -> None:
    """A message that thinks."""
    await _mount(page, streamId="r", status="running", message=message)
    await _send(page, _thinks("One *step*."))
    await expect(_details(page)).to_have_attribute("data-running", "true")


async def test_reasoning_is_open_while_it_runs_and_folds_when_the_answer_begins(page: Page) -> None:
    await _running(page, "folds")
    await expect(page.locator("summary")).to_have_text("Thinking…")
    await expect(page.get_by_role("img", name="Waiting for the answer")).to_have_count(0)
    await expect(page.locator("details em")).to_have_text("step")
    await _send(page, ["r", 0, 11, " Another."])
    await expect(page.locator("details p")).to_have_text("One step. Another.")
    await _send(page, [["r", 0, {"seconds": 12.3}], ["r", 1, 0, "The answer."]])
    await expect(page.locator("summary")).to_have_text("Thought for 12 s")
    assert not await _is_open(page)
    await expect(page.locator(".ct-text > .ct-part")).to_have_text("The answer.")


async def test_between_a_thought_and_its_answer_the_page_shows_that_it_goes_on(page: Page) -> None:
    await _running(page)
    await _send(page, ["r", 0, {"seconds": 75.0}])
    await expect(page.locator("summary")).to_have_text("Thought for 1 min 15 s")
    await expect(page.get_by_role("img", name="Waiting for the answer")).to_be_attached()


async def test_a_text_that_was_a_thought_folds_when_its_closing_tag_comes(page: Page) -> None:
    await _mount(page, streamId="r", status="running", message="found")
    await _send(page, ["r", 0, 0, "One *step*."])
    await expect(page.locator(".ct-text em")).to_have_text("step")
    await expect(_details(page)).to_have_count(0)
    change = {"type": "reasoning", "seconds": 3.0}
    await _send(page, [["r", 0, change], ["r", 1, 0, "The answer."]])
    await expect(page.locator("summary")).to_have_text("Thought for 3 s")
    assert not await _is_open(page)
    await expect(page.locator(".ct-text > .ct-part")).to_have_text("The answer.")


async def test_a_thought_that_was_cut_off_has_no_duration(page: Page) -> None:
    await _running(page)
    await _send(page, ["r", -1, 11, "", "stopped"])
    await expect(page.locator("summary")).to_have_text("Thought")
    assert not await _is_open(page)


async def test_a_thought_that_the_user_opened_stays_open(page: Page) -> None:
    await _running(page, "reopened")
    await page.locator("summary").click()
    assert not await _is_open(page)
    await _send(page, ["r", 0, 11, " Another."])
    await page.locator("summary").click()
    await expect(page.locator("details p")).to_have_text("One step. Another.")
    await _send(page, [["r", 0, {"seconds": 2.0}], ["r", 1, 0, "The answer."]])
    await expect(page.locator("summary")).to_have_text("Thought for 2 s")
    assert await _is_open(page)
    await page.evaluate("it.unmount()")
    await _mount(page, streamId="r", status="complete", message="reopened")
    assert await _is_open(page), "when the row is rendered again"


async def test_a_thought_that_was_closed_and_opened_at_once_stays_open(page: Page) -> None:
    await _running(page, "twice")
    await page.locator("summary").evaluate("(summary) => { summary.click(); summary.click(); }")
    assert await _is_open(page)
    await _send(page, [["r", 0, {"seconds": 2.0}], ["r", 1, 0, "The answer."]])
    await expect(page.locator("summary")).to_have_text("Thought for 2 s")
    assert await _is_open(page)


async def test_a_thought_that_the_user_closed_stays_closed(page: Page) -> None:
    await _running(page, "closed")
    await page.locator("summary").focus()
    await page.keyboard.press("Enter")
    assert not await _is_open(page)
    await _send(page, ["r", 0, 11, " Another."])
    await expect(page.locator("summary")).to_have_text("Thinking…")
    await page.evaluate("new Promise(requestAnimationFrame)")
    assert not await _is_open(page)


async def test_the_text_of_a_stored_thought_is_asked_for_when_it_is_opened(page: Page) -> None:
    await page.evaluate(
        "window.feed = lab.mount('ChunkFeed', { chunk: [] }, { events: ['onResync'] })"
    )
    parts = [{"type": "reasoning", "length": 11, "seconds": 3.0}, LATER]
    await _mount(page, parts=parts, streamId="s", status="complete", message="stored")
    await expect(page.locator("summary")).to_have_text("Thought for 3 s")
    assert not await _is_open(page)
    assert await page.evaluate("feed.calls") == []
    await page.locator("summary").click()
    await expect(page.locator("details")).to_contain_text("Loading…")
    assert await page.evaluate("feed.calls[0]") == ["onResync", "s", 0, 0]
    await page.locator("summary").click()
    await expect(page.locator("details")).not_to_contain_text("Loading…")
    asked = await page.evaluate("feed.calls.length")
    await page.locator("summary").click()
    await expect(page.locator("details")).to_contain_text("Loading…")
    assert await page.evaluate("feed.calls.length") > asked, "opened again, it is asked for again"
    await _send(
        page,
        [["s", 0, {"type": "reasoning", "text": "One *step*."}], ["s", 0, {"seconds": 3.0}]],
    )
    await expect(page.locator("details .ct-part")).to_have_text("One step.")
    await expect(page.locator(".ct-text > .ct-part")).to_have_text("The answer.")
    asked = await page.evaluate("feed.calls.length")
    await page.locator("summary").click()
    await page.locator("summary").click()
    assert await page.evaluate("feed.calls.length") == asked
    await page.evaluate("feed.unmount()")


async def test_an_empty_thought_is_not_asked_for(page: Page) -> None:
    parts = [{"type": "reasoning", "length": 0}, LATER]
    await _mount(page, parts=parts, streamId="s", status="complete", message="empty")
    await page.locator("summary").click()
    await page.evaluate("new Promise(requestAnimationFrame)")
    await expect(page.locator("details")).to_have_text("Thought")


async def test_two_thoughts_and_two_texts_stand_in_their_order(page: Page) -> None:
    await _mount(page, streamId="r", status="running")
    await _send(page, _thinks("First."), ["r", 1, 0, "One."])
    await _send(page, ["r", 2, {"type": "reasoning", "text": "Second."}])
    await expect(page.locator(".ct-text > *")).to_have_text(
        ["ThoughtFirst.", "One.", "Thinking…Second."]
    )
    await _send(page, ["r", 3, 0, "Two."], ["r", -1, 21, "", "complete"])
    await expect(page.locator(".ct-text[data-state=done] > *")).to_have_text(
        ["ThoughtFirst.", "One.", "ThoughtSecond.", "Two."]
    )


async def test_a_summary_is_folded_and_its_text_is_no_markup(page: Page) -> None:
    await _mount(page, streamId="r", status="running")
    summary = {"type": "summary", "text": "<b>So</b> *far*", "count": 4, "origin": "model"}
    await _send(page, ["r", 0, summary])
    await expect(page.locator("details")).not_to_have_attribute("open", "")
    head = page.locator("summary")
    await expect(head).to_have_text("The model now sees a summary of 4 older messages")
    await head.click()
    await expect(page.locator("details > div")).to_have_text("<b>So</b> *far*")
    await _send(page, ["r", 1, {**summary, "count": 1, "origin": "excerpt"}])
    await expect(head.last).to_have_text("The model now sees an excerpt of 1 older message")


async def test_a_notice_is_a_quiet_line_above_the_answer(page: Page) -> None:
    await _mount(page, streamId="r", status="running")
    await _send(page, ["r", 0, {"type": "notice", "text": "Now *another* model."}])
    await expect(page.locator("p.ct-notice")).to_have_text("Now *another* model.")
    await expect(page.get_by_role("img", name="Waiting for the answer")).to_be_attached()
    await _send(page, ["r", 1, 0, "Yes."])
    await expect(page.locator(".ct-text > *")).to_have_text(["Now *another* model.", "Yes."])


async def test_a_text_that_is_resumed_grows_before_what_came_meanwhile(page: Page) -> None:
    parts = [{"type": "text", "text": "The **mo"}]
    await _mount(page, streamId="r", status="stopped", parts=parts, message="resumed")
    await expect(page.locator(".ct-text[data-state=done] > *")).to_have_text(["The **mo"])
    await _set(page, status="running")
    waiting = page.get_by_role("img", name="Waiting for the answer")
    await _send(page, ["r", 0, 0, "The **mo"], ["r", 1, {"type": "notice", "text": "Now you."}])
    await expect(waiting).to_be_attached()
    await _send(page, ["r", 2, {"type": "reasoning", "text": "Hm."}])
    await _send(page, [["r", 2, {"seconds": 2.0}], ["r", 0, 8, "on** p"]])
    await expect(page.locator(".ct-text > .ct-part")).to_have_text("The moon p")
    await expect(waiting).to_have_count(0)
    await _send(page, ["r", 0, 14, "ulls.\n\n- a"], ["r", -1, 27, "", "complete", 3])
    # the thought may fold before it was drawn
    await expect(page.locator(".ct-text[data-state=done] > *")).to_have_text(
        ["The moon pulls.a", "Now you.", re.compile(r"Thought for 2 s(Hm\.)?")]
    )
    await expect(page.locator(".ct-text strong")).to_have_text("moon")
    await expect(page.locator(".ct-text li")).to_have_text("a")


async def test_a_part_of_an_unknown_kind_is_named_and_the_rest_is_shown(page: Page) -> None:
    parts = [LATER, {"type": "hologram", "text": "<b>x</b>"}, LATER]
    await _mount(page, parts=parts, status="complete")
    await expect(page.locator(".ct-text > *")).to_have_text(
        ["The answer.", "Part of this answer can't be shown yet.", "The answer."]
    )


async def test_a_part_whose_kind_becomes_known_late_is_drawn_anew(page: Page) -> None:
    await _mount(page, streamId="r", status="running", message="late")
    await _send(page, ["r", 0, 0, "Hm"])
    await expect(page.locator(".ct-text > .ct-part")).to_have_text("Hm")
    await _send(page, ["r", 0, {"type": "reasoning", "seconds": 2.0}])
    await expect(_details(page)).to_have_text("Thought for 2 s")
    await page.locator("summary").click()
    await expect(_details(page)).to_contain_text("Hm")
    await expect(page.locator(".ct-text > .ct-part")).to_have_count(0)


async def test_a_token_of_reasoning_touches_only_its_own_paragraph(page: Page) -> None:
    await _running(page, "cost")
    await _send(page, ["r", 0, 11, "\n\n" + "Done. " * 200 + "\n\nOpen"])
    touched = await page.evaluate(
        """async () => {
            const changed = new Set();
            const watch = new MutationObserver((all) => all.forEach((c) => changed.add(c.target)));
            watch.observe(it.place, { childList: true, characterData: true, subtree: true });
            let at = lab.chunks.get("r").parts[0].text.length;
            for (let n = 0; n < 20; n += 1) {
                lab.chunks.receive(["r", 0, at, " word"]);
                at += 5;
                await new Promise(requestAnimationFrame);
            }
            await new Promise((done) => setTimeout(done, 40));
            watch.disconnect();
            return [...changed].map((node) => (node.closest ?? (() => node.parentNode))
                .call(node, "p")?.previousElementSibling !== null);
        }"""
    )
    assert touched, "it did not grow"
    assert all(touched), "a closed paragraph was touched"


ITEMS = [{"name": "Model", "value": "Alpha"}, {"name": "Time", "value": "2.0 s"}]


async def _mount_details(page: Page, **props: object) -> None:
    await page.evaluate(
        """(props) => { window.it = lab.mount("AnswerDetails", { children: "i", ...props },
            { events: ["onShow"] }); }""",
        {"message": "m", **props},
    )


async def test_the_details_of_an_answer_are_asked_for_and_listed(page: Page) -> None:
    await _mount_details(page)
    button = page.get_by_role("button", name="Details")
    await expect(button).to_have_attribute("aria-expanded", "false")
    await button.focus()
    await page.keyboard.press("Enter")
    assert await page.evaluate("it.calls") == [["onShow", "m"]]
    await _set(page, shownMessage="m", loading=True)
    group = page.get_by_role("region", name="Details")
    await expect(group).to_have_text("Loading…")
    await _set(page, loading=False, items=ITEMS)
    await expect(button).to_have_attribute("aria-expanded", "true")
    assert await button.get_attribute("aria-controls") == await group.get_attribute("id")
    await expect(group.locator("dt")).to_have_text(["Model", "Time"])
    await expect(group.locator("dd")).to_have_text(["Alpha", "2.0 s"])
    await page.keyboard.press("Escape")
    assert await page.evaluate("it.calls.at(-1)") == ["onShow", ""]
    await button.click()
    assert await page.evaluate("it.calls.length") == 3
    await _set(page, shownMessage="another")
    await expect(group).to_have_count(0)
    await expect(button).to_have_attribute("aria-expanded", "false")


async def test_an_answer_of_which_nothing_is_known_says_so(page: Page) -> None:
    await _mount_details(page, shownMessage="m")
    await expect(page.get_by_role("region", name="Details")).to_contain_text("Nothing is known")
