"""What a reader sees of one message, from the first word to the stored text."""

import pytest
from playwright.async_api import Page, expect

from testing.script_page import dress

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _mount(page: Page, **props: object) -> None:
    await page.evaluate("(props) => { window.it = lab.mount('MessageText', props); }", props)


THOUGHT = {"type": "reasoning", "text": "A thought.", "seconds": 12.3}


def _text(text: str) -> dict:
    return {"type": "text", "text": text}


async def _send(page: Page, *chunks: list) -> None:
    await page.evaluate("(chunks) => chunks.forEach((f) => lab.chunks.receive(f))", list(chunks))


async def test_it_waits_until_the_first_word(page: Page) -> None:
    await _mount(page, streamId="r", status="running")
    waiting = page.get_by_role("img", name="Waiting for the answer")
    await expect(waiting).to_be_attached()
    await _send(page, ["r", 0, 0, "Hello"])
    await expect(page.locator(".ct-text")).to_have_text("Hello")
    await expect(waiting).to_have_count(0)


async def test_a_finished_message_without_its_text_does_not_wait(page: Page) -> None:
    await _mount(page, streamId="r", status="complete")
    await expect(page.get_by_role("img", name="Waiting for the answer")).to_have_count(0)


async def test_the_end_of_a_message_that_is_over_is_waited_for(page: Page) -> None:
    waits = await page.evaluate(
        """() => {
            const waits = [];
            const store = { ...lab.createChunkStore(), awaitEnd: (id) => waits.push(id) };
            const view = lab.mountMessage(document.createElement("div"), { store });
            view.show({ streamId: "r", status: "running" });
            store.receive(["r", 0, 0, "Yes."]);
            view.show({ streamId: "r", status: "complete" });
            store.receive(["r", -1, 4, "", "complete", 1]);
            view.show({ streamId: "r", status: "stopped" });
            view.show({ parts: [{ type: "text", text: "Stored." }], status: "complete" });
            return waits;
        }"""
    )
    assert waits == ["r"]


async def test_words_that_came_before_the_bubble_are_in_it(page: Page) -> None:
    await _send(page, ["r", 0, 0, "early"])
    await _mount(page, streamId="r", status="running")
    await expect(page.locator(".ct-text[data-state=live]")).to_have_text("early")


async def test_the_stored_text_takes_over_without_touching_the_page(page: Page) -> None:
    text = "# Head\n\nSome *words* here.\n\n```js\nlet x = 1;\n```\n\n- a\n- b"
    await _mount(page, streamId="r", status="running")
    await _send(page, ["r", 0, 0, text], ["r", -1, len(text), "", "complete"])
    await expect(page.locator(".ct-text[data-state=done] .hljs-keyword")).to_have_text("let")
    changes = await page.evaluate(
        """async (text) => {
            const seen = [];
            const watch = new MutationObserver((changes) => seen.push(...changes));
            watch.observe(it.place, { childList: true, characterData: true, subtree: true });
            it.set({ parts: [{ type: "text", text }], streamId: "", status: "complete" });
            await new Promise((done) => requestIdleCallback(done));
            await new Promise((done) => requestIdleCallback(done));
            watch.disconnect();
            return seen.length;
        }""",
        text,
    )
    assert changes == 0


async def test_a_different_stored_text_wins(page: Page) -> None:
    await _mount(page, streamId="r", status="running")
    await _send(page, ["r", 0, 0, "what was shown"], ["r", -1, 14, "", "stopped"])
    await page.evaluate("""it.set({ parts: [{ type: "text", text: "what was kept" }], streamId: "",
            status: "stopped" })""")
    await expect(page.locator(".ct-text")).to_have_text("what was kept")


async def test_late_link_definitions_reach_finished_blocks(page: Page) -> None:
    await _mount(page, streamId="r", status="running")
    await _send(
        page, ["r", 0, 0, "See [it].\n\n"], ["r", 0, 11, "Next\n\n[it]: https://example.com\n"]
    )
    await _send(page, ["r", -1, 44, "", "complete"])
    link = page.get_by_role("link", name="it")
    await expect(link).to_have_attribute("href", "https://example.com/")
    await expect(link).to_have_attribute("title", "example.com")


