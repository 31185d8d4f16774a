"""The access log and the request id."""

import logging
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from chat_app.core.logging import request_id
from chat_app.settings import read_settings
from testing.gateway_server import GatewayServer, RecordingApp
from testing.socket_client import connect

PUBLIC = {"app_url": "https://chat.example", "trusted_proxy_hops": 1}


class Recorder(logging.Handler):
    """Collects the fields of the access log."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(record.__dict__["fields"])


@pytest.fixture
def access():
    recorder, logger = Recorder(), logging.getLogger("chat_app.access")
    logger.addHandler(recorder)
    yield recorder.entries
    logger.removeHandler(recorder)


@pytest.mark.parametrize(
    ("given", "is_on"),
    [
        ({}, False),
        ({"access_log": "on"}, True),
        (PUBLIC, True),
        ({**PUBLIC, "access_log": "off"}, False),
        ({**PUBLIC, "access_log": "false"}, False),
        ({"host": "0.0.0.0", "app_url": "https://chat.example"}, True),
    ],
)
def test_the_access_log_is_off_while_only_this_machine_can_use_the_app(
    given: dict[str, Any], is_on: bool
) -> None:
    assert read_settings(**given).logs_access is is_on


async def test_a_request_is_one_entry_without_its_query(
    open_server, access: list[dict[str, Any]]
) -> None:
    async with open_server(access_log="on", trusted_proxy_hops=1) as server:
        headers = {"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "from-the-proxy-1"}
        response = await server.client.get("/a%20b?token=secret", headers=headers)
        await server.client.get("/healthz")
        (entry,) = access
        assert response.headers["x-request-id"] == "from-the-proxy-1"
    assert entry.pop("ms") >= 0
    assert entry == {
        "method": "GET",
        "path": "/a%20b",
        "status": 200,
        "bytes": 6,
        "client": "203.0.113.9",
    }


async def test_a_health_check_that_fails_is_logged(
    open_server, access: list[dict[str, Any]]
) -> None:
    async def respond(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with open_server(app=RecordingApp(respond=respond), access_log="on") as server:
        await server.client.get("/readyz")
    assert [(entry["path"], entry["status"]) for entry in access] == [("/readyz", 503)]


async def test_a_socket_is_one_entry_when_it_has_ended(
    open_server, access: list[dict[str, Any]]
) -> None:
    async with open_server(access_log="on") as server:
        async with connect(server.url) as socket:
            await socket.receive()
            assert access == []
        await server.finished.get()
        with pytest.raises(InvalidStatus):
            async with connect(server.url, origin="https://evil.test"):
                pass
        await server.finished.get()
    opened, refused = access
    assert (opened["method"], opened["path"], opened["status"]) == ("WEBSOCKET", "/_event/", 101)
    assert (opened["bytes"], opened["close_code"]) == (6, 1000)
    assert (refused["status"], refused.get("close_code")) == (403, None)


async def test_the_log_is_silent_when_it_is_off(
    server: GatewayServer, access: list[dict[str, Any]]
) -> None:
    await server.client.get("/")
    assert access == []


async def test_every_response_has_a_request_id_of_its_own(server: GatewayServer) -> None:
    seen: list[str] = []

    async def respond(_scope: Any, _receive: Any, send: Any) -> None:
        seen.append(request_id.get())
        headers = [(b"x-request-id", b"of the app")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    server.app.respond = respond
    forged = {"X-Request-ID": "from-a-client"}
    responses: list[httpx.Response] = [
        await server.client.get(path, headers=forged) for path in ("/", "/assets/a.js")
    ]
    ids = [response.headers["x-request-id"] for response in responses]
    assert ids == seen
    assert len({*ids, "from-a-client"}) == 3
    assert "x-request-id" in (await server.client.get("/_closed")).headers


@pytest.mark.parametrize("forged", ["a b", "x" * 65, "é", "a,b", ""])
async def test_a_request_id_with_other_characters_is_replaced(open_server, forged: str) -> None:
    async with open_server(trusted_proxy_hops=1) as server:
        headers = {"X-Request-ID": forged.encode("latin-1")}
        response = await server.client.get("/", headers=headers)
        assert response.headers["x-request-id"] != forged
