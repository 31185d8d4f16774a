"""The control socket: a command tells the server of its data folder to look into the outbox.

What a command changes, it stores with its signals in one transaction (`db.outbox`). The socket says
only that there is something; PostgreSQL says the same by NOTIFY. So who can open the socket (mode
0600, in a folder of mode 0700) can make the server read rows, and nothing else.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import cast

from chat_app.core.logging import (
    SECURITY_EVENT_NAMES,
    SecurityEvent,
    log_security_event,
    security_logger,
)
from chat_app.core.signals import SECURITY_EVENTS, Bus, PublishedSignal, Signal

CONTROL_SOCKET = "control.sock"
"""Its name in the data folder."""
_TIMEOUT_SECONDS = 5.0
"""How long the server may take to look."""
_LOOK = b"look\n"
_DONE = b"done\n"
_INVALID = b"invalid\n"

logger = logging.getLogger(__name__)


class CommandBus(Bus):
    """The bus of a command: it remembers what no transaction has stored for the server."""

    def __init__(self) -> None:
        super().__init__()
        self._published: list[PublishedSignal] = []

    def publish(self, topic: str, signal: Signal) -> None:
        """Publish in this process, and remember it."""
        super().publish(topic, signal)
        self._published.append(PublishedSignal(topic, signal))

    def take(self) -> list[PublishedSignal]:
        """What was published since the last call."""
        taken, self._published = self._published, []
        return taken


class _Publisher(logging.Handler):
    """Publishes the security events of a process."""

    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self._bus = bus

    def emit(self, record: logging.LogRecord) -> None:
        fields = record.__dict__["fields"]
        # an ended session or key has a signal of its own
        if "user" in fields and fields["event"] != "api_key_ended":
            signal = Signal("security_event", reason=fields["event"], user_id=fields["user"])
            self._bus.publish(SECURITY_EVENTS, signal)


@contextlib.contextmanager
def forwarded_events(bus: CommandBus) -> Iterator[None]:
    """Let the running server log the security events that a command causes."""
    handler, level = _Publisher(bus), security_logger.level
    security_logger.addHandler(handler)
    security_logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        security_logger.removeHandler(handler)
        security_logger.setLevel(level)


def log_forwarded_event(signal: Signal) -> None:
    """Log a security event that a command has caused."""
    if signal.reason in SECURITY_EVENT_NAMES:
        event = cast(SecurityEvent, signal.reason)
        log_security_event(event, user=signal.user_id, by="command line")


async def tell_server(folder: Path) -> bool:
    """Tell the server that owns a data folder to look into the outbox.

    Args:
        folder: The data folder.

    Returns:
        Whether it has looked.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            with _address(folder) as address:
                reader, writer = await asyncio.open_unix_connection(address)
            with contextlib.closing(writer):
                writer.write(_LOOK)
                writer.write_eof()
                return await reader.readline() == _DONE
    except (OSError, TimeoutError):
        return False


@contextlib.asynccontextmanager
async def control_socket(look: Callable[[], Awaitable[None]], folder: Path) -> AsyncIterator[None]:
    """Listen on the control socket of a data folder until the block ends.

    Args:
        look: Looks into the outbox.
        folder: The data folder, which this process owns.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                writer.write(await _answer(look, reader))
                await writer.drain()

    try:
        server = await asyncio.start_unix_server(serve, sock=_bind(folder))
    except OSError as error:  # some shared and network folders hold no sockets
        logger.warning(
            "%s can't be created (%s): the server follows the command line within 15 seconds.",
            folder / CONTROL_SOCKET,
            error.strerror,
        )
        yield
        return
    try:
        yield
    finally:
        server.close()
        (folder / CONTROL_SOCKET).unlink(missing_ok=True)


async def _answer(look: Callable[[], Awaitable[None]], reader: asyncio.StreamReader) -> bytes:
    """Look into the outbox if that is what is asked."""
    if await reader.read(len(_LOOK) + 1) != _LOOK:
        logger.warning("The control socket received something else than a command sends.")
        return _INVALID
    await look()
    return _DONE


def _bind(folder: Path) -> socket.socket:
    """Bind the socket without listening, so no process can connect before its mode is set."""
    path = folder / CONTROL_SOCKET
    path.unlink(missing_ok=True)  # of a process that was killed; the folder is ours
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(folder) as address:
            server.bind(address)
        path.chmod(0o600)
    except OSError:
        server.close()
        raise
    return server


@contextlib.contextmanager
def _address(folder: Path) -> Iterator[str]:
    """The path of the socket, by way of an open folder where it is too long for an address.

    An address holds 107 bytes on Linux and 103 on macOS, which has no such way.
    """
    path = str(folder / CONTROL_SOCKET)
    if len(os.fsencode(path)) < 100 or not Path("/proc/self/fd").exists():
        yield path
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}/{CONTROL_SOCKET}"
    finally:
        os.close(opened)
