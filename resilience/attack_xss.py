"""XSS: script and data leaks in messages of both roles and in titles."""

from collections.abc import Sequence

from playwright.async_api import Page, Route, expect

from resilience.attacker import question
from resilience.report import Result
from testing.browser import chromium
from testing.browser_user import BrowserUser, composer
from testing.markdown_attacks import ATTACKS
from testing.program import Program

PER_THREAD = 12
LONGEST_TITLE = 200
WATCH = """() => addEventListener("securitypolicyviolation", (event) =>
    console.error(`PWN ${event.violatedDirective} ${event.blockedURI}`))"""
POKE = """() => {
    for (const made of document.querySelectorAll("main .ct-text *, .row-title"))
        for (const kind of ["mouseover", "focus", "pointerdown", "toggle", "error"])
            made.dispatchEvent(new Event(kind, {bubbles: true}));
    return [...document.querySelectorAll("main a, nav a")].map((link) => link.protocol)
        .filter((protocol) => !/^(https?|mailto):$/.test(protocol));
}"""
SEND = """async ([thread, message]) => {
    const body = JSON.stringify({...(thread ? {id: thread} : {}), messages: [message],
        model: "fake:1x0"});
    const headers = {"Content-Type": "application/json"};
    const answer = await fetch("/api/chat", {method: "POST", headers, body});
    await answer.text();
    return [answer.status, answer.headers.get("x-thread-id")];
}"""
NAME = """async ([thread, title]) => (await fetch(`/api/threads/${thread}`, {method: "PATCH",
    headers: {"Content-Type": "application/json"}, body: JSON.stringify({title})})).status"""


async def hostile_texts(program: Program, texts: Sequence[str] = ATTACKS) -> Result:
    """Each text as a question, as an answer, live and stored, and as a title.

    Args:
        program: The program.
        texts: What is tried.
    """
    bad: list[str] = []
    shown = 0
    async with chromium() as browser:
        context = await browser.new_context()
        await context.add_init_script(f"({WATCH})()")
        await context.route("**/*", lambda route: _only_home(route, program.url, bad))
        ada = BrowserUser(program.url, context, await context.new_page(), "Ada")
        page = ada.page
        context.on("page", lambda opened: bad.append(f"opened {opened.url}"))
        context.on("dialog", lambda dialog: bad.append(f"dialog {dialog.message}"))
        page.on("console", lambda said: bad.append(said.text) if "PWN" in said.text else None)
        await ada.sign_up()
        await ada.ask("echo: hello")
        thread = await ada.thread()
        for start in range(0, len(texts), PER_THREAD):
            batch = texts[start : start + PER_THREAD]
            if start:
                _, thread = await page.evaluate(SEND, ["", question("echo: hello")])
                await ada.open(f"/c/{thread}")
                await expect(page.locator("[data-role=assistant]")).to_have_count(1)
            for text in batch:
                status, _ = await page.evaluate(SEND, [thread, question(f"echo: {text}")])
                assert status == 200
            await _settled(page, len(batch) + 1)
            bad += await _looked_at(page, "live")
            await page.reload()
            await _settled(page, len(batch) + 1)
            bad += await _looked_at(page, "stored")
            shown += len(batch)
        titles = 0
        for text in texts:
            if await page.evaluate(NAME, [thread, text[:LONGEST_TITLE]]) == 204:
                titles += 1
                if titles % 20 == 0:
                    bad += await _looked_at(page, "title")
        await page.evaluate(NAME, [thread, "the last title"])
        await expect(ada.titles().first).to_have_text("the last title")
        bad += await _looked_at(page, "titles")
        bad += ada.errors
        await expect(composer(page)).to_be_visible()
    return Result(
        "hostile texts",
        shown * 4 + titles,
        len(bad),
        f"{shown} texts as question and answer, live and stored, {titles} titles; "
        + ("; ".join(bad)[:300] or "0 ran, 0 asked elsewhere, 0 reports"),
    )


async def _only_home(route: Route, url: str, bad: list[str]) -> None:
    asked = route.request.url
    if asked.startswith((url + "/", "data:", "blob:")):
        await route.continue_()
    else:
        bad.append(f"asked {asked}")
        await route.abort()


async def _settled(page: Page, answers: int) -> None:
    await expect(page.locator("[data-role=assistant]")).to_have_count(answers)
    await expect(page.get_by_test_id("stop")).to_have_count(0)
    await expect(page.locator(".ct-math:not(.ct-typeset)")).to_have_count(0)
    await page.evaluate("new Promise((done) => requestIdleCallback(done))")


async def _looked_at(page: Page, where: str) -> list[str]:
    found = [f"{where}: link {protocol}" for protocol in await page.evaluate(POKE)]
    for frame in page.frames:
        if await frame.evaluate("window.__pwn") is not None:
            found.append(f"{where}: ran in {frame.url}")
    if len(page.frames) > 1:
        found.append(f"{where}: {len(page.frames) - 1} frames")
    return found
