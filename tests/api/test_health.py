"""Health checks, and JSON errors for what no route serves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from chat_app.api.routes import http_app
from chat_app.core.errors import DatabaseBusy
from chat_app.db.engine import Database
from chat_app.gateway import Gateway
from chat_app.services import Readiness, services
from testing.auth_services import Time
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


class CountingDatabase:
    """Answers a ping when it is let, or fails."""

    def __init__(self) -> None:
        self.pings = 0
        self.was_asked = asyncio.Event()
        self.is_broken = False
        self.may_answer = asyncio.Event()

    async def ping(self) -> None:
        self.pings += 1
        self.was_asked.set()
        await self.may_answer.wait()
        if self.is_broken:
            raise DatabaseBusy


async def test_one_readiness_check_runs_at_a_time_and_its_result_is_shared() -> None:
    db, time = CountingDatabase(), Time()
    readiness = Readiness(cast(Database, db), time)
    checks = [asyncio.create_task(readiness.check()) for _ in range(20)]
    db.may_answer.set()
    assert await asyncio.gather(*checks) == [True] * 20
    assert db.pings == 1
    db.is_broken = True
    time.passes(seconds=0.9)
    assert await readiness.check()
    time.passes(seconds=0.1)
    assert not await readiness.check()
    assert db.pings == 2


async def test_a_readiness_check_that_was_cancelled_leaves_no_result() -> None:
    db = CountingDatabase()
    readiness = Readiness(cast(Database, db), Time())
    check = asyncio.create_task(readiness.check())
    await db.was_asked.wait()
    check.cancel()
    with pytest.raises(asyncio.CancelledError):
        await check
    db.may_answer.set()
    assert await readiness.check()
    assert db.pings == 2


UNKNOWN = (
    *("/api", "/api/", "/api/nothing", "/api/nothing.js", "/api/threads/", "/api/threads/x/y"),
    *("/api/auth", "/api/auth/nothing", "/api/auth/session/", "/api/auth/%2e%2e/threads"),
    *("/api/health/more", "/api/%00", "/api/chat//stream", "/v1/nothing", "/mcp", "/scim"),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "X")


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
    browser = {**headers, "Accept": "text/html,*/*;q=0.8"}
    for who in (headers, browser, {"Accept": "text/html"}):
        for path in UNKNOWN:
            for method in METHODS:
                response = await client.request(method, path, headers=who)
                assert 400 <= response.status_code < 500, (method, path)
                if method != "HEAD":
                    assert response.json()["error"], (method, path)
                    assert response.json()["message"], (method, path)
    assert (await client.get("/c/1", headers=headers)).text == "a page"
