"""The same client on another host of the same site, as `docs/authentication.md` sets it up."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext
from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import Route

from chat_app import services as installed
from chat_app.api.routes import http_app
from chat_app.gateway import Gateway
from testing.asgi_server import serve
from testing.browser import close
from testing.next_auth_page import ADA, OUT_AND_IN, PASSWORD, call, seen, shows
from testing.oidc_app import InProcessProgram, program
from testing.program import free_port

THREADS = """async (api) => {
    const headers = {"Content-Type": "application/json"};
    const made = await fetch(`${api}/api/threads`,
        {method: "POST", headers, body: JSON.stringify({title: "From afar"})});
    const listed = await (await fetch(`${api}/api/threads`)).json();
    return [made.status, listed.map((thread) => thread.title)];
}"""
WHY = """async (api) => {
    const answer = await fetch(`${api}/api/auth/session`, {credentials: "include"});
    return [answer.status, await answer.json()];
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def pair(tmp_path: Path, site: Path) -> AsyncIterator[tuple[InProcessProgram, str, str]]:
    """The server, the page on another host of its site, and the page on another site."""
    port, page_port = free_port(), free_port()
    api = f"http://api.chat.localhost:{port}"
    near, far = (f"http://app.{one}.localhost:{page_port}" for one in ("chat", "elsewhere"))
    index = (site / "index.html").read_text()
    index = index.replace("<div", f'<meta name="api" content="{api}"><div')
    pages = Starlette(
        routes=[
            Route("/main.js", lambda _: FileResponse(site / "main.js")),
            Route("/{path:path}", lambda _: HTMLResponse(index)),
        ]
    )
    given = {"app_url": api, "app_origins": (near, far)}
    async with program(tmp_path, port=port, **given) as one:
        gateway = Gateway(http_app(), services=installed.services)
        async with serve(gateway, port), serve(pages, page_port):
            yield one, near, far


@pytest_asyncio.fixture(loop_scope="session")
async def wide(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context()
    yield context
    await close(context)


async def test_on_another_host_of_the_site_one_comes_in_and_goes(
    pair: tuple[InProcessProgram, str, str], wide: BrowserContext
) -> None:
    chat, near, _ = pair
    await chat.user(ADA)
    tab = await wide.new_page()
    await tab.goto(near)
    await shows(tab, "unauthenticated")
    typed = {"email": ADA, "password": PASSWORD, "redirect": False, "redirectTo": f"{near}/in"}
    said = await call(tab, "signIn", "credentials", typed)
    assert (said["ok"], said["url"]) == (True, f"{near}/in")
    await shows(tab, "authenticated", ADA)
    assert await tab.evaluate(THREADS, chat.home) == [201, ["From afar"]]
    [cookie] = [one for one in await wide.cookies() if one.get("name") == "chat_session"]
    assert (cookie.get("domain"), cookie.get("sameSite")) == ("api.chat.localhost", "Lax")
    await call(tab, "signOut", {"redirect": False})
    await shows(tab, "unauthenticated")
    assert await seen(tab) == [*OUT_AND_IN[:2], "authenticated", "unauthenticated"]


async def test_a_page_of_another_site_reads_why_it_cannot(
    pair: tuple[InProcessProgram, str, str], wide: BrowserContext
) -> None:
    chat, _, far = pair
    tab = await wide.new_page()
    await tab.goto(far)
    status, said = await tab.evaluate(WHY, chat.home)
    assert (status, said["error"]) == (403, "cross_site")
    assert "Serve both under one domain" in said["message"]
