"""Fields that only the server sets, and ids of others, in every JSON body of the document."""

import copy
import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy import JSON, Boolean, Integer

from chat_app.api.routes import http_app, routes
from chat_app.auth.keys.scopes import SCOPES
from chat_app.db.tables import metadata
from chat_app.gateway import Gateway
from chat_app.services import services
from testing.canary_users import (
    CREDENTIAL_HEADERS,
    CanaryUser,
    canary_user,
    credential_headers,
    new_key,
    rows_of,
)
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import Harness, open_harness
from testing.route_cases import described_case
from testing.schema_cases import UNLIMITED, names_an_id

PLANTED = "planted"
NUMBER, TIME = 20010101, "2001-01-01T00:00:00Z"
NO_COLUMNS = ("org_id", "is_admin", "admin", "role", "roles", "scopes", "memberships", "user")
"""What the server decides, or might one day, beside the columns of its tables."""
KEPT_AS_SENT = ("custom", "data", "input", "output", "metadata", "forwardedProps")
"""Values that belong to the client as a whole, whatever is in them."""
DECLARED = {
    *("/api/chat id", "/api/chat messageId", "/api/chat model", "/api/chat parentId"),
    *("/api/ag-ui runId", "/api/ag-ui threadId"),
    *("/api/threads custom", "/api/threads title", "/api/threads orgId"),
    *("/api/threads/{id} custom", "/api/threads/{id} title", "/api/threads/{id} orgId"),
    *("/api/threads/{id} model", "/api/threads/{id} status"),
    *("/api/threads/{id}/messages content", "/api/threads/{id}/messages id"),
    "/api/threads/{id}/messages parent_id",
    "/api/threads/{id}/messages/{message} content",
    "/api/threads/{id}/messages/{message} parent_id",
    *("/v1/chat/completions model", "/v1/chat/completions user"),
    *("/v1/responses model", "/v1/responses text", "/v1/responses user", "/v1/messages model"),
    *("/api/account/email email", "/api/account name", "/api/account/chat-defaults model"),
    *("/api/account/passkeys name", "/api/account/passkeys/{id} name"),
    *("/api/account/api-keys name", "/api/account/api-keys scopes"),
    *("/mcp id", "/mcp method"),
    *("/api/organisations name", "/api/organisations/{id} name"),
    "/api/organisations/{id} allowsAdminReading",
    *("/api/organisations/{id}/invitations email", "/api/organisations/{id}/invitations role"),
    "/api/organisations/{id}/members/{member} role",
    "/v1/runs status",
    "/v1/runs thread_id",
    "/v1/runs/stream thread_id",
    "/v1/scores message_id",
    "/v1/scores name",
    "/v1/scores thread_id",
    "/v1/threads external_id",
    "/v1/threads title",
    "/v1/threads/{id} title",
    "/v1/threads/{id}/messages content",
    "/v1/threads/{id}/messages external_id",
    "/v1/threads/{id}/messages parent_id",
    "/v1/threads/{id}/messages/{message} content",
}
"""The fields that clients decide, though a column or a thing of the server is called so."""
REPORTS = ("/v1/runs", "/v1/events", "/v1/scores")
"""Bodies that are stored as a whole, as what a client says of itself."""
PARTS = [
    {"type": "text", "text": "said"},
    {"type": "reasoning", "text": "thought", "state": "done"},
    {"type": "source-url", "sourceId": "s", "url": "https://example.com", "title": "T"},
    {"type": "data-chart", "data": {}},
    {"type": "tool-look", "toolCallId": "c", "state": "output-available", "input": {}, "output": 1},
]

Place = tuple[str | int, ...]


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(database.folder, **database.settings, **UNLIMITED) as harness:
        yield harness


@pytest.fixture
async def client(harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Gateway(http_app(), services=services))
    home = harness.live.settings.url
    async with httpx.AsyncClient(
        transport=transport, base_url=home, headers={"Origin": home}
    ) as one:
        yield one


