"""What readers expect of answers that other programs show wrongly; the inputs are in `cases/`."""

# ruff: noqa: RUF001  (other scripts are what is tested)

import json
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

CASES = Path(__file__).parent / "cases"


def _case(name: str) -> str:
    return (CASES / name).read_text()


async def _show(page: Page, text: str) -> None:
    await page.evaluate(
        "(text) => lab.mount('MessageText', { status: 'complete', parts: [{type: 'text', text}] })",
        text,
    )
    await expect(page.locator(".ct-text[data-state=done]").last).to_be_attached()


async def _all(page: Page, selector: str, expression: str = "e.textContent") -> list:
    return await page.evaluate(
        f"(s) => [...document.querySelectorAll(s)].map((e) => {expression})", selector
    )


async def _found(
    page: Page, texts: list[str], selector: str, expression: str = "e.textContent"
) -> list[list]:
    """What is found in each of the texts, when it comes in one piece."""
    return await page.evaluate(
        f"""([texts, selector]) => texts.map((text) => {{
            const root = document.createElement("div");
            new lab.Blocks(root).finish(text);
            return [...root.querySelectorAll(selector)].map((e) => {expression});
        }})""",
        [texts, selector],
    )


async def test_emphasis_works_beside_punctuation_of_scripts_without_spaces(page: Page) -> None:
    await _show(page, _case("md-bold-cjk.md") + "\n\nข้อความ**“สำคัญ”**ต่อ ***「全」***も、_x_")
    assert await _all(page, "strong") == [
        *("「重点」", "注意：", "大事（だいじ）", '"중요"', "粗体", "“สำคัญ”", "「全」"),
    ]
    assert await _all(page, "em") == ["斜体。", "「全」", "x"]
    assert await _all(page, "del") == ["删掉（这个）。"]
    text = await page.locator(".ct-text").inner_text()
    assert set("*~").isdisjoint(text)


async def test_emphasis_of_other_scripts_stays_as_it_is_everywhere(page: Page) -> None:
    await _show(page, 'a*"b"*c\n\n2 * 3 * 4, snake_case_word, **bold**ly, *a\\*b*\n\n5*(x)*5')
    assert await _all(page, "em") == ["a*b"]
    assert await _all(page, "strong") == ["bold"]


async def test_one_tilde_is_a_tilde(page: Page) -> None:
    await _show(page, _case("md-single-tilde.md") + "\n\nx ~~~text~~~ H~2~O ~~a~b~~")
    assert await _all(page, "del") == ["gone", "a~b"]
    text = await page.locator(".ct-text").inner_text()
    for words in ("(1~3)", "(80~100)", "~12万和~510万之间", "~5 min, or ~10 min", "~/a and ~/b"):
        assert words in text


async def test_a_bare_url_ends_where_another_script_begins(page: Page) -> None:
    await _show(page, _case("md-autolink-cjk.md"))
    hosts = await _all(page, "a", "[e.textContent, e.getAttribute('href')]")
    urls = [
        *("https://example.com/docs", "https://example.com/guide", "https://example.com"),
        *("https://example.com/bar", "https://example.com/foo", "https://example.com/q"),
        "https://example.com/bold",
    ]
    assert hosts == [[url, url + ("/" if url.count("/") == 2 else "")] for url in urls]


LINKED = [
    ("https://example.com谢谢", ["https://example.com"]),
    ("https://example.com/a에서 보세요", ["https://example.com/a"]),
    ("https://example.com/aпривет", ["https://example.com/a"]),
    ("https://ru.wikipedia.org/wiki/Москва.", ["https://ru.wikipedia.org/wiki/Москва"]),
    ("https://fr.wikipedia.org/wiki/Été!", ["https://fr.wikipedia.org/wiki/Été"]),
    ("https://example.com/a“b”", ["https://example.com/a"]),
    ("https://example.com/?a=1&b=2; next", ["https://example.com/?a=1&b=2"]),
    ("https://en.wikipedia.org/wiki/Foo_(bar).", ["https://en.wikipedia.org/wiki/Foo_(bar)"]),
    (
        "http://localhost:8000/x, www.example.org",
        ["http://localhost:8000/x", "www.example.org"],
    ),
    ("写信给me@example.com。", ["me@example.com"]),
    ("https://exаmple.com and https://google.com@evil.test/x and https://müller.de", []),
    ("<https://example.com。evil.test/x> <https://a@b.test>", ["https://example.com"]),
    ("https://example.соm and https://ex.com.a", ["https://ex.com.a"]),
    ("[see https://example.com/a](https://example.org)", ["see https://example.com/a"]),
]


