"""However a text is cut on its way, it ends up the same; and what is finished is left alone."""

import random

import pytest
from playwright.async_api import Page

from testing.markdown_corpus import ODD, TIDY

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXTS = [TIDY, *ODD, "\n\n".join(ODD), TIDY.replace("\n", "\r\n")]


def _cut(text: str, chance: random.Random, longest: int) -> list[str]:
    pieces = []
    while text:
        length = chance.randint(1, longest)
        pieces.append(text[:length])
        text = text[length:]
    return pieces


@pytest.mark.parametrize("longest", [1, 2, 5, 17, 80])
async def test_every_cutting_ends_like_the_whole_text(page: Page, longest: int) -> None:
    chance = random.Random(longest)
    cuttings = [
        _cut(text, chance, longest) for text in TEXTS for _ in range(1 if longest == 1 else 4)
    ]
    different = await page.evaluate(
        """(cuttings) => cuttings.filter(
            (pieces) => lab.inPieces(pieces).html !== lab.oneShot(pieces.join("")))""",
        cuttings,
    )
    assert different == []


async def test_marks_that_are_not_closed_yet_never_show(page: Page) -> None:
    words = (
        "Some **bold words here** and *other* ones, `code in line` and [a link](https://a.example)."
    )
    text = f"{words}\n\n- {words}\n- {words}\n\n> {words}\n\n## {words}\n"
    seen = await page.evaluate(
        """(text) => {
            const root = document.createElement("div");
            const blocks = new lab.Blocks(root);
            const shown = [];
            for (let end = 1; end <= text.length; end += 1) {
                blocks.update(text.slice(0, end));
                shown.push(root.textContent);
            }
            return shown.filter((words) => /[*`()>#]|https/.test(words));
        }""",
        text,
    )
    assert seen == []


@pytest.mark.parametrize("text", ["2 * 3 * 4", "a_b * c", "5 ** 2", "**", "f(x) = [a](b", "~~ ~"])
async def test_marks_that_never_close_are_there_at_the_end(page: Page, text: str) -> None:
    html = (await page.evaluate("(pieces) => lab.inPieces(pieces)", list(text)))["html"]
    assert html == await page.evaluate("(text) => lab.oneShot(text)", text)
    assert text in html


async def test_finished_blocks_stay_the_same_elements(page: Page) -> None:
    chance = random.Random(7)
    texts = [text for text in ODD if "]: " not in text]
    closed = 0
    for text in [TIDY * 3, *texts, "\n\n".join(texts)]:
        for longest in (1, 4, 30):
            result = await page.evaluate("(p) => lab.inPieces(p)", _cut(text, chance, longest))
            assert result["kept"] == result["closed"], text
            closed += result["closed"]
    assert closed > 300
