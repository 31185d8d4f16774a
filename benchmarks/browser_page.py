"""Latency and script time of the page, in Chromium.

Latency is the time from the model server sending a marker to the marker standing in the document.
"""

import asyncio
import os
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright

from benchmarks.environment import MANY_MESSAGES, BenchmarkUser, Environment, fresh
from benchmarks.model_server import Ask
from benchmarks.report import Row, row
from testing.browser import close

TIMES = 3
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_COMPOSER = "[data-testid=composer]"
_SETTLES = 1.5
"""Seconds in which a page has done what it does when idle."""

# Date.now() is the clock that the model server uses too.
_WATCH = """
window.bench = { marks: {}, key: 0, done: 0, slow: [], tasks: [], composer: 0, last: 0 };
addEventListener("keydown", (event) => {
  if (event.key === "Enter") bench.key = Date.now();
}, true);
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) bench.tasks.push(entry.duration);
}).observe({ type: "longtask" });
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) bench.slow.push(entry.duration);
}).observe({ type: "long-animation-frame" });
const opening = new MutationObserver(() => {
  const field = document.querySelector("[data-testid=composer]");
  if (field && !field.disabled && !bench.composer) bench.composer = performance.now();
  const texts = document.querySelectorAll("[data-testid=message] .ct-text");
  if (texts.length && texts[texts.length - 1].textContent && !bench.last) {
    bench.last = performance.now();
  }
  if (bench.composer && bench.last) opening.disconnect();
});
opening.observe(document, { subtree: true, childList: true, characterData: true });
bench.markers = () => new MutationObserver((records) => {
  const now = Date.now();
  for (const { type, target, addedNodes } of records) {
    const grew = type === "characterData" ? [target] : addedNodes;
    for (const { textContent: text } of grew)
      for (const [, number] of text.matchAll(/mk(\\d{4})/g)) bench.marks[number] ??= now;
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
bench.ends = () => new MutationObserver((records) => {
  if (records.some(({ target }) => target.dataset.state === "done")) bench.done = Date.now();
}).observe(document, { subtree: true, attributeFilter: ["data-state"] });
"""


def measure(env: Environment) -> list[Row]:
    """The rows of this part."""
    return asyncio.run(_measure(env))


async def _measure(env: Environment) -> list[Row]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or None, args=_FLAGS
        )
        rows = [
            *await _cold(env, browser),
            *await _paced(env, browser),
            *await _long(env, browser),
            *await _opening(env, browser),
        ]
        await close(browser)
    return rows


@asynccontextmanager
async def _browser_of(
    env: Environment, browser: Browser, who: BenchmarkUser
) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    name, value = who.cookie
    await context.add_cookies([{"name": name, "value": value, "url": env.url}])
    await context.add_init_script(_WATCH)
    yield context
    await close(context)


async def _cold(env: Environment, browser: Browser) -> list[Row]:
    """A profile that was never here."""
    usable, kilobytes, files = [], [], []
    for _ in range(5):
        async with _browser_of(env, browser, env.crowd[0]) as context:
            page = await context.new_page()
            devtools = await context.new_cdp_session(page)
            scripts: dict[str, str] = {}
            sizes: dict[str, int] = {}
            devtools.on(
                "Network.responseReceived",
                lambda said, known=scripts: (
                    known.update({said["requestId"]: said["response"]["url"]})
                    if said["type"] == "Script"
                    else None
                ),
            )
            devtools.on(
                "Network.loadingFinished",
                lambda said, known=sizes: known.update(
                    {said["requestId"]: said["encodedDataLength"]}
                ),
            )
            await devtools.send("Network.enable")
            await page.goto(env.url)
            await page.wait_for_selector(_COMPOSER)
            await asyncio.sleep(_SETTLES)
            usable.append(await page.evaluate("bench.composer / 1000"))
            kilobytes.append(sum(sizes[one] for one in scripts if one in sizes) / 1000)
            files.append(len(set(scripts.values())))
    return [
        row("composer usable, cold profile", usable, "s", budget=0.5, beyond=0.3),
        row("JavaScript of the chat page, as transferred", kilobytes, "KB", budget=300, beyond=250),
        row("JavaScript files of the chat page", files, budget=15),
    ]


async def _paced(env: Environment, browser: Browser) -> list[Row]:
    first, key, p50, p95 = [], [], [], []
    for number in range(TIMES):
        who = env.crowd[10 + number]
        async with _browser_of(env, browser, who) as context:
            page = await _at(context, env, who.thread)
            await page.evaluate("bench.markers()")
            ask = fresh(600, 20)
            marks, _ = await _asked(page, env, ask)
            seen = await page.evaluate("bench.marks")
            pressed = await page.evaluate("bench.key")
            came = [seen[f"{n:04d}"] - at * 1000 for n, at in enumerate(marks)]
            first.append(came[0])
            key.append(seen["0000"] - pressed)
            p50.append(statistics.median(came))
            p95.append(statistics.quantiles(came, n=20)[-1])
    return [
        row("first token, model server → page", first, "ms", budget=40, beyond=25),
        row("Enter → first token", key, "ms"),
        row("token latency p50, paced", p50, "ms", budget=20, beyond=12),
        row("token latency p95, paced", p95, "ms", budget=35, beyond=18),
    ]


