"""Health checks, and JSON errors for what no route serves."""

import asyncio
import shutil
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
from testing.auth_services import issue_session
from testing.database import DatabaseUnderTest, only_sqlite
from testing.full_disk import PLENTY, Disk, fill
from testing.reflex_tabs import Harness, open_harness
from testing.route_cases import code_of


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(database.folder, **database.settings) as one:
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
    assert (await client.get(path)).json()["status"] == "ok"
    refused = await client.post(path)
    assert (refused.status_code, refused.json()["error"]) == (405, "method")


async def _not_ready(client: httpx.AsyncClient) -> str:
    """The reason of a server that is alive and not ready."""
    assert (await client.get("/healthz")).status_code == 200
    response = await client.get("/readyz", headers={"Accept": "text/html"})
    body = response.json()
    assert (response.status_code, body["error"]) == (503, "unavailable")
    assert body["message"].endswith(".")
    return body["reason"]


async def test_the_server_is_not_ready_from_the_moment_that_its_database_fails(
    harness: Harness, client: httpx.AsyncClient
) -> None:
    file = harness.live.settings.sqlite_path
    assert file is not None
    assert (await client.get("/readyz")).json() == {"status": "ok", "writes": "ok"}
    away = file.rename(file.with_name("away.db"))
    assert await _not_ready(client) == "database"
    shutil.copyfile(away, file)  # another file: the server would lose what it goes on to write
    assert await _not_ready(client) == "database"
    away.rename(file)
    assert (await client.get("/readyz")).status_code == 200
    await harness.live.db.vacuum()  # copies the log of changes into the file
    kept = file.read_bytes()
    with file.open("r+b") as damaged:
        damaged.write(b"no database any more")
    assert await _not_ready(client) == "database"
    with file.open("r+b") as mended:
        mended.write(kept[:100])
    assert (await client.get("/readyz")).status_code == 200


async def test_the_server_is_not_ready_with_the_database_of_another_version(
    harness: Harness, client: httpx.AsyncClient
) -> None:
    async with harness.live.db.system("health", write=True) as session:
        connection = await session.connection()
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert await _not_ready(client) == "revision"


async def test_the_server_is_not_ready_once_it_stops(
    harness: Harness, client: httpx.AsyncClient
) -> None:
    harness.live.readiness.drain()
    assert await _not_ready(client) == "draining"


@only_sqlite
async def test_on_a_full_disk_the_server_is_ready_and_people_sign_in_and_out(
    harness: Harness,
    client: httpx.AsyncClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    email, password = "ada@example.com", "correct horse battery"
    await harness.live.accounts.add(email, password, "Ada")
    disk = Disk(monkeypatch)
    harness.live.db.keep_reserve(tmp_path / "ballast")
    assert (await client.get("/readyz")).json() == {"status": "ok", "writes": "ok"}
    disk.free = 0
    await fill(harness.live.db)

    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "writes": "reserve"})
    client.headers.update({"Origin": str(client.base_url), "X-Auth-Return-Redirect": "1"})
    form = {"email": email, "password": password}
    entered = await client.post("/api/auth/callback/credentials", data=form)
    assert (entered.status_code, "error" in entered.text) == (200, False)
    assert (await client.get("/api/auth/session")).json()["user"]["email"] == email
    refused = await client.post("/api/threads", json={})
    assert (refused.status_code, refused.json()["error"]) == (507, "full")
    assert (await client.post("/api/auth/signout")).status_code == 200
    assert (await client.get("/api/auth/session")).json() is None
    assert (await client.get("/readyz")).json()["writes"] == "reserve"

    disk.free = PLENTY
    assert (await client.get("/readyz")).json() == {"status": "ok", "writes": "ok"}


class SlowDatabase:
    """Reads its revision when it is let, or fails."""

    def __init__(self) -> None:
        self.reads = 0
        self.was_asked = asyncio.Event()
        self.is_broken = False
        self.may_answer = asyncio.Event()

    async def revision(self) -> str:
        self.reads += 1
        self.was_asked.set()
        is_broken = self.is_broken  # as it is when the check begins
        await self.may_answer.wait()
        if is_broken:
            raise DatabaseBusy
        return "0001"


def _readiness(db: SlowDatabase, **options: float) -> Readiness:
    return Readiness(cast(Database, db), "0001", **options)


async def test_readiness_is_checked_once_for_all_who_ask_at_the_same_time() -> None:
    db = SlowDatabase()
    db.may_answer.set()
    readiness = _readiness(db)
    checks = [asyncio.create_task(readiness.check()) for _ in range(20)]
    assert await asyncio.gather(*checks) == [None] * 20
    assert db.reads == 1


async def test_a_check_that_began_before_the_database_failed_does_not_count_afterwards() -> None:
    db = SlowDatabase()
    readiness = _readiness(db)
    before = asyncio.create_task(readiness.check())
    await db.was_asked.wait()
    db.is_broken = True
    after = [asyncio.create_task(readiness.check()) for _ in range(20)]
    await asyncio.sleep(0)
    assert db.reads == 1  # one check at a time
    db.may_answer.set()
    assert await before is None
    assert await asyncio.gather(*after) == ["database"] * 20
    assert db.reads == 2


async def test_who_asks_and_leaves_ends_no_check_of_others() -> None:
    db = SlowDatabase()
    readiness = _readiness(db)
    leaving = asyncio.create_task(readiness.check())
    staying = asyncio.create_task(readiness.check())
    await db.was_asked.wait()
    leaving.cancel()
    db.may_answer.set()
    assert await staying is None


async def test_a_database_that_does_not_answer_in_time_is_not_ready_until_it_does() -> None:
    db = SlowDatabase()
    readiness = _readiness(db, timeout=0.01)
    assert await readiness.check() == "database"
    assert await readiness.check() == "database"
    assert db.reads == 1
    db.may_answer.set()
    while await readiness.check() is not None:
        pass


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
    assert (await client.get("/v1/nothing/gpt-4.1")).status_code == 401
    user_id = await harness.live.accounts.add("ada@example.com", "correct horse battery", "Ada")
    issued = await issue_session(harness.live, user_id)
    headers = {"Cookie": f"chat_session={issued.token}", "Origin": str(client.base_url)}
    for path in ("/api/nothing", "/api"):
        response = await client.get(path, headers=headers)
        assert (response.status_code, code_of(response)) == (404, "not_found"), path
    for path in ("/v1", "/v1/nothing/gpt-4.1", "/mcp", "/scim/v2/Users"):
        response = await client.get(path, headers=headers)
        assert (response.status_code, code_of(response)) == (401, "unauthenticated"), path
    wrong = await client.put("/api/auth/session", headers=headers)
    assert (wrong.status_code, wrong.json()["error"]) == (405, "method")
    browser = {**headers, "Accept": "text/html,*/*;q=0.8"}
    for who in (headers, browser, {"Accept": "text/html"}):
        for path in UNKNOWN:
            for method in METHODS:
                response = await client.request(method, path, headers=who)
                assert 400 <= response.status_code < 500, (method, path)
                if method != "HEAD":
                    assert code_of(response), (method, path)
    assert (await client.get("/c/1", headers=headers)).text == "a page"
