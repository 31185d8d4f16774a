"""API families at the gateway: which credentials each takes, and the form of its errors."""

import asyncio
import json
from typing import Any

import pytest

from chat_app.api.families import (
    ANTHROPIC,
    ASSISTANT_CLOUD,
    CLOUD_TOKENS,
    FAMILIES,
    MCP,
    NATIVE,
    NATIVE_ACCOUNT,
    OPENAI,
    OPENAI_RESPONSES,
    OTHER,
    SCIM,
    family_of,
)
from chat_app.api.routes import routes
from chat_app.gateway.paths import is_api
from testing.gateway_server import GatewayServer, RecordingApp, Streaming
from testing.route_cases import code_of

VERSION = {"anthropic-version": "2023-06-01"}
NO_COOKIES = (
    *("/v1", "/v1/chat/completions", "/v1/messages", "/v1/nothing", "/mcp", "/scim/v2"),
    *("/v1/threads", "/v1/runs/stream", "/v1/auth/tokens"),
)


@pytest.mark.parametrize(
    ("path", "headers", "family"),
    [
        ("/api/threads", {}, NATIVE),
        ("/api/threads", VERSION, NATIVE),
        ("/api/accounts", {}, NATIVE),
        ("/api/account/password", {}, NATIVE_ACCOUNT),
        ("/v1/chat/completions", {}, OPENAI),
        ("/v1/responses", {}, OPENAI_RESPONSES),
        ("/v1/responses", VERSION, ANTHROPIC),
        ("/v1/responsesx", {}, OPENAI),
        ("/v1/models", {}, OPENAI),
        ("/v1/models", VERSION, ANTHROPIC),
        ("/v1/models", {"Anthropic-Version": ""}, ANTHROPIC),
        ("/v1/messages", {}, ANTHROPIC),
        ("/v1/messages/count_tokens", {}, ANTHROPIC),
        ("/v1/messagesx", {}, OPENAI),
        ("/v1", {}, OPENAI),
        ("/v1beta", {}, OTHER),
        ("/mcp", {}, MCP),
        ("/scim/v2/Users", {}, SCIM),
        ("/v1/threads", {}, ASSISTANT_CLOUD),
        ("/v1/threads/1/messages", VERSION, ASSISTANT_CLOUD),
        ("/v1/runs/stream", {}, ASSISTANT_CLOUD),
        ("/v1/threadsx", {}, OPENAI),
        ("/v1/files", {}, OPENAI),
        ("/v1/files/attachments/generate-presigned-upload-url", {}, ASSISTANT_CLOUD),
        ("/v1/auth/tokens", {}, CLOUD_TOKENS),
        ("/c/1", VERSION, OTHER),
    ],
)
def test_a_request_has_one_family(path: str, headers: dict[str, str], family: Any) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert family_of({"path": path, "headers": raw}) is family


def test_the_paths_of_every_family_are_those_of_an_api() -> None:
    assert all(is_api(prefix) for family in FAMILIES for prefix in family.prefixes)
    assert {family.name for family in FAMILIES if family.takes_session} == {"native"}


def test_a_family_takes_api_keys_if_its_routes_have_a_scope() -> None:
    for route in routes:
        operation = route.operation
        if operation.access not in ("public", "form"):
            family = family_of({"path": route.path, "headers": []})
            takes_keys = operation.scope is not None
            assert ("api_key" in family.credentials) is takes_keys, route.path


@pytest.mark.parametrize("path", NO_COOKIES)
async def test_a_cookie_alone_is_no_credential(server: GatewayServer, path: str) -> None:
    session, _ = server.sessions.issue()
    cookie = {"Cookie": server.cookie(session)}
    for given in (cookie, {**cookie, "Origin": server.url}, {**cookie, "Accept": "text/html"}):
        for method in ("GET", "POST"):
            response = await server.client.request(method, path, headers=given)
            assert response.status_code == 401
            is_cloud = path in ("/v1/threads", "/v1/runs/stream")
            wanted = "Send a token of POST /api/cloud/token" if is_cloud else "Send an API key"
            assert wanted in response.text
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["content-type"] == "application/json"
    assert server.sessions.looked_up == []
    assert server.app.scopes == []


@pytest.mark.parametrize("path", NO_COOKIES)
async def test_no_cookie_reaches_a_route_of_programs(server: GatewayServer, path: str) -> None:
    session, _ = server.sessions.issue(renewed="new")
    token, key_id = server.keys.issue("chat")
    headers = {"Cookie": server.cookie(session), "x-api-key": token}
    response = await server.client.post(path, headers=headers)
    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    [scope] = server.app.scopes
    assert scope["principal"].credential_id == key_id
    assert b"cookie" not in dict(scope["headers"])
    assert server.sessions.looked_up == []


async def test_a_wrong_key_is_refused_in_the_form_of_the_client(server: GatewayServer) -> None:
    message = "This API key is not valid here. It may have expired or been revoked."
    wrong = {"x-api-key": "wrong"}
    response = await server.client.post("/v1/chat/completions", headers=wrong)
    described = {"type": "invalid_request_error", "param": None, "code": "invalid_api_key"}
    assert (response.status_code, response.json()) == (
        401,
        {"error": {"message": message, **described}},
    )
    described = {"type": "authentication_error", "message": message}
    for path, headers in (("/v1/messages", wrong), ("/v1/models", {**wrong, **VERSION})):
        response = await server.client.post(path, headers=headers)
        assert response.status_code == 401
        assert response.json() == {"type": "error", "error": described}


