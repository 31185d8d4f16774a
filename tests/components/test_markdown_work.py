"""No shape of text costs more than its length.

Scripts are counted in steps. What the browser itself does with their elements has none: of it, the
processor time of a text is compared with that of a text an eighth as long.
"""

import json

import pytest
from playwright.async_api import CDPSession, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZE = 3_000
"""UTF-16 code units of the shorter text; the other one is twice as long."""
GROWTH = 2.6
"""How many times as much the longer one may cost; a quadratic shape costs four times as much."""
MAX_STEPS = 400
"""Steps for each code unit."""
STEP = 16_000
"""UTF-16 code units that are shown at once."""

UNITS = [
    *("*a_", "*a", "a*", "*a **b ", "**a ", "a**b", "_a __b ", "~~a ", "*_~~[", "*", "***a* "),
    *("[", "]", "[a](", "![[", "[a](<b", "[a](b(c", '[a](b "c', "[a][b", "](", "[a]", "[[a]: b"),
    *("`a", "`` a ` b ", "`", "<b>", "<", "<a", "<!--", "<?", '<a a="\n', "</b>", "<http:a"),
    *("$a", "$$a", "\\(a", "\\[a", "\\[\n", "$$\n\n", "$$a\n", "\\", "&", "&a;", "<b><i>a</b>"),
    *("http://a", "www.", "a@", "a@b.", "https://a.b/(", "https://a.b/c.。", "http://", "@"),
    *(
        "> a\nb\n",
        ">",
        "> ",
        "- a\n",
        "1. ",
        "- > ",
        "- ",
        "* ",
        "- - x",
        "-\n",
        "1. a\n\n",
        "> ```\n",
    ),
    *(
        "```\n",
        "```markdown\n",
        "```md\n```a\n",
        "~~~\n`",
        "    a\n",
        "\t",
        " ",
        "\n",
        "a\n",
        "a  \n",
    ),
    *(
        "a\n|-|-|\n",
        "|a|\n|-|\n",
        "|-",
        "a|",
        "|",
        "# a\n",
        "#",
        "a\n=\n",
        "a\n-\n",
        "=\n",
        "---\n",
    ),
    *("[a]: b\n", '[a]: b "\n', "[a]: b '\n", "[^1]: a\n", "[^a", "[^1]", "[a]: b (\n", "[a]:\n"),
    *("<div>\n", "<details>\n", "</details>\n", "<details>a</details>\n", "<details>\n\n"),
    *(
        "<summary>",
        "<details><summary>",
        "- [ ] a\n",
        "**「重」**内",
        "\u0301",
        "a\u0301",
        "👨‍👩‍👧",
        "العربية ",
    ),
]


def _nested(size: int) -> str:
    lines: list[str] = []
    while sum(map(len, lines)) < size:
        lines.append(" " * len(lines) + "- a\n")
    return "".join(lines)


