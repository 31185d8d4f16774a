"""Error responses: JSON for programs, a page for browsers, and bugs."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chat_app.api.errors import CatchBugs, InternalError, exception_handlers
from chat_app.core.errors import DatabaseBusy, InvalidInput, NotFound, RateLimited
from testing.auth_api import everything_logged

ERRORS: dict[str, Exception] = {
    "missing": NotFound(),
    "limited": RateLimited("Wait <b>a bit</b>.", 7),
    "invalid": InvalidInput("Not that."),
    "busy": DatabaseBusy(),
    "bug": ValueError("canary"),
    "gone": ClientDisconnect(),
}


async def fail(request: Request) -> Response:
    raise ERRORS[request.path_params["what"]]


async def fail_late(request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ValueError("canary")

    return StreamingResponse(body())


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(
        routes=[Route("/late", fail_late), Route("/{what}", fail)],
        exception_handlers=exception_handlers,
        middleware=[Middleware(CatchBugs)],
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as one:
        yield one


@pytest.mark.parametrize(
    ("what", "status", "body"),
    [
        ("missing", 404, {"error": "not_found", "message": "Not found."}),
        ("limited", 429, {"error": "rate_limited", "message": "Wait <b>a bit</b>."}),
        ("invalid", 422, {"error": "invalid", "message": "Not that."}),
        (
            "busy",
            503,
            {"error": "busy", "message": "The database is busy. Try again in a moment."},
        ),
    ],
)
async def test_a_chat_error_is_a_code_and_a_message(
    client: httpx.AsyncClient, what: str, status: int, body: dict[str, str]
) -> None:
    response = await client.get(f"/{what}")
    assert (response.status_code, response.json()) == (status, body)
    assert response.headers["cache-control"] == "private, no-cache, no-store"


async def test_a_rate_limit_has_retry_after(client: httpx.AsyncClient) -> None:
    assert (await client.get("/limited")).headers["retry-after"] == "7"
    assert "retry-after" not in (await client.get("/missing")).headers


async def test_an_error_page_escapes_the_message(client: httpx.AsyncClient) -> None:
    response = await client.get("/limited", headers={"Accept": "text/html"})
    assert response.status_code == 429
    assert "<h1>Wait &lt;b&gt;a bit&lt;/b&gt;.</h1>" in response.text


async def test_no_route_and_a_wrong_method_look_like_other_errors(
    client: httpx.AsyncClient,
) -> None:
    missing = await client.get("/no/such/thing")
    assert (missing.status_code, missing.content) == (404, (await client.get("/missing")).content)
    wrong = await client.post("/missing")
    assert (wrong.status_code, wrong.json()["error"]) == (405, "method")
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_a_bug_has_an_id_that_is_in_the_log_without_its_text(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with everything_logged(caplog):
        response = await client.get("/bug")
    assert (response.status_code, response.json()["error"]) == (500, "internal")
    mark = response.json()["message"].split("code ")[1][:8]
    assert mark in caplog.text
    assert "ValueError" in caplog.text
    assert "canary" not in caplog.text + response.text


async def test_a_bug_after_the_response_started_cuts_it_without_its_text(
    client: httpx.AsyncClient,
) -> None:
    with pytest.raises(InternalError) as cut:
        await client.get("/late")
    assert cut.value.__suppress_context__
    assert "canary" not in str(cut.value)


async def test_a_disconnected_client_is_no_bug(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    # httpx finds no answer and says so; a real client is not there to miss one
    with everything_logged(caplog), pytest.raises(AssertionError):
        await client.get("/gone")
    assert "unexpected" not in caplog.text
