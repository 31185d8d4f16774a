"""The example on another host of the server's site, built by the command of its README."""

import re
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from testing import bun
from testing.asgi_server import serve
from testing.browser_user import PASSWORD
from testing.example_user import PROJECT, ExampleUser, is_out
from testing.tcp_relay import TcpRelay

from .conftest import Arrive

COMMAND = re.compile(r"^ +VITE_API_URL=(\S+) bun run --bun build$", re.MULTILINE)
SIGN_UP = """async ([api, email, password]) => {
    const body = new URLSearchParams({ email, password, name: "Ada" });
    const headers = { "X-Auth-Return-Redirect": "1" };
    const answer = await fetch(`${api}/api/auth/signup`, { method: "POST", body, headers });
    return (await answer.json()).url;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def ada(relay: TcpRelay, page_port: int, arrive: Arrive) -> AsyncIterator[ExampleUser]:
    """A user of the page on the one host, with the server on the other."""
    [written] = COMMAND.findall((PROJECT / "README.md").read_text())
    dist = bun.built_front_end(PROJECT, VITE_API_URL=written) / PROJECT.name / "dist"
    api = f"http://api.chat.localhost:{relay.port}"
    index = (dist / "index.html").read_text()
    assert index.count(written) == 1
    files = Mount("/assets", StaticFiles(directory=dist / "assets"))
    page = HTMLResponse(index.replace(written, api))
    async with serve(Starlette(routes=[files, Route("/", lambda _: page)]), page_port):
        yield await arrive("Ada", at=api, home=f"http://app.chat.localhost:{page_port}")


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
