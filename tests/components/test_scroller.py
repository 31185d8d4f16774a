"""The page moves only for a reader who is at its end."""

import json
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from testing.script_page import dress

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOUNT = """async (props) => {
    const style = document.createElement("style");
    style.textContent = ".ct-scroller, .ct-scroll { height: 400px; overflow-y: auto }";
    document.head.append(style);
    window.it = lab.mount("Scroller", props, { events: ["onTop", "onBottom", "onEnd"] });
    window.view = document.querySelector(".ct-scroll");
    window.settled = async () => {
        for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
    };
    window.below = () => view.scrollHeight - view.clientHeight - view.scrollTop;
    window.topOf = (id) => document.getElementById(id).getBoundingClientRect().top;
    window.scroll = async (to) => { view.scrollTop = to; await settled(); };
    await settled();
}"""


def _rows(first: int, last: int, height: int = 100) -> list[list]:
    return [[f"m{n}", height] for n in range(first, last)]


async def _mount(page: Page, **props: object) -> None:
    await page.evaluate(MOUNT, {"html": _rows(10, 30), "thread": "t", **props})


async def _set(page: Page, **props: object) -> None:
    await page.evaluate("async (props) => { it.set(props); await settled(); }", props)


async def _pill(page: Page) -> bool:
    return await page.locator(".ct-jump").is_visible()


async def test_it_opens_at_the_end_and_stays_there_as_text_grows(page: Page) -> None:
    await _mount(page)
    assert await page.evaluate("below()") == 0
    for height in (150, 400, 900):
        await _set(page, html=[*_rows(10, 29), ["m29", height]])
        assert await page.evaluate("below()") == 0
    assert not await _pill(page)


async def test_a_reader_who_scrolled_up_is_left_alone_and_told(page: Page) -> None:
    await _mount(page)
    await page.evaluate("scroll(view.scrollTop - 300)")
    before = await page.evaluate("view.scrollTop")
    await page.evaluate("lab.chunks.receive(['r', 0, 0, 'new words'])")
    await _set(page, html=[*_rows(10, 29), ["m29", 900]])
    assert await page.evaluate("view.scrollTop") == before
    assert await _pill(page)
    await page.get_by_role("button", name="Jump to latest").click()
    await page.evaluate("settled()")
    assert await page.evaluate("below()") == 0
    assert not await _pill(page)
    await _set(page, html=[*_rows(10, 29), ["m29", 1200]])
    assert await page.evaluate("below()") == 0


async def test_jump_to_latest_is_a_round_button(page: Page) -> None:
    await dress(page, "composer")
    await _mount(page)
    await page.evaluate("scroll(view.scrollTop - 300)")
    await page.evaluate("lab.chunks.receive(['r', 0, 0, 'new words'])")
    jump = page.get_by_role("button", name="Jump to latest")
    box = await jump.bounding_box()
    assert box is not None
    assert box["width"] == box["height"] >= 24
    await expect(jump).to_have_css("border-radius", "50%")


async def test_the_conversation_is_a_tab_stop_where_it_scrolls(page: Page) -> None:
    await _mount(page, html=_rows(10, 12))
    assert await page.evaluate("view.tabIndex") == -1
    await _set(page, html=_rows(10, 30))
    assert await page.evaluate("view.tabIndex") == 0


async def test_a_reader_near_the_end_counts_as_there(page: Page) -> None:
    await _mount(page)
    await page.evaluate("scroll(view.scrollTop - 30)")
    await _set(page, html=_rows(10, 31))
    assert await page.evaluate("below()") == 0


async def test_growth_seen_before_its_measure_does_not_let_go_of_the_end(page: Page) -> None:
    await _mount(page)
    await page.evaluate(
        """async (html) => {
            it.set({ html });
            view.dispatchEvent(new Event("scroll"));
            await settled();
        }""",
        _rows(10, 40),
    )
    assert await page.evaluate("below()") == 0


@pytest.mark.parametrize("start", [900, 1600])
async def test_rows_that_come_before_a_scroll_is_announced_leave_it(page: Page, start: int) -> None:
    await _mount(page)
    await page.evaluate(f"scroll({start})")
    moved = await page.evaluate(
        """async (html) => {
            view.scrollTop = 750;
            const before = topOf("m20");
            it.set({ html });
            await settled();
            return topOf("m20") - before;
        }""",
        _rows(15, 40),
    )
    assert moved == 0


