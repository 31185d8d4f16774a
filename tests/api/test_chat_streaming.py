"""`StreamResponse` alone: keepalives, disconnects, errors."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from chat_app.api.streaming import StreamResponse


class FakeConnection:
    """The server's side of one exchange."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.left = asyncio.Event()
        self.error: Exception | None = None
        self.news = asyncio.Condition()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        async with self.news:
            if self.error is not None:
                raise self.error
            self.sent.append(message)
            self.news.notify_all()

    async def until(self, chunk: bytes, count: int = 1) -> None:
        async with self.news:
            await self.news.wait_for(lambda: self.bodies.count(chunk) >= count)

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent if "body" in message]


class Source:
    """Chunks that the test gives one by one."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            while (chunk := await self.queue.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.closed = True


def begin(source: Source, connection: FakeConnection, silence: float) -> asyncio.Task[None]:
    answer = StreamResponse(source.chunks(), {"x-a": "b"}, keepalive=b":\n\n", idle_seconds=silence)
    return asyncio.create_task(answer({"type": "http"}, connection.receive, connection.send))


async def test_an_idle_stream_gets_keepalives_and_nothing_else():
    source, connection = Source(), FakeConnection()
    task = begin(source, connection, silence=0)
    await connection.until(b":\n\n", 2)
    source.queue.put_nowait(b"a")
    source.queue.put_nowait(None)
    await task
    assert [body for body in connection.bodies if body != b":\n\n"] == [b"a", b""]
    assert connection.sent[0]["status"] == 200
    assert (b"x-a", b"b") in connection.sent[0]["headers"]
    ends = [message["more_body"] for message in connection.sent[1:]]
    assert ends == [True] * (len(ends) - 1) + [False]


async def test_a_busy_stream_gets_no_keepalive():
    source, connection = Source(), FakeConnection()
    task = begin(source, connection, silence=3600)
    for chunk in (b"a", b"b", None):
        source.queue.put_nowait(chunk)
    await task
    assert connection.bodies == [b"a", b"b", b""]


async def test_a_disconnect_closes_the_source():
    source, connection = Source(), FakeConnection()
    task = begin(source, connection, silence=3600)
    source.queue.put_nowait(b"a")
    await connection.until(b"a")
    connection.left.set()
    await task
    assert source.closed


async def test_a_broken_connection_closes_the_source_quietly():
    source, connection = Source(), FakeConnection()
    task = begin(source, connection, silence=3600)
    source.queue.put_nowait(b"a")
    await connection.until(b"a")
    connection.error = OSError("gone")
    source.queue.put_nowait(b"b")
    await task
    assert source.closed


async def test_a_reader_that_does_not_read_is_left():
    source, connection = Source(), FakeConnection()

    async def send(message: Message) -> None:
        await connection.send(message)
        if message.get("body"):
            await asyncio.Event().wait()

    answer = StreamResponse(source.chunks(), {}, keepalive=b":\n\n", unread_seconds=0.01)
    source.queue.put_nowait(b"a")
    async with asyncio.timeout(20):
        await answer({"type": "http"}, connection.receive, send)
    assert source.closed


async def test_a_bug_in_the_source_is_not_hidden():
    source, connection = Source(), FakeConnection()
    task = begin(source, connection, silence=3600)
    source.queue.put_nowait(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        await task


async def test_a_cancelled_answer_leaves_nothing_running():
    source, connection = Source(), FakeConnection()
    task = begin(source, connection, silence=3600)
    source.queue.put_nowait(b"a")
    await connection.until(b"a")
    before = asyncio.all_tasks()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closed
    assert asyncio.all_tasks() < before
