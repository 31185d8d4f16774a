"""A streaming response: chunks as they come, a keepalive when idle, closed with its reader."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chat_app.core.clock import WaitLimit

THREAD_HEADER = "x-thread-id"
"""In a response, the thread that a message is in. In a request of OpenAI's and Anthropic's clients,
the thread that a stored call goes on with."""
STREAM_HEADER = "x-resumable-stream-id"
"""What assistant-ui resumes a stream by: the id of the run."""
SEND_BODY = "chat_app.send_body"
"""The key of the ASGI scope with the `send` of the gateway, for the body only: what stands between
looks at the start of a response, and would cost each token as much as its text."""
SET_ERROR_EVENT = "chat_app.set_error_event"
"""The key of the ASGI scope with a function of the gateway: it takes what makes the last event of
this response, should its credential end, in place of that of its family."""
KEEPALIVE_SECONDS = 15.0
"""How long a stream may be idle."""
UNREAD_SECONDS = 30.0
"""How long a client may leave a chunk unread."""


class StreamResponse(Response):
    """Sends chunks as they come.

    When the client disconnects, or does not read, the chunks are closed; the run that produces them
    goes on.

    Args:
        chunks: The body.
        headers: The headers.
        keepalive: Is sent when the stream is idle.
        idle_seconds: How long a stream is idle before a keepalive.
        unread_seconds: How long a client may leave a chunk unread.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        headers: Mapping[str, str],
        *,
        keepalive: bytes,
        idle_seconds: float = KEEPALIVE_SECONDS,
        unread_seconds: float = UNREAD_SECONDS,
    ) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._chunks = chunks
        self._keepalive = keepalive
        self._idle_seconds = idle_seconds
        self._unread_seconds = unread_seconds
        self._send_lock = asyncio.Lock()  # a server takes one message at a time
        self._sent = 0
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._stream(receive, scope.get(SEND_BODY, send))
        finally:
            await self._chunks.aclose()  # also where nothing of them was sent

    async def _stream(self, receive: Receive, send: Send) -> None:
        limit = WaitLimit()
        tasks = {
            asyncio.ensure_future(work)
            for work in (
                self._pump(send, limit),
                self._keep_alive(send, limit),
                disconnected(receive),
            )
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            limit.close()
        for result in ended:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    async def _pump(self, send: Send, limit: WaitLimit) -> None:
        async with aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                await self._send(send, limit, chunk)
        await self._send(send, limit, b"", more=False)

    async def _keep_alive(self, send: Send, limit: WaitLimit) -> None:
        while True:
            before = self._sent
            await asyncio.sleep(self._idle_seconds)
            if before == self._sent:
                await self._send(send, limit, self._keepalive)

    async def _send(self, send: Send, limit: WaitLimit, chunk: bytes, *, more: bool = True) -> None:
        async with self._send_lock:
            if self._ended:
                return
            self._ended = not more
            self._sent += 1
            deadline = asyncio.get_running_loop().time() + self._unread_seconds
            with limit.until(deadline):  # its TimeoutError is an OSError
                await send({"type": "http.response.body", "body": chunk, "more_body": more})


async def disconnected(receive: Receive) -> None:
    """Wait until the client of a request has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
