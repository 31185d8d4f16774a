"""The example on another host of the server's site, as its README builds it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio
from playwright.async_api import BrowserContext, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from testing.asgi_server import serve
from testing.browser_user import PASSWORD
from testing.example_user import PROJECT, ExampleUser, is_out
from testing.program import Program, free_port

from .conftest import GIVEN

SIGN_UP = """async ([api, email, password]) => {
    const body = new URLSearchParams({ email, password, name: "Ada" });
    const headers = { "X-Auth-Return-Redirect": "1" };
    const answer = await fetch(`${api}/api/auth/signup`, { method: "POST", body, headers });
    return (await answer.json()).url;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def ada(
    tmp_path: Path, built: str, contexts: Callable[[], Awaitable[BrowserContext]]
) -> AsyncIterator[ExampleUser]:
    """A user of the page on the one host, with the server on the other."""
    server, page_port = Program(tmp_path, given=GIVEN), free_port()
    api, home = f"http://api.chat.localhost:{server.port}", f"http://app.chat.localhost:{page_port}"
    dist = Path(built) / PROJECT.name / "dist"
    index = (dist / "index.html").read_text()
    assert 'name="api" content=""' in index
    index = index.replace('name="api" content=""', f'name="api" content="{api}"')
    files = Mount("/assets", StaticFiles(directory=dist / "assets"))
    pages = Starlette(routes=[files, Route("/", lambda _: HTMLResponse(index))])
    server.given(APP_URL=api, APP_ORIGINS=home)
    try:
        server.start()
        async with serve(pages, page_port):
            context = await contexts()
            yield ExampleUser(api, context, await context.new_page(), "Ada", home=home)
    finally:
        server.end()


async def test_a_sibling_host_signs_in_streams_lists_and_signs_out(ada: ExampleUser) -> None:
    await ada.page.goto(ada.home)
    await is_out(ada.page)
    assert "error" not in await ada.page.evaluate(SIGN_UP, [ada.url, ada.email, PASSWORD])
    await ada.page.reload()
    await ada.is_in()
    await ada.ask("echo: from afar")
    assert await ada.until_done() == "from afar"
    await ada.page.reload()
    await expect(ada.titles()).to_have_text(["echo: from afar"])
    await expect(ada.answers()).to_have_text(["from afar"])
    await ada.sign_out()
    await ada.sign_in()
    await expect(ada.titles()).to_have_text(["echo: from afar"])
    assert ada.errors == []
