"""A screen reader hears an answer in sentences, and once."""

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWER = """\
# Two tides

The Moon pulls **both** sides. It is [not far](https://example.org/a) away!

- First `one`
- [ ] Then another

| Tide | Range |
|---|---:|
| Spring | large |

```python
print("never said.")
```

That is all."""
HEARD = (
    "Two tides The Moon pulls both sides. It is not far away! First one Then another "
    "Tide, Range Spring, large Code in python. That is all."
)

IN_PIECES = """([text, size]) => {
    const speech = lab.createSpeech();
    const heard = [];
    for (let end = size; end < text.length; end += size) {
        heard.push(speech.next(text.slice(0, end), false));
    }
    heard.push(speech.next(text, true));
    return heard.filter(Boolean);
}"""
RECEIVE = """(chunks) => {
    chunks.forEach((chunk) => lab.chunks.receive(chunk));
    return [...document.querySelectorAll("[aria-live=polite] p")].map((one) => one.textContent);
}"""
"""What has been said when the chunks have come, before the time of the next announcement."""


@pytest.mark.parametrize("size", [1, 3, 7, 40, 1000])
async def test_the_same_words_are_said_however_the_answer_is_cut(page: Page, size: int) -> None:
    heard = await page.evaluate(IN_PIECES, [ANSWER, size])
    assert " ".join(heard) == HEARD


async def test_half_a_sentence_waits_for_its_end(page: Page) -> None:
    text = "One is done. Two is not yet"
    heard = await page.evaluate(
        "(text) => { const one = lab.createSpeech();"
        " return [one.next(text, false), one.next(text, false), one.next(text + '.', true)]; }",
        text,
    )
    assert heard == ["One is done.", "", "Two is not yet."]


async def test_sentences_and_then_the_end_are_announced(page: Page) -> None:
    await page.evaluate("lab.mount('Scroller', { html: [], thread: 't' })")
    said = page.get_by_role("status", name="Spoken answer")
    assert await said.get_attribute("aria-live") == "polite"
    log = page.get_by_role("log", name="Conversation")
    assert await log.get_attribute("aria-live") == "off"
    await page.evaluate(RECEIVE, [[["mine", 0, 0, "my own words"], ["mine", -1, 12, "", "", 1]]])
    assert await page.evaluate(RECEIVE, [["r", 0, 0, "An answer. And m"]]) == []
    await page.wait_for_function("() => document.querySelector('[aria-live=polite] p')")
    assert await said.locator("p").all_inner_texts() == ["An answer."]
    await page.evaluate(RECEIVE, [["r", 0, 16, "ore"], ["r", -1, 19, "", "complete"]])
    assert await said.locator("p").all_inner_texts() == [
        "An answer.",
        "And more",
        "Answer finished",
    ]
    await page.evaluate(RECEIVE, [["s", -1, 0, "", "failed"]])
    assert (await said.locator("p").all_inner_texts())[-1] == "Answer failed"


async def test_an_answer_that_comes_at_once_is_announced(page: Page) -> None:
    await page.evaluate("lab.mount('Scroller', { html: [], thread: 't' })")
    said = page.get_by_role("status", name="Spoken answer").locator("p")
    short = [["r", 0, 0, "A short answer. It is over"], ["r", -1, 26, "", "complete", 1]]
    await page.evaluate(RECEIVE, [short])
    assert await said.all_inner_texts() == ["A short answer. It is over", "Answer finished"]
    long = [["s", 0, 0, "A long answer. " * 40], ["s", -1, 600, "", "stopped", 1]]
    await page.evaluate(RECEIVE, [long])
    assert (await said.all_inner_texts())[2:] == ["Answer stopped"]


async def test_what_the_page_says_of_an_answer_that_is_not_whole_is_announced(page: Page) -> None:
    cut, withheld = "Reached the length limit.", "beta's provider withheld this answer."
    await page.evaluate(
        "(endings) => lab.mount('Scroller', { html: [], thread: 't', endings })", {"length": cut}
    )
    said = page.get_by_role("status", name="Spoken answer").locator("p")
    await page.evaluate(
        RECEIVE, [["r", 0, 0, "An answer."], ["r", -1, 10, "", "complete", 1, "length", ""]]
    )
    assert await said.all_inner_texts() == ["An answer.", cut]
    await page.evaluate(RECEIVE, [["s", -1, 0, "", "failed", 0, "content-filter", withheld]])
    assert (await said.all_inner_texts())[-1] == withheld