async def test_coming_back_to_the_end_sticks_again(page: Page) -> None:
    await _mount(page)
    await page.evaluate("scroll(300)")
    await page.evaluate("scroll(view.scrollHeight)")
    await _set(page, html=_rows(10, 33))
    assert await page.evaluate("below()") == 0


@pytest.mark.parametrize("at", [0, 130, 600])
async def test_older_messages_above_do_not_move_what_is_read(page: Page, at: int) -> None:
    await _mount(page)
    await page.evaluate(f"scroll({at})")
    before = await page.evaluate("topOf('m18')")
    await _set(page, html=_rows(0, 30, 100))
    assert await page.evaluate("topOf('m18')") == before
    await _set(page, html=[["m0", 333], *_rows(1, 30, 100)])
    assert await page.evaluate("topOf('m18')") == before


async def test_older_messages_are_asked_for_once_until_some_came(page: Page) -> None:
    await _mount(page)
    assert await page.evaluate("it.calls.length") == 0
    for at in (100, 50, 0, 20, 0):
        await page.evaluate(f"scroll({at})")
    assert await page.evaluate("it.calls") == [["onTop"]]
    await _set(page, html=[*_rows(10, 29), ["m29", 500]])
    assert await page.evaluate("it.calls.length") == 1
    await _set(page, html=_rows(0, 30))
    await page.evaluate("scroll(0)")
    assert await page.evaluate("it.calls.length") == 2


async def test_nothing_is_asked_for_when_there_is_nothing_older(page: Page) -> None:
    await _mount(page, older=False)
    await page.evaluate("scroll(0)")
    assert await page.evaluate("it.calls") == []
    await _set(page, html=_rows(28, 30), thread="short")
    assert await page.evaluate("it.calls") == []


async def test_a_conversation_shorter_than_the_page_asks_by_itself(page: Page) -> None:
    await _mount(page, html=_rows(28, 30))
    assert await page.evaluate("it.calls") == [["onTop"]]


async def test_ones_own_message_goes_to_the_end(page: Page) -> None:
    await _mount(page)
    await page.evaluate("scroll(0)")
    await _set(page, html=_rows(10, 31), sent="id-1")
    assert await page.evaluate("below()") == 0
    await _set(page, html=_rows(10, 34))
    assert await page.evaluate("below()") == 0


async def test_another_conversation_opens_at_its_end(page: Page) -> None:
    await _mount(page)
    await page.evaluate("scroll(500)")
    await _set(page, html=[[f"n{n}", 70] for n in range(20)], thread="u")
    assert await page.evaluate("below()") == 0
    assert not await _pill(page)


async def test_newer_messages_are_asked_for_near_the_last_row_and_do_not_move_the_reader(
    page: Page,
) -> None:
    await _far_above(page)
    assert await page.evaluate("it.calls") == []
    for at in (1500, 2500, 2600, 2600):
        await page.evaluate(f"scroll({at})")
    assert await page.evaluate("it.calls") == [["onBottom"]]
    before = await page.evaluate("topOf('m28')")
    await _set(page, html=_rows(10, 40))
    assert await page.evaluate("topOf('m28')") == before
    await _set(page, html=_rows(10, 50), newer=False)
    assert await page.evaluate("topOf('m28')") == before
    assert not await _pill(page), "nothing is new: it was there all the time"


async def test_the_last_row_is_not_the_end_while_there_are_newer_messages(page: Page) -> None:
    await _mount(page, older=False, newer=True, html=_rows(0, 30))
    await page.evaluate("scroll(view.scrollHeight)")
    at = await page.evaluate("view.scrollTop")
    await _set(page, html=_rows(0, 60))
    assert await page.evaluate("view.scrollTop") == at


async def test_rows_behind_a_gap_are_not_taken_for_the_last_one(page: Page) -> None:
    hidden = [[f"r{n}", 0] for n in range(4)]
    await _mount(page, older=False, newer=True, html=[*_rows(0, 30), *hidden])
    await page.evaluate("scroll(2600)")
    assert await page.evaluate("it.calls") == [["onBottom"]]
    before = await page.evaluate("topOf('m27')")
    await _set(page, html=[*_rows(5, 30), *hidden])
    assert await page.evaluate("topOf('m27')") == before


async def _far_above(page: Page) -> None:
    await _mount(page, older=False, html=_rows(0, 30))
    await page.evaluate("scroll(200)")
    await _set(page, newer=True)


