"""Every request and socket that is open now, so that stopping can end them.

The server below waits for open streams for as long as they last: an answer that is being
streamed would keep a stopping process alive. So the connections are ended here first.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_GOING_AWAY = 1001  # RFC 6455 §7.4.1


class OpenRequests:
    """An ASGI app around the program's own.

    Args:
        app: The program.
        state: What the program's lifespan left for its requests.
    """

    def __init__(self, app: App, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._open: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket; refuse it when the program is stopping."""
        if self._is_closed:
            await _refuse(scope, send)
            return
        task = asyncio.current_task()
        assert task is not None, "a server runs each request in a task"
        self._open.add(task)
        try:
            await self._app({**scope, "state": dict(self._state)}, receive, send)
        except asyncio.CancelledError:
            if not self._is_closed:
                raise
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": _GOING_AWAY})
        finally:
            self._open.discard(task)

    def close(self) -> None:
        """Refuse everything new. What is open goes on."""
        self._is_closed = True

    async def end(self, *, within: float) -> None:
        """End what is open.

        Args:
            within: Seconds to wait for it.
        """
        self.close()
        left = set(self._open)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=within)


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _GOING_AWAY})
        return
    headers = [(b"retry-after", b"5"), (b"connection", b"close"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
