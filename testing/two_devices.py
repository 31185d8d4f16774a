"""What a thread shows, and whether a reload and another device show the same."""

from playwright.async_api import Locator, Page, expect

from testing.browser_user import BrowserUser, composer, until_done

SHOWN = """() => [...document.querySelectorAll("article.message")].map((row) => [
    row.dataset.role,
    row.dataset.status,
    row.querySelector(".version-picker [aria-live]")?.textContent ?? "",
    row.querySelector(".ct-text").innerText.trim(),
])"""
"""Of each message its role, its status, which version it is, and its text."""
SAME = f"(wanted) => JSON.stringify(({SHOWN})()) === JSON.stringify(wanted)"


async def agree(user: BrowserUser, other: BrowserUser) -> list[list[str]]:
    """What the page shows, once it shows the same after a reload, as does the other device."""
    await expect(user.page.locator("article[data-status=running]")).to_have_count(0, timeout=60_000)
    await until_done(user.page)
    wanted = await user.page.evaluate(SHOWN)
    await other.page.wait_for_function(SAME, arg=wanted)
    for page in (user.page, other.page):
        await page.reload()
        await expect(composer(page)).to_be_visible()
        await page.wait_for_function(SAME, arg=wanted)
    return wanted


def row(page: Page, place: int) -> Locator:
    """A message, by its place in the branch that is shown."""
    return page.get_by_test_id("message").nth(place)


async def press(page: Page, place: int, name: str) -> None:
    """Press a button of a message."""
    await row(page, place).hover()
    await row(page, place).get_by_role("button", name=name, exact=True).click()
