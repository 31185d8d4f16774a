"""The control socket: a command tells the server beside it to look into the outbox."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from chat_app.core.control import (
    CONTROL_SOCKET,
    CommandBus,
    control_socket,
    forwarded_events,
    log_forwarded_event,
    tell_server,
)
from chat_app.core.logging import log_security_event
from chat_app.core.signals import CREDENTIALS, SECURITY_EVENTS, PublishedSignal, Signal
from testing.auth_api import everything_logged

USER, SESSION = uuid4(), uuid4()


class Server:
    """Counts how often it looked."""

    def __init__(self) -> None:
        self.looked = 0

    async def look(self) -> None:
        self.looked += 1


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    one = Server()
    async with control_socket(one.look, tmp_path):
        yield one


async def _say(folder: Path, line: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(folder / CONTROL_SOCKET)
    writer.write(line)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_server_has_looked_when_the_command_goes_on(
    server: Server, tmp_path: Path
) -> None:
    assert await tell_server(tmp_path)
    assert server.looked == 1


async def test_what_a_command_publishes_is_heard_in_the_command_and_remembered() -> None:
    bus, heard = CommandBus(), []
    bus.subscribe_callback(CREDENTIALS, heard.append)
    ended = Signal("session_ended", credential_id=SESSION, reason="disabled")
    bus.publish(CREDENTIALS, ended)
    bus.deliver(CREDENTIALS, ended)  # a transaction has stored it
    assert heard == [ended, ended]
    assert bus.take() == [PublishedSignal(CREDENTIALS, ended)]
    assert bus.take() == [], "nothing is said twice"


async def test_only_the_servers_user_can_open_the_socket(server: Server, tmp_path: Path) -> None:
    status = (tmp_path / CONTROL_SOCKET).stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600


async def test_without_a_server_a_command_says_that_it_was_not_heard(tmp_path: Path) -> None:
    assert not await tell_server(tmp_path)
    async with control_socket(Server().look, tmp_path):
        assert await tell_server(tmp_path)
    assert not (tmp_path / CONTROL_SOCKET).exists()


async def test_the_socket_of_a_killed_server_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / CONTROL_SOCKET))
    assert not await tell_server(tmp_path)
    async with control_socket(Server().look, tmp_path):
        assert await tell_server(tmp_path)


async def test_a_path_too_long_for_an_address_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    async with control_socket(Server().look, folder):
        assert await tell_server(folder)


async def test_a_folder_that_holds_no_sockets_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with everything_logged(caplog):
        async with control_socket(Server().look, tmp_path / "missing"):
            pass
    assert "control.sock can't be created (No such file or directory)" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"hello\n", b"look", b"look\nlook\n", b"x" * 100_000),
        b'{"topic": "credentials", "signal": {"kind": "session_ended"}}\n',
    ],
)
async def test_what_no_command_sends_is_refused(
    server: Server, tmp_path: Path, line: bytes
) -> None:
    assert await _say(tmp_path, line) == b"invalid\n"
    assert server.looked == 0
    assert await tell_server(tmp_path)


async def test_what_a_command_does_to_a_user_is_in_the_log_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    command = CommandBus()
    with forwarded_events(command):
        log_security_event("user_disabled", user=USER)
        log_security_event("session_ended", session=SESSION)  # it has a signal of its own
    log_security_event("user_enabled", user=USER)
    command.publish(SECURITY_EVENTS, Signal("security_event", reason="forged", user_id=USER))
    caplog.clear()
    with everything_logged(caplog):
        for one in command.take():
            log_forwarded_event(one.signal)
    logged = [one.__dict__["fields"] for one in caplog.records if one.name == "chat_app.security"]
    assert logged == [{"event": "user_disabled", "user": USER, "by": "command line"}]
