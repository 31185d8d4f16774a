"""A few requests for each operation of the OpenAPI document; `make resilience` sends more."""

from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.responses import json_response
from chat_app.api.routes import routes
from testing.database import DatabaseUnderTest
from testing.schema_cases import Credential, SchemaCases, schema_cases

EXAMPLES = 4

Opened = tuple[SchemaCases, list[Credential]]


@pytest.fixture
def opened(database: DatabaseUnderTest) -> Iterator[Opened]:
    with schema_cases(database.folder, **database.settings) as opened:
        yield opened


def test_every_operation_responds_as_the_document_says(opened: Opened) -> None:
    cases, credentials = opened
    for credential in credentials:
        checked = cases.check(credential, EXAMPLES)
        assert checked.wrong == {}
        assert min(checked.cases.values()) >= EXAMPLES
        seen = {status for statuses in checked.statuses.values() for status in statuses}
        assert seen >= ({200, 204, 404, 422} if credential.refused is None else {200, 401})


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (json_response({"status": 1}), "schema"),
        (json_response({"status": "ok", "secret": "a"}), "schema"),
        (json_response({"status": "ok"}, 202), "202"),
        (Response("ok", media_type="text/plain"), "Content-Type"),
    ],
)
def test_a_response_that_is_not_as_documented_is_found(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, response: Response, problem: str
) -> None:
    async def wrong(_request: Request) -> Response:
        return response

    cases, (signed_in, _) = opened
    (health,) = (route for route in routes if route.path == "/api/health")
    assert cases.check(signed_in, 2, only="GET /api/health").wrong == {}
    monkeypatch.setitem(vars(health.operation), "handler", wrong)
    found = cases.check(signed_in, 2, only="GET /api/health").wrong
    assert problem in found["GET /api/health"]
