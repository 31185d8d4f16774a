"""A proxy that drops the upgrade of WebSockets is found out."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from chat_app.gateway.socket_arrivals import SocketArrivals
from testing.auth_api import everything_logged
from testing.gateway_server import GatewayServer
from testing.socket_client import connect

HANDSHAKE = "/_event/?EIO=4&transport=websocket&token=12345678"
WARNING = "drops the WebSocket upgrade"


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    with everything_logged(caplog):
        yield lambda: [
            text for record in caplog.records if WARNING in (text := record.getMessage())
        ]


async def test_a_handshake_that_arrives_without_its_upgrade_is_logged_once(
    server: GatewayServer, warnings: Any
) -> None:
    for _ in range(3):
        response = await server.client.get(HANDSHAKE, headers={"Origin": server.url})
        assert response.status_code == 404
    (line,) = warnings()
    assert "/_event" in line
    assert "docs/deployment.md" in line


async def test_other_requests_to_the_socket_s_path_are_not_logged(
    server: GatewayServer, warnings: Any
) -> None:
    ours = {"Origin": server.url}
    await server.client.get(HANDSHAKE)
    await server.client.get(HANDSHAKE, headers={"Origin": "https://evil.test"})
    await server.client.get("/_event", headers=ours)
    await server.client.get("/_event/?EIO=4&transport=polling&token=12345678", headers=ours)
    assert warnings() == []


async def test_a_page_without_a_socket_learns_whether_its_sockets_arrive(
    server: GatewayServer, warnings: Any
) -> None:
    assert (await server.client.get("/api/socket")).status_code == 401
    token, _ = server.sessions.issue()
    who = {"Cookie": server.cookie(token)}
    assert (await server.client.get("/api/socket", headers=who)).json() == {"socket": "missing"}
    assert warnings() == []  # it may be on its way
    await server.client.get("/api/socket?again", headers=who)
    assert len(warnings()) == 1
    async with connect(server.url, cookie=server.cookie(token)) as socket:
        await socket.receive()
        server.gateway.connections.arrivals = SocketArrivals()  # it has been open for long
        found = await server.client.get("/api/socket?again", headers=who)
        assert found.json() == {"socket": "arrived"}
    other, _ = server.sessions.issue()
    others = await server.client.get("/api/socket", headers={"Cookie": server.cookie(other)})
    assert others.json() == {"socket": "missing"}
    assert server.app.scopes[0]["type"] == "websocket"
    assert len(server.app.scopes) == 1


def test_an_arrival_counts_for_a_few_seconds_and_a_warning_for_minutes(warnings: Any) -> None:
    now = 0.0
    arrivals, session = SocketArrivals(lambda: now), uuid4()
    arrivals.arrived(session)
    now = 5.9
    assert arrivals.has_arrived(session)
    now = 6.1
    assert not arrivals.has_arrived(session)
    for seconds in (10.0, 309.0, 310.0):
        now = seconds
        arrivals.warn()
    assert len(warnings()) == 2
