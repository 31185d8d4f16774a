"""Open requests and WebSockets, so that a graceful shutdown can end them.

Granian waits for open streams as long as they last, so a streaming answer would keep a stopping
process alive. The connections are ended here first.
"""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

_GOING_AWAY = 1001  # RFC 6455 §7.4.1
_LIVENESS = "/healthz"  # a process that shuts down is alive; killing it now would lose answers
_BODY = (
    b'{"error":"unavailable","reason":"draining",'
    b'"message":"The server is stopping. Try again in a few seconds."}'
)


class OpenRequests:
    """ASGI middleware that registers open requests and sockets.

    Args:
        app: The ASGI app.
        state: The lifespan state of the app.
    """

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._open: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket; refuse it during shutdown."""
        if self._is_closed and scope.get("path") != _LIVENESS:
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
        """Refuse new requests and sockets; open ones continue."""
        self._is_closed = True

    async def end(self, *, within: float) -> None:
        """Cancel open requests and close open sockets.

        Args:
            within: Seconds to wait for them.
        """
        self.close()
        tasks = set(self._open)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=within)


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _GOING_AWAY})
        return
    headers = [
        (b"retry-after", b"5"),
        (b"connection", b"close"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_BODY)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    is_head = scope.get("method") == "HEAD"
    await send({"type": "http.response.body", "body": b"" if is_head else _BODY})
