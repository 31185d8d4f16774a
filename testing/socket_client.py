"""A raw Socket.IO client over a WebSocket, without our page.

It speaks just enough of Engine.IO 4 and Socket.IO 5 over one WebSocket, checks nothing, and can
set every header and the client token.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

NAMESPACE = "/_event"
SILENCE_SECONDS = 30
"""When to give up, so that a test that goes wrong ends."""


class SocketClient:
    """One open socket.

    Attributes:
        socket: The WebSocket itself.
        frames: Every Socket.IO packet received so far, decoded: `[name, *arguments]`, or the
            whole text of a packet that is not an event.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Any] = []

    async def boot(self, event: Mapping[str, Any] | None = None, schema: str = "") -> None:
        """Open the namespace, as the page does, with its first event in the CONNECT packet."""
        auth: dict[str, Any] = {}
        if event is not None:
            auth["event"] = event
        if schema:
            auth["state_schema"] = schema
        await self.send_raw(f"40{NAMESPACE},{json.dumps(auth)}")
        await self.until(lambda frame: isinstance(frame, str) and frame.startswith("40"))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send one WebSocket frame as it is."""
        await self.socket.send(frame)

    async def send_event(self, name: str, payload: Mapping[str, Any] | None = None) -> None:
        """Call an event handler by its full name."""
        event = {"name": name, "payload": payload or {}, "router_data": {"pathname": "/"}}
        await self.send_raw(f"42{NAMESPACE},{json.dumps(['event', event])}")

    async def receive(self) -> Any:
        """The next Socket.IO packet; pings are answered and the handshake is passed over.

        Raises:
            ConnectionClosed: The server closed; `closed_code` has the code.
            TimeoutError: Nothing came for so long that nothing will.
        """
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                text = await self.socket.recv()
            if text == "2":
                await self.socket.send("3")
            elif isinstance(text, str) and text.startswith("4"):
                frame = _decoded(text)
                self.frames.append(frame)
                return frame

    async def until(self, found: Any) -> Any:
        """Receive until a packet satisfies `found`, and return it."""
        while True:
            frame = await self.receive()
            if found(frame):
                return frame

    async def closed_code(self) -> int:
        """Receive until the server closes, and return its close code."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed:
            return self.socket.close_code or 0


def _decoded(text: str) -> Any:
    head = f"42{NAMESPACE},"
    return json.loads(text[len(head) :]) if text.startswith(head) else text


def handshake_url(url: str, token: str, **query: str) -> str:
    """The address of the socket of a server at `url`, such as `http://localhost:3000`."""
    asked = {"token": token, "EIO": "4", "transport": "websocket", **query}
    return f"{url.replace('http', 'ws', 1)}/_event/?{urlencode(asked)}"


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: str | None = None,
    cookie: str | None = None,
    origin: str | None = "",
    headers: Mapping[str, str] | None = None,
    subprotocols: tuple[str, ...] = (),
    address: str | None = None,
    port: int | None = None,
) -> AsyncIterator[SocketClient]:
    """Connect to a server.

    Args:
        url: The server's origin.
        token: The client token; a new one when None.
        cookie: The whole Cookie header, if any.
        origin: The Origin header; the server's own when empty, none at all when None.
        headers: More headers.
        subprotocols: What the page's version would be.
        address: The whole WebSocket address, instead of the one made of `url` and `token`.
        port: The port of this machine to connect to, whatever host `url` names.

    Raises:
        InvalidStatus: The server refused the handshake.
    """
    asked = dict(headers or {})
    peer: dict[str, Any] = {} if port is None else {"host": "localhost", "port": port}
    if cookie is not None:
        asked["Cookie"] = cookie
    async with open_websocket(
        address or handshake_url(url, token or str(uuid4())),
        origin=Origin(url if origin == "" else origin) if origin is not None else None,
        additional_headers=asked,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        compression=None,
        max_size=None,
        ping_interval=None,
        close_timeout=2,
        proxy=None,
        **peer,
    ) as socket:
        yield SocketClient(socket)


async def opened(stack: AsyncExitStack, url: str, **how: Any) -> SocketClient:
    """A socket that the recording app of a gateway under test has greeted."""
    client = await stack.enter_async_context(connect(url, **how))
    assert await client.receive() == "4hello"
    return client
