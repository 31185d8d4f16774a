"""The control socket: a command beside a server is heard on the server's bus."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from chat_app.core.control import (
    CONTROL_SOCKET,
    ForwardingBus,
    control_socket,
    forwarded_events,
)
from chat_app.core.logging import log_security_event
from chat_app.core.signals import (
    CREDENTIALS,
    SECURITY_EVENTS,
    UNLOCKED_USERS,
    Bus,
    Signal,
    user_topic,
)
from testing.auth_api import everything_logged

USER, SESSION = uuid4(), uuid4()
PUBLISHED = [
    (CREDENTIALS, Signal("session_ended", credential_id=SESSION, reason="disabled")),
    (UNLOCKED_USERS, Signal("user_unlocked", account="ada@example.org")),
    (user_topic(USER), Signal("user")),
]


class ServerBus(Bus):
    """The bus of a server, with everything that was published on it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, Signal]] = []

    def publish(self, topic: str, signal: Signal) -> None:
        self.heard.append((topic, signal))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerBus]:
    bus = ServerBus()
    async with control_socket(bus, tmp_path):
        yield bus


def _command() -> ForwardingBus:
    bus = ForwardingBus()
    for topic, signal in PUBLISHED:
        bus.publish(topic, signal)
    return bus


async def _say(folder: Path, line: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(folder / CONTROL_SOCKET)
    writer.write(line)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_what_a_command_publishes_is_heard_by_the_server_in_order(
    server: ServerBus, tmp_path: Path
) -> None:
    command = _command()
    assert await command.forward(tmp_path)
    assert server.heard == PUBLISHED
    assert await command.forward(tmp_path)
    assert server.heard == PUBLISHED, "nothing is said twice"


async def test_it_is_published_in_the_command_too() -> None:
    bus, heard = ForwardingBus(), []
    bus.subscribe_callback(CREDENTIALS, heard.append)
    bus.publish(*PUBLISHED[0])
    assert heard == [PUBLISHED[0][1]]


async def test_only_the_servers_user_can_open_the_socket(server: ServerBus, tmp_path: Path) -> None:
    status = (tmp_path / CONTROL_SOCKET).stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600


async def test_without_a_server_a_command_says_that_nobody_heard_it(tmp_path: Path) -> None:
    assert not await _command().forward(tmp_path)
    async with control_socket(ServerBus(), tmp_path):
        assert await _command().forward(tmp_path)
    assert not (tmp_path / CONTROL_SOCKET).exists()
    assert await ForwardingBus().forward(tmp_path), "there was nothing to hear"


async def test_the_socket_of_a_killed_server_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / CONTROL_SOCKET))
    assert not await _command().forward(tmp_path)
    bus = ServerBus()
    async with control_socket(bus, tmp_path):
        assert await _command().forward(tmp_path)
    assert bus.heard == PUBLISHED


async def test_a_path_too_long_for_an_address_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    bus = ServerBus()
    async with control_socket(bus, folder):
        assert await _command().forward(folder)
    assert bus.heard == PUBLISHED


async def test_a_folder_that_holds_no_sockets_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with everything_logged(caplog):
        async with control_socket(ServerBus(), tmp_path / "missing"):
            pass
    assert "control.sock can't be created (No such file or directory)" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b'{"topic": "sessions"}\n',
        b'{"topic": "sessions", "signal": {"kind": "everything"}}\n',
        b'{"topic": "credentials", "signal": {"kind": "user", "credential_id": "7"}}\n',
        b'{"topic": "sessions", "signal": {"kind": "user"}}\n{"topic": "sess',
        b"x" * 100_000,
    ],
)
async def test_what_is_no_signal_is_refused_and_nothing_is_published(
    server: ServerBus, tmp_path: Path, line: bytes
) -> None:
    assert await _say(tmp_path, line) == b"invalid\n"
    assert server.heard == []
    assert await _command().forward(tmp_path)


async def test_what_a_command_does_to_a_user_is_in_the_log_of_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = ForwardingBus()
    with forwarded_events(command):
        log_security_event("user_disabled", user=USER)
        log_security_event("session_ended", session=SESSION)  # it has a signal of its own
    log_security_event("user_enabled", user=USER)
    command.publish(SECURITY_EVENTS, Signal("security_event", reason="forged", user_id=USER))
    caplog.clear()
    with everything_logged(caplog):
        async with control_socket(Bus(), tmp_path):
            assert await command.forward(tmp_path)
    logged = [one.__dict__["fields"] for one in caplog.records if one.name == "chat_app.security"]
    assert logged == [{"event": "user_disabled", "user": USER, "by": "command line"}]
