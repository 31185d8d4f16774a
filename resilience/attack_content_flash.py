"""Two users in one tab: content of the first is never shown to the second."""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from playwright.async_api import Browser, Error, Page, expect

from resilience.page_recorder import record, watch
from resilience.program import log_errors, running_program, temporary_folder
from resilience.report import Result
from testing.browser import chromium, close
from testing.browser_user import SIGN_IN, TIMEOUT_MS, BrowserUser, composer, until_done, until_text
from testing.program import Program

SLOW = (sys.executable, "-m", "resilience.program_with_slow_reads")
TOGETHER = 5
HERS = "hers"
"""In every word of the first person."""
HIS = "echo: Bobs own words"


@dataclass(frozen=True)
class Way:
    """A browser and a program.

    Attributes:
        name: What the table calls it.
        caches: Whether the browser has its back-forward cache.
        kept: Whether the program's pages let themselves be kept in it.
    """

    name: str
    caches: bool
    kept: bool


WAYS = (
    Way("without a cache", caches=False, kept=False),
    Way("with one", caches=True, kept=False),
    Way("with one that takes our pages", caches=True, kept=True),
)


@dataclass
class Found:
    """What one run has found.

    Attributes:
        wrong: What may not be.
        texts: How many texts came to the tab after the first person had left.
        came: How documents came to it, all in all.
        reasons: Why the browser had not kept documents, in its own words.
    """

    wrong: list[str] = field(default_factory=list)
    texts: int = 0
    came: Counter[str] = field(default_factory=Counter)
    reasons: set[str] = field(default_factory=set)


async def flash(runs: int = 30, delay: float = 2, ways: Sequence[Way] = WAYS) -> Result:
    """One user signs out, another signs in and goes back and forward through the history.

    Args:
        runs: How often, over all ways.
        delay: Seconds that every read from the database waits.
        ways: The browsers and programs.
    """
    found: list[Found] = []
    told: list[str] = []
    for number, way in enumerate(ways):
        some = await _runs(way, len(range(number, runs, len(ways))), delay, first=number)
        found += some
        told.append(f"{way.name} {_told(some)}")
    wrong = sorted({what for one in found for what in one.wrong})
    figures = f"{sum(one.texts for one in found)} texts; back and forward {'; '.join(told)}"
    return Result(
        "flash", runs, sum(bool(one.wrong) for one in found), "; ".join(wrong[:5]) or figures
    )


def _told(found: list[Found]) -> str:
    came = sum((one.came for one in found), Counter[str]())
    reasons = sorted(set[str]().union(*(one.reasons for one in found)))
    said = f"{came['restored']} of {came['restored'] + came['back_forward']} pages from the cache"
    return said + f" (the browser: {', '.join(reasons)})" * bool(reasons)


async def _runs(way: Way, count: int, delay: float, first: int) -> list[Found]:
    given = {"READ_SECONDS": str(delay), "CHAT_MODEL": "fake:300x20"}
    given |= {"KEPT_PAGES": "1"} if way.kept else {}
    turns = asyncio.Semaphore(TOGETHER)
    with temporary_folder() as at:
        async with (
            running_program(at, given, command=SLOW) as program,
            chromium(caches_pages=way.caches) as browser,
        ):
            bob = await _open_user(browser, program, "Bob")
            await bob.sign_up()
            await _ask(bob, HIS)

            async def one(number: int) -> Found:
                async with turns:
                    ada = await _open_user(browser, program, f"{HERS} {uuid4().hex[:6]}")
                    leave = LEAVINGS[number % len(LEAVINGS)]
                    try:
                        return await _run(ada, bob.email, leave, way)
                    except (AssertionError, Error) as error:  # the other runs go on
                        return Found([f"{way.name}, {leave.__name__}: {error}"[:200]])

            found = await asyncio.gather(*map(one, range(first, first + count)))
            found[0].wrong += log_errors(program)
    return found


async def _open_user(browser: Browser, program: Program, name: str) -> BrowserUser:
    context = await browser.new_context()
    await watch(context)
    user = BrowserUser(program.url, context, await context.new_page(), name)
    user.email = user.email.replace(" ", "-")
    return user


async def _ask(person: BrowserUser, text: str) -> None:
    await person.ask(text)
    await until_text(person.page)
    await until_done(person.page)