def server_fields(foreign: CanaryUser) -> dict[str, Any]:
    """Every column of every table in both spellings, and more, each with a value to be found."""
    values = dict[str, Any]()
    for table in metadata.sorted_tables:
        for column in table.columns:
            value: Any = f"{PLANTED} {column.name}"
            if names_an_id(column.name):
                kind = column.name.removesuffix("_id")
                value = foreign.ids.get(kind, foreign.ids["user"])
            elif isinstance(column.type, Boolean):
                value = True
            elif isinstance(column.type, Integer):
                value = NUMBER
            elif issubclass(column.type.python_type, datetime):
                value = TIME
            elif isinstance(column.type, JSON):
                value = {PLANTED: [NUMBER]}
            values[column.name] = value
    for name in NO_COLUMNS:
        values.setdefault(name, foreign.ids["user"] if names_an_id(name) else PLANTED)
    return values | {to_camel(name): value for name, value in values.items()}


async def bodies(client: httpx.AsyncClient) -> list[tuple[str, str, dict[str, Any]]]:
    """The method, the path and the schema of each operation with a JSON body."""
    document = (await client.get("/api/openapi.json")).json()
    found = list[tuple[str, str, dict[str, Any]]]()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
                found.append((method.upper(), path, document["components"]["schemas"][name]))
    assert len(found) > 15
    return found


def right_body(method: str, path: str, user: CanaryUser) -> tuple[str, Any]:
    """The path and the body of a request that is right, with a part of each type where it can."""
    _, named, given = described_case(method, path).request(method, path, user.ids, user.email)
    body = copy.deepcopy(given.get("json", {}))
    if "content" in body:
        body["content"]["parts"] = copy.deepcopy(PARTS)
    return named, body


