"""A TCP relay in front of a server on loopback, which can cut connections in the middle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

TIMEOUT_SECONDS = 15.0
"""The timeout of a wait, in seconds, so that a bug is a failure and not a hang."""


class TcpRelay:
    """Passes bytes on, both ways, until it is told to cut.

    Args:
        to: The port of the server.

    Attributes:
        port: Where it listens.
        opened: How many connections were made.
        refuses: Whether new connections are closed at once.
        loses_next_response: Whether the next connection is cut before the first byte of its
            response, after the server has got the request.
    """

    def __init__(self, to: int) -> None:
        self.port = 0
        self.opened = 0
        self.refuses = False
        self.loses_next_response = False
        self._to = to
        self._open: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def cut(self) -> None:
        """Cut every connection, as a network does that is gone."""
        for writer in self._open:
            writer.transport.abort()

    async def until_opened(self, count: int) -> None:
        """Wait until so many connections were made."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: self.opened >= count)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._changed:
            self.opened += 1
            self._changed.notify_all()
        if self.refuses:
            writer.transport.abort()
            return
        loses, self.loses_next_response = self.loses_next_response, False
        there, onward = await asyncio.open_connection("localhost", self._to)
        self._open |= {writer, onward}
        try:
            sending = asyncio.create_task(_pass(reader, onward))
            with suppress(ConnectionError):
                if loses:
                    await there.read(1)
                    self.cut()
                await _pass(there, writer)
            sending.cancel()
        finally:
            self._open -= {writer, onward}
            onward.close()
            writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def tcp_relay(to: int) -> AsyncIterator[TcpRelay]:
    """A relay to a port."""
    relay = TcpRelay(to)
    server = await asyncio.start_server(relay._relay, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        relay.cut()
        server.close()
