"""Sign-out in one tab: how long another tab still shows the user's content."""

import re
from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

from resilience.attack_flood import percentile
from resilience.report import Result
from testing.browser import chromium, close
from testing.browser_user import SIGN_IN, BrowserUser, until_text
from testing.program import Program

MAX_MS = 250
WORDS = "only for me"
SIGN_OUT = re.compile("/api/auth/signout$")
WATCH = """((words) => {
    const look = () => {
        const has = document.documentElement?.textContent.includes(words);
        if (has) sessionStorage.setItem("had", "1");
        if (has || !sessionStorage.getItem("had") || sessionStorage.getItem("blank")) return;
        sessionStorage.setItem("blank", performance.timeOrigin + performance.now());
    };
    new MutationObserver(look).observe(document, {subtree: true, childList: true});
    look();
})"""
BARE = """fetch("/api/auth/signout", {method: "POST"}).then((answer) => answer.status)"""


async def blank(program: Program, times: int = 20, *, timed: bool = True) -> Result:
    """Sign out with the button, which tells the other tab, and by a bare request, which does not.

    Args:
        program: The program.
        times: How often each.
        timed: Whether the times are judged.
    """
    took: dict[str, list[float]] = {name: [] for name in WAYS}
    async with chromium() as browser:
        context = await browser.new_context()
        ada = BrowserUser(program.url, context, await context.new_page(), "Ada")
        await ada.sign_up()
        for number in range(times):
            for name, leave in WAYS.items():
                if any(took.values()):
                    await ada.sign_in()
                took[name].append(await _once(ada, f"{number}", leave))
    slow = [ms for each in took.values() for ms in each if timed and ms > MAX_MS]
    told = ", ".join(
        f"{name} p50 {percentile(each, 50):.0f} p99 {percentile(each, 99):.0f} ms"
        for name, each in took.items()
    )
    return Result("blank", 2 * times, len(slow), f"from the request to an empty tab: {told}")


async def _once(
    ada: BrowserUser, word: str, leave: Callable[[BrowserUser], Awaitable[object]]
) -> float:
    """Sign out under an answer in the other tab; milliseconds from the request to an empty page."""
    other = await ada.tab()
    await other.add_init_script(f'{WATCH}("{WORDS}")')
    await other.goto(f"{ada.url}/")
    await other.get_by_test_id("composer").fill(f"{WORDS} {word}")
    await other.get_by_test_id("composer").press("Enter")
    await until_text(other, 20)
    async with ada.page.expect_request(SIGN_OUT) as asked:
        await leave(ada)
    await other.wait_for_url(SIGN_IN)
    await _gone(other)
    began = (await asked.value).timing["startTime"]
    ended = float(await other.evaluate("sessionStorage.getItem('blank')"))
    await close(other)
    return ended - began


async def _gone(page: Page) -> None:
    await expect(page.locator("[name=password]")).to_be_visible()


async def _by_a_bare_request(ada: BrowserUser) -> None:
    assert await ada.page.evaluate(BARE) == 200


WAYS: dict[str, Callable[[BrowserUser], Awaitable[object]]] = {
    "told by the tab": BrowserUser.sign_out,
    "told by the server": _by_a_bare_request,
}
