"""One run on many wires: the real clients and the page follow it, and all of them see one text."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from playwright.async_api import Page, expect

from testing.ag_ui_clients import open_agent
from testing.ai_sdk_clients import Clients, run_clients
from testing.assistant_cloud import CloudClient
from testing.browser_user import TIMEOUT_MS, BrowserUser, Meet, until_done, until_text
from testing.program import Program
from testing.two_devices import row

TESTS = Path(__file__).parents[1]
SLOW = "fake:1x120"
WORDS = " ".join(f"wave{number}" for number in range(1_500))
"""What the slow model says: minutes of it, so that it is always stopped before its end."""
READ = 10
"""How many pieces a reader gets before it loses its connection."""


@dataclass(frozen=True)
class AllClients:
    """The clients' processes."""

    ai_sdk: Clients
    ag_ui: Clients
    cloud: Clients


@pytest_asyncio.fixture(loop_scope="session")
async def clients(tmp_path: Path) -> AsyncIterator[AllClients]:
    """The clients of the AI SDK, AG-UI and AssistantCloud."""
    async with AsyncExitStack() as stack:
        running = list[Clients]()
        for name in ("ai_sdk", "ag_ui", "assistant_cloud"):
            folder = tmp_path / name
            folder.mkdir()
            running.append(await stack.enter_async_context(run_clients(TESTS / name, folder)))
        yield AllClients(*running)


@dataclass
class SignedIn:
    """A user's session, for programs beside the page.

    Attributes:
        headers: What the user's requests carry.
    """

    url: str
    headers: dict[str, str]

    @classmethod
    async def of(cls, user: BrowserUser) -> "SignedIn":
        """The session of a page."""
        cookies = await user.context.cookies(user.url)
        cookie = "; ".join(f"{one['name']}={one['value']}" for one in cookies if "name" in one)  # pyright: ignore[reportTypedDictNotRequiredAccess]
        return cls(user.url, {"Cookie": cookie, "Origin": user.url})

    def http(self) -> httpx.AsyncClient:
        """A client with that session."""
        return httpx.AsyncClient(
            base_url=self.url, headers=self.headers, trust_env=False, timeout=TIMEOUT_MS / 1000
        )

    async def cloud(self, clients: Clients, version: str) -> CloudClient:
        """A client of AssistantCloud that gets its tokens by that session."""
        name = f"cloud-{version}"
        await clients.call(
            "open", client=name, version=version, url=self.url, headers=self.headers, mode={}
        )
        return CloudClient(clients, name)


