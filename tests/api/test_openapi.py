"""The OpenAPI document, the page made from it, and the declarations that both rest on."""

import inspect
import json
import typing
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from types import NoneType
from typing import Any, get_args

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.requests import Body, Query
from chat_app.api.responses import ResponseModel
from chat_app.api.routes import http_app, routes
from chat_app.api.routing import ApiRoute, Operation, Routes
from chat_app.auth.principal import Principal
from chat_app.gateway import Gateway
from chat_app.gateway.headers import page_policy
from chat_app.gateway.paths import is_api
from chat_app.services import services
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import Harness, open_harness

OF_CLIENTS = {
    "POST /api/chat": "the body of the AI SDK's chat transport",
    "POST /api/ag-ui": "the body of AG-UI's HttpAgent",
    "POST /api/chat/{id}/stop": "the body that chat clients send with a stop",
    "POST /api/threads/{id}/title": "what assistant-ui sends for a title",
    "POST /api/auth/session": "the body of Auth.js's update()",
    "POST /v1/runs/stream": "what AssistantCloud's client sends for a title",
    "POST /mcp": "a message of MCP, which later versions add to",
    "POST /v1/runs": "its report of a run, which later versions add to",
    "POST /v1/scores": "its report of a score, which later versions add to",
}
"""Bodies whose form a client's library decides: other fields are ignored."""
OF_ASSISTANT_CLOUD = ("/v1/threads", "/v1/runs", "/v1/events", "/v1/scores")
"""Paths that take its tokens."""


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(database.folder, **database.settings) as harness:
        yield harness


