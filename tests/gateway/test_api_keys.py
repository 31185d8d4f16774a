"""API keys at the gateway: one credential per request, and where a key is read."""

import asyncio
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from chat_app.core.errors import DatabaseBusy
from testing.gateway_server import GatewayServer, RecordingApp, Streaming
from testing.route_cases import code_of
from testing.socket_client import connect

CREDENTIAL_HEADERS = ("Authorization", "x-api-key")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def credential_headers(header: str, token: str) -> dict[str, str]:
    return {header: f"Bearer {token}".strip() if header == "Authorization" else token}


@pytest.mark.parametrize("header", CREDENTIAL_HEADERS)
async def test_a_key_is_the_principal_and_reaches_no_route_as_a_header(
    server: GatewayServer, header: str
) -> None:
    token, key_id = server.keys.issue("chat")
    response = await server.client.get("/api/threads", headers=credential_headers(header, token))
    assert response.status_code == 200
    [scope] = server.app.scopes
    assert scope["principal"].credential_id == key_id
    assert scope["principal"].scopes == {"chat"}
    assert (scope["session"], scope["session_token"]) == (None, None)
    assert token not in str(scope["headers"])


@pytest.mark.parametrize(
    "spelling", ["Bearer {}", "bearer {}", "BEARER   {}", "Bearer\t{}", "Bearer\u00a0{}"]
)
async def test_the_scheme_has_any_case(server: GatewayServer, spelling: str) -> None:
    token, _ = server.keys.issue("chat")
    headers = [(b"authorization", spelling.format(token).encode("latin-1"))]
    response = await server.client.get("/api/threads", headers=headers)
    assert response.status_code == (401 if "\u00a0" in spelling else 200)


@pytest.mark.parametrize("header", CREDENTIAL_HEADERS)
async def test_with_a_key_no_cookie_is_read(server: GatewayServer, header: str) -> None:
    session, _ = server.sessions.issue()
    token, key_id = server.keys.issue("chat")
    cookie = f"{server.cookie(session)}; chat_known=k"
    for one, status in ((token, 200), ("wrong", 401), ("", 401)):
        headers = {"Cookie": cookie, "Origin": server.url, **credential_headers(header, one)}
        response = await server.client.get("/api/threads", headers=headers)
        assert response.status_code == status
        assert "set-cookie" not in response.headers
    assert server.sessions.looked_up == []
    [scope] = server.app.scopes
    assert scope["principal"].credential_id == key_id
    assert b"cookie" not in dict(scope["headers"])


@pytest.mark.parametrize(
    "value", ["Bearer wrong", "Bearer", "bearer", "Bearer a b", "Bearer %", "Bearer é"]
)
async def test_a_bad_key_is_401_with_a_challenge(server: GatewayServer, value: str) -> None:
    answers = []
    for path in ("/api/threads", "/api/auth/session", "/v1/models", "/mcp"):
        headers = [(b"authorization", value.encode("latin-1"))]
        response = await server.client.get(path, headers=headers)
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        answers.append((response.status_code, code_of(response)))
    assert set(answers) == {(401, "invalid_api_key")}
    assert server.app.scopes == []
    assert server.gateway.connections.refused["invalid_api_key"] == 4


@pytest.mark.parametrize("value", ["Basic dXNlcjpwYXNz", "Digest x", "Negotiate", "Bearerx", ""])
async def test_another_scheme_is_ignored(server: GatewayServer, value: str) -> None:
    headers = {"Authorization": value}
    refused = await server.client.get("/api/threads", headers=headers)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    session, session_id = server.sessions.issue()
    headers |= {"Cookie": server.cookie(session)}
    assert (await server.client.get("/api/threads", headers=headers)).status_code == 200
    assert server.app.scopes[0]["principal"].credential_id == session_id
    token, key_id = server.keys.issue("chat")
    headers |= {"x-api-key": token}
    assert (await server.client.get("/api/threads", headers=headers)).status_code == 200
    assert server.app.scopes[1]["principal"].credential_id == key_id


async def test_two_keys_are_refused_whatever_they_are(server: GatewayServer) -> None:
    one, two = server.keys.issue("chat")[0], server.keys.issue("chat")[0]
    pairs: list[list[tuple[str, str]]] = [
        [("Authorization", f"Bearer {one}"), ("x-api-key", two)],
        [("Authorization", f"Bearer {one}"), ("x-api-key", one)],
        [("Authorization", f"Bearer {one}"), ("x-api-key", "")],
        [("Authorization", f"Bearer {one}"), ("Authorization", f"Bearer {two}")],
        [("x-api-key", one), ("x-api-key", two)],
    ]
    for headers in pairs:
        response = await server.client.get("/api/threads", headers=headers)
        assert (response.status_code, response.json()["error"]) == (400, "several_credentials")
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_request"'
    assert server.app.scopes == []
    assert server.keys.looked_up == []


@pytest.mark.parametrize("header", CREDENTIAL_HEADERS)
async def test_a_key_opens_no_page_and_no_route_for_signing_in(open_server, header, tmp_path):
    (tmp_path / "index.html").write_text("")
    async with open_server(build=tmp_path) as server:
        token, _ = server.keys.issue("chat", "models")
        session, _ = server.sessions.issue()
        headers = {"Cookie": server.cookie(session), **credential_headers(header, token)}
        for path in ("/", "/c/1", "/signin", "/settings/api-keys", "/reset/new", "/api/socket"):
            response = await server.client.get(path, headers=headers)
            assert (response.status_code, response.json()["error"]) == (403, "api_key_not_allowed")
            assert response.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
        for method in ("GET", *UNSAFE):
            response = await server.client.request(method, "/api/auth/session", headers=headers)
            assert (response.status_code, response.json()["error"]) == (403, "api_key_not_allowed")
        assert server.app.scopes == []


