"""A Chromium for the drills."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.browser.conftest import FLAGS, NAMES


@asynccontextmanager
async def chromium(*, caches_pages: bool = False) -> AsyncIterator[Browser]:
    """A browser.

    Args:
        caches_pages: Whether it may keep pages for the back button, which Playwright forbids.
    """
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    without = ["--disable-back-forward-cache"] if caches_pages else None
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=FLAGS, ignore_default_args=without
        )
        yield browser
        await browser.close()
