"""Health checks, and JSON errors for what no route serves."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from chat_app.api.routes import http_app
from chat_app.core.errors import DatabaseBusy
from chat_app.gateway import Gateway
from chat_app.services import services
from testing.reflex_tabs import Harness, open_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with open_harness(tmp_path) as one:
        yield one


@pytest.fixture
async def client(harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    """The routes with pages behind them, as Reflex mounts its own."""
    app = http_app()
    page = Route("/{path:path}", lambda _: PlainTextResponse("a page"))
    app.mount("", Starlette(routes=[page]))
    transport = httpx.ASGITransport(Gateway(app, services=services))
    home = harness.live.settings.url
    async with httpx.AsyncClient(transport=transport, base_url=home) as one:
        yield one


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_health_check_answers_under_any_host(client: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "HEAD"):
        response = await client.request(method, path, headers={"Host": "10.0.0.1:8000"})
        assert response.status_code == 200
    assert (await client.get(path)).json() == {"status": "ok"}
    refused = await client.post(path)
    assert (refused.status_code, refused.json()["error"]) == (405, "method")


async def test_the_server_is_not_ready_while_the_database_does_not_answer(
    harness: Harness, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ping() -> None:
        raise DatabaseBusy

    monkeypatch.setattr(harness.live.db, "ping", ping)
    response = await client.get("/readyz", headers={"Accept": "text/html"})
    assert (response.status_code, response.json()["error"]) == (503, "unavailable")
    assert (await client.get("/healthz")).status_code == 200


async def test_what_no_route_serves_is_a_json_error(
    harness: Harness, client: httpx.AsyncClient
) -> None:
    nothing = await client.get("/.well-known/security.txt")
    assert (nothing.status_code, nothing.json()["error"]) == (404, "not_found")
    assert (await client.get("/v1/models/gpt-4.1")).status_code == 401
    user_id = await harness.live.accounts.add("ada@example.com", "correct horse battery", "Ada")
    issued = await harness.live.sessions.issue(
        user_id, method="password", remember=False, client_ip="127.0.0.1", user_agent=""
    )
    headers = {"Cookie": f"chat_session={issued.token}", "Origin": str(client.base_url)}
    for path in ("/v1", "/v1/models/gpt-4.1", "/mcp", "/scim/v2/Users", "/api/nothing", "/api"):
        response = await client.get(path, headers=headers)
        assert (response.status_code, response.json()["error"]) == (404, "not_found"), path
    wrong = await client.put("/api/auth/session", headers=headers)
    assert (wrong.status_code, wrong.json()["error"]) == (405, "method")
    assert (await client.get("/c/1", headers=headers)).text == "a page"
