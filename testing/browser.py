"""A Chromium, found and started in one way for tests, screenshots, benchmarks and resilience."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from setup.chromium import find

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
CLOSE_SECONDS = 15
TIMEOUT_MS = 60_000
"""Milliseconds; only a test that will fail waits so long."""

expect.set_options(timeout=TIMEOUT_MS)  # its own 5 s are too few on a busy machine


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
    path = find(has_window=caches_pages)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path,
            channel="chromium" if path is None and caches_pages else None,
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