async def _last_event(open_server: Any, path: str) -> bytes:
    stream = Streaming()
    async with open_server(app=RecordingApp(respond=stream)) as server:
        token, key_id = server.keys.issue("chat")
        headers = {"x-api-key": token}
        async with server.client.stream("POST", path, headers=headers) as response:
            await stream.pieces.put(b"data: 1\n\n")
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"data: 1\n\n"
            server.keys.revoke(key_id)
            await stream.pieces.put(b"data: secret\n\n")
            rest = b"".join([piece async for piece in pieces])
        await stream.cancelled.wait()
        return rest


async def test_a_stream_whose_key_is_revoked_ends_with_an_error_event(open_server: Any) -> None:
    rest = await _last_event(open_server, "/v1/chat/completions")
    assert rest.startswith(b"data: {")
    assert json.loads(rest[6:])["error"]["code"] == "invalid_api_key"
    name, _, data = (await _last_event(open_server, "/v1/responses")).partition(b"\n")
    assert name == b"event: error"
    event = json.loads(data[6:])
    assert (event["type"], event["code"]) == ("error", "invalid_api_key")
    name, _, data = (await _last_event(open_server, "/v1/messages")).partition(b"\n")
    assert name == b"event: error"
    assert json.loads(data[6:])["error"]["type"] == "authentication_error"
    assert await _last_event(open_server, "/api/chat") == b""


class Waiting:
    """Responds with JSON when the test lets it."""

    def __init__(self) -> None:
        self.stream = Streaming()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.stream.started.set()
        try:
            body = await self.stream.pieces.get()
        except BaseException:
            self.stream.cancelled.set()
            raise
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def test_a_whole_answer_ends_with_its_key_and_a_session_reports_its_own_end(
    open_server: Any,
) -> None:
    app = Waiting()
    async with open_server(app=RecordingApp(respond=app)) as server:
        token, key_id = server.keys.issue("chat")
        call = server.client.post("/v1/chat/completions", headers={"x-api-key": token})
        asked = asyncio.create_task(call)
        await app.stream.started.wait()
        server.keys.revoke(key_id)
        response = await asked
        assert (response.status_code, code_of(response)) == (401, "invalid_api_key")
        await app.stream.cancelled.wait()
        app.stream.started.clear()
        session, session_id = server.sessions.issue()
        headers = {"Cookie": server.cookie(session), "Origin": server.url}
        asked = asyncio.create_task(server.client.post("/api/x", headers=headers))
        await app.stream.started.wait()
        server.sessions.revoke(session_id)
        await app.stream.pieces.put(b"{}")
        assert (await asked).status_code == 200


CLOUD_PATHS = ("/v1/threads", "/v1/threads/x/messages", "/v1/runs", "/v1/events", "/v1/scores")


@pytest.mark.parametrize("path", CLOUD_PATHS)
async def test_a_token_for_assistant_cloud_is_a_credential_there(
    server: GatewayServer, path: str
) -> None:
    token, session_id = server.cloud_tokens.issue("threads:read")
    response = await server.client.post(path, headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    assert server.app.scopes[0]["principal"].credential_id == session_id
    server.cloud_tokens.revoke(session_id)
    response = await server.client.post(path, headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
    assert len(server.app.scopes) == 1
    assert server.keys.looked_up == server.sessions.looked_up == []


@pytest.mark.parametrize(
    "path",
    [
        *("/api/threads", "/api/cloud/token", "/api/auth/session", "/v1", "/v1/chat/completions"),
        *("/v1/messages", "/v1/models", "/v1/auth/tokens", "/v1/files", "/mcp", "/scim/v2"),
    ],
)
async def test_a_token_for_assistant_cloud_is_none_elsewhere(
    server: GatewayServer, path: str
) -> None:
    token, _ = server.cloud_tokens.issue("chat", "threads:read", "threads:write")
    for headers in ({"Authorization": f"Bearer {token}"}, {"x-api-key": token}):
        response = await server.client.post(path, headers=headers)
        assert (response.status_code, code_of(response)) == (401, "invalid_api_key")
    assert server.app.scopes == []
    assert server.cloud_tokens.looked_up == []


async def test_a_request_ends_with_the_session_of_its_token(open_server: Any) -> None:
    app = Waiting()
    async with open_server(app=RecordingApp(respond=app)) as server:
        token, session_id = server.cloud_tokens.issue("threads:read")
        headers = {"Authorization": f"Bearer {token}"}
        asked = asyncio.create_task(server.client.get("/v1/threads", headers=headers))
        await app.stream.started.wait()
        server.cloud_tokens.revoke(session_id)
        response = await asked
        assert (response.status_code, code_of(response)) == (401, "invalid_token")
        await app.stream.cancelled.wait()


async def test_who_asks_for_an_anonymous_token_is_told_why_not(server: GatewayServer) -> None:
    for path in ("/v1/auth/tokens/anonymous", "/v1/auth/tokens/refresh"):
        assert (await server.client.post(path)).status_code == 200
        assert server.app.scopes[-1]["principal"] is None
        foreign = await server.client.post(path, headers={"Origin": "https://evil.test"})
        assert (foreign.status_code, foreign.json()["error"]) == (403, "origin")


async def test_a_page_of_ours_may_send_a_token_and_no_other_page(server: GatewayServer) -> None:
    for origin in ("https://evil.test", "null", server.url):
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "aui-sdk,authorization,content-type",
        }
        response = await server.client.options("/v1/threads", headers=asked)
        allowed = response.headers.get("access-control-allow-headers", "")
        expected = "aui-sdk, authorization, content-type" if origin == server.url else ""
        assert (response.status_code == 204, allowed) == (origin == server.url, expected)
