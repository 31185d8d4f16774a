"""Chats of the AI SDK's own clients, in a process of bun's, and the server that they speak to."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from chat_app import services as installed
from chat_app.api.routes import http_app
from chat_app.gateway import Gateway
from chat_app.runs.service import RunService
from testing import bun
from testing.asgi_server import serve
from testing.oidc_app import program
from testing.program import free_port
from testing.run_services import PATIENCE, Answer, ScriptedModels, VirtualThrottle

EMAIL, PASSWORD = "ada@example.org", "plum-Otter-teapot-91"
LATEST = ("5", "6", "7")
"""Major versions of `ai`; `package.json` has the exact ones."""
VERSIONS = (*LATEST, "5-strict", "6-strict")
"""With two older ones that reject a chunk with a key that they do not know."""
READ_SECONDS = 120
"""The timeout of a command that reads many streams."""
CALL_SECONDS = 60
"""The timeout of another one. The first waits for the start of bun, which a busy machine delays."""


class Chat:
    """One chat of one client."""

    def __init__(self, clients: "Clients", name: str) -> None:
        self._clients = clients
        self._name = name

    async def send(self, text: str) -> Any:
        """Send a message and read its answer; the chat after that."""
        return await self._clients.call("send", chat=self._name, text=text)

    async def edit(self, message_id: str, text: str) -> Any:
        """Send another version of a message and read its answer; the chat after that."""
        return await self._clients.call("edit", chat=self._name, messageId=message_id, text=text)

    async def regenerate(self, message_id: str | None = None) -> Any:
        """Read another version of an answer, or of the last one; the chat after that."""
        return await self._clients.call("regenerate", chat=self._name, messageId=message_id)

    async def resume(self) -> Any:
        """Resume the answer of the chat; the chat after that."""
        return await self._clients.call("resume", chat=self._name)

    async def disconnect(self) -> None:
        """Stop reading, as a page that is left does."""
        await self._clients.call("disconnect", chat=self._name)

    async def seen(self, text: str) -> Any:
        """Wait until a text is in the messages; the chat then."""
        return await self._clients.call("seen", chat=self._name, text=text)

    async def streaming(self) -> None:
        """Wait until a stream arrives."""
        await self._clients.call("streaming", chat=self._name)


class Clients:
    """The process that holds the clients."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    async def call(self, do: str, **given: Any) -> Any:
        """Run a command of `clients.mjs`."""
        assert self._process.stdin is not None
        id_ = next(self._ids)
        answer = self._waiting[id_] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": id_, "do": do, **given}).encode() + b"\n")
        async with asyncio.timeout(READ_SECONDS if do == "read" else CALL_SECONDS):
            said = await answer
        assert "error" not in said, said["error"]
        return said.get("value")

    async def open(self, version: str, **options: Any) -> Chat:
        """A new chat.

        Args:
            version: The client's.
            options: The transport's options, `chatId` and `messages`.
        """
        name = f"chat-{next(self._ids)}"
        await self.call("open", chat=name, options={"version": version, **options})
        return Chat(self, name)

    async def close(self) -> None:
        self._process.kill()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if not (waiting := self._waiting.pop(said["id"])).done():
                waiting.set_result(said)
        for waiting in self._waiting.values():
            if not waiting.done():  # a test that failed waits no more
                waiting.set_exception(AssertionError("The clients' process has ended."))


@dataclass
class Server:
    """The server, with a user signed in.

    Attributes:
        headers: What the user's requests carry.
    """

    url: str
    models: ScriptedModels
    headers: dict[str, str]
    http: httpx.AsyncClient
    answers: int = 0

    async def options(self) -> dict[str, Any]:
        """The options of a chat in a new thread."""
        created = await self.http.post("/api/threads", json={})
        return {"chatId": created.json()["id"], **self.own_id}

    @property
    def own_id(self) -> dict[str, Any]:
        """The options of a chat that makes its id itself."""
        return {"api": f"{self.url}/api/chat", "headers": self.headers}

    async def next_answer(self) -> Answer:
        """The next call of the model."""
        self.answers += 1
        return await self.models.one.answer(self.answers)

    async def messages(self, thread_id: str) -> list[Any]:
        """The stored messages of a thread."""
        return (await self.http.get(f"/api/threads/{thread_id}/messages")).json()["messages"]

    async def stop(self, thread_id: str) -> None:
        """Stop the answer of a thread."""
        assert (await self.http.post(f"/api/chat/{thread_id}/stop")).status_code == 204


@asynccontextmanager
async def run_clients(project: Path, folder: Path) -> AsyncIterator[Clients]:
    """The clients' process.

    Args:
        project: The folder with `clients.mjs`, `package.json` and `bun.lock`.
        folder: An empty folder.
    """
    shutil.copy(project / "clients.mjs", folder)
    (folder / "node_modules").symlink_to(bun.locked_packages(project) / "node_modules")
    process = await asyncio.create_subprocess_exec(
        *(bun.program(), "clients.mjs"),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**30,
    )
    clients = Clients(process)
    try:
        yield clients
    finally:
        await clients.close()


@asynccontextmanager
async def run_server(folder: Path) -> AsyncIterator[Server]:
    """The real server behind its gateway; only the models are scripted.

    Args:
        folder: Where its data lives.
    """
    port, models = free_port(), ScriptedModels()
    often = {"limit_messages": "1000/minute", "limit_threads": "1000/minute"}
    async with program(folder, port=port, chat_titles=False, **often) as one:
        live = one.live
        runs = RunService(live.db, live.bus, models, live.settings, live.clock, VirtualThrottle())  # pyright: ignore[reportArgumentType]
        live.runs = runs
        await runs.start()
        await one.user(EMAIL)
        browser = one.browser()
        await browser.post("/api/auth/callback/credentials", email=EMAIL, password=PASSWORD)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.ours.items())
        headers = {"Cookie": cookie, "Origin": one.home}
        async with (
            serve(Gateway(http_app(), services=installed.services), port),
            httpx.AsyncClient(
                verify=False, base_url=one.home, headers=headers, trust_env=False, timeout=PATIENCE
            ) as http,
        ):
            try:
                yield Server(one.home, models, headers, http)
            finally:
                await runs.drain()
