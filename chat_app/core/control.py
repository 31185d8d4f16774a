"""The control socket: what the command line changes is heard by the running server at once.

A command changes rows beside the server and publishes signals in its own process. It then repeats
them on the server's bus through a Unix socket in the data folder. Who can open the socket (mode
0600, in a folder of mode 0700) can also write the database, so it authenticates nothing; and a
signal carries no content, so the worst that a wrong one does is that rows are read again.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter, ValidationError

from chat_app.core.logging import (
    SECURITY_EVENT_NAMES,
    SecurityEvent,
    log_security_event,
    security_logger,
)
from chat_app.core.signals import SECURITY_EVENTS, Bus, Signal

CONTROL_SOCKET = "control.sock"
"""Its name in the data folder."""
_TIMEOUT_SECONDS = 5.0
"""How long a command may take to send its signals, and the server to publish them."""
_DONE = b"done\n"
_INVALID = b"invalid\n"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublishedSignal:
    """A signal and the topic it was published on: one line of JSON on the socket.

    Args:
        topic: The topic.
        signal: The signal.
    """

    topic: str
    signal: Signal


_LINES = TypeAdapter(PublishedSignal)


class ForwardingBus(Bus):
    """The bus of a command: it remembers what is published, for the running server."""

    def __init__(self) -> None:
        super().__init__()
        self._published: list[PublishedSignal] = []

    def publish(self, topic: str, signal: Signal) -> None:
        """Publish in this process, and remember it."""
        super().publish(topic, signal)
        self._published.append(PublishedSignal(topic, signal))

    async def forward(self, folder: Path) -> bool:
        """Publish everything on the bus of the server that owns a data folder.

        Args:
            folder: The data folder.

        Returns:
            Whether a server heard it, or there was nothing to hear.
        """
        if not self._published:
            return True
        lines = [_LINES.dump_json(published) + b"\n" for published in self._published]
        self._published.clear()
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                with _address(folder) as address:
                    reader, writer = await asyncio.open_unix_connection(address)
                with contextlib.closing(writer):
                    writer.writelines(lines)
                    writer.write_eof()
                    return await reader.readline() == _DONE
        except (OSError, TimeoutError):
            return False


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
def forwarded_events(bus: ForwardingBus) -> Iterator[None]:
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


@contextlib.asynccontextmanager
async def control_socket(bus: Bus, folder: Path) -> AsyncIterator[None]:
    """Listen on the control socket of a data folder until the block ends.

    Args:
        bus: Receives the signals of the commands.
        folder: The data folder, which this process owns.
    """

    bus.subscribe_callback(SECURITY_EVENTS, log_forwarded_event)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                writer.write(await _publish_lines(bus, reader))
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


async def _publish_lines(bus: Bus, reader: asyncio.StreamReader) -> bytes:
    """Publish the signals that a command sends; all of them or none."""
    try:
        lines = [line async for line in reader]
        published = [_LINES.validate_json(line) for line in lines]
    except (ValidationError, ValueError):
        logger.warning("The control socket received something that is not a signal.")
        return _INVALID
    for one in published:
        bus.publish(one.topic, one.signal)
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