async def _run(
    ada: BrowserUser, his: str, leave: Callable[[BrowserUser], Awaitable[float]], way: Way
) -> Found:
    page, found = ada.page, Found()
    await _use(ada)
    since = await leave(ada)
    # Signed out: all that the back button finds is the sign-in form.
    await _press_back(page)
    await page.wait_for_url(SIGN_IN)
    await expect(page.locator("[name=password]")).to_be_visible()
    ada.email = his
    await ada.sign_in()
    await _is_his(page)
    await _wander(page)
    await _sign_out(ada)
    told = await record(page)
    late = [one for one in told.entries if one.at >= since]
    seen = [one for one in late if one.kind == "seen"]
    found.texts = len(seen)
    found.came = Counter(one.kind for one in late if one.kind != "seen")
    found.reasons = {
        word for one in late if one.kind == "back_forward" for word in one.said.split()
    }
    found.wrong += [
        f"{way.name}, {leave.__name__}: {one.said[:40]!r} at {one.path}"
        for one in seen
        if HERS in one.said.lower()
    ]
    found.wrong += [f"left in the tab: {line[:60]}" for line in told.kept if HERS in line.lower()]
    found.wrong += [] if any(HIS in one.said for one in seen) else ["nothing was recorded"]
    found.wrong += (
        []
        if way.kept == (found.came["restored"] > 0)
        else [f"{way.name}: {found.came['restored']} documents came from the cache"]
    )
    found.wrong += [] if way.caches == bool(found.reasons) or way.kept else ["no reasons"]
    found.wrong += ada.errors
    await close(ada.context)
    return found


async def _use(ada: BrowserUser) -> None:
    """Two threads, words that are not sent yet, something looked for, and a conversation open."""
    await ada.sign_up()
    await _ask(ada, f"echo: {ada.name} one")
    await _new_chat(ada)
    await _ask(ada, f"echo: {ada.name} two")
    await composer(ada.page).fill(f"{ada.name} will say")
    await ada.titles().last.click()
    await expect(ada.page.locator("[data-role=assistant]")).to_contain_text("one")
    await _new_chat(ada)
    await composer(ada.page).fill(f"{ada.name} might say")
    await ada.titles().first.click()
    await expect(ada.page.locator("[data-role=assistant]")).to_contain_text("two")
    await ada.page.get_by_placeholder("Search chats").fill(ada.name)
    await expect(ada.titles()).to_have_count(2)


async def _new_chat(person: BrowserUser) -> None:
    await person.open("/")
    await expect(person.page.locator(".beginning")).to_be_visible()


async def _sign_out(person: BrowserUser) -> float:
    """Sign out with the button; when the answer began, in milliseconds of the browser's clock."""
    page = person.page
    async with page.expect_event("load"), page.expect_response("**/api/auth/signout") as answer:
        await person.sign_out()
    timing = (await answer.value).request.timing
    return timing["startTime"] + timing["responseStart"]


async def with_the_button(ada: BrowserUser) -> float:
    """Sign out with a conversation open."""
    return await _sign_out(ada)


async def under_an_answer(ada: BrowserUser) -> float:
    """Sign out while an answer comes."""
    await ada.ask(f"Tell {ada.name}")
    await until_text(ada.page, 40)
    return await _sign_out(ada)


async def in_another_tab(ada: BrowserUser) -> float:
    """Go elsewhere, and sign out in another tab."""
    await ada.open("/api/health")
    here, ada.page = ada.page, await ada.tab()
    await ada.open("/")
    await expect(ada.titles()).to_have_count(2)
    since = await _sign_out(ada)
    await close(ada.page)
    ada.page = here
    return since


LEAVINGS = (with_the_button, in_another_tab, under_an_answer)


async def _wander(page: Page) -> None:
    """Press the back button to the first page of ours, and then the forward button to the last."""
    _, entries = await _history(page)
    for entry in [*reversed(entries[:-1]), *entries[1:]]:
        await _navigate(page, entry)
        await _is_his(page)


async def _press_back(page: Page) -> None:
    at, entries = await _history(page)
    await _navigate(page, entries[at - 1])


async def _history(page: Page) -> tuple[int, list[int]]:
    """Where the tab is in its history, and the entries of ours."""
    history = await _command(page, "Page.getNavigationHistory")
    ours = [one["id"] for one in history["entries"] if "/" in one["url"]]
    current = history["entries"][history["currentIndex"]]["id"]
    return ours.index(current), ours


async def _navigate(page: Page, entry: int) -> None:
    """Use the browser's own buttons: Playwright's wait for a load that a kept page never has."""
    await _command(page, "Page.navigateToHistoryEntry", entryId=entry)


async def _command(page: Page, method: str, **given: Any) -> Any:
    """A command of the browser's protocol. Between two kept pages a tab has none for a moment."""
    while True:
        browser = await page.context.new_cdp_session(page)
        try:
            return await browser.send(method, given)
        except Error as error:
            if "Not attached to an active page" not in error.message:
                raise
        finally:
            await browser.detach()


async def _is_his(page: Page) -> None:
    await expect(page.locator(".row-title")).to_have_text([HIS], timeout=2 * TIMEOUT_MS)
