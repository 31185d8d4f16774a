"""A fake model provider (OpenAI-compatible server) whose every byte the test decides."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from chat_app.llm import provider
from chat_app.llm.sse import SSEParser, SSEvent

API_KEY = "sk-canary-3f9a7c"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def wait_for_disconnect(self) -> None:
        while await self.reader.read(1024):
            pass
        self.gone.set()


class SteppedTime:
    """The event loop's time, which a fake provider moves on when a client has read its chunks.

    The timeouts of a stream are then seen without a wait, however slow the machine is.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop, stepped = asyncio.get_running_loop(), self
        real, self._passed = loop.time, 0.0
        self.begin()

        class Parser(SSEParser):
            def feed(self, chunk: bytes) -> list[SSEvent]:
                stepped._read.release()
                return super().feed(chunk)

        monkeypatch.setattr(loop, "time", lambda: real() + self._passed)
        monkeypatch.setattr(provider, "SSEParser", Parser)

    def begin(self) -> None:
        """Count the chunks of another response."""
        self._read = asyncio.Semaphore(0)

    async def step(self, seconds: float) -> None:
        """Wait until one more chunk was read, and let so many seconds pass."""
        await self._read.acquire()
        self._passed += seconds


Answer = Callable[[Request], Awaitable[None]]


class FakeProvider:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.arrived = asyncio.Event()
        self.origin = ""

    @property
    def url(self) -> str:
        return self.origin + "/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = first.split(" ")
            request = Request(
                method, path, headers, json.loads(body) if body else None, reader, writer
            )
            self.requests.append(request)
            self.arrived.set()
            await self.answer(request)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serve(
    answer: Answer, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[FakeProvider]:
    provider = FakeProvider(answer)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", port, ssl=tls)
    scheme, port = "https" if tls else "http", server.sockets[0].getsockname()[1]
    provider.origin = f"{scheme}://127.0.0.1:{port}"
    async with server:
        yield provider


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def text(content: str, **more: object) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": content}, **more}]})


def finish(reason: str = "stop") -> bytes:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def streamed(*pieces: bytes) -> Answer:
    async def answer(request: Request) -> None:
        await request.send(STREAM_HEAD, *pieces)

    return answer


def held_open(*pieces: bytes) -> Answer:
    """Send the pieces, then nothing more until the client goes away."""

    async def answer(request: Request) -> None:
        await request.send(*pieces)
        await request.wait_for_disconnect()

    return answer


def refused(status: int, body: object = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} No\r\ncontent-length: {len(raw)}\r\n{lines}\r\n"

    async def answer(request: Request) -> None:
        await request.send(head.encode(), raw)

    return answer
