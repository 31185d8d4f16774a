"""What a test does with the page that holds the `next-auth/react` client."""

from typing import Any

from playwright.async_api import Page, expect

ADA = "ada@example.org"
PASSWORD = "plum-Otter-teapot-91"  # what `Program.user` gives everybody
OUT_AND_IN = ["loading", "unauthenticated", "loading", "authenticated"]


async def shows(page: Page, status: str, who: str = "nobody") -> None:
    """Wait until the page's `useSession` says so."""
    await expect(page.locator("main")).to_have_attribute("data-status", status)
    await expect(page.locator("#who")).to_have_text(who)


async def seen(page: Page) -> list[str]:
    """Every status that the tab has shown, over all its reloads."""
    return await page.evaluate("lab.seen()")


async def call(page: Page, name: str, *arguments: Any) -> Any:
    """Call a function of the client and wait for what it says."""
    return await page.evaluate("([name, rest]) => lab[name](...rest)", [name, list(arguments)])