@pytest.mark.parametrize("header", CREDENTIAL_HEADERS)
async def test_a_key_opens_no_socket(server: GatewayServer, header: str) -> None:
    token, _ = server.keys.issue("chat")
    session, _ = server.sessions.issue()
    for cookie in ("", server.cookie(session)):
        with pytest.raises(InvalidStatus) as error:
            async with connect(
                server.url, cookie=cookie, headers=credential_headers(header, token)
            ):
                pass
        assert error.value.response.status_code == 403
    assert server.app.scopes == []
    assert server.keys.looked_up == server.sessions.looked_up == []


@pytest.mark.parametrize("origin", [None, "null", "https://evil.test", "http://localhost.:1"])
async def test_no_origin_is_asked_of_a_key(server: GatewayServer, origin: str | None) -> None:
    token, _ = server.keys.issue("chat")
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"} if origin else {}
    for method in ("GET", *UNSAFE):
        given = {**headers, **credential_headers("x-api-key", token)}
        response = await server.client.request(method, "/api/threads", headers=given)
        assert response.status_code == 200
        assert not [name for name in response.headers if name.startswith("access-control-")]
    assert len(server.app.scopes) == 5


async def test_no_page_may_send_a_key(server: GatewayServer) -> None:
    for origin in ("https://evil.test", "null", server.url):
        for header in CREDENTIAL_HEADERS:
            asked = {
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": header,
            }
            response = await server.client.options("/api/threads", headers=asked)
            assert (response.status_code == 204) == (origin == server.url)
            allowed = response.headers.get("access-control-allow-headers", "").lower()
            assert header.lower() not in allowed
            assert "*" not in allowed
    assert server.app.scopes == []


async def test_a_cookie_needs_its_origin_as_before(server: GatewayServer) -> None:
    session, _ = server.sessions.issue()
    headers = {"Cookie": server.cookie(session), "Authorization": "Basic x"}
    assert (await server.client.post("/api/threads", headers=headers)).status_code == 403


async def test_an_unknown_host_is_refused_with_a_key_too(server: GatewayServer) -> None:
    token, _ = server.keys.issue("chat")
    headers = {"Host": "evil.test", "x-api-key": token}
    assert (await server.client.get("/api/threads", headers=headers)).status_code == 421
    assert server.keys.looked_up == []


async def test_where_no_session_is_read_no_key_is(server: GatewayServer) -> None:
    token, _ = server.keys.issue("chat")
    for path in ("/ping", "/assets/a.js", "/.well-known/x"):
        headers = credential_headers("Authorization", token)
        assert (await server.client.get(path, headers=headers)).status_code == 200
    assert server.keys.looked_up == []
    for scope in server.app.scopes:
        assert token not in str(scope["headers"])


async def test_a_failed_lookup_of_a_key_is_503(server: GatewayServer) -> None:
    for broken in (DatabaseBusy(), OSError("gone")):
        server.keys.broken = broken
        response = await server.client.get("/api/threads", headers={"x-api-key": "x"})
        assert (response.status_code, response.json()["error"]) == (503, "unavailable")
    assert server.app.scopes == []


async def test_a_revoked_key_stops_its_stream_and_no_other(open_server) -> None:
    stream = Streaming()
    async with open_server(app=RecordingApp(respond=stream)) as server:
        token, key_id = server.keys.issue("chat")
        headers = credential_headers("Authorization", token)
        async with server.client.stream("GET", "/api/chat/1/stream", headers=headers) as response:
            server.keys.revoke(server.keys.issue("chat")[1])
            await stream.pieces.put(b"data: 1\n\n")
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"data: 1\n\n"
            assert server.gateway.connections.count(key_id) == 1
            server.keys.revoke(key_id)
            await stream.pieces.put(b"data: secret\n\n")
            assert b"".join([piece async for piece in pieces]) == b""
        await stream.cancelled.wait()
        await server.finished.get()
        assert len(server.gateway.connections) == 0


async def test_a_key_revoked_while_it_is_resolved_reaches_no_route(
    server: GatewayServer,
) -> None:
    token, key_id = server.keys.issue("chat")
    server.keys.after_reading = lambda: server.keys.revoke(key_id)
    response = await server.client.get("/api/x", headers=credential_headers("Authorization", token))
    assert response.status_code == 401
    assert server.app.scopes == []


async def test_a_key_is_revalidated_as_a_session_is(open_server) -> None:
    stream = Streaming()
    async with open_server(app=RecordingApp(respond=stream)) as server:
        token, key_id = server.keys.issue("chat")
        headers = credential_headers("Authorization", token)
        async with server.client.stream("GET", "/api/chat/1/stream", headers=headers) as response:
            await stream.pieces.put(b"data: 1\n\n")
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"data: 1\n\n"
            checked: asyncio.Queue[Any] = asyncio.Queue()
            plain = server.keys.revalidate

            async def watched(ids: Any) -> Any:
                checked.put_nowait(over := await plain(ids))
                return over

            server.keys.revalidate = watched
            server.gateway.connections.recheck.set()
            assert await checked.get() == set()
            assert server.gateway.connections.count(key_id) == 1
            server.keys._live.clear()  # no signal comes
            server.gateway.connections.recheck.set()
            assert await checked.get() == {key_id}
            assert b"".join([piece async for piece in pieces]) == b""
