"""What a thread shows, and whether a reload and another device show the same."""

from playwright.async_api import Locator, Page, TimeoutError, expect

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
    await expect(user.page.locator("article[data-status=running]")).to_have_count(0)
    await until_done(user.page)
    wanted = await user.page.evaluate(SHOWN)
    await _until_same(other.page, wanted)
    for page in (user.page, other.page):
        await page.reload()
        await expect(composer(page)).to_be_visible()
        await _until_same(page, wanted)
    return wanted


async def _until_same(page: Page, wanted: list[list[str]]) -> None:
    try:
        await page.wait_for_function(SAME, arg=wanted)
    except TimeoutError as late:
        raise AssertionError(f"{await page.evaluate(SHOWN)} is not {wanted}") from late


def row(page: Page, place: int) -> Locator:
    """A message, by its place in the branch that is shown."""
    return page.get_by_test_id("message").nth(place)


async def press(page: Page, place: int, name: str) -> None:
    """Press a button of a message."""
    await row(page, place).hover()
    await row(page, place).get_by_role("button", name=name, exact=True).click()