@pytest.fixture
async def client(harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    """An anonymous client of the gateway."""
    transport = httpx.ASGITransport(Gateway(http_app(), services=services))
    home = harness.live.settings.url
    async with httpx.AsyncClient(transport=transport, base_url=home) as one:
        yield one


async def fetched(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/api/openapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    return response.json()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_the_document_is_valid_and_has_every_operation(client: httpx.AsyncClient) -> None:
    document = await fetched(client)
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    there = {
        f"{method} {route.path.replace(':path}', '}')}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
        if is_api(route.path)
    }
    described = operations(document)
    assert set(described) == there
    names = [operation["operationId"] for operation in described.values()]
    assert len(names) == len(set(names))
    for name, operation in described.items():
        assert operation["summary"], name
        assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}


async def test_the_document_says_who_may_call(client: httpx.AsyncClient) -> None:
    described = operations(await fetched(client))
    for route in routes:
        for method in (route.methods or set()) - {"HEAD"}:
            operation = described.get(f"{method} {route.path.replace(':path}', '}')}")
            if operation is None:
                continue
            declared = route.operation
            if declared.access in ("public", "form"):
                assert operation["security"] == []
                continue
            scopes = [one for names in operation["security"] for one in names.items()]
            expected: list[Any] = [("session", [])] if route.path.startswith("/api/") else []
            if declared.scope is not None:
                expected += [("bearer", [declared.scope]), ("apiKey", [declared.scope])]
                if route.path.startswith(OF_ASSISTANT_CLOUD):
                    expected += [("cloudToken", [declared.scope])]
            assert scopes == expected
            assert "401" in operation["responses"]
            assert (declared.access == "admin") is route.path.startswith("/api/admin/")
            if declared.access == "admin":
                assert "For site admins" in operation["description"]
                assert operation["responses"].keys() >= {"403", "404"}


async def test_own_bodies_and_responses_are_closed(client: httpx.AsyncClient) -> None:
    document = await fetched(client)
    open_ones = set()
    for name, operation in operations(document).items():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        schema = document["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
        if schema.get("additionalProperties") is not False:
            open_ones.add(name)
    assert open_ones <= set(OF_CLIENTS)
    for route in routes:
        for model in models_of(route.operation.response):
            assert model.model_config.get("extra") == "forbid", model


def models_of(type_: Any) -> list[type[BaseModel]]:
    if inspect.isclass(type_) and issubclass(type_, BaseModel):
        inner = [field.annotation for field in type_.model_fields.values()]
        return [type_, *(model for one in inner for model in models_of(one))]
    return [model for one in get_args(type_) for model in models_of(one)]


def undeclared(route: ApiRoute) -> str | None:
    """What a route responds without having declared it."""
    operation = route.operation
    returned = typing.get_type_hints(operation.handler).get("return", Any)
    answers = operation.response is not None or operation.is_stream or operation.media_type
    if answers or operation.redirects or not route.path.startswith("/api/"):
        return None
    kinds = set(get_args(returned) or [returned])
    return None if kinds <= {NoneType, Response} else f"{route.path}: {returned}"


def test_every_route_declares_what_it_responds() -> None:
    missing = {
        f"{method} {route.path}"
        for route in routes
        if undeclared(route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert missing == set()
    given = Routes()

    @given.signed_in("GET", "/api/anything")
    async def anything(request: Request, principal: Principal) -> dict[str, str]:
        return {}

    assert undeclared(given[0]) is not None


def test_every_handler_with_inputs_takes_what_is_declared() -> None:
    class Empty(Body):
        """Nothing."""

    given = Routes()

    async def handler(request: Request, principal: Principal) -> None:
        """Takes no body."""

    with pytest.raises(TypeError):
        given.signed_in("POST", "/api/anything", body=Empty)(handler)
    given.signed_in("POST", "/api/anything")(handler)


def test_a_response_that_was_not_declared_is_a_bug() -> None:
    class Named(ResponseModel):
        """Something with a name."""

        name: str

    class Other(ResponseModel):
        """Something else."""

        name: str
        secret: str

    async def handler(request: Request) -> Named:
        """Never called."""
        raise NotImplementedError

    operation = Operation(handler=handler, access="public", response=Named)
    assert json.loads(bytes(operation.respond(Named(name="a")).body)) == {"name": "a"}
    for wrong in ({"name": 1}, {"name": "a", "secret": "b"}, Other(name="a", secret="b"), None):
        with pytest.raises(ValidationError):
            operation.respond(wrong)


def test_queries_are_models_of_text_and_numbers() -> None:
    for route in routes:
        if (query := route.operation.query) is not None:
            assert issubclass(query, Query), route.path


class _Page(HTMLParser):
    """What a page links to, names and loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self.tags: set[str] = set()
        self.loaded: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            elif name == "href" and value:
                self.targets.add(value)
            elif name in ("src", "style") or name.startswith("on"):
                self.loaded.add(f"{name}={value}")


async def test_the_page_describes_every_operation_and_loads_nothing(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/api/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    settings = services().settings
    assert response.headers["content-security-policy"] == page_policy(settings.origins)
    page = _Page()
    page.feed(response.text)
    document = await fetched(client)
    assert len(page.ids) == len(set(page.ids))
    for operation in operations(document).values():
        assert operation["operationId"] in page.ids
    missing = {target for target in page.targets if target.startswith("#")} - {
        f"#{one}" for one in page.ids
    }
    assert missing == set()
    assert {target for target in page.targets if not target.startswith("#")} == {
        "/api/openapi.json"
    }
    assert page.loaded == set()
    assert not page.tags & {"script", "link", "img", "iframe", "form"}


async def test_the_page_names_the_credentials_of_each_operation(client: httpx.AsyncClient) -> None:
    described, page = operations(await fetched(client)), (await client.get("/api/docs")).text
    key = "API key with the scope <code>threads:read</code>."
    for name, callers in {
        "GET /api/health": "Open to everyone.",
        "GET /api/account/sessions": "A session; API keys are refused.",
        "GET /api/threads": f"A session, or an {key}",
        "GET /v1/threads": f"A token of AssistantCloud's client, or an {key}",
        "POST /v1/auth/tokens": f"An {key}",
    }.items():
        _, _, section = page.partition(f'id="{described[name]["operationId"]}"')
        assert section.partition('<p class="quiet">')[2].startswith(f"{callers}</p>"), name


async def test_the_type_of_a_problem_leads_to_its_description(client: httpx.AsyncClient) -> None:
    page = _Page()
    page.feed((await client.get("/api/docs")).text)
    for path in ("/api/threads", "/api/auth/nothing"):
        problem = (await client.get(path)).json()
        where, _, section = problem["type"].partition("#")
        assert (where, section in page.ids) == ("/api/docs", True)