async def test_the_host_that_opens_is_the_host_that_was_shown(page: Page) -> None:
    found = await _found(page, [text for text, _ in LINKED], "a", "[e.textContent, e.host]")
    for (text, linked), links in zip(LINKED, found, strict=True):
        assert [shown for shown, _ in links] == linked, text
        assert all(host in shown or "](" in text for shown, host in links), text


async def test_math_is_typeset_and_a_price_is_a_price(page: Page) -> None:
    await _show(page, _case("md-math.md") + "\n\n" + _case("md-math2.md"))
    await expect(page.locator(".ct-formula .katex")).to_have_count(7)
    sources = [source.replace("\n", "") for source in await _all(page, ".ct-math > .ct-tex")]
    assert sources == [
        *(r"\(A = \pi r^2\)", r"\[x_{1} = \frac{-b_1 * c_2}{2 * a_1}\]"),
        *(r"$a_1 * b_1 + a_2 * b_2$", r"$$\sum_{i=1}^n i_1 * i_2$$", r"$\{a*b*c\}$"),
        *(r"$x_{1}^*y_{2}^*$", r"$$\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}$$"),
    ]
    assert await page.locator(".ct-text em").count() == 0
    text = await page.locator(".ct-text").inner_text()
    assert "It costs $5 to $10." in text
    assert "Price: $5." in text


MATH = [
    ("$5/month or 10$, US$5 and AU$6, $1,000–$2,000, ($5)($6)", []),
    ("echo $HOME/$USER and $A$B, A$: x, B$: y", []),
    ("$5 and 6 apples for 7$", []),
    ("其中$x$是，$2x$ and $n$-th, $f(x)=x^2$.", ["$x$", "$2x$", "$n$", "$f(x)=x^2$"]),
    (r"\(see above\), \[not\](a) and \*x\*", []),
    ("`$x$` and \\$x\\$ and $`x`$", []),
    ("- \\[\n  a - b\n  \\]\n- c", ["\\[\na - b\n\\]"]),
    ("> $$\n> x\n> = y\n> $$\n", ["$$\nx\n= y\n$$"]),
    ("Text\n\\[ x = 1 \\].\nMore", ["\\[ x = 1 \\]."]),
    ("$$ open\n\nnext *a*", []),
]


async def test_what_is_math_is_told_from_money_and_escapes(page: Page) -> None:
    found = await _found(page, [text for text, _ in MATH], ".ct-math > .ct-tex")
    assert found == [formulas for _, formulas in MATH]


async def test_the_source_of_a_formula_survives_copying(page: Page) -> None:
    await _show(page, "The area \\(A = \\pi r^2\\) is\n\n$$\n\\frac{1}{2}\n$$\n\nlarge.")
    await expect(page.locator(".ct-formula")).to_have_count(2)
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('.ct-text'))")
    await page.keyboard.press("ControlOrMeta+c")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == "The area \\(A = \\pi r^2\\) is\n\n$$ \\frac{1}{2} $$\nlarge."


async def test_what_is_no_tex_stays_as_it_is_written(page: Page) -> None:
    await _show(page, "$\\frac{1$ and $\\nosuch{x}$ and $x$")
    await expect(page.locator(".ct-formula")).to_have_count(1)
    await expect(page.locator(".ct-typeset")).to_have_count(3)
    shown = await _all(page, ".ct-typeset:not(:has(.ct-formula))")
    assert shown == ["$\\frac{1$", "$\\nosuch{x}$"]


async def test_each_block_takes_its_own_direction(page: Page) -> None:
    await _show(
        page, _case("md-rtl.md") + "\n\n| שם | a |\n|---|---|\n| b | ערך |\n\n- [ ] משימה\n"
    )
    directions = await _all(
        page,
        ".ct-part > *, .ct-part li, .ct-part th, .ct-part td, table",
        "[e.localName, getComputedStyle(e).direction]",
    )
    assert [d for d in directions if d[0] in ("h1", "li", "blockquote")] == [
        *(["h1", "rtl"], ["li", "rtl"], ["li", "rtl"], ["blockquote", "rtl"]),
        *(["li", "rtl"], ["li", "rtl"], ["li", "rtl"]),
    ]
    assert [d[1] for d in directions if d[0] == "p"] == ["rtl", "ltr", "rtl"]
    assert [d[1] for d in directions if d[0] in ("th", "td", "table")] == [
        *("rtl", "rtl", "ltr", "ltr", "rtl"),
    ]
    quoted = await _all(page, "blockquote p", "getComputedStyle(e).direction")
    assert quoted == ["rtl"]