async def test_a_finished_block_that_changes_once_more_is_coloured_again(page: Page) -> None:
    await _mount(page, streamId="r", status="running")
    await _send(page, ["r", 0, 0, "- [it]\n\n  ```js\n  let x\n  ```\n\nNext\n"])
    await expect(page.locator(".hljs-keyword")).to_have_text("let")
    await _send(page, ["r", 0, 36, "\n[it]: https://example.com\n"], ["r", -1, 63, "", "complete"])
    await expect(page.get_by_role("link", name="it")).to_be_attached()
    await expect(page.locator(".hljs-keyword")).to_have_text("let")


async def test_what_a_reader_has_marked_in_the_open_paragraph_stays_marked(page: Page) -> None:
    await _mount(page, streamId="r", status="running")
    await _send(page, ["r", 0, 0, "Some **strong** words and"])
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('.ct-text p'))")
    await _send(page, ["r", 0, 25, " `more` of"], ["r", 0, 35, " them"])
    await expect(page.locator(".ct-text")).to_have_text("Some strong words and more of them")
    assert (await page.evaluate("String(getSelection())")).startswith("Some strong words and")


async def test_the_pieces_of_a_paragraph_are_one_text_once_it_is_over(page: Page) -> None:
    counts = await page.evaluate(
        """() => {
            const root = document.createElement("div");
            document.body.append(root);
            const texts = () => root.querySelector("p").childNodes.length;
            const counts = [];
            for (const isMarked of [false, true]) {
                const blocks = new lab.Blocks(root);
                let text = "";
                for (let n = 0; n < 20; n += 1) blocks.update((text += `word ${n} `));
                counts.push(texts());
                if (isMarked) getSelection().selectAllChildren(root);
                const marked = String(getSelection());
                blocks.finish(text);
                counts.push(texts(), String(getSelection()) === marked);
                blocks.clear();
            }
            return counts;
        }"""
    )
    assert counts == [20, 1, True, 20, 1, True]


async def test_an_image_is_a_link_that_names_its_host(page: Page) -> None:
    await _mount(
        page, parts=[_text("![A tide](https://pictures.example/t.png?d=1)")], status="complete"
    )
    link = page.get_by_role("link")
    await expect(link).to_have_text("Image: A tide — pictures.example")
    await expect(link).to_have_attribute("target", "_blank")
    assert await page.locator("img").count() == 0


async def test_a_link_names_where_it_leads_and_hides_no_user_name(page: Page) -> None:
    await _mount(
        page, parts=[_text("[google.com](https://google.com@evil.test/x)")], status="complete"
    )
    link = page.get_by_role("link")
    await expect(link).to_have_attribute("href", "https://evil.test/x")
    await expect(link).to_have_attribute("title", "evil.test")


async def test_the_code_button_copies_the_code_and_says_so(page: Page) -> None:
    await _mount(page, parts=[_text("```py\nif x:\n    y()\n```")], status="complete")
    await expect(page.locator(".ct-code-lang")).to_have_text("py")
    await page.get_by_role("button", name="Copy code").click()
    await expect(page.get_by_role("button", name="Copied")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == "if x:\n    y()"


async def test_the_message_button_copies_the_markdown(page: Page) -> None:
    await _send(page, ["r", 0, 0, "**as chunks**"])
    for props, copied in (
        ({"parts": [_text("**sto"), THOUGHT, _text("red**")]}, "**stored**"),
        ({"streamId": "r"}, "**as chunks**"),
    ):
        await page.evaluate(
            "(p) => { window.it?.unmount(); window.it = lab.mount('CopyButton', p); }", props
        )
        await page.get_by_role("button", name="Copy message").click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == copied


async def test_where_there_is_no_clipboard_copying_still_works(page: Page) -> None:
    await page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('insecure')); }"
    )
    await page.evaluate("(parts) => lab.mount('CopyButton', { parts })", [_text("plan b")])
    await page.get_by_role("button", name="Copy message").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == "plan b"


