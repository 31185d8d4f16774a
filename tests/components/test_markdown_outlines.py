"""The blocks that answers with lists, tables and code are shown as; the inputs are in `cases/`."""

from pathlib import Path

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

CASES = Path(__file__).parent / "cases"

# Each text of a block, with the blocks that it stands in; `ol5` is a list that begins with 5.
OUTLINE = """(text) => {
    const root = document.createElement("div");
    new lab.Blocks(root).finish(text);
    const blocks = "p, h1, h2, h3, ul, ol, li, blockquote, pre, table, th, td";
    const found = [];
    const nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    let last = null;
    while (nodes.nextNode()) {
        const { localName, data = localName === "br" ? "\\n" : "", parentElement: holder } =
            nodes.currentNode;
        const block = holder.closest(blocks);
        if (!block || !data || holder.closest("button, .ct-code-lang")) continue;
        if (!data.trim() && block !== last) continue;
        if (block === last) { found.at(-1)[1] += data; continue; }
        const path = [];
        for (let one = block; one; one = one.parentElement.closest(blocks))
            path.unshift(one.localName + (one.start > 1 ? one.start : ""));
        found.push([path.join(" "), data]);
        last = block;
    }
    return found.map(([path, words]) => `${path}: ${words.trim()}`);
}"""

SHOWN: dict[str, list[str]] = {
    "md-code-in-list": [
        "ul li p: Make:",
        "ul li pre: x = 1",
        "p: Done.",
    ],
    "md-code-in-quote": [
        "blockquote pre: x = 1",
        "p: Done.",
    ],
    "md-code-last": [
        "p: Text.",
        "pre: def f():\n    return 1",
    ],
    "md-code-plain": [
        "p: Text.",
        "pre: def f():\n    return 1",
        "p: Done.",
    ],
    "md-code-two": [
        "pre: x = 1",
        "pre: y = 2",
        "p: Done.",
    ],
    "md-list-code": [
        "ol li: Make the folder:",
        "pre: mkdir a",
        "ol2 li: Go there:",
        "pre: cd a",
        "ol3 li p: Look:",
        "ol3 li pre: ls",
        "ol3 li p: Done",
    ],
    "md-nested-list": [
        "p: Steps:",
        "ul li p: One",
        "ul li ul li: Sub",
        "ul li ul li pre: x = 1",
        "ul li ul li: Sub two",
        "ul li p: Two",
        "ul li p: Paragraph in two.",
        "ul li pre: code in two",
    ],
    "md-table": [
        "p: Look:",
        "table th: Name",
        "table th: Code",
        "table th: Note",
        "table td: or",
        "table td: a | b",
        "table td: x",
        "table td: pipe in code",
        "table td: `a",
        "table td: b`",
        "table td: bold",
        "table td: b",
        "table td: a\nb",
        "table td: short",
        "table td: long",
        "table td: 1",
        "table td: 2",
        "ul li p: in a list:",
        "ul li table th: A",
        "ul li table th: B",
        "ul li table td: 1",
        "ul li table td: 2",
    ],
    "md-tilde-fence": [
        "pre: First\n```py\nx = 1\n```\nSecond",
        "pre: ```js\ny\n```",
        "p: End.",
    ],
    "md-unclosed-fence": [
        "p: Unclosed:",
        'pre: print("x")',
    ],
    "md-unclosed-inline": [
        "p: Text **bold not closed and `code not closed",
        "p: Next *para",
    ],
    "md-misc": [
        "p: #NoSpace heading",
        "ol5 li: five",
        "ol5 li: six",
        "ol li: one",
        "ol li: two",
        "ol li: a",
        "ol li: b",
        "ol li: c",
        "ul li: todo",
        "ul li: done",
        "ul li ul li: nested",
        "blockquote blockquote blockquote p: deep quote\nback",
        "p: link and b and https://example.com/auto.",
        "p: snake_case_word and init and 2 * 3 * 4 and abc.",
        "p: 👩‍👩‍👧‍👦 family, flag 🇩🇪, 👍🏽.",
        "p: Line one\nline two\nline three\nline four",
        "pre: indented code",
        "pre: - old\n+ new",
        "pre: graph TD; A-->B",
        "p: Image: alt — example.com",
        "p: Term\n: definition",
        "p: ==mark== and H~2~O and x^2^",
        "ol1986 li: A great year.",
        "p: +1 for that",
    ],
}


@pytest.mark.parametrize("name", SHOWN)
async def test_lists_tables_and_code_are_what_they_were_meant_to_be(page: Page, name: str) -> None:
    assert await page.evaluate(OUTLINE, (CASES / f"{name}.md").read_text()) == SHOWN[name]
