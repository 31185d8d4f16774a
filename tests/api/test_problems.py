"""Problem details (RFC 9457) on every route below /api, from the routes and from the gateway."""

from collections.abc import AsyncIterator

import httpx
import pytest

from chat_app.api.problems import MEDIA_TYPE, Problem
from chat_app.api.routes import http_app
from chat_app.gateway import Gateway, cookies
from chat_app.services import services
from testing.auth_services import issue_session
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import Harness, open_harness


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(database.folder, **database.settings) as harness:
        yield harness


@pytest.fixture
async def client(harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in client of the gateway."""
    settings = harness.live.settings
    user_id = await harness.live.accounts.add("ada@example.org", "correct horse battery", "Ada")
    issued = await issue_session(harness.live, user_id, user_agent="test")
    name = cookies.full_name(settings, cookies.SESSION)
    transport = httpx.ASGITransport(Gateway(http_app(), services=services))
    headers = {"Origin": settings.url, "Cookie": f"{name}={issued.token}"}
    async with httpx.AsyncClient(
        transport=transport, base_url=settings.url, headers=headers
    ) as one:
        yield one


def checked(response: httpx.Response, status: int, code: str) -> Problem:
    assert (response.status_code, response.headers["content-type"]) == (status, MEDIA_TYPE)
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code, problem.error) == (status, code, code)
    assert problem.detail == problem.message
    assert problem.detail.endswith(".")
    assert problem.type == f"/api/docs#problem-{code}"
    assert response.headers["x-request-id"] not in response.text
    return problem


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api/", 404, "not_found"),
        ("GET", "/api/threads/not-an-id", 404, "not_found"),
        ("GET", "/api/auth/nothing", 404, "not_found"),
        ("PUT", "/api/threads", 405, "method"),
        ("TRACE", "/api/threads", 405, "method"),
        ("PATCH", "/api/account", 422, "invalid"),
        ("PUT", "/api/auth/session", 405, "method"),
        ("POST", "/api/docs", 405, "method"),
    ],
)
async def test_an_error_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    checked(await client.request(method, path), status, code)


async def test_errors_of_the_gateway_are_problems(client: httpx.AsyncClient) -> None:
    signed_out = await client.get("/api/threads", headers={"Cookie": ""})
    checked(signed_out, 401, "unauthenticated")
    checked(
        await client.post("/api/threads", headers={"Origin": "https://evil.example"}), 403, "origin"
    )
    checked(await client.get("/api/threads", headers={"Host": "evil.example"}), 421, "host")


async def test_a_field_that_is_not_valid_is_named(client: httpx.AsyncClient) -> None:
    for body, sentence in (
        ({"name": 1}, "name is not valid here."),
        ({"name": "Ada", "role": "admin"}, "role is not known here."),
        ([], "The request must be a JSON object."),
    ):
        response = await client.patch("/api/account", json=body)
        assert checked(response, 422, "invalid").detail == sentence
    response = await client.patch("/api/account", content="{")
    assert checked(response, 422, "invalid").detail == "The request is not valid JSON."


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/account", "DELETE, PATCH"),
        ("/api/account/picture", "DELETE, GET, HEAD, PUT"),
        ("/api/health", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_all_that_the_path_has(
    client: httpx.AsyncClient, path: str, methods: str
) -> None:
    response = await client.post(path)
    checked(response, 405, "method")
    assert response.headers["allow"] == methods


async def test_the_gateway_names_the_methods_that_it_lets_through(
    client: httpx.AsyncClient,
) -> None:
    refused = await client.request("TRACE", "/api/threads")
    assert refused.headers["allow"] == "DELETE, GET, HEAD, PATCH, POST, PUT"
    page = await client.post("/settings/account")
    assert (page.status_code, page.headers["allow"]) == (405, "GET, HEAD")


async def test_elsewhere_errors_keep_the_shape_of_their_clients(
    client: httpx.AsyncClient,
) -> None:
    wanted = {"name": "", "scopes": ["models"], "expiresInDays": 7}
    made = await client.post("/api/account/api-keys", json=wanted)
    client.headers["x-api-key"] = made.json()["key"]
    for path in ("/scim/v2", "/healthz/more", "/v1/projects/threads"):
        response = await client.get(path)
        assert response.headers["content-type"] == "application/json"
        assert response.json() == {"error": "not_found", "message": "Not found."}
    response = await client.get("/mcp/nothing")
    details = {"code": -32600, "message": "Not found.", "data": {"code": "not_found"}}
    assert (response.status_code, response.json()) == (
        404,
        {"jsonrpc": "2.0", "id": None, "error": details},
    )
    missing = {
        "message": "Not found.",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }
    for path in ("/v1/nothing", "/v1/files/x", "/v1"):
        response = await client.get(path)
        assert response.headers["content-type"] == "application/json"
        assert (response.status_code, response.json()) == (404, {"error": missing})
    missing = {"type": "not_found_error", "message": "Not found."}
    headers = {"anthropic-version": "2023-06-01"}
    for path, given in (("/v1/messages/batches", {}), ("/v1/files", headers)):
        response = await client.get(path, headers=given)
        assert response.headers["content-type"] == "application/json"
        assert response.status_code == 404
        assert response.json() == {"type": "error", "error": missing}


async def test_a_refused_value_is_named_by_its_parameter_alone(client: httpx.AsyncClient) -> None:
    problem = checked(await client.get("/api/threads?status=old"), 422, "invalid")
    assert problem.detail == "status must be 'regular' or 'archived'."
