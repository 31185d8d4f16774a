"""A browser's own `EventSource` reads an answer, and reconnects when its connection is cut."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from testing.browser import chromium
from testing.browser_user import PASSWORD
from testing.program import Program

SLOW = "fake:250x20"
READ = """async (thread) => {
  window.got = [];
  window.opened = 0;
  window.source = new EventSource(`/api/chat/${thread}/stream`);
  source.onopen = () => opened++;
  source.onmessage = ({ data }) => got.push(data);
}"""
COUNT = "(count) => window.got.length >= count"
CLOSED = "() => window.source.readyState === EventSource.CLOSED"


class Line:
    """A TCP connection to the program that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """The port at which it begins."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]
            self.cut()

    def cut(self) -> None:
        """Break every connection that is open."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, back]
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def signed_up(program: Program) -> httpx.Client:
    http = httpx.Client(
        verify=False, base_url=program.url, headers={"Origin": program.url}, timeout=30
    )
    form = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "name": "Reader"}
    assert http.post("/api/auth/signup", data=form).status_code == 303
    return http


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")


async def test_an_event_source_reads_each_event_once_though_its_connection_is_cut(
    program: Program,
):
    http = signed_up(program)
    thread = http.post("/api/threads", json={}).json()["id"]
    said = {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
    body = {"id": thread, "messages": [said], "model": SLOW}
    address = urlsplit(program.url)
    assert address.port is not None
    line = Line(address.port)
    async with line.open() as port:
        rule = f"MAP {address.hostname}:{address.port} 127.0.0.1:{port}"
        async with chromium(flags=(f"--host-resolver-rules={rule}",)) as browser:
            page = await browser.new_page()
            cookies = [{"name": n, "value": v, "url": program.url} for n, v in http.cookies.items()]
            await page.context.add_cookies(cookies)  # pyright: ignore[reportArgumentType]
            await page.goto(f"{program.url}/api/docs")
            with http.stream("POST", "/api/chat", json=body) as begun:
                assert begun.status_code == 200
            await page.evaluate(READ, thread)
            await page.wait_for_function(COUNT, arg=5)
            line.cut()
            await page.wait_for_function(CLOSED)  # at a 204, after the last event
            got, opened = await page.evaluate("[window.got, window.opened]")
    assert opened == 2
    assert got.pop() == "[DONE]"
    chunks = list(map(json.loads, got))
    kinds = [chunk["type"] for chunk in chunks]
    assert [kind for kind in kinds if kind != "text-delta"] == [
        *("start", "start-step", "text-start", "text-end", "finish-step", "finish"),
    ]
    stored = http.get(f"/api/threads/{thread}/messages").json()["messages"][-1]
    assert text_of(chunks) == "".join(part["text"] for part in stored["parts"])