async def test_a_persons_own_words_stay_as_typed(page: Page) -> None:
    await _mount(page, parts=[_text("*a*\n <b>b</b>")], plain=True)
    assert (
        await page.locator(".ct-plain").evaluate("(e) => e.innerHTML")
        == "*a*\n &lt;b&gt;b&lt;/b&gt;"
    )


async def test_text_comes_also_while_the_tab_gets_no_animation_frames(page: Page) -> None:
    await page.evaluate(
        "() => { window.requestAnimationFrame = () => 0; window.requestIdleCallback = undefined; }"
    )
    await _mount(page, streamId="r", status="running")
    await _send(page, *(["r", 0, n, "x"] for n in range(50)), ["r", -1, 50, "", "complete"])
    await expect(page.locator(".ct-text[data-state=done]")).to_have_text("x" * 50)


async def test_leaving_the_page_forgets_what_it_showed(page: Page) -> None:
    await page.evaluate("window.feed = lab.mount('ChunkFeed', { chunk: ['r', 0, 0, 'private'] })")
    await _mount(page, streamId="r", status="running")
    await expect(page.locator(".ct-text")).to_have_text("private")
    await page.evaluate("feed.unmount()")
    await expect(page.get_by_text("private")).to_have_count(0)


async def test_a_text_nested_beyond_reason_is_shown_as_it_is(page: Page) -> None:
    for text in (
        ">" * 20_000 + " deep",
        "- " * 3_000 + "deep",
        "**a " * 5_000,
        "[" * 20_000 + "deep",
    ):
        html = await page.evaluate("(text) => lab.oneShot(text)", text)
        assert "deep" in html or "a" in html


async def test_an_open_code_block_only_grows_by_what_is_new(page: Page) -> None:
    grown = await page.evaluate(
        """() => {
            const root = document.createElement("div");
            document.body.append(root);
            const blocks = new lab.Blocks(root);
            let text = "```py\\nx = 1\\n";
            blocks.update(text);
            const first = root.querySelector("code").firstChild;
            const watch = new MutationObserver(() => {});
            watch.observe(root, { childList: true, characterData: true, subtree: true });
            for (let n = 0; n < 200; n += 1) blocks.update((text += `line ${n}\\n`));
            const removed = watch.takeRecords().some((change) => change.removedNodes.length);
            return [root.querySelector("code").firstChild === first, first.data, removed];
        }"""
    )
    assert grown == [True, "x = 1", False]


async def test_many_stored_messages_are_drawn_a_few_at_a_time_the_last_first(page: Page) -> None:
    drawn = await page.evaluate(
        """async () => {
            const slices = lab.createSlices();
            const drawn = [];
            let slice = 0;
            const works = [0, 1, 2, 3, 4, 5].map((n) => () => {
                const until = performance.now() + 10;
                while (performance.now() < until);
                drawn.push([n, slice]);
                queueMicrotask(() => { slice += 1; });
            });
            works.forEach(slices.request);
            slices.cancel(works[1]);
            for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
            const atOnce = drawn.length;
            while (drawn.length < 5) await new Promise(requestAnimationFrame);
            return [atOnce, drawn];
        }"""
    )
    at_once, works = drawn
    assert at_once == 1, "what is in sight does not wait"
    assert [number for number, _ in works] == [5, 4, 3, 2, 0]
    slices = [one for _, one in works]
    assert len(set(slices)) == len(slices), "two in one slice"


WIDE = "word " * 60


@pytest.mark.parametrize(
    ("narrow", "wide", "name"),
    [
        ("```python\nx = 1\n```", f"```python\n{WIDE}\n```", "Code: python"),
        ("```\nx\n```", f"```\n{WIDE}\n```", "Code"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "|" + " a |" * 60 + "\n|" + "---|" * 60, "Table: a"),
        ("- ```\n  x\n  ```", f"- ```\n  {WIDE}\n  ```", "Code"),
    ],
)
async def test_code_and_tables_are_a_tab_stop_only_where_they_scroll_and_have_a_name(
    page: Page, narrow: str, wide: str, name: str
) -> None:
    await dress(page, "text")
    await page.set_viewport_size({"width": 700, "height": 600})
    await _mount(page, parts=[_text(f"{narrow}\n\n{wide}\n\nend")], status="complete")
    stops = page.locator(".ct-text [tabindex]")
    await expect(stops).to_have_count(1)
    assert (await stops.get_attribute("aria-label") or "").startswith(name)
    assert await stops.evaluate("(box) => box.scrollWidth > box.clientWidth")
    groups = page.get_by_role("group")
    await expect(groups).to_have_count(2)
    for group in await groups.all():
        assert (await group.get_attribute("aria-label") or "").startswith(name[:4])
    await page.set_viewport_size({"width": 9_000, "height": 600})
    await expect(stops).to_have_count(0)


