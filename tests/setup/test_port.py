import socket
from collections.abc import Iterator

import pytest

from chat_app.server.server import PortTaken, check_port


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that shares its port, as ours does."""
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind(("127.0.0.1", 0))
        found.listen()
        yield found


def test_a_used_port_is_refused_with_a_message(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(PortTaken) as refused:
        check_port("127.0.0.1", port)
    assert refused.value.message.startswith(f"Port {port} is in use by another program; ")
    assert "PORT=" in refused.value.message


def test_another_server_on_ipv6_localhost_is_noticed() -> None:
    try:
        found = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        # without IPv6 nobody can be there
        check_port("127.0.0.1", _free_port())
        return
    with found, pytest.raises(PortTaken):
        check_port("127.0.0.1", found.getsockname()[1])


def test_a_port_with_connections_in_time_wait_is_free(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    accepted, _ = listener.accept()
    accepted.close()  # this side now waits for the last packets of the other
    listener.close()
    client.close()
    check_port("127.0.0.1", port)


def test_a_host_of_another_machine_is_refused_with_a_message() -> None:
    with pytest.raises(PortTaken) as refused:
        check_port("192.0.2.1", _free_port())
    assert "192.0.2.1" in refused.value.message


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
