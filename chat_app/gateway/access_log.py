"""The access log: a line for each request and each socket, when it has ended.

A line has the path without the query, which may hold tokens, and no user. Health checks that
succeed are left out.
"""

import logging
import time

from starlette.types import Message, Receive, Scope, Send

from chat_app.gateway.paths import RouteKind
from chat_app.gateway.request_context import RequestContext

_PATH_LENGTH = 500  # characters

logger = logging.getLogger("chat_app.access")


def configure_access_log(*, is_on: bool) -> None:
    """Turn the access log on, whatever the level of the other records, or off."""
    logger.setLevel(logging.INFO if is_on else logging.CRITICAL)


class AccessLogEntry:
    """Watches what a request or a socket sends, and logs it once.

    Args:
        context: The request.
        scope: Its ASGI scope.
        receive: The server's receive.
        send: The server's send.
    """

    def __init__(self, context: RequestContext, scope: Scope, receive: Receive, send: Send) -> None:
        self._context = context
        self._is_socket = scope["type"] == "websocket"
        self._path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
        self._receive, self._send = receive, send
        self._started = time.perf_counter()
        self._status = 0
        self._close_code: int | None = None
        self._bytes = 0

    async def receive(self) -> Message:
        """Receive, and note how the client closed a socket."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and self._close_code is None:
            self._close_code = message.get("code")
        return message

    async def send(self, message: Message) -> None:
        """Send, and note what."""
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
        elif kind == "http.response.body":
            self._bytes += len(message.get("body", b""))
        elif kind == "websocket.accept":
            self._status = 101
        elif kind == "websocket.close":
            self._status = self._status or 403  # what the server makes of a close before the accept
            self._close_code = message.get("code") if self._status == 101 else None
        elif kind == "websocket.send":
            text = message.get("text")
            self._bytes += len(message.get("bytes") or b"") if text is None else _size(text)
        await self._send(message)

    def log(self) -> None:
        """Write the line."""
        context = self._context
        if context.route is RouteKind.PROBE and self._status == 200:
            return
        method = "WEBSOCKET" if self._is_socket else context.method[:20]
        path = self._path.decode("latin-1")[:_PATH_LENGTH]
        fields: dict[str, object] = {
            "method": method,
            "path": path,
            "status": self._status or None,  # nothing was sent: the client has gone
            "bytes": self._bytes,
            "ms": round((time.perf_counter() - self._started) * 1000, 1),
            "client": context.client_ip,
        }
        if self._close_code is not None:
            fields["close_code"] = self._close_code
        logger.info("access", extra={"fields": fields})


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
