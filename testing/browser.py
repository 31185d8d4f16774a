"""A Chromium, found and started in one way for tests, screenshots, benchmarks and resilience."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
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
        await browser.close()