def _text(shape: str, size: int) -> str:
    if shape.startswith("shape:"):
        return {
            "shape:nested": _nested(size),
            "shape:long item": "- a\n" + "b\n" * (size // 2),
            "shape:opened and closed": "*a " * (size // 6) + "b* " * (size // 6),
            "shape:wide table": "|a" * (size // 4) + "\n" + "|-" * (size // 4) + "\n",
            "shape:padded table": "|a" * 100 + "\n" + "|-" * 100 + "\n" + "|\n" * (size // 2),
            "shape:other tags": "<b>" * (size // 8) + "</i>" * (size // 8),
            "shape:late close": "\\(a" * (size // 3) + "\\)",
            "shape:late host": "www." * (size // 4) + "@",
            "shape:backticks": " a ".join("`" * n for n in range(1, int((size * 2) ** 0.5))),
            "shape:references": "[a]: b\n\n" + "[a] " * (size // 4),
            "shape:definitions": "\n".join(f"[a{n}]: b" for n in range(size // 9)),
            "shape:letters and marks": "a" + "\u0301" * size,
        }[shape]
    return (shape * (size // len(shape) + 1))[:size]


SHAPES = [*UNITS, *(f"shape:{name}" for name in (
    *("nested", "long item", "opened and closed", "wide table", "padded table", "other tags"),
    *("late close", "late host", "backticks", "references", "definitions", "letters and marks"),
))]  # fmt: skip


async def _steps(devtools: CDPSession) -> int:
    """How often the pieces of the scripts ran since the last time, as the engine counts them."""
    taken = await devtools.send("Profiler.takePreciseCoverage")
    return sum(
        part["count"]
        for script in taken["result"]
        for function in script["functions"]
        for part in function["ranges"]
    )


async def test_no_shape_of_text_costs_more_than_its_length(page: Page) -> None:
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Profiler.enable")
    await devtools.send("Profiler.startPreciseCoverage", {"callCount": True, "detailed": True})
    bad: list[str] = []
    for shape in SHAPES:
        costs: list[int] = []
        lengths: list[int] = []
        for size in (SIZE, 2 * SIZE):
            text = _text(shape, size)
            await _steps(devtools)
            await page.evaluate("(text) => { lab.oneShot(text); }", text)
            costs.append(await _steps(devtools))
            lengths.append(len(text))
        growth = costs[1] / costs[0] / (lengths[1] / lengths[0]) * 2
        if growth > GROWTH or costs[1] > MAX_STEPS * lengths[1]:
            bad.append(f"{shape!r}: {costs} steps for {lengths}")
    await devtools.detach()
    assert bad == []


async def test_a_long_text_is_shown_in_steps(page: Page) -> None:
    text = "Some *words* in a line.\n\n" * 4_000
    seen = await page.evaluate(
        """async (text) => {
            const parts = [{ type: "text", text }];
            const { place, set } = lab.mount("MessageText", { status: "complete", parts: [] });
            let [most, last] = [0, 0];
            // Called after each piece of work.
            new MutationObserver(() => {
                const now = place.textContent.length;
                [most, last] = [Math.max(most, now - last), now];
            }).observe(place, { childList: true, subtree: true });
            set({ parts });
            while (place.querySelectorAll("p").length < 4000)
                await new Promise((done) => requestIdleCallback(done));
            return [most, place.querySelectorAll("em").length];
        }""",
        text,
    )
    most, emphasised = seen
    assert most <= STEP
    assert emphasised == 4_000


GROWING = ("> ```\n", "<details>\n\n", "> > - a\n\n", "- > - a\n  > - b\n\n", "> |a|\n> |-|\n> \n")
"""Many blocks in one, which grows."""


async def test_a_block_that_grows_draws_only_what_is_new(page: Page) -> None:
    texts = [_text(shape, 6_000) for shape in GROWING] + [
        "a `b` [c](https://d.example) *e* " * 180,
        "- " + "a `b` *c*\n" * 300,
        "> [a]: b\n>\n> |c|\n> |-|\n" + "> |[a]|\n" * 300,
    ]
    bad = await page.evaluate(
        """(texts) => {
            let made = 0;
            const { createElement } = document;
            document.createElement = function (...given) {
                made += 1;
                return createElement.apply(this, given);
            };
            const cost = (work) => {
                const before = made;
                work();
                return made - before;
            };
            const bad = [];
            for (const text of texts) {
                const pieces = text.match(/[^]{1,100}/g);
                const once = cost(() => lab.oneShot(text));
                const grown = cost(() => lab.inPieces(pieces));
                // Each piece draws what was last in the one before once more.
                if (grown > 2 * once + 60 * pieces.length)
                    bad.push([text.slice(0, 20), once, grown]);
            }
            delete document.createElement;
            return bad;
        }""",
        texts,
    )
    assert bad == []


DENSE = ("-\n", "```\n", "[^1]: a\n", "|a|\n|-|\n", "> ```\n", "*a* ", "http://")
MAX_ELEMENTS = 3_000
"""Elements that are drawn in one piece of work; a link counts as six."""


async def test_what_makes_many_elements_is_drawn_in_slices(page: Page) -> None:
    """Stored, and in large chunks."""
    texts = [_text(shape, 12_000) for shape in DENSE]
    bad = await page.evaluate(
        """async ([texts, limit]) => {
            const bad = [];
            const idle = () => new Promise((done) => requestIdleCallback(done));
            for (const [index, text] of texts.entries()) {
                const drawn = [];
                for (const streamId of ["", `dense ${index}`]) {
                    const parts = streamId ? [] : [{ type: "text", text }];
                    const it = lab.mount("MessageText", { parts: [], streamId, status: "running" });
                    const [elements, links] = ["*", "a"].map((name) =>
                        it.place.getElementsByTagName(name));
                    const count = () => elements.length + 5 * links.length;
                    let [most, last] = [0, count()];
                    // Called after each piece of work.
                    const watch = new MutationObserver(() => {
                        most = Math.max(most, count() - last);
                        last = count();
                    });
                    watch.observe(it.place, { childList: true, subtree: true });
                    if (streamId) {
                        for (let at = 0; at < text.length; at += 8_000)
                            lab.chunks.receive([streamId, 0, at, text.slice(at, at + 8_000)]);
                        lab.chunks.receive([streamId, -1, text.length, "", "complete", 1]);
                    }
                    it.set({ parts, streamId, status: "complete" });
                    const whole = document.createElement("div");
                    new lab.Blocks(whole).finish(text);
                    do await idle();
                    while (it.place.querySelector(".ct-part")?.innerHTML !== whole.innerHTML);
                    drawn.push(most);
                    watch.disconnect();
                    it.unmount();
                }
                if (Math.max(...drawn) > limit) bad.push([text.slice(0, 10), ...drawn]);
            }
            return bad;
        }""",
        [texts, MAX_ELEMENTS],
    )
    assert bad == []


async def test_what_comes_after_too_many_elements_is_shown_as_text(page: Page) -> None:
    text = "-\n" * 24_000 + "the *end*"
    for pieces in ([text], [text[at : at + 4_000] for at in range(0, len(text), 4_000)]):
        items, rest = await page.evaluate(
            """(pieces) => {
                const root = document.createElement("div");
                const blocks = new lab.Blocks(root);
                let text = "";
                for (const piece of pieces) blocks.update((text += piece));
                blocks.finish(text);
                const rest = [...root.querySelectorAll(".ct-rest")];
                return [root.querySelectorAll("li").length, rest.map((p) => p.textContent)];
            }""",
            pieces,
        )
        assert items == 20_000
        assert "\n".join(rest) == "-\n" * 4_000 + "the *end*"


async def test_marks_that_are_piled_up_are_drawn_up_to_a_limit(page: Page) -> None:
    for size in (0, 5):
        shown = await page.evaluate(
            """([text, size]) => {
                if (!size) return lab.oneShot(text);
                const pieces = [];
                for (let at = 0; at < text.length; at += size)
                    pieces.push(text.slice(at, at + size));
                return lab.inPieces(pieces).html;
            }""",
            ["a" + "\u0301" * 500 + "b " + "`" + "\u0e34" * 40 + "`" + " กี่ é", size],
        )
        assert json.dumps(shown).count("\\u0301") <= 33
        assert json.dumps(shown).count("\\u0e34") == 32
        assert "กี่ é" in shown


NATIVE_GROWTH = 24.0
"""How many times as much eight times the text may cost; a quadratic shape costs 64 times."""
NATIVE_SHAPES = ("> ```\n", "> |a|\n> |-|\n> \n", "[^1]", "$a", "]", "<http:a", "> - [ ] a\n")


async def _processor_time(devtools: CDPSession) -> float:
    found = await devtools.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in found["metrics"]}["TaskDuration"]


async def test_no_shape_costs_the_browser_the_square_of_its_length(page: Page) -> None:
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    bad: list[str] = []
    for shape in NATIVE_SHAPES:
        costs: list[float] = []
        for size in (10_000, 80_000):
            before = await _processor_time(devtools)
            await page.evaluate("(text) => { lab.oneShot(text); }", _text(shape, size))
            costs.append(await _processor_time(devtools) - before)
        assert costs[1] > costs[0] > 0, "the browser counts no work"
        if costs[1] > NATIVE_GROWTH * max(costs[0], 0.005):
            bad.append(f"{shape!r}: {costs} s")
    await devtools.detach()
    assert bad == []
