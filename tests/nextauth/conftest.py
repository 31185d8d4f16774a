"""The server with a page on it that was written for Auth.js, and browsers that look at it."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page
from reflex_base.constants.installer import PackageJson
from starlette.responses import FileResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_app import services as installed
from chat_app.api.routes import http_app
from chat_app.gateway import Gateway
from testing import bun
from testing.asgi_server import serve
from testing.browser import close
from testing.oidc_app import CLIENT, SECRET, InProcessProgram, oidc_at, program
from testing.oidc_provider import run_oidc
from testing.program import free_port

REACT = PackageJson.DEPENDENCIES["react"]
PACKAGES = ("next-auth@5.0.0-beta.32", f"react@{REACT}", f"react-dom@{REACT}")
PATIENCE = 60_000
"""Milliseconds; only a test that will fail waits so long."""

# Next.js replaces these when it builds; to another program's build they mean nothing.
_UNSET = ("NEXTAUTH_URL", "NEXTAUTH_URL_INTERNAL", "VERCEL_URL")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built page."""
    built = tmp_path_factory.mktemp("nextauth")
    shutil.copy(Path(__file__).parent / "page" / "main.jsx", built)
    (built / "node_modules").symlink_to(bun.packages(*PACKAGES) / "node_modules")
    unset = [part for name in _UNSET for part in ("--define", f"process.env.{name}=undefined")]
    bun.run(
        *("build", "main.jsx", "--outdir", "site", "--target", "browser"),
        *("--define", 'process.env.NODE_ENV="production"', *unset),
        cwd=built,
    )
    (built / "site" / "index.html").write_text(
        '<!doctype html><html lang="en"><title>Another program</title><div id="root"></div>'
        '<script type="module" src="/main.js"></script>'
    )
    return built / "site"


class Beside:
    """The routes, and on every other path the page."""

    def __init__(self, site: Path, api: ASGIApp) -> None:
        self._api = api
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/api/"):
            await self._api(scope, receive, send)
            return
        name = "main.js" if scope["path"] == "/main.js" else "index.html"
        await FileResponse(self._site / name)(scope, receive, send)


@pytest.fixture(scope="session")
def acme() -> Iterator[tuple[int, str]]:
    """A real OpenID provider: the port of the program that it knows, and who it is."""
    port, issuer_port = free_port(), free_port()
    with run_oidc(
        "oidc_provider.mjs",
        port=issuer_port,
        clientId=CLIENT,
        clientSecret=SECRET,
        redirectUris=[f"http://localhost:{port}/api/auth/callback/acme"],
        claimsInIdToken=True,
    ):
        yield port, f"http://127.0.0.1:{issuer_port}"


@pytest_asyncio.fixture(loop_scope="session")
async def chat(
    tmp_path: Path, site: Path, acme: tuple[int, str]
) -> AsyncIterator[InProcessProgram]:
    """The program behind its gateway on its port, with the OpenID provider."""
    port, issuer = acme
    async with program(tmp_path, oidc_at(issuer), port=port) as one:
        assert one.home == f"http://localhost:{port}"
        gateway = Gateway(Beside(site, http_app()), services=installed.services)
        async with serve(gateway, port):
            yield one


@pytest_asyncio.fixture(loop_scope="session")
async def profile(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A user's browser; nothing in it may ask further than this machine."""
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE)
    await context.route(
        lambda url: not url.startswith(("http://localhost:", "http://127.0.0.1:")),
        lambda route: route.abort(),
    )
    yield context
    await close(context)


@pytest_asyncio.fixture(loop_scope="session")
async def tab(chat: InProcessProgram, profile: BrowserContext) -> Page:
    """A tab with the page."""
    page = await profile.new_page()
    await page.goto(chat.home)
    return page