def objects(value: Any, place: Place = ()) -> Iterator[Place]:
    """Where in a body there are objects whose fields the server reads."""
    if isinstance(value, dict):
        yield place
        for key, one in value.items():
            if key not in KEPT_AS_SENT:
                yield from objects(one, (*place, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from objects(one, (*place, index))


def with_fields(body: Any, place: Place, fields: dict[str, Any]) -> Any:
    """A body with more fields in one of its objects; those that are there stay."""
    changed = copy.deepcopy(body)
    inner = changed
    for key in place:
        inner = inner[key]
    for name, value in fields.items():
        inner.setdefault(name, value)
    return changed


async def headers_of(harness: Harness, user: CanaryUser, method: str, path: str) -> dict[str, str]:
    """A user's session, or an API key where only that is taken."""
    session, header, _ = CREDENTIAL_HEADERS
    if described_case(method, path).takes_session:
        return credential_headers(harness.live, session, user.token)
    return credential_headers(
        harness.live, header, await new_key(harness.live, user.principal, *SCOPES)
    )


async def found_in_rows(harness: Harness, user: CanaryUser, foreign: CanaryUser) -> list[str]:
    """What a user's rows have of the planted values."""
    text = repr(await rows_of(harness.live.db, user.principal.user_id))
    planted = [PLANTED, str(NUMBER), "datetime(2001", *foreign.ids.values()]
    return [one for one in planted if one in text]


async def test_no_body_sets_what_the_server_decides(
    harness: Harness, client: httpx.AsyncClient
) -> None:
    ada, eve = [await canary_user(harness.live, canary) for canary in ("hers", "mine")]
    before = await rows_of(harness.live.db, ada.principal.user_id)
    fields = server_fields(ada)
    wrong = dict[str, Any]()
    for method, path, schema in await bodies(client):
        if path in REPORTS:
            continue
        case = described_case(method, path)
        headers = await headers_of(harness, eve, method, path)
        named, body = right_body(method, path, eve)
        known = {*schema.get("properties", {})}
        is_closed = schema.get("additionalProperties") is False
        for place in objects(body):
            more = {} if place else dict.fromkeys(known & {*fields})
            planted = {name: value for name, value in fields.items() if name not in more}
            sent = with_fields(body, place, planted)
            response = await client.request(method, named, json=sent, headers=headers)
            refused = {413, 422} if case.takes_session else {400}
            expected = refused if is_closed and not place else {case.status, *refused}
            found = await found_in_rows(harness, eve, ada)
            if response.status_code not in expected or found:
                wrong[f"{method} {path} {place}"] = response.status_code, found, response.text[:200]
    assert wrong == {}
    assert await rows_of(harness.live.db, ada.principal.user_id) == before


async def test_bodies_declare_no_column_but_these(client: httpx.AsyncClient) -> None:
    columns = {column.name for table in metadata.sorted_tables for column in table.columns}
    names = {to_camel(name) for name in columns} | columns | {*NO_COLUMNS}
    declared = {
        f"{path} {name}"
        for _, path, schema in await bodies(client)
        for name in {*schema.get("properties", {})} & names
    }
    assert declared == DECLARED


async def test_a_closed_body_refuses_each_of_these_fields(
    harness: Harness, client: httpx.AsyncClient
) -> None:
    ada = await canary_user(harness.live)
    models = {(method, one.path): one.operation for one in routes for method in one.methods or ()}
    taken, tried = list[tuple[str, str]](), 0
    for method, path, schema in await bodies(client):
        model = models[method, path].body
        if schema.get("additionalProperties") is not False or model is None:
            continue
        for name, value in server_fields(ada).items():
            if name in schema["properties"]:
                continue
            tried += 1
            _, body = right_body(method, path, ada)
            with pytest.raises(ValidationError) as refused:
                model.model_validate_json(json.dumps({**body, name: value}))
            if (name,) not in [error["loc"] for error in refused.value.errors()]:
                taken.append((path, name))
    assert taken == []
    assert tried > 1_000


def id_places(schema: dict[str, Any], body: Any) -> list[Place]:
    """Where a body can have an id: fields of its schema, and fields of its objects."""
    there = {(name,) for name in schema.get("properties", {}) if names_an_id(name)}
    for place in objects(body):
        inner = body
        for key in place:
            inner = inner[key]
        there |= {(*place, name) for name in inner if names_an_id(name)}
    return sorted(there, key=str)


def put(body: Any, place: Place, value: Any) -> Any:
    changed = copy.deepcopy(body)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_EVENT_TYPE = re.compile(r'^data: \{"type":"(.*?)"', re.MULTILINE)
_NUMBER = re.compile(r'":-?[\d.]+')


def told(response: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """A response without what differs between any two: ids, times and counts.

    Of a stream it is the types of its events, as a replayed answer comes in fewer.
    """
    headers = [pair for pair in response.headers.items() if pair[0] != "x-request-id"]
    text = _NUMBER.sub('":N', _TIME.sub("TIME", _ID.sub("ID", response.text)))
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        text = str(sorted({*_EVENT_TYPE.findall(text)}))
    same = [(name, _ID.sub("ID", value)) for name, value in sorted(headers)]
    return response.status_code, text, same


async def test_a_stolen_id_in_a_body_looks_like_a_missing_one(
    harness: Harness, client: httpx.AsyncClient
) -> None:
    ada = await canary_user(harness.live)
    before = await rows_of(harness.live.db, ada.principal.user_id)
    wrong, tried = dict[str, Any](), set[tuple[str, Place]]()
    for method, path, schema in await bodies(client):
        for place in id_places(schema, right_body(method, path, ada)[1]):
            tried.add((path, place))
            eve = await canary_user(harness.live, "mine")
            headers = await headers_of(harness, eve, method, path)
            named, body = right_body(method, path, eve)
            seen = dict[str, Any]()
            for kind, one in {"missing": str(uuid4()), **ada.ids}.items():
                body_of_one = put(body, place, one)
                if place == ("head",):
                    body_of_one = {"head": one}  # not with other fields
                response = await client.request(method, named, json=body_of_one, headers=headers)
                seen[kind] = told(response)
            if any(one != seen["missing"] for one in seen.values()):
                differ = {kind: one for kind, one in seen.items() if one != seen["missing"]}
                wrong[f"{method} {path} {place}"] = seen["missing"], differ
            assert not {UUID(one) for one in ada.ids.values()} & await own_ids(harness, eve)
    assert wrong == {}
    assert {place[-1] for _, place in tried} >= {
        *("id", "messageId", "parentId", "activeStreamId", "localId", "head", "parent_id"),
        *("threadId", "runId"),
    }
    assert await rows_of(harness.live.db, ada.principal.user_id) == before


async def own_ids(harness: Harness, user: CanaryUser) -> set[UUID]:
    """Every id in a user's rows."""
    rows = (await rows_of(harness.live.db, user.principal.user_id)).values()
    return {cell for some in rows for row in some for cell in row if isinstance(cell, UUID)}
