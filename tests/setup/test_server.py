import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

ROOT = Path(__file__).parents[2]
TIMEOUT = 60  # seconds; only a server that never ends needs them


class ServerProcess:
    """The small program, being served by another process."""

    def __init__(self, *arguments: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "testing.echo_server", str(self.port), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.stdout = self.process.stdout
        assert self.stdout.readline() == "ready\n"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def end(self, number: signal.Signals = signal.SIGTERM) -> list[str]:
        """Send a signal, wait, and return what the program said since it was ready."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=TIMEOUT)
        return said.splitlines()


Serve = Callable[..., ServerProcess]


@pytest.fixture
def served() -> Iterator[Serve]:
    started: list[ServerProcess] = []

    def serve(*arguments: str) -> ServerProcess:
        started.append(ServerProcess(*arguments))
        return started[-1]

    yield serve
    for one in started:
        one.process.kill()
        one.process.wait()
        one.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_with_open_sockets(served: Serve, number: signal.Signals) -> None:
    one = served()
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(connect(f"ws://{one.host}")) for _ in range(20)]
        assert {client.recv() for client in opened} == {"hello"}
        assert one.end(number) == ["ending with 0 readers"]
        assert one.process.returncode == 0
        for client in opened:
            with pytest.raises(ConnectionClosedOK) as closed:
                client.recv(timeout=TIMEOUT)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001


def test_a_reader_receives_the_end_before_its_connection_closes(served: Serve) -> None:
    one = served()
    with httpx.stream("GET", f"http://{one.host}/stream", timeout=TIMEOUT) as response:
        parts = response.iter_raw()
        heard = next(parts)
        assert one.end() == ["ending with 1 readers"]
        heard += b"".join(parts)
    assert heard == b"first last"
    assert one.process.returncode == 0


def test_an_endless_stream_is_cut_off(served: Serve) -> None:
    one = served()
    with httpx.stream("GET", f"http://{one.host}/endless", timeout=TIMEOUT) as response:
        parts = response.iter_raw()
        assert next(parts) == b"first "
        assert one.end() == ["ending with 1 readers"]
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)
    assert one.process.returncode == 0


def test_an_app_that_does_not_shut_down_is_left(served: Serve) -> None:
    one = served()
    httpx.get(f"http://{one.host}/hang", timeout=TIMEOUT)
    assert one.end() == ["ending with 0 readers"]
    assert one.process.returncode == 0


def test_a_blocked_event_loop_does_not_keep_the_process(served: Serve) -> None:
    one = served()
    with socket.create_connection(("127.0.0.1", one.port)) as client:
        client.sendall(b"GET /stall HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert one.process.stdout is not None
        assert one.process.stdout.readline() == "standing\n"
        one.end()
    assert one.process.returncode == 1


def test_a_second_signal_changes_nothing(served: Serve) -> None:
    one = served()
    one.process.send_signal(signal.SIGINT)
    assert one.end() == ["ending with 0 readers"]
    assert one.process.returncode == 0


def test_it_stops_with_its_parent_process(served: Serve) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    between = (
        "import subprocess, sys\n"
        "program = [sys.executable, '-m', 'testing.echo_server', sys.argv[1], '--with-parent']\n"
        "subprocess.run(program)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", between, str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    os.kill(parent.pid, signal.SIGKILL)
    # The pipe is closed when the last process that could write to it is gone.
    assert parent.stdout.read().splitlines() == ["ending with 0 readers"]
    parent.stdout.close()
    parent.wait()


def test_a_killed_server_leaves_the_port_free(served: Serve) -> None:
    one = served()
    with connect(f"ws://{one.host}"):
        one.process.kill()
        one.process.wait()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", one.port))