@pytest.mark.parametrize("how", ["End", "Jump to latest"])
async def test_to_the_end_is_past_what_is_not_loaded(page: Page, how: str) -> None:
    await _far_above(page)
    await page.evaluate("lab.chunks.receive(['r', 0, 0, 'new words'])")
    assert await _pill(page)
    if how == "End":
        await page.locator(".ct-scroll").focus()
        await page.keyboard.press("End")
    else:
        await page.get_by_role("button", name="Jump to latest").click()
    assert await page.evaluate("it.calls") == [["onEnd"]]
    await _set(page, html=_rows(300, 330), newer=False)
    assert await page.evaluate("below()") == 0
    assert not await _pill(page)
    await _set(page, html=_rows(300, 333))
    assert await page.evaluate("below()") == 0


async def test_ones_own_message_goes_past_what_is_not_loaded(page: Page) -> None:
    await _far_above(page)
    await _set(page, sent="id-1")
    assert await page.evaluate("it.calls") == [["onEnd"]]
    await _set(page, html=_rows(300, 330), newer=False)
    assert await page.evaluate("below()") == 0


async def test_a_row_that_is_drawn_anew_keeps_its_place(page: Page) -> None:
    await _mount(page)
    await page.evaluate("scroll(650)")
    before = await page.evaluate("topOf('m16')")
    again = [[f"m{n}", 140 if n < 14 else 100, "again"] for n in range(10, 30)]
    await _set(page, html=again)
    assert await page.evaluate("topOf('m16')") == before


async def test_a_focus_in_a_row_that_goes_stays_in_the_conversation(page: Page) -> None:
    await _mount(page)
    await page.evaluate("scroll(700)")
    await page.locator("#m12 button").evaluate("(one) => one.focus({ preventScroll: true })")
    await _set(page, html=_rows(14, 40))
    assert await page.evaluate("document.activeElement === view")


async def _toggle(page: Page) -> None:
    await page.evaluate(
        """async () => {
            document.querySelector("#m29 summary").click();
            await settled();
        }"""
    )


async def test_what_a_reader_opens_at_the_end_stays_under_their_pointer(page: Page) -> None:
    await _mount(page)
    await page.evaluate(
        """async () => {
            const details = document.createElement("details");
            const body = document.createElement("div");
            body.style.height = "900px";
            details.append(document.createElement("summary"), body);
            document.querySelector("#m29").style.height = "auto";
            document.querySelector("#m29").prepend(details);
            await settled();
            scroll(view.scrollHeight);
        }"""
    )
    assert await page.evaluate("below()") == 0
    before = await page.evaluate("topOf('m29')")
    await _toggle(page)
    assert await page.evaluate("topOf('m29')") == before
    assert await page.evaluate("below()") > 0
    await page.evaluate("document.querySelector('#m29 div').style.height = '1200px'")
    await page.evaluate("settled()")
    assert await page.evaluate("topOf('m29')") == before, "what was asked for comes later"
    await _toggle(page)
    assert await page.evaluate("below()") == 0
    await _set(page, html=_rows(10, 33))
    assert await page.evaluate("below()") == 0, "closed again, the end is followed again"


def _stored(first: int, last: int) -> list[dict[str, Any]]:
    """Messages as the HTTP API has them: questions and answers in turn, some not whole."""
    endings = {1: ("stopped", None), 3: ("complete", "length"), 5: ("failed", None)}
    return [
        {
            "id": f"m{n}",
            "role": "assistant" if n % 2 else "user",
            "status": endings.get(n, ("complete",))[0],
            "error": "No luck." if n == 5 else None,
            "parts": [
                {"type": "reasoning", "text": "hm"},
                {"type": "text", "text": f"**{n}**"},
            ],
            "metadata": {"finishReason": endings.get(n, ("", "stop"))[1]},
        }
        for n in range(first, last)
    ]


