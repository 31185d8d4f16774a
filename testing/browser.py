"""A Chromium, found and started in one way for tests, screenshots, benchmarks and resilience."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
CLOSE_SECONDS = 15
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium_path() -> str | None:
    """The Chromium that CHROMIUM names, else the first in PATH; None means Playwright's own."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@asynccontextmanager
async def chromium(
    *, flags: tuple[str, ...] = (), caches_pages: bool = False
) -> AsyncIterator[Browser]:
    """Start a browser, and close it afterwards.

    Args:
        flags: Command line flags besides `CHROMIUM_FLAGS`.
        caches_pages: Whether it may keep pages for the back button, which Playwright forbids.
    """
    without = ["--disable-back-forward-cache"] if caches_pages else None
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(),
            args=[*CHROMIUM_FLAGS, *flags],
            ignore_default_args=without,
        )
        yield browser
        await close(browser)


async def close(opened: Browser | BrowserContext | Page) -> None:
    """Close a tab, a profile or the browser; what does not close ends with the browser's process.

    Chromium can lose a tab that is told to close while it commits a navigation, and answers never
    (https://github.com/microsoft/playwright/issues/41900, 42366). Other profiles are not affected.
    """
    with suppress(TimeoutError):
        await asyncio.wait_for(opened.close(), CLOSE_SECONDS)
