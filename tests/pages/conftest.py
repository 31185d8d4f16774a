"""The pages' own scripts in a page without Reflex, answered from memory and shown in Chromium."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Route

from chat_app.components import FOLDER
from testing import bun
from testing.browser import close
from testing.script_page import libraries, opened_at

LAB = Path(__file__).parent / "lab.jsx"


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The built lab."""
    built = tmp_path_factory.mktemp("pages")
    shutil.copytree(FOLDER, built, ignore=shutil.ignore_patterns("*.py"), dirs_exist_ok=True)
    shutil.copy(LAB, built)
    (built / "node_modules").symlink_to(libraries() / "node_modules")
    production = 'process.env.NODE_ENV="production"'
    bun.run("build", "lab.jsx", "--outdir", "site", "--minify", "--define", production, cwd=built)
    return (built / "site" / "lab.js").read_text()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, script: str) -> AsyncIterator[BrowserContext]:
    """A profile of its own, in which every page but the routes of sign-in is the lab."""
    opened = await browser.new_context()

    async def answer(route: Route) -> None:
        if route.request.url.endswith("/lab.js"):
            await route.fulfill(body=script, content_type="text/javascript")
        else:
            html = '<!doctype html><html lang="en"><title>Lab</title><body><script src="/lab.js">'
            await route.fulfill(body=f"{html}</script>", content_type="text/html")

    await opened.route("**/*", answer)
    yield opened
    await close(opened)


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    """A tab with the lab in it."""
    return await opened_at(context, "/signin")