async def test_a_block_becomes_a_tab_stop_while_it_grows(page: Page) -> None:
    await dress(page, "text")
    await page.set_viewport_size({"width": 700, "height": 600})
    await _mount(page, streamId="r", status="running")
    await _send(page, ["r", 0, 0, "```python\nx = 1"])
    stops = page.locator(".ct-pre[tabindex='0']")
    await expect(page.locator(".ct-pre")).to_be_visible()
    await expect(stops).to_have_count(0)
    await _send(page, ["r", 0, 15, f" + {WIDE}"])
    await expect(stops).to_have_count(1)


OUTLINES = {
    "# #": "3 3",
    "## ### ## ####": "3 4 3 4",
    "### # ##": "3 3 4",
    "# ## ### #### ##### ######": "3 4 5 6 6 6",
    "# ## ### # ###": "3 4 5 3 4",
}


async def test_the_headings_of_an_answer_start_below_its_own(page: Page) -> None:
    levels = "all => all.map((heading) => heading.ariaLevel).join(' ')"
    headings = page.locator(".ct-text").get_by_role("heading")
    written = read = text = ""
    for written, read in OUTLINES.items():
        text = "\n\n".join(f"{marks} Heading\n\nWords." for marks in written.split())
        await _mount(page, parts=[_text(text)], status="complete")
        assert await headings.evaluate_all(levels) == read
        await page.evaluate("it.unmount()")
    await _mount(page, streamId="r", status="running")
    await _send(page, ["r", 0, 0, text])
    flat = " ".join("3" for _ in written.split())
    assert await headings.evaluate_all(levels) == flat, "none is skipped while it grows"
    await _send(page, ["r", -1, len(text), "", "complete"])
    await expect(headings.last).to_have_attribute("aria-level", read[-1])
    assert await headings.evaluate_all(levels) == read


async def test_an_answer_that_is_continued_never_loses_its_text(page: Page) -> None:
    stored = {"parts": [_text("Half")], "streamId": "", "status": "stopped"}
    await _mount(page, **stored)
    shown = page.locator(".ct-text")
    await expect(shown).to_have_text("Half")
    await page.evaluate(
        """() => {
            window.seen = new Set();
            const node = document.querySelector(".ct-text");
            const note = () => window.seen.add(node.textContent);
            new MutationObserver(note).observe(node, { childList: true, subtree: true,
                characterData: true });
        }"""
    )
    await page.evaluate("it.set({ streamId: 'r', status: 'running' })")
    await expect(shown).to_have_attribute("data-state", "live")
    await _send(page, ["r", 0, 0, "Half"], ["r", 0, 4, " and half"])
    await expect(shown).to_have_text("Half and half")
    await _send(page, ["r", -1, 13, "", "complete", 1])
    await page.evaluate("it.set({ parts: [], status: 'complete' })")
    await expect(shown).to_have_attribute("data-state", "done")
    await expect(shown).to_have_text("Half and half")
    assert all(text.startswith("Half") for text in await page.evaluate("[...seen]"))


async def test_a_block_that_was_cut_goes_on_as_one(page: Page) -> None:
    await _mount(page, parts=[_text("```python\nprint(")], streamId="r", status="stopped")
    code = page.locator(".ct-code code")
    await expect(code).to_have_text("print(")
    await page.evaluate("it.set({ status: 'running' })")
    await _send(page, ["r", 0, 0, "```python\nprint("], ["r", 0, 16, '"x")\n'])
    await expect(code).to_have_text('print("x")')
    await expect(page.locator(".ct-part > *")).to_have_count(1)
