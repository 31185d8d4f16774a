"""Readers of sockets that cost so little that hundreds of them fit beside what is measured.

They count what comes and note when each marker came; they know just enough of RFC 6455 and of
Socket.IO to be a tab, and just enough of HTTP to read a stream.
"""

import asyncio
import base64
import json
import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from testing.sample_text import MARKER

_PATIENCE = 120
_HANDLER = b'42/_event,["event",'
_LOAD = "reflex___state____state.hydrate_and_load"
_FRAME = b'"f_rx_state_"'


class Reader(asyncio.Protocol):
    """One connection.

    Attributes:
        seen: When each marker came, in seconds since the epoch.
        sizes: The size of each frame that carried text, in bytes of payload.
    """

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}
        self.sizes: list[int] = []
        self.transport: asyncio.Transport | None = None
        self._waiting: list[tuple[bytes, asyncio.Future[bytes]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(exc or ConnectionError("The server closed."))

    def expect(self, what: bytes) -> "asyncio.Future[bytes]":
        """What will hold the next packet that contains these bytes."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((what, future))
        return future

    def note(self, packet: bytes) -> None:
        """Look at what came."""
        now = time.time()
        for found in MARKER.findall(packet.decode("utf-8", "replace")):
            self.seen.setdefault(int(found), now)
        for entry in [entry for entry in self._waiting if entry[0] in packet]:
            self._waiting.remove(entry)
            if not entry[1].done():
                entry[1].set_result(packet)

    def write(self, sent: bytes) -> None:
        assert self.transport is not None
        self.transport.write(sent)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class Stream(Reader):
    """An HTTP answer, chunk by chunk as it comes."""

    def data_received(self, data: bytes) -> None:
        self.note(data)


class Body(Stream):
    """An HTTP answer whose body is kept.

    Attributes:
        received: What came, with the head and the lengths of HTTP's chunks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received = bytearray()

    def data_received(self, data: bytes) -> None:
        self.received += data
        super().data_received(data)

    @property
    def body(self) -> bytes:
        """The body, as far as it has come."""
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" not in head.lower():
            return rest
        body = b""
        while (found := rest.partition(b"\r\n"))[1] and (size := int(found[0], 16)):
            body, rest = body + found[2][:size], found[2][size + 2 :]
        return body


class Tab(Reader):
    """A WebSocket of the program, as a page opens it.

    Attributes:
        place: Where the page says it is, in Reflex's words.
    """

    def __init__(self) -> None:
        super().__init__()
        self.place: dict[str, Any] = {"pathname": "/"}
        self._buffer = b""
        self._is_open = False

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self._is_open:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            self._is_open = True
            self.note(head)
        start, end = 0, len(buffer)
        while end - start >= 2:
            size, body = buffer[start + 1] & 127, start + 2
            if size >= 126:
                wide = 2 if size == 126 else 8
                size, body = int.from_bytes(buffer[body : body + wide], "big"), body + wide
            if end < body or end < body + size:
                break
            self._packet(buffer[body : body + size])
            start = body + size
        self._buffer = buffer[start:]

    def _packet(self, payload: bytes) -> None:
        if payload == b"2":
            self.say(b"3")
            return
        if _FRAME in payload and payload.startswith(_HANDLER):
            self.sizes.append(len(payload))
        self.note(payload)

    def say(self, payload: bytes) -> None:
        """Send one text frame; a client's are masked, and zeros are a mask."""
        size = len(payload)
        if size < 126:
            head = bytes((0x81, 0x80 | size))
        else:
            head = bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
        self.write(head + bytes(4) + payload)

    def call(self, name: str, payload: Mapping[str, Any]) -> None:
        """Call an event handler by its full name."""
        event = {"name": name, "payload": dict(payload), "router_data": self.place}
        self.say(f"42/_event,{json.dumps(['event', event])}".encode())


async def connect(url: str, kind: type[Reader]) -> Any:
    """A reader connected to a server."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(kind, "127.0.0.1", address.port or 80)
    return reader


async def open_tab(url: str, cookie: str, thread: str) -> Tab:
    """Open a person's thread in a tab, and wait until all of it is there."""
    tab: Tab = await connect(url, Tab)
    key = base64.b64encode(os.urandom(16)).decode()
    token = f"{os.urandom(4).hex()}-0000-4000-8000-{os.urandom(6).hex()}"
    host = urlsplit(url).netloc
    upgraded = tab.expect(b"101 ")
    tab.write(
        f"GET /_event/?token={token}&EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\n"
        f"Origin: {url}\r\nCookie: {cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    async with asyncio.timeout(_PATIENCE):
        await upgraded
        path = f"/c/{thread}"
        tab.place = {"pathname": "/c/[thread]", "asPath": path, "query": {"thread": thread}}
        event = {"name": _LOAD, "payload": {}, "router_data": tab.place}
        loaded = tab.expect(b'"is_hydrated_rx_state_":true')
        tab.say(f"40/_event,{json.dumps({'event': event})}".encode())
        await loaded
    return tab