async def test_the_spoken_region_is_emptied_after_the_end(page: Page) -> None:
    await page.clock.install()
    await page.evaluate("lab.mount('Scroller', { html: [], thread: 't' })")
    said = page.get_by_role("status", name="Spoken answer").locator("p")
    await page.evaluate(RECEIVE, [["r", 0, 0, "An answer. "]])
    await page.clock.run_for(60_000)
    assert await said.all_inner_texts() == ["An answer."], "it is not over"
    await page.evaluate(RECEIVE, [["r", -1, 11, "", "complete"]])
    assert await said.all_inner_texts() == ["An answer.", "Answer finished"]
    await page.evaluate(RECEIVE, [["s", 0, 0, "The next one. "]])
    await page.clock.run_for(60_000)
    assert "The next one." in await said.all_inner_texts(), "another one has begun"
    await page.evaluate(RECEIVE, [["s", -1, 14, "", "stopped"]])
    await page.clock.run_for(60_000)
    assert await said.count() == 0


async def test_what_was_there_before_the_page_is_not_read_out_again(page: Page) -> None:
    await page.evaluate("lab.mount('Scroller', { html: [], thread: 't' })")
    said = page.get_by_role("status", name="Spoken answer")
    await page.evaluate(
        RECEIVE,
        [
            ["r", 0, 0, "Old words. " * 40],
            ["r", 0, 440, "New ones."],
            ["r", -1, 449, "", "complete"],
        ],
    )
    assert await said.locator("p").all_inner_texts() == ["New ones.", "Answer finished"]


async def test_a_text_that_was_reasoning_is_not_read_out_any_further(page: Page) -> None:
    await page.evaluate("lab.mount('Scroller', { html: [], thread: 't' })")
    said = page.get_by_role("status", name="Spoken answer").locator("p")
    await page.evaluate(
        RECEIVE,
        [
            ["r", 0, 0, "The user wants a thing. A secret"],
            ["r", 0, 32, " plan. "],
            [["r", 0, {"type": "reasoning", "seconds": 1}], ["r", 1, 0, "Hello there. "]],
            ["r", -1, 52, "", "complete"],
        ],
    )
    assert await said.all_inner_texts() == ["Hello there.", "Answer finished"]


async def test_reasoning_is_named_once_and_not_read_out(page: Page) -> None:
    await page.evaluate("lab.mount('Scroller', { html: [], thread: 't' })")
    said = page.get_by_role("status", name="Spoken answer").locator("p")
    await page.evaluate(RECEIVE, [["r", 0, {"type": "reasoning", "text": "One step. Two"}]])
    assert await said.all_inner_texts() == ["Thinking"]
    await page.evaluate(RECEIVE, [["r", 0, 13, " steps. "], ["r", 0, 21, "Three steps. "]])
    await page.evaluate(
        RECEIVE, [[["r", 0, {"seconds": 2}], ["r", 1, 0, "An answer. "]], ["r", 1, 11, "More. "]]
    )
    await page.wait_for_function(
        "() => document.querySelectorAll('[aria-live=polite] p').length > 1"
    )
    await page.evaluate(RECEIVE, [["r", -1, 51, "", "complete"]])
    assert await said.all_inner_texts() == ["Thinking", "An answer. More.", "Answer finished"]


async def test_a_text_that_is_resumed_is_said_in_whole_sentences(page: Page) -> None:
    await page.evaluate("lab.mount('Scroller', { html: [], thread: 't' })")
    said = page.get_by_role("status", name="Spoken answer")
    notice = {"type": "notice", "text": "Now another model."}
    await page.evaluate(
        RECEIVE, [["r", 0, 0, "One. Half of"], ["r", 1, notice], ["r", 0, 12, " it. And m"]]
    )
    await page.wait_for_function("() => document.querySelector('[aria-live=polite] p')")
    assert await said.locator("p").all_inner_texts() == ["One. Half of it."]
