"""A provider whose answer never ends, and the tabs of one session that receive it."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
from websockets.exceptions import ConnectionClosed

from resilience.attacker import Caller, load_page, question
from testing.fake_provider import STREAM_HEAD, FakeProvider, Request, text
from testing.program import Program
from testing.socket_client import SocketClient, connect

TOKEN_SECONDS = 0.02
PATIENCE = 40
"""Seconds; only a scenario that will fail waits so long."""
_FRAMES = 5
"""How many frames a tab has had when it surely hears an answer."""
_WORD = re.compile(r"word-(\d+) ")


class EndlessProvider:
    """Talks until its reader goes away, and knows when that was. It numbers its words.

    Attributes:
        said: The number of its last word.
        talking: How many have ever read.
        gone: When each reader went, in the seconds of `time.perf_counter`.
    """

    def __init__(self) -> None:
        self.said = 0
        self.talking = 0
        self.gone: list[float] = []

    async def answer(self, request: Request) -> None:
        """Answer one reader."""
        self.talking += 1
        leaving = asyncio.create_task(request.wait_for_disconnect())
        try:
            await request.send(STREAM_HEAD)
            while not leaving.done():
                self.said += 1
                await request.send(text(f"word-{self.said} "))
                await asyncio.wait({leaving}, timeout=TOKEN_SECONDS)
        finally:
            leaving.cancel()
            self.gone.append(time.perf_counter())

    @property
    def listeners(self) -> int:
        """How many still read."""
        return self.talking - len(self.gone)


@dataclass
class StreamWatcher:
    """A tab that notes what it was told, and when.

    Attributes:
        times: When each frame came, in the seconds of `time.perf_counter`.
        last_word: The latest word of the model in them.
        closed_at: When the socket was gone, after its last byte; 0 while it is open.
        code: What it was closed with.
    """

    socket: SocketClient
    times: list[float] = field(default_factory=list)
    last_word: int = 0
    closed_at: float = 0.0
    code: int = 0

    async def watch(self) -> None:
        """Listen until the socket is closed."""
        try:
            while True:
                frame = await self.socket.receive()
                self.times.append(time.perf_counter())
                words = map(int, _WORD.findall(json.dumps(frame)))
                self.last_word = max(words, default=self.last_word)
        except ConnectionClosed:
            self.closed_at = time.perf_counter()
            self.code = self.socket.socket.close_code or 0


def settings_for(provider: FakeProvider) -> dict[str, str]:
    """The settings of a program whose only model is there."""
    return {
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "sk-none",
        "CHAT_MODELS": "talker",
        "CHAT_MODEL": "talker",
        "SOCKETS_PER_SESSION": "200",
    }


async def second_device(caller: Caller) -> Caller:
    """The same person on another device, signed in."""
    other = Caller(caller.program)
    other.email = caller.email
    answer = await other.sign_in()
    assert "error" not in answer.text
    return other


@asynccontextmanager
async def watched_tabs(
    program: Program, caller: Caller, *, sockets: int, runs: int
) -> AsyncIterator[tuple[Sequence[StreamWatcher], Sequence[asyncio.Task[None]]]]:
    """Tabs of one session, each of which hears a running answer of it; and their tasks.

    Args:
        program: The program.
        caller: Whose session it is.
        sockets: How many tabs.
        runs: How many answers, each of which began in this session.
    """
    threads = [await _begin(caller.http) for _ in range(runs)]
    async with AsyncExitStack() as stack:
        watchers = []
        for turn in range(sockets):
            one = connect(program.url, cookie=caller.cookie, origin=program.url)
            socket = await stack.enter_async_context(one)
            await load_page(socket, threads[turn % runs])
            watchers.append(StreamWatcher(socket))
        tasks = [asyncio.create_task(one.watch()) for one in watchers]
        while any(len(one.times) < _FRAMES for one in watchers):  # noqa: ASYNC110 a list that grows
            await asyncio.sleep(TOKEN_SECONDS)
        yield watchers, tasks


async def until_over(talker: EndlessProvider, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait until every tab and every connection to the model is closed, or until the timeout."""
    await asyncio.wait(tasks, timeout=PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while talker.listeners:  # noqa: ASYNC110 a list that grows
            await asyncio.sleep(TOKEN_SECONDS)


async def _begin(http: httpx.AsyncClient) -> str:
    """Ask, and leave when the answer has begun; it goes on without a reader."""
    body = {"messages": [question("Talk on")]}
    async with http.stream("POST", "/api/chat", json=body) as answer:
        assert answer.status_code == 200
        async for _ in answer.aiter_text():
            break
        return answer.headers["x-thread-id"]
