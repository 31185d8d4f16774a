"""What a tab has ever had on its page, over all its documents and whatever brings them back.

Texts, fields and attributes are written down as they come; a document that the browser's cache
brings back, whole at the moment it comes back.
"""

import contextlib
import json
from dataclasses import dataclass

from playwright.async_api import BrowserContext, Error, Page

_LOG = "scenario-log"
"""What the tab's storage, which outlives each document, calls the number of lines; each line has a
key of its own, so that the next one costs the same however many there are."""
_PAGES = 5
"""How many documents a tab may go through while it is asked."""

_WATCH = """(() => {
    const key = "LOG";
    let known = new Set();
    const write = (...entry) => {
        const count = Number(sessionStorage.getItem(key));
        sessionStorage.setItem(`${key}:${count}`, JSON.stringify([Date.now(), ...entry]));
        sessionStorage.setItem(key, count + 1);
    };
    const see = (text) => {
        if (!text || !text.trim() || known.has(text)) return;
        known.add(text);
        write("seen", location.pathname, text);
    };
    const all = (node) => {
        if (node.nodeType === Node.TEXT_NODE) return see(node.data);
        for (const { value } of node.attributes || []) see(value);
        if (typeof node.value === "string") see(node.value);
        node.childNodes.forEach(all);
    };
    new MutationObserver((changes) => {
        for (const { type, target, attributeName, addedNodes } of changes) {
            if (type === "characterData") see(target.data);
            if (type === "attributes") see(target.getAttribute(attributeName));
            addedNodes.forEach(all);
        }
    }).observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
    const fields = () => {
        for (const field of document.querySelectorAll("input, textarea")) see(field.value);
        requestAnimationFrame(fields);
    };
    fields();
    const again = () => {
        known = new Set();
        all(document);
    };
    addEventListener("LOG", again);
    addEventListener("pageshow", (event) => {
        again();
        const [how] = performance.getEntriesByType("navigation");
        const reasons = (how.notRestoredReasons?.reasons || []).map(({ reason }) => reason);
        write(event.persisted ? "restored" : how.type, location.pathname, reasons.join(" "));
    });
})()""".replace("LOG", _LOG)

_READ = f"""[
    Array.from({{length: Number(sessionStorage.getItem("{_LOG}"))}},
        (_, number) => sessionStorage.getItem(`{_LOG}:${{number}}`)),
    [...Object.entries(sessionStorage), ...Object.entries(localStorage)]
        .filter(([name]) => !name.startsWith("{_LOG}")).map((entry) => entry.join(" "))]"""


@dataclass(frozen=True)
class Entry:
    """One line of the record.

    Attributes:
        at: When, in milliseconds of the browser's clock.
        kind: `seen`, or how a document came: `navigate`, `reload`, `back_forward` when it was
            loaded again, `restored` when the cache had kept it.
        path: The address it was seen at.
        said: The text; for a document the browser's reasons not to have kept it, if it has any.
    """

    at: float
    kind: str
    path: str
    said: str


@dataclass(frozen=True)
class Record:
    """What a tab can tell.

    Attributes:
        entries: The lines, oldest first.
        kept: What the tab's storages hold besides.
    """

    entries: list[Entry]
    kept: list[str]


async def watch(context: BrowserContext) -> None:
    """Have every tab of a profile write down what it has on its page."""
    await context.add_init_script(_WATCH)


async def forget(page: Page) -> None:
    """Have a tab write down what it shows now, and from now on what it has shown before, too."""
    await page.evaluate(f"dispatchEvent(new Event('{_LOG}'))")


async def record(page: Page) -> Record:
    """What a tab has written down so far. It may be on its way to another page: that one knows."""
    for _ in range(_PAGES):
        with contextlib.suppress(Error):
            log, kept = await page.evaluate(_READ)
            break
        await page.wait_for_load_state()
    else:
        raise AssertionError("the tab does not come to rest")
    return Record([Entry(*json.loads(line)) for line in log], kept)