async def _long(env: Environment, browser: Browser) -> list[Row]:
    script, task, tasks, slow, behind, heap, nodes = [], [], [], [], [], [], []
    for number in range(TIMES):
        who = env.crowd[20 + number]
        async with _browser_of(env, browser, who) as context:
            page = await _at(context, env, who.thread)
            devtools = await context.new_cdp_session(page)
            await devtools.send("Performance.enable")
            await page.evaluate("bench.ends(), bench.tasks = [], bench.slow = []")
            before = await _metrics(devtools)
            marks, last = await _asked(page, env, fresh(4_000, 4))
            after = await _metrics(devtools)
            end = f"mk{len(marks) - 1:04d}"
            assert end in await page.inner_text("[data-role=assistant] .ct-text"), "it is not whole"
            script.append(after["ScriptDuration"] - before["ScriptDuration"])
            task.append(after["TaskDuration"] - before["TaskDuration"])
            tasks.append(len(await page.evaluate("bench.tasks")))
            slow.append(len(await page.evaluate("bench.slow")))
            behind.append(await page.evaluate("bench.done / 1000") - last)
            await devtools.send("HeapProfiler.collectGarbage")
            heap.append((await _metrics(devtools))["JSHeapUsedSize"] / 1e6)
            nodes.append(await page.evaluate("document.querySelectorAll('*').length"))
    return [
        row("script, long answer", script, "s", budget=0.9, beyond=0.5),
        row("main thread, long answer", task, "s"),
        row("long tasks, long answer", tasks, budget=0),
        row("frames over 50 ms, long answer", slow, budget=2, beyond=0),
        row("page behind the model server at the end", behind, "s", budget=0.3, beyond=0.1),
        row("JavaScript heap after it", heap, "MB", budget=10, beyond=5),
        row("elements in the document after it", nodes),
    ]


async def _opening(env: Environment, browser: Browser) -> list[Row]:
    loaded, clicked, slow, most = [], [], [], []
    async with _browser_of(env, browser, env.ada) as context:
        page = await _at(context, env, env.ada.thread)
        for _ in range(TIMES):
            page = await _at(context, env, env.long)
            loaded.append(await page.evaluate("bench.last / 1000"))
            await close(page)
            page = await _at(context, env, env.ada.thread)
            clicked.append(await page.evaluate(_CLICK, env.long))
            await asyncio.sleep(_SETTLES)
            await page.evaluate("bench.slow = []")
            most.append(await _scrolled(page))
            slow.append(len(await page.evaluate("bench.slow")))
            await close(page)
    opening = f"open a thread of {MANY_MESSAGES:,} messages"
    return [
        row(f"{opening}, by its address", loaded, "s", budget=0.35, beyond=0.17),
        row(f"{opening}, by a click", clicked, "s"),
        row("frames over 50 ms while scrolling to its beginning and back", slow, budget=0),
        row("most messages in the document meanwhile", most),
    ]


_CLICK = """async (thread) => {
  const begin = performance.now();
  document.querySelector(`a[href*="/c/${thread}"]`).click();
  await new Promise((done) => {
    const look = () => {
      const last = [...document.querySelectorAll("[data-testid=message] .ct-text")].at(-1);
      return location.pathname.includes(thread) && last?.textContent;
    };
    new MutationObserver((_, self) => { if (look()) { self.disconnect(); done(); } })
      .observe(document, { subtree: true, childList: true, characterData: true });
  });
  return (performance.now() - begin) / 1000;
}"""


_AT_BEGINNING = """() => document.querySelector(".ct-scroll").scrollTop === 0
  && !document.querySelector(".messages > .quiet-button:not(.later)")"""
_AT_END = """() => {
  const view = document.querySelector(".ct-scroll");
  return !document.querySelector(".messages > .later")
    && view.scrollHeight - view.clientHeight - view.scrollTop < 2;
}"""
_PLACE = """() => {
  const rows = document.querySelectorAll("[data-testid=message]");
  const { scrollTop } = document.querySelector(".ct-scroll");
  return [`${rows[0].dataset.message} ${scrollTop}`, rows.length];
}"""


async def _scrolled(page: Page) -> int:
    """Turn the wheel to the first message and back; the most messages the document had."""
    await page.mouse.move(800, 400)
    return max(await _turned(page, -900, _AT_BEGINNING), await _turned(page, 900, _AT_END))


async def _turned(page: Page, pixels: int, is_there: str) -> int:
    most = quiet = 0
    before = None
    while quiet < 20 and not await page.evaluate(is_there):
        for _ in range(6):
            await page.mouse.wheel(0, pixels)
            await asyncio.sleep(0.03)
        place, messages = await page.evaluate(_PLACE)
        quiet = 0 if place != before else quiet + 1
        before, most = place, max(most, messages)
    assert quiet < 20, "the wheel turns and nothing moves"
    return most


async def _at(context: BrowserContext, env: Environment, thread: str) -> Page:
    page = await context.new_page()
    await page.goto(f"{env.url}/c/{thread}")
    await page.wait_for_selector(_COMPOSER)
    await asyncio.sleep(_SETTLES)
    return page


async def _asked(page: Page, env: Environment, ask: Ask) -> tuple[list[float], float]:
    """Ask, and wait until the page has all of the answer and nothing left to do."""
    await page.fill(_COMPOSER, str(ask))
    await page.press(_COMPOSER, "Enter")
    sent = await env.until_sent(ask)
    await asyncio.sleep(_SETTLES)
    return sent


async def _metrics(devtools: CDPSession) -> dict[str, float]:
    said = await devtools.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in said["metrics"]}