async def test_a_loose_list_and_a_list_in_a_quote_mirror_too(page: Page) -> None:
    await _show(
        page, "1. אחת\n\n   שתיים\n\n2. Two\n\n> - פריט\n> - item\n\n- ```\n  x\n  ```\n\n  טקסט"
    )
    directions = await _all(page, "li, blockquote", "getComputedStyle(e).direction")
    assert directions == ["rtl", "ltr", "rtl", "rtl", "ltr", "rtl"]
    assert await _all(page, "pre, code", "getComputedStyle(e).direction") == ["ltr", "ltr"]


@pytest.mark.parametrize("end", ["\n```\n\nThat was it.\n", "\n```"])
async def test_a_block_of_markdown_that_holds_fences_stays_one_block(page: Page, end: str) -> None:
    text = _case("md-nested-fence.md")
    inside = text.partition("```markdown\n")[2].rpartition("\n```")[0]
    pieces = [*f"Here:\n\n```markdown\n{inside}{end}"]
    html = (await page.evaluate("(pieces) => lab.inPieces(pieces)", pieces))["html"]
    assert html == await page.evaluate("(text) => lab.oneShot(text)", "".join(pieces))
    await _show(page, "".join(pieces))
    assert await _all(page, "pre > code") == [inside]


async def test_fences_inside_a_longer_or_another_fence_are_code(page: Page) -> None:
    await _show(
        page, _case("md-tilde-fence.md") + "\n1. a\n\n   ```md\n   ```py\n   x\n   ```\n   ```\n"
    )
    assert await _all(page, "pre > code") == [
        *("First\n```py\nx = 1\n```\nSecond", "```js\ny\n```", "```py\nx\n```"),
    ]


async def test_definitions_that_nothing_uses_are_shown(page: Page) -> None:
    await _show(page, _case("md-sources-lost.md"))
    await _show(page, _case("md-defs-lost.md"))
    text = await page.locator("body").inner_text()
    for words in ("Sources:", "[1]: https://example.com/one", '[2]: https://example.com/two "Two"'):
        assert words in text
    for words in ("[Salt]: Mineral", "[Yeast]: Alive", "[Flour]: Wheat", "That is all."):
        assert words in text
    assert await _all(page, "a", "e.href") == ["https://example.com/one", "https://example.com/two"]


async def test_a_definition_that_is_used_is_not_shown(page: Page) -> None:
    text = (
        "See [it] and [that][b].\n\n[it]: https://example.com\n[b]: https://b.example\n[c]: Lost\n"
    )
    html = await page.evaluate("(text) => lab.oneShot(text)", text)
    assert html == (await page.evaluate("(pieces) => lab.inPieces(pieces)", [*text]))["html"]
    await _show(page, text)
    assert (await page.locator(".ct-text").inner_text()).split("\n\n") == [
        *("See it and that.", "[c]: Lost"),
    ]


async def test_a_footnote_is_reached_from_its_reference_and_leads_back(page: Page) -> None:
    await _show(page, _case("md-footnote.md") + "\nA class [^abc] stays.\n")
    assert await _all(page, "sup button", "e.ariaLabel") == [
        *("Footnote 1", "Footnote 2", "Footnote note"),
    ]
    notes = page.locator(".ct-note")
    assert (await notes.nth(1).inner_text()).split() == ["2", "Patience!"]
    await expect(notes.nth(2).get_by_role("link")).to_have_attribute(
        "href", "https://example.com/a"
    )
    await page.get_by_role("button", name="Footnote 2", exact=True).click()
    back = page.get_by_role("button", name="Back to reference 2")
    await expect(back).to_be_focused()
    await back.press("Enter")
    await expect(page.get_by_role("button", name="Footnote 2", exact=True)).to_be_focused()
    await expect(page.get_by_text("[^abc]")).to_be_attached()


