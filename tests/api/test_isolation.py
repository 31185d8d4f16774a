"""Every route, anonymous and as another user, through the gateway; each needs a case.

A credential is carried by a cookie, or is an API key in one of two headers.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.routing import Route

from chat_app.api.routes import http_app, routes
from chat_app.auth.keys.scopes import SCOPES
from chat_app.auth.keys.tokens import new_key
from chat_app.auth.principal import Principal
from chat_app.gateway import Gateway, cookies
from chat_app.services import services
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import Harness, open_harness
from testing.route_cases import CASES, OF_A_THREAD, code_of

SECRET = "kept between us"


ALWAYS_OPEN = {
    ("GET", path) for path in ("/api/health", "/healthz", "/readyz", "/api/openapi.json")
}
"""They ask for no credential and read none."""
NEVER_BY_KEY = ("/api/auth/", "/api/account", "/api/docs")
"""Where no key is let in, whatever its scopes are."""


def as_key(key: str) -> list[dict[str, str]]:
    """The headers of each way in which a key is carried."""
    return [{"Authorization": f"Bearer {key}"}, {"x-api-key": key}]


PRIVATE = sorted(key for key, case in CASES.items() if not case.public)


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(database.folder, **database.settings) as harness:
        yield harness


class ApiClient:
    """A client that calls the routes through the gateway."""

    def __init__(
        self, harness: Harness, token: str | None, given: dict[str, str] | None = None
    ) -> None:
        self.token = token
        home = harness.live.settings.url
        headers = {"Origin": home, "X-Auth-Return-Redirect": "1", **(given or {})}
        if token:
            headers["Cookie"] = (
                f"{cookies.full_name(harness.live.settings, cookies.SESSION)}={token}"
            )
        transport = httpx.ASGITransport(Gateway(http_app(), services=services))
        self.http = httpx.AsyncClient(transport=transport, base_url=home, headers=headers)

    async def call(self, method: str, path: str, thread: str) -> httpx.Response:
        case = CASES[method, path]
        wanted: dict[str, Any] = {}
        if case.body is not None:
            named = {key: thread for key in ("id", "threadId") if key in case.body}
            wanted["json"] = {**case.body, **named}
        elif case.form:
            wanted["data"] = case.form
        return await self.http.request(method, path.replace("{id}", thread), **wanted)


async def signed_in(harness: Harness, email: str) -> tuple[Principal, ApiClient]:
    user_id = await harness.live.accounts.add(email, "correct horse battery staple", "")
    issued = await harness.live.sessions.issue(
        user_id, method="password", remember=False, client_ip="127.0.0.1", user_agent="test"
    )
    return Principal(user_id, issued.session_id), ApiClient(harness, issued.token)


async def answered(harness: Harness, who: Principal) -> str:
    """A thread with an answered question; its id."""
    sent = await harness.live.runs.send(who, text=SECRET, client_id="c1", model="fake:5x0")
    async for _ in harness.live.runs.follow(who, sent.run_id):
        pass
    return str(sent.thread_id)


async def everything(harness: Harness, who: Principal, thread: str) -> tuple[Any, ...]:
    page = await harness.live.threads.page(who)
    return page, await harness.live.threads.window(who, UUID(thread))


def calls(harness: Harness) -> int:
    return sum(getattr(model, "calls", 0) for model in harness.live.models.all())


def test_every_route_has_a_case() -> None:
    there = {
        (method, route.path)
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert len(routes) == len({route.path + str(route.methods) for route in routes})
    assert there == set(CASES)


@pytest.mark.parametrize(("method", "path"), PRIVATE)
async def test_anonymous_is_refused(harness: Harness, method: str, path: str) -> None:
    ada, _ = await signed_in(harness, "ada@example.com")
    thread = await answered(harness, ada)
    before, asked = await everything(harness, ada, thread), calls(harness)
    for token in (None, "forged"):
        response = await ApiClient(harness, token).call(method, path, thread)
        assert response.status_code == 401
        assert SECRET not in response.text
    assert await everything(harness, ada, thread) == before
    assert calls(harness) == asked


@pytest.mark.parametrize(("method", "path"), OF_A_THREAD)
async def test_a_foreign_id_looks_like_a_missing_one_to_the_byte(
    harness: Harness, method: str, path: str
) -> None:
    ada, _ = await signed_in(harness, "ada@example.com")
    thread = await answered(harness, ada)
    eve, client = await signed_in(harness, "eve@example.com")
    deleted = await answered(harness, eve)
    await harness.live.threads.delete(eve, UUID(deleted))
    before, asked = await everything(harness, ada, thread), calls(harness)
    ids = [thread, str(uuid4()), deleted, "not an id", thread.upper(), "0" * 300]
    responses = [await client.call(method, path, one) for one in ids]
    assert {(response.status_code, response.content) for response in responses} == {
        (404, responses[0].content)
    }
    for response in responses:
        del response.headers["x-request-id"]
    assert len({str(sorted(response.headers.items())) for response in responses}) == 1
    assert await everything(harness, ada, thread) == before
    assert calls(harness) == asked


@pytest.mark.parametrize(("method", "path"), sorted(set(CASES) - set(OF_A_THREAD)))
async def test_other_routes_reveal_nothing_to_another_user(
    harness: Harness, method: str, path: str
) -> None:
    ada, _ = await signed_in(harness, "ada@example.com")
    thread = await answered(harness, ada)
    _, client = await signed_in(harness, "eve@example.com")
    before = await everything(harness, ada, thread)
    response = await client.call(method, path, thread)
    assert response.status_code < 500
    assert SECRET not in response.text
    assert thread not in response.text
    assert "ada@example.com" not in response.text
    assert await everything(harness, ada, thread) == before


async def key_of(harness: Harness, who: Principal, *scopes: str) -> str:
    made = await harness.live.api_keys.create(who, name="", scopes=scopes, days=7)
    return made.token


@pytest.mark.parametrize(("method", "path"), sorted(set(CASES) - ALWAYS_OPEN))
async def test_a_key_reaches_what_its_scopes_name_and_nothing_else(
    harness: Harness, method: str, path: str
) -> None:
    ada, _ = await signed_in(harness, "ada@example.com")
    thread = await answered(harness, ada)
    eve, _ = await signed_in(harness, "eve@example.com")
    before, asked = await everything(harness, ada, thread), calls(harness)
    passed: set[str] = set()
    for scope in SCOPES:
        for headers in as_key(await key_of(harness, eve, scope)):
            response = await ApiClient(harness, None, headers).call(method, path, thread)
            assert SECRET not in response.text
            assert "ada@example.com" not in response.text
            if response.status_code != 403:
                passed.add(scope)
                assert (method, path) not in OF_A_THREAD or response.status_code == 404
            else:
                refused = code_of(response)
                assert refused in ("api_key_not_allowed", "insufficient_scope")
                challenge = response.headers["www-authenticate"]
                assert challenge.startswith('Bearer error="insufficient_scope"')
                assert (", scope=" in challenge) == (refused == "insufficient_scope")
    assert len(passed) <= (0 if path.startswith(NEVER_BY_KEY) else 1)
    for headers in as_key(await key_of(harness, eve, *SCOPES)):
        response = await ApiClient(harness, None, headers).call(method, path, thread)
        if not passed:
            assert (response.status_code, code_of(response)) == (403, "api_key_not_allowed")
    assert await everything(harness, ada, thread) == before
    assert calls(harness) == asked


@pytest.mark.parametrize(("method", "path"), sorted(set(CASES) - ALWAYS_OPEN))
async def test_a_key_that_is_over_reaches_nothing_not_even_with_a_cookie(
    harness: Harness, method: str, path: str
) -> None:
    ada, client = await signed_in(harness, "ada@example.com")
    thread = await answered(harness, ada)
    before, asked = await everything(harness, ada, thread), calls(harness)
    key = await key_of(harness, ada, *SCOPES)
    [made] = await harness.live.api_keys.list(ada)
    await harness.live.api_keys.revoke(ada, made.id)
    for one in (key, new_key(), client.token or ""):
        for headers in as_key(one):
            owner = ApiClient(harness, client.token, headers)
            response = await owner.call(method, path, thread)
            assert (response.status_code, code_of(response)) == (401, "invalid_api_key")
    assert await everything(harness, ada, thread) == before
    assert calls(harness) == asked
