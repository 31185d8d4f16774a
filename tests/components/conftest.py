"""The components' scripts in a page without Reflex, served on loopback and shown in Chromium."""

import functools
import http.server
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from chat_app.components import FOLDER
from testing import bun
from testing.browser import close
from testing.script_page import libraries

LAB = Path(__file__).parent / "lab.jsx"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'self'"
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built page."""
    built = tmp_path_factory.mktemp("lab")
    sources = built / "sources"
    shutil.copytree(FOLDER, sources, ignore=shutil.ignore_patterns("*.py"))
    shutil.copy(LAB, sources)
    (built / "node_modules").symlink_to(libraries() / "node_modules")
    bun.run(
        *("build", "sources/lab.jsx", "--outdir", "site", "--splitting", "--format", "esm"),
        *("--minify", "--define", 'process.env.NODE_ENV="production"', "--target", "browser"),
        cwd=built,
    )
    (built / "site" / "index.html").write_text(
        '<!doctype html><html lang="en"><title>Lab</title><body>'
        '<script type="module" src="/lab.js"></script>'
    )
    return built / "site"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def end_headers(self) -> None:
        if self.path.startswith("/strict"):
            self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/strict"))


@pytest.fixture(scope="session")
def origin(site: Path) -> Iterator[str]:
    """Where the page is served. Below `/strict/` it is under the application's policy."""
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def context(browser: Browser) -> BrowserContext:
    """One profile for all pages."""
    opened = await browser.new_context()
    await opened.grant_permissions(["clipboard-read", "clipboard-write"])
    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext, origin: str) -> AsyncIterator[Page]:
    """A tab of its own; an error in a script fails the test."""
    opened = await context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    await opened.goto(f"{origin}/")
    await opened.wait_for_function("() => window.lab")
    yield opened
    await close(opened)
    assert errors == []
