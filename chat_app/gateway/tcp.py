"""Watches the TCP connections of this process, of which the server shows the app only a part.

Granian accepts connections before the app hears of them, limits neither how many an address opens
nor the size of a WebSocket message, and keeps the fragments of an unfinished one in memory. So the
sockets are looked up among the open files of the process, and those over a limit are shut down.
"""

import asyncio
import os
import socket
import stat
import struct
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

from chat_app.core.network import limited_network
from chat_app.gateway.connections import CloseCode, ConnectionRegistry, OpenSocket
from chat_app.settings import Settings

_OPEN_FILES = "/dev/fd"
_FILES_AT_ONCE = 100  # between which the event loop runs
_BYTES_RECEIVED = 128  # the offset of `tcpi_bytes_received` in `struct tcp_info` (Linux 4.1)

Peer = tuple[str, int]
"""The IP address and the port at the other end of a connection."""


@dataclass(eq=False)
class TcpWatch:
    """Ends connections over the limit of their address, and sockets with too large a message.

    Args:
        settings: The port, and the limits.
        connections: The registry of open sockets; counts what is ended.
    """

    settings: Settings
    connections: ConnectionRegistry
    _known: dict[Peer, None] = field(default_factory=dict[Peer, None], init=False)
    _read: dict[Peer, tuple[int, int]] = field(
        default_factory=dict[Peer, tuple[int, int]], init=False
    )  # of each socket: how many messages have come, and how many bytes until then
    _ended: set[Peer] = field(default_factory=set[Peer], init=False)

    async def check(self) -> None:
        """Look at every connection once."""
        sockets = self.connections.sockets()
        limit = self.settings.connections_per_address
        try:
            if not sockets and not self._ended and len(os.listdir(_OPEN_FILES)) <= limit:
                return  # with so few files no address can have too many connections
        except OSError:
            return  # this system does not show them
        peers: dict[Peer, None] = {}
        async for peer, connection in _connections(self.settings.api_port):
            peers[peer] = None
            if peer in sockets:
                self._check_size(sockets[peer], connection)
            elif peer in self._ended:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # it does not leave by itself
        known = [peer for peer in self._known if peer in peers]
        self._known = dict.fromkeys([*known, *peers])
        self._ended &= peers.keys()
        self._read = {peer: read for peer, read in self._read.items() if peer in peers}
        by_network: dict[str, list[Peer]] = defaultdict(list)
        for peer in self._known:
            if network := self._limited_network(peer[0]):
                by_network[network].append(peer)
        newest = {peer for them in by_network.values() for peer in them[limit:]}
        if newest:
            await self._end(newest)

    def _limited_network(self, ip: str) -> str | None:
        if self.settings.trusted_proxy_hops:
            return None
        return limited_network(ip, self.settings)

    async def _end(self, peers: set[Peer]) -> None:
        async for peer, connection in _connections(self.settings.api_port):
            if peer in peers:
                self.connections.refused["connections"] += 1
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _check_size(self, open_socket: OpenSocket, connection: socket.socket) -> None:
        """End a socket on which more has come than a message may have, and yet no message."""
        received = _bytes_received(connection)
        if received is None:
            return
        messages, before = self._read.get(open_socket.peer, (-1, 0))
        if messages != open_socket.messages:
            self._read[open_socket.peer] = open_socket.messages, received
        elif received - before > 2 * self.settings.socket_frame_bytes:
            open_socket.end(CloseCode.TOO_BIG)
            self._ended.add(open_socket.peer)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)


async def _connections(port: int) -> AsyncIterator[tuple[Peer, socket.socket]]:
    """The TCP connections to a port of this process, each open for as long as it is looked at."""
    for number, file in enumerate(sorted(map(int, os.listdir(_OPEN_FILES))), 1):
        if number % _FILES_AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            if not stat.S_ISSOCK(os.fstat(file).st_mode):
                continue
            # another descriptor of the same connection: the server may close its own meanwhile
            connection = socket.socket(fileno=os.dup(file))
        except OSError:
            continue
        with closing(connection):
            try:
                if connection.family not in (socket.AF_INET, socket.AF_INET6):
                    continue
                if connection.getsockname()[1] != port:
                    continue
                peer = connection.getpeername()
            except OSError:
                continue  # it listens, or is closed
            yield (peer[0], peer[1]), connection


def _bytes_received(connection: socket.socket) -> int | None:
    """How many bytes have come over a connection; None where the system does not say."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED + 8)
        return struct.unpack_from("=Q", info, _BYTES_RECEIVED)[0]
    except (AttributeError, OSError, struct.error):
        return None
