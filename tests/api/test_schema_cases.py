"""A few requests for each operation of the OpenAPI document; `make resilience` sends more."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from schemathesis import Case
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chat_app.api import account, threads
from chat_app.api.responses import json_response
from chat_app.api.routes import routes
from chat_app.auth.keys.scopes import SCOPES
from testing.canary_users import CANARY
from testing.database import DatabaseUnderTest
from testing.schema_cases import Credential, SchemaCases, schema_cases

EXAMPLES = 3

Opened = tuple[SchemaCases, list[Credential]]


@pytest.fixture
def opened(database: DatabaseUnderTest) -> Iterator[Opened]:
    with schema_cases(database.folder, **database.settings) as opened:
        yield opened


def one_of_each_scope(keys: list[Credential]) -> list[Credential]:
    """A key for each scope, and one with all, in the one header and in the other in turn."""
    by_scope = dict[str, list[Credential]]()
    for key in keys:
        by_scope.setdefault(key.name.rpartition(" ")[2], []).append(key)
    assert set(by_scope) == {"all", *SCOPES}
    return [some[number % len(some)] for number, some in enumerate(by_scope.values())]


def test_every_operation_responds_as_the_document_says(opened: Opened) -> None:
    cases, [session, signed_out, *every_key] = opened
    keys = one_of_each_scope(every_key)
    checked = cases.check([session, signed_out, *keys], EXAMPLES)
    assert checked.wrong == {}
    assert min(checked.cases.values()) >= EXAMPLES
    assert checked.statuses_of(session) >= {200, 201, 204, 404, 422}
    assert checked.statuses_of(signed_out) >= {200, 401}
    for key in keys:
        assert checked.statuses_of(key) >= {200, 403}


HEALTH = "GET /api/health"


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (json_response({"status": 1}), "schema"),
        (json_response({"status": "ok", "secret": "a"}), "schema"),
        (json_response({"status": "ok"}, 202), "202"),
        (json_response({"status": "ok"}, 500), "Server error"),
        (Response("ok", media_type="text/plain"), "Content-Type"),
        (JSONResponse({"status": "ok"}, headers={"x-secret": CANARY}), "another user's"),
    ],
)
def test_a_response_that_is_not_as_documented_is_found(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, response: Response, problem: str
) -> None:
    async def wrong(_request: Request) -> Response:
        return response

    cases, (session, *_) = opened
    (health,) = (route for route in routes if route.path == "/api/health")
    assert cases.check([session], 2, only=HEALTH).wrong == {}
    monkeypatch.setitem(vars(health.operation), "handler", wrong)
    found = cases.check([session], 2, only=HEALTH).wrong
    assert problem in found[HEALTH, session.name]


class WrongThread(threads.ListedThread):
    """A thread whose title is a number."""

    title: int  # pyright: ignore[reportIncompatibleVariableOverride]


class WrongSession(account.OpenSession):
    """A session whose device is missing where it is not known."""

    device: None  # pyright: ignore[reportIncompatibleVariableOverride]


@pytest.mark.parametrize(
    ("module", "name", "model", "operation"),
    [
        (threads, "ListedThread", WrongThread, "GET /api/threads"),
        (account, "OpenSession", WrongSession, "GET /api/account/sessions"),
    ],
)
def test_a_wrong_type_in_a_response_model_is_found(
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    model: Any,
    operation: str,
) -> None:
    def converted(**values: Any) -> Any:
        return model.model_construct(**{**values, "title": 1, "device": None})

    cases, (session, *_) = opened
    assert cases.check([session], 2, only=operation).wrong == {}
    for wrong in (model, converted):  # refused by the model; let through by it
        monkeypatch.setattr(module, name, wrong)
        assert (operation, session.name) in cases.check([session], 2, only=operation).wrong


FREE_FORM = ("custom", "metadata", "parts", "claims")
"""Fields that hold what others decide: the document does not say of which types."""
WITH_VALUES = (
    *("GET /api/threads", "GET /api/threads/{id}", "GET /api/threads/{id}/messages"),
    *("POST /api/threads", "GET /api/account/sessions", "GET /api/account/api-keys"),
    *("GET /api/models", "GET /api/auth/session", "GET /api/account/chat-defaults"),
    "GET /api/auth/providers",
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values in a response, but one of those in a list."""
    if path and path[-1] in FREE_FORM:
        return
    if path:
        yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def wrong_for(value: Any) -> Any:
    """A value of another type."""
    return "1" if isinstance(value, dict) else {"wrong": 1}


class Recorder(SchemaCases):
    """Keeps a request of an operation that was answered with values, and its response."""

    kept: dict[str, tuple[Case, httpx.Response]]

    def wrong_with(
        self, case: Case, response: httpx.Response, credential: Credential
    ) -> Iterator[str]:
        """What is wrong with a response."""
        if response.status_code < 300:
            self.kept[f"{case.method.upper()} {case.path}"] = case, response
        yield from super().wrong_with(case, response, credential)


def altered(response: httpx.Response, place: tuple[str | int, ...]) -> httpx.Response:
    """A response with a value of another type at one place."""
    content = inner = response.json()
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = wrong_for(inner[place[-1]])
    changed = httpx.Response(response.status_code, json=content, request=response.request)
    changed.elapsed = response.elapsed
    return changed


def test_a_value_of_another_type_is_found_at_every_place(opened: Opened) -> None:
    cases, (session, *_) = opened
    recorder = Recorder(**vars(cases))
    object.__setattr__(recorder, "kept", {})
    user = session.identity()
    overlooked = list[tuple[str, Any]]()
    tried = 0
    for operation in WITH_VALUES:
        assert recorder.check([replace(session, identity=lambda: user)], 12, operation).wrong == {}
        case, response = recorder.kept[operation]
        for place in places(response.json()):
            tried += 1
            if not list(cases.wrong_with(case, altered(response, place), session)):
                overlooked.append((operation, place))
    assert tried > 60
    assert overlooked == []