async def _print_long(page: Page, shown: tuple[int, int], **props: Any) -> list[str]:
    """What is printed before and after the rows on the page, of a thread of 250 messages."""
    asked: list[str] = []

    async def answer(route: Route) -> None:
        asked.append(route.request.url.rpartition("/")[2])
        before = int(asked[-1].partition("before=m")[2] or 250)
        first = max(0, before - 100)
        body = {"messages": _stored(first, before), "hasOlder": first > 0}
        await route.fulfill(body=json.dumps(body), content_type="application/json")

    await page.route("**/threads/t/messages*", answer)
    endings = {"stopped": "Stopped", "length": "Reached the length limit."}
    given = {"html": _rows(*shown), "source": "/threads", "endings": endings, **props}
    await _mount(page, **given)
    assert asked == [], "nothing is read before"
    await page.evaluate("dispatchEvent(new Event('beforeprint'))")
    printed = page.locator(".ct-printed")
    texts = [await printed.nth(n).locator(".message").all_inner_texts() for n in range(2)]
    await page.evaluate("dispatchEvent(new Event('afterprint'))")
    await expect(printed.locator("*")).to_have_count(0)
    return ["\n".join(one) for one in texts]


async def test_printing_prints_the_messages_that_are_not_on_the_page(page: Page) -> None:
    above, below = await _print_long(page, (220, 250))
    lines = [line for line in above.split("\n") if line]
    said = [line for line in lines if line.strip("*").isdecimal()]
    assert [int(line.strip("*")) for line in said] == list(range(220))
    assert said[:2] == ["**0**", "1"], "a question is shown as typed, an answer as Markdown"
    rest = [line for line in lines if line not in said]
    assert rest == ["Stopped", "Reached the length limit.", "No luck."]
    assert below == ""


async def test_printing_from_far_above_prints_the_end_too(page: Page) -> None:
    hidden = ([f"m{n}", 0] for n in range(248, 250))
    above, below = await _print_long(page, (0, 0), html=[*_rows(100, 130), *hidden], newer=True)
    numbers = [line.strip("*") for line in (above + "\n" + below).split("\n")]
    said = [int(line) for line in numbers if line.isdecimal()]
    assert said == [*range(100), *range(130, 250)]


async def test_a_whole_conversation_is_printed_as_it_is(page: Page) -> None:
    await page.route("**/threads/t/messages*", lambda route: route.abort())
    await _mount(page, older=False, source="/threads")
    await page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert await page.locator(".ct-printed *").count() == 0


async def test_what_cannot_be_read_for_printing_is_named_on_the_paper(page: Page) -> None:
    await page.route("**/threads/t/messages*", lambda route: route.abort())
    await _mount(page, source="/threads")
    await page.evaluate("dispatchEvent(new Event('beforeprint'))")
    printed = page.locator(".ct-printed").first
    await expect(printed).to_have_text("The rest of this chat could not be read for printing.")


async def test_code_far_out_of_sight_is_a_tab_stop_once_a_narrower_page_cuts_it(page: Page) -> None:
    await dress(page, "text")
    await page.set_viewport_size({"width": 1000, "height": 600})
    await _mount(page, html=[["m0", 3000], ["m1", 3000]])
    await page.evaluate(
        """() => {
            const row = document.getElementById("m0");
            row.style.contentVisibility = "auto";
            const text = "```\\n" + "word ".repeat(12) + "\\n```";
            const parts = [{ type: "text", text }];
            row.append(lab.mount("MessageText", { parts, status: "complete" }).place);
            return scroll(0);
        }"""
    )
    box = page.locator(".ct-pre")
    await expect(box).to_be_visible()
    await page.evaluate("scroll(view.scrollHeight)")
    is_drawn = "(box) => box.checkVisibility({ contentVisibilityAuto: true })"
    for width, stops in ((1000, 0), (400, 1), (1000, 0)):
        await page.set_viewport_size({"width": width, "height": 600})
        await expect(page.locator(".ct-pre[tabindex='0']")).to_have_count(stops)
        assert not await box.evaluate(is_drawn)


async def test_another_version_of_a_message_takes_its_place_in_sight(page: Page) -> None:
    await _mount(page)
    await page.evaluate(
        """async () => {
            await scroll(view.scrollTop - 500);
            const row = document.getElementById("m22");
            row.dataset.place = "p";
            row.innerHTML = '<div class="version-picker"><button>2</button></div>';
            window.before = topOf("m22");
            row.querySelector("button").click();
            row.remove();
            const other = document.createElement("article");
            Object.assign(other.dataset, { message: "other", place: "p" });
            other.id = "other";
            other.style.height = "100px";
            const above = document.createElement("article");
            above.style.height = "300px";
            document.getElementById("m21").after(above, other);
            await settled();
        }"""
    )
    assert await page.evaluate("topOf('other')") == await page.evaluate("before")