async def test_harmless_html_is_shown_as_what_it_means(page: Page) -> None:
    await _show(
        page, _case("md-details.md") + "\n<mark>m</mark> x<sup>2</sup> <b>a *b* c</b> <kbd x>"
    )
    details = page.locator("details")
    await expect(details.locator("summary")).to_have_text("More")
    await expect(details.get_by_text("text")).to_be_hidden()
    await details.locator("summary").click()
    assert await _all(page, "details strong") == ["text"]
    assert await _all(page, "sub, kbd, mark, sup, b, em") == ["2", "Ctrl", "m", "2", "a b c", "b"]
    text = await page.locator(".ct-text").inner_text()
    for words in ("List<String> and Map<K, V>", '<div align="center">', "<kbd x>", "Centre"):
        assert words in text


async def test_details_may_hold_blocks_and_each_other(page: Page) -> None:
    text = (
        "<details open>\n<summary>A *b*</summary>\n\n```html\n</details>\n```\n\n"
        "<details><summary>In</summary>one</details>\n- x\n\n</details>\n\nAfter <details\n"
    )
    html = await page.evaluate("(text) => lab.oneShot(text)", text)
    assert html == (await page.evaluate("(pieces) => lab.inPieces(pieces)", [*text]))["html"]
    await _show(page, text)
    assert await _all(page, "summary") == ["A b", "In"]
    assert await _all(page, "details details > p") == ["one"]
    assert await _all(page, "details li") == ["x"]
    assert await _all(page, ".ct-part > p") == ["After <details"]


async def _stream(page: Page, pieces: list[str]) -> None:
    await page.evaluate(
        "window.it = lab.mount('MessageText', { streamId: 'r', status: 'running' })"
    )
    at = 0
    for piece in pieces:
        # Each piece is drawn before the next comes, as with a slow model.
        await page.evaluate(
            """async ([at, piece]) => {
                lab.chunks.receive(["r", 0, at, piece]);
                await new Promise(requestAnimationFrame);
                await new Promise((done) => requestIdleCallback(done));
            }""",
            [at, piece],
        )
        at += len(piece)


@pytest.mark.parametrize("name", ["stream-code-language-split.json", "stream-code-after-list.md"])
async def test_a_finished_block_has_its_colours_however_its_language_came(
    page: Page, name: str
) -> None:
    text = _case(name)
    pieces = json.loads(text)["deltas"] if name.endswith("json") else [*text]
    await _stream(page, pieces)
    length = len("".join(pieces))
    await page.evaluate("(n) => lab.chunks.receive(['r', -1, n, '', 'complete'])", length)
    await expect(page.locator(".ct-text[data-state=done] code.hljs span").first).to_be_attached()
    language = await page.locator("code.hljs").get_attribute("data-language")
    assert language == await page.locator(".ct-code-lang").inner_text() == pieces_language(pieces)


def pieces_language(pieces: list[str]) -> str:
    return "".join(pieces).partition("```")[2].partition("\n")[0]


@pytest.mark.parametrize("before", ["", "- item\n\n  "])
async def test_a_block_has_its_colours_while_it_is_still_open(page: Page, before: str) -> None:
    indent = " " * (len(before) - 8 if before else 0)
    await _stream(page, [f"{before}```py\n{indent}def f():\n", f"{indent}    return '", "a"])
    await expect(page.locator(".ct-text[data-state=live] .hljs-keyword")).to_have_text(
        ["def", "return"]
    )
    first = await page.locator(".hljs-keyword").first.element_handle()
    await page.evaluate(
        "lab.chunks.receive(['r', 0, lab.chunks.get('r').parts[0].text.length, 'b'])"
    )
    await expect(page.locator("pre > code")).to_have_text("def f():\n    return 'ab")
    assert await page.evaluate("(e) => e.isConnected", first), "colours are kept while it grows"


async def test_each_case_ends_like_the_whole_text(page: Page) -> None:
    texts = [path.read_text() for path in sorted(CASES.glob("*.md"))]
    assert len(texts) >= 25
    for text in texts:
        whole = await page.evaluate("(text) => lab.oneShot(text)", text)
        for size in (1, 3, 11) if len(text) < 1_000 else (40,):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            result = await page.evaluate("(pieces) => lab.inPieces(pieces)", pieces)
            assert result["html"] == whole, text
