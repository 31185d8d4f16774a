"""The server process: check the port, serve with Granian, shut down gracefully."""

import asyncio
import contextlib
import errno
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp

from chat_app.core.errors import Conflict
from chat_app.server.lifespan import Lifespan
from chat_app.server.open_requests import OpenRequests


class PortTaken(Conflict):
    """The port cannot be used; the message says what to do."""

    code = "port_taken"


def check_port(host: str, port: int) -> None:
    """Refuse a port that another server uses.

    Granian would not notice, because it shares its port (SO_REUSEPORT). And a browser tries
    `localhost` on IPv6 first, so another server there would receive the requests.

    Args:
        host: The IP address to listen on.
        port: The port, 1 to 65535.

    Raises:
        PortTaken: The port is in use, or needs other permissions.
    """
    hosts = (host, "::1") if host in ("127.0.0.1", "localhost") else (host,)
    for candidate in hosts:
        family = socket.AF_INET6 if ":" in candidate else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                # Connections in TIME_WAIT do not count.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((candidate, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                other = port + 1 if port < 65535 else 3001
                message = (
                    f"Port {port} is in use by another program; stop it, or choose another port "
                    f"with PORT={other}."
                )
            elif error.errno == errno.EACCES:
                message = (
                    f"Port {port} is reserved for the system; choose one above 1023 with PORT=3000."
                )
            elif candidate == "::1":
                continue  # this machine has no IPv6
            else:
                message = f"Cannot listen on {candidate} port {port}: {error.strerror}."
            raise PortTaken(message) from None


_SHUTDOWN_SECONDS = 3.7
_CONNECTIONS_SECONDS = 0.3
_DEADLINE_SECONDS = 4.8
_MAX_CONNECTIONS = 10_000
_MAX_FILES = 2 * _MAX_CONNECTIONS
_HEAD_MILLISECONDS = 30_000
"""How long a connection may be open without a whole request head."""
_SWITCH_SECONDS = 0.001
"""How long a thread keeps the interpreter while the event loop waits for it. With Python's own 5 ms
each step of a request would wait that long while a long answer is being indexed."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


async def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    name: str,
    ready: Callable[[], None],
    with_parent: bool = False,
) -> NoReturn:
    """Serve the app until a signal, shut down gracefully, and end the process.

    The shutdown refuses new requests, drains the runs while their readers are still connected, and
    closes the connections. The process ends after 4.8 seconds whatever happens.

    Args:
        app: The ASGI app.
        host: The IP address to listen on.
        port: The port.
        name: The value of the Host header for the readiness request.
        ready: Called once, after the first response.
        with_parent: Stop when the parent process ends.

    Raises:
        StartupFailed: The startup failed; its own exception is raised instead if there is one.
    """
    stop = _stop_signal()
    sys.setswitchinterval(_SWITCH_SECONDS)
    _allow_open_files()
    if with_parent:
        threading.Thread(target=_stop_with_parent, args=(os.getppid(),), daemon=True).start()
    lifespan = Lifespan(app)
    connections = OpenRequests(app, lifespan.state)
    await lifespan.start()
    server = Server(
        connections,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEAD_MILLISECONDS),
        backlog=1024,
        backpressure=_MAX_CONNECTIONS,
        log_level=LogLevels.error,
    )
    server_task = asyncio.create_task(server.serve())
    announcing = asyncio.create_task(_call_when_ready(host, port, name, ready))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({server_task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (announcing, stopping):
        task.cancel()
    connections.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(lifespan.stop(), _SHUTDOWN_SECONDS)
    await connections.end(within=_CONNECTIONS_SECONDS)
    server.stop()
    await server_task
    # Exit here and not after the loop: ending a loop waits for all its tasks and threads, and one
    # may wait for a locked database.
    _exit_process()


def _stop_signal() -> asyncio.Event:
    """An event that the first signal sets; it also starts the deadline.

    Later signals are ignored: a terminal and `make` often both forward one.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(_number: int, _frame: object) -> None:
        if not stop.is_set():
            deadline = threading.Timer(_DEADLINE_SECONDS, os._exit, (1,))
            deadline.daemon = True
            deadline.start()
            stop.set()
            # wakes the loop, which a bare Event.set() from a signal does not
            loop.call_soon_threadsafe(stop.set)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and background jobs ignore some
            signal.signal(number, on_signal)
    return stop


def _allow_open_files() -> None:
    """Raise the soft limit on open files, which is lower than our own limit on many systems."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(_MAX_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _exit_process() -> NoReturn:
    """End the process without Python's own teardown: a thread of Granian may still be running."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _stop_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


async def _call_when_ready(host: str, port: int, name: str, ready: Callable[[], None]) -> None:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    request = f"GET /ping HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(target, port)
            with contextlib.closing(writer):
                writer.write(request)
                if (await reader.readline()).startswith(b"HTTP/"):
                    break
        await asyncio.sleep(0.02)  # the server has no event for this
    ready()