@dataclass
class SseReader:
    """Reads `GET /api/chat/resume/{id}` as a program without a library does.

    Attributes:
        text: The text so far.
        last_id: The `id` of the last event.
        ends: The kinds of the last events.
        has_begun: Set with the first text.
    """

    text: str = ""
    last_id: str = ""
    ends: list[str] = field(default_factory=list[str])
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, http: httpx.AsyncClient, run_id: str, pieces: int | None = None) -> None:
        """Read to the end, or so many pieces of text, and go on where this reader was."""
        headers = {"Accept": "text/event-stream"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        path = f"/api/chat/resume/{run_id}"
        async with http.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200, response.status_code
            async for line in response.aiter_lines():
                if line.startswith("id: "):
                    self.last_id = line.removeprefix("id: ")
                elif line.startswith("data: {"):
                    self._take(json.loads(line.removeprefix("data: ")))
                    pieces = pieces and pieces - ("delta" in line)
                elif not line and pieces == 0:
                    return

    def _take(self, chunk: dict[str, Any]) -> None:
        if chunk["type"] == "text-delta":
            self.text += chunk["delta"]
            self.has_begun.set()
        elif chunk["type"] in ("abort", "finish", "error"):
            self.ends.append(chunk["type"])


def text_of(message: Any) -> str:
    """The text of a message of the AI SDK's, or of a stored one."""
    return "".join(part.get("text", "") for part in message["parts"])


async def expect_text(page: Page, place: int, text: str) -> None:
    """Wait until a message of the page has a text; spaces at its ends are none in a page."""
    await expect(row(page, place).locator(".ct-text")).to_have_text(text.strip())


async def test_a_run_is_followed_on_every_wire_and_stopped_from_the_page(
    program: Program, meet: Meet, clients: AllClients
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    session = await SignedIn.of(ada)
    async with session.http() as http, asyncio.TaskGroup() as readers:
        thread = (await http.post("/api/threads", json={})).json()["id"]
        await ada.open(f"/c/{thread}")
        await expect(ada.page.get_by_test_id("composer")).to_be_visible()

        api = {"api": f"{program.url}/api/chat", "headers": session.headers}
        chat = await clients.ai_sdk.open("7", chatId=thread, body={"model": SLOW}, **api)
        sending = readers.create_task(chat.send(f"echo: {WORDS}"))
        await chat.seen('"text":"wave0 wave1')  # the question begins otherwise
        run = (await http.get(f"/api/threads/{thread}/messages")).json()["run"]

        joining = await open_agent(clients.ag_ui, session, thread)
        joined = readers.create_task(joining.run())
        connecting = await open_agent(clients.ag_ui, session, thread)
        connected = readers.create_task(connecting.connect())
        resumed, cut = SseReader(), SseReader()
        readers.create_task(resumed.read(http, run["id"]))
        await cut.read(http, run["id"], READ)
        begun = cut.text
        readers.create_task(cut.read(http, run["id"]))

        await joining.seen("wave2")
        await connecting.seen("wave2")
        await asyncio.wait_for(resumed.has_begun.wait(), TIMEOUT_MS / 1000)
        await until_text(ada.page, least=len(begun) + 1)
        await ada.page.get_by_test_id("stop").click()
        await expect(row(ada.page, 1)).to_have_attribute("data-status", "stopped")

    question, stored = await ada.stored()
    text = text_of(stored)
    assert (text_of(question), stored["status"]) == (f"echo: {WORDS}", "stopped")
    assert WORDS.startswith(text)
    assert len(begun) < len(text) < len(WORDS)
    assert text_of((await sending)["messages"][-1]) == text
    for followed in (await joined, await connected):
        assert [(one["id"], one["content"]) for one in followed["messages"]] == [
            (stored["id"], text)
        ]
        assert followed["end"]["outcome"] == {"type": "cancelled"}
    assert (resumed.text, resumed.ends) == (text, ["abort"])
    assert (cut.text, cut.ends) == (text, ["abort"])
    assert cut.text.startswith(begun)
    await expect_text(ada.page, 1, text)
    await ada.page.reload()
    await expect(row(ada.page, 1)).to_have_attribute("data-status", "stopped")
    await expect_text(ada.page, 1, text)
    assert ada.errors == []


async def test_a_thread_made_in_the_page_is_read_by_assistant_clouds_clients(
    program: Program, meet: Meet, clients: AllClients
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    for number, question in enumerate(("Is tea hot?", "And coffee?")):
        await ada.ask(f"{question} echo: Yes, {question}")
        await expect(row(ada.page, 2 * number + 1)).to_have_attribute("data-status", "complete")
    await until_done(ada.page)
    thread, stored = await ada.thread(), await ada.stored()
    texts = [text_of(message) for message in stored]
    assert texts[1::2] == ["Yes, Is tea hot?", "Yes, And coffee?"]
    for place, text in enumerate(texts):
        await expect_text(ada.page, place, text)
    session = await SignedIn.of(ada)
    for version in ("0.2", "0.1"):
        cloud = await session.cloud(clients.cloud, version)
        [listed] = (await cloud.call("threads.list"))["threads"]
        assert listed["id"] == thread
        query = {"format": "ai-sdk/v6"}
        listed = (await cloud.call("threads.messages.list", thread, query))["messages"][::-1]
        assert [one["id"] for one in listed] == [one["id"] for one in stored]
        assert [one["content"]["role"] for one in listed] == ["user", "assistant"] * 2
        assert [text_of(one["content"]) for one in listed] == texts
        decoded = await cloud.does("decode", thread=thread)
        read = ["".join(part["text"] for part in one["message"]["content"]) for one in decoded]
        assert read == texts
    assert ada.errors == []
