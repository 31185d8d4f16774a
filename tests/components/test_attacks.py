"""No answer runs a script, asks another server for anything, or takes the page's place."""

import pytest
from playwright.async_api import Page

from testing.markdown_attacks import ATTACKS

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHOW = """async ([texts, size, type]) => {
    const bad = [];
    const allowed = new Set(("p h1 h2 h3 h4 h5 h6 ul ol li blockquote hr br strong em del code " +
        "pre a span input table thead tbody tr th td div button details summary " +
        "b i u s ins sub sup kbd mark small samp var q cite").split(" "));
    const attributes = new Set(("class href title rel target start type disabled checked dir " +
        "tabindex role aria-label aria-level aria-hidden data-copied data-running " +
        "data-language data-note open").split(" "));
    // What KaTeX draws a formula with.
    const drawn = new Set(("span svg path line math semantics annotation mrow mi mn mo mtext " +
        "mspace mfrac msqrt mroot mstyle msub msup msubsup munder mover munderover mtable mtr " +
        "mtd mpadded menclose").split(" "));
    const link = /href|src|^on|^id$|^name$|action/i;
    const value = "-?[0-9.]+(em|ex|px|%)?|[a-z]+|rgba?[(][0-9., ]+[)]|calc[(][0-9.%em +-]+[)]";
    const style = new RegExp(`^([a-z-]+: ?(${value}); ?)*$`);
    const ours = /^(ct-[a-z-]+|hljs|hljs-\\S+|.+_)$/;
    const places = [];
    for (const text of texts) {
        const place = document.createElement("div");
        document.body.append(place);
        places.push([text, place]);
        const view = lab.mountMessage(place, { store: lab.chunks });
        const part = { type, text, url: text, title: text };
        const grows = type === "text" || type === "reasoning";
        if (size === 0)
            view.show({ parts: [part], streamId: "", status: "complete" });
        else {
            const streamId = `r${Math.random()}`;
            view.show({ streamId, status: "running" });
            lab.chunks.receive([streamId, 0, grows ? { type, text: text.slice(0, size) } : part]);
            for (let at = size; grows && at < text.length; at += size)
                lab.chunks.receive([streamId, 0, at, text.slice(at, at + size)]);
            const length = grows ? text.length : 0;
            lab.chunks.receive([streamId, -1, length, "", "complete"]);
        }
    }
    // The clean-up after the end runs when the page is idle: let it.
    while (places.some(([, place]) => place.dataset.state !== "done"))
        await new Promise(requestAnimationFrame);
    for (const details of document.querySelectorAll("details:not([open])"))
        details.querySelector("summary").click();
    await new Promise(requestAnimationFrame);
    await new Promise((done) => requestIdleCallback(done));
    while (document.querySelector(".ct-math:not(.ct-typeset)"))
        await new Promise((done) => requestIdleCallback(done));
    for (const [text, place] of places) {
        for (const made of place.querySelectorAll(".ct-formula, .ct-formula *")) {
            if (!drawn.has(made.localName)) bad.push([text, made.outerHTML]);
            for (const { name, value } of made.attributes)
                if (link.test(name) || value.includes("url(")) bad.push([text, name, value]);
            const css = made.getAttribute("style") ?? "";
            if ((css && !style.test(css.replace(/;?$/, ";"))) || /fixed|absolute|sticky/.test(css))
                bad.push([text, css]);
        }
        for (const made of place.querySelectorAll("*:not(.ct-formula, .ct-formula *)")) {
            if (!allowed.has(made.localName)) bad.push([text, made.outerHTML]);
            for (const { name } of made.attributes)
                if (!attributes.has(name)) bad.push([text, name]);
            if (made.localName === "input" && !(made.type === "checkbox" && made.disabled))
                bad.push([text, made.outerHTML]);
            if (made.localName === "a") {
                if (made.querySelector("a, button")) bad.push([text, made.outerHTML]);
                if (!/^(https?|mailto):$/.test(made.protocol)) bad.push([text, made.href]);
                if (made.rel !== "noopener noreferrer nofollow") bad.push([text, made.rel]);
                if (made.protocol !== "mailto:" && made.title !== made.host)
                    bad.push([text, made.title]);
            }
            const foreign = [...made.classList].filter((name) => !ours.test(name));
            if (foreign.length) bad.push([text, foreign.join()]);
        }
        for (const button of place.querySelectorAll("button, input, summary")) button.click();
    }
    await new Promise((done) => requestIdleCallback(done));
    return bad;
}"""


async def _outside(page: Page) -> list[str]:
    asked: list[str] = []
    own = page.url
    page.on("request", lambda r: None if r.url.startswith((own, "data:")) else asked.append(r.url))
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    page.context.on("page", lambda opened: asked.append(opened.url))
    return asked


@pytest.mark.parametrize("kind", ["text", "reasoning", "notice", "source"])
@pytest.mark.parametrize("size", [0, 3], ids=["stored", "streamed"])
async def test_no_text_runs_or_asks_anything(page: Page, size: int, kind: str) -> None:
    asked = await _outside(page)
    assert len(ATTACKS) > 120
    assert await page.evaluate(SHOW, [ATTACKS, size, kind]) == []
    assert await page.evaluate("window.__pwn") is None
    assert asked == []
    assert await page.evaluate("[document.title, document.scripts.length]") == ["Lab", 1]


async def test_the_attacks_would_succeed_without_us(page: Page) -> None:
    await page.route("**/*", lambda route: route.abort())
    asked = await _outside(page)
    await page.evaluate(
        """(texts) => { for (const text of texts) {
            const place = document.createElement("div"); document.body.append(place);
            place.innerHTML = text; } }""",
        [text for text in ATTACKS if "<img src" in text],
    )
    await page.wait_for_function("() => window.__pwn === 1")
    assert any(url.startswith("https://evil.test") for url in asked)


async def test_a_hole_in_the_first_wall_is_closed_by_the_second(page: Page) -> None:
    left = await page.evaluate(
        """() => {
            window.URL = class {
                constructor(href) { Object.assign(this, { href, protocol: "https:", host: "x" }); }
            };
            const place = document.createElement("div");
            const text = "[x](javascript:alert(1)) ![y](data:text/html,z) [z](https://ok)";
            new lab.Blocks(place).finish(text);
            return [...place.querySelectorAll("a")].map((link) => link.getAttribute("href"));
        }"""
    )
    assert left == [None, None, "https://ok"]


async def test_code_is_coloured_and_tables_scroll_under_the_applications_policy(
    page: Page, origin: str
) -> None:
    broken: list[str] = []
    page.on(
        "console", lambda message: broken.append(message.text) if message.type == "error" else None
    )
    await page.goto(f"{origin}/strict/")
    await page.wait_for_function("() => window.lab")
    await page.evaluate(
        "(part) => lab.mount('MessageText', { status: 'complete', parts: [part] })",
        {"type": "text", "text": "```python\nimport os\n```\n\n| a |\n|---|\n| b |\n"},
    )
    await page.wait_for_selector("pre.ct-pre[role='group'] > code.hljs .hljs-keyword")
    assert await page.locator("div.ct-table[role='group'] td").inner_text() == "b"
    assert [line for line in broken if "favicon" not in line] == []
