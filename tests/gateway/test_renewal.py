"""Renewed session tokens: set as the cookie of a response, unless it is outdated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.types import Receive, Scope, Send

from chat_app.core.signals import TOKENS, Signal
from testing.gateway_server import GatewayServer, RecordingApp

NEW = "the.successor"


@pytest.mark.parametrize("path", ["/", "/api/threads", "/api/auth/session"])
async def test_any_response_sets_the_renewed_cookie(server: GatewayServer, path: str) -> None:
    token, _ = server.sessions.issue(renewed=NEW, max_age=99)
    response = await server.client.get(path, headers={"Cookie": server.cookie(token)})
    assert response.status_code == 200
    assert response.headers.get_list("set-cookie") == [
        f"chat_session={NEW}; Path=/; HttpOnly; SameSite=Lax; Max-Age=99"
    ]


async def test_a_redirect_of_the_gateway_sets_it_too(open_server: Any, tmp_path: Path) -> None:
    build = tmp_path / "client"
    build.mkdir()
    (build / "index.html").write_text("<p>page</p>")
    async with open_server(build=build) as server:
        token, _ = server.sessions.issue(renewed=NEW)
        response = await server.client.get("/signin", headers={"Cookie": server.cookie(token)})
        assert response.status_code == 303
        assert response.headers["set-cookie"].startswith(f"chat_session={NEW};")


async def test_without_a_renewed_token_no_cookie_is_set(server: GatewayServer) -> None:
    token, _ = server.sessions.issue()
    for cookie in ({}, {"Cookie": server.cookie(token)}, {"Cookie": server.cookie("unknown")}):
        response = await server.client.get("/api/auth/session", headers=cookie)
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize("says", ["chat_session=another; Path=/", "chat_session=; Max-Age=0"])
async def test_a_response_that_sets_the_session_cookie_itself_wins(
    server: GatewayServer, says: str
) -> None:
    token, _ = server.sessions.issue(renewed=NEW)
    server.app.headers = [(b"set-cookie", b"chat_csrf=1"), (b"Set-Cookie", says.encode())]
    response = await server.client.get(
        "/api/auth/session", headers={"Cookie": server.cookie(token)}
    )
    assert response.headers.get_list("set-cookie") == ["chat_csrf=1", says]


async def test_another_cookie_does_not_prevent_the_renewal(
    server: GatewayServer,
) -> None:
    token, _ = server.sessions.issue(renewed=NEW)
    server.app.headers = [(b"set-cookie", b"chat_session_other=1")]
    response = await server.client.get(
        "/api/auth/session", headers={"Cookie": server.cookie(token)}
    )
    assert len(response.headers.get_list("set-cookie")) == 2


def _ended(server: GatewayServer, session_id: UUID) -> None:
    server.sessions.revoke(session_id)


def _replaced(server: GatewayServer, session_id: UUID) -> None:
    server.services.bus.publish(TOKENS, Signal("session_token", credential_id=session_id))


@pytest.mark.parametrize("happens", [_ended, _replaced])
async def test_a_session_that_changed_meanwhile_is_not_renewed(
    open_server: Any, happens: Callable[[GatewayServer, UUID], None]
) -> None:
    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        happens(servers[0], session_id)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    servers: list[GatewayServer] = []
    async with open_server(app=RecordingApp(respond=respond)) as server:
        servers.append(server)
        token, session_id = server.sessions.issue(renewed=NEW)
        response = await server.client.get(
            "/api/auth/session", headers={"Cookie": server.cookie(token)}
        )
        assert response.status_code == 200
        assert "set-cookie" not in response.headers


async def test_over_https_the_renewed_cookie_is_secure(open_server: Any) -> None:
    async with open_server(app_url="https://chat.example") as server:
        token, _ = server.sessions.issue(renewed=NEW)
        headers = {"Host": "chat.example", "Cookie": f"__Host-chat_session={token}"}
        response = await server.client.get("/api/auth/session", headers=headers)
        assert response.headers["set-cookie"] == (
            f"__Host-chat_session={NEW}; Path=/; HttpOnly; SameSite=Lax; Secure"
        )
