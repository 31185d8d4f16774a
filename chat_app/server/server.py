"""Is the port free? Asked before anything slow is done."""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from chat_app.core.errors import Conflict
from chat_app.server.lifespan import Lifespan
from chat_app.server.open_requests import App, OpenRequests


class PortTaken(Conflict):
    """The port cannot be used; the sentence says what to do."""

    code = "port_taken"


def check_port(host: str, port: int) -> None:
    """Refuse to start beside another server.

    The server itself would not notice: it shares its port with whoever also shares. And a
    browser asks `localhost` on IPv6 first, so a stranger there would answer in our place.

    Args:
        host: The address to listen on.
        port: The port, 1 to 65535.

    Raises:
        PortTaken: The port is in use, or may not be used by this user.
    """
    hosts = (host, "::1") if host in ("127.0.0.1", "localhost") else (host,)
    for address in hosts:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                # Connections that are merely fading away must not count.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError as error:
            _explain(error, address, port)


def _explain(error: OSError, address: str, port: int) -> None:
    if error.errno == errno.EADDRINUSE:
        raise PortTaken(
            f"Port {port} is taken by another program; stop it, or choose another port "
            f"with PORT={port + 1 if port < 65535 else 3001}."
        ) from None
    if error.errno == errno.EACCES:
        raise PortTaken(
            f"Port {port} is reserved for the system; choose one above 1023 with PORT=3000."
        ) from None
    if address == "::1":
        return  # this machine has no IPv6
    raise PortTaken(f"Cannot listen on {address} port {port}: {error.strerror}.") from None


_PROGRAM_SECONDS = 3.7
_CONNECTIONS_SECONDS = 0.3
_DEADLINE_SECONDS = 4.8
_SOCKETS = 10_000
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(
    app: App,
    *,
    host: str,
    port: int,
    name: str,
    ready: Callable[[], None],
    with_parent: bool = False,
) -> None:
    """Serve the program until a signal says stop, and end the process.

    Then: nothing new is taken, the program ends its work while its readers still listen, what is
    open is closed, and the process is gone after 4.8 seconds whatever happens.

    Args:
        app: The program.
        host: The address to listen on.
        port: The port.
        name: The Host header that the program answers to.
        ready: Called once, when the program has answered its first request.
        with_parent: Stop when the process that started this one is gone.

    Raises:
        NotStarted: The program refused to start without saying why; else its own exception.
    """
    uvloop.run(_serve(app, host, port, name, ready, with_parent))


async def _serve(
    app: App, host: str, port: int, name: str, ready: Callable[[], None], with_parent: bool
) -> NoReturn:
    stop = _stop_signal()
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
        backlog=1024,
        backpressure=_SOCKETS,
        log_level=LogLevels.error,
    )
    serving = asyncio.create_task(server.serve())
    telling = asyncio.create_task(_tell_when_ready(host, port, name, ready))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (telling, stopping):
        task.cancel()
    connections.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(lifespan.stop(), _PROGRAM_SECONDS)
    await connections.end(within=_CONNECTIONS_SECONDS)
    server.stop()
    await serving
    # Here and not after the loop: to end a loop is to wait for every task and thread of it, and one
    # may wait for a database that somebody else holds.
    _leave()


def _stop_signal() -> asyncio.Event:
    """An event that the first signal sets; the deadline begins with it.

    Later signals change nothing: a terminal and `make` often both pass one on.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(_number: int, _frame: object) -> None:
        if not stop.is_set():
            deadline = threading.Timer(_DEADLINE_SECONDS, _give_up)
            deadline.daemon = True
            deadline.start()
            stop.set()
            # wakes the loop, which a bare Event.set() from a signal does not
            loop.call_soon_threadsafe(stop.set)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and background jobs ignore some
            signal.signal(number, on_signal)
    return stop


def _leave() -> NoReturn:
    """End the process without Python's own teardown.

    A thread of the server may still be on its way out, and would find no interpreter.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _give_up() -> NoReturn:
    os._exit(1)


def _stop_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


async def _tell_when_ready(host: str, port: int, name: str, ready: Callable[[], None]) -> None:
    while not await _answers(host, port, name):  # noqa: ASYNC110 - the server has no such event
        await asyncio.sleep(0.02)
    ready()


async def _answers(host: str, port: int, name: str) -> bool:
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except OSError:
        return False
    try:
        writer.write(f"GET /ping HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.readline()).startswith(b"HTTP/")
    finally:
        writer.close()
