"""Malformed forms: each is a 4xx with a message, never a 5xx."""

from collections.abc import AsyncIterator

import httpx
import pytest

from testing.auth_api import JSON, auth_api_harness, browser
from testing.auth_services import AuthHarness
from testing.database import DatabaseUnderTest

PATHS = ("callback/credentials", "signup", "signout")
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_api_harness(database) as one:
        yield one


@pytest.fixture
async def tab(harness: AuthHarness) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(harness) as one:
        yield one


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("content_type", "body", "status", "error"),
    [
        (None, b"email=a", 415, "wrong_type"),
        ("", b"email=a", 415, "wrong_type"),
        ("text/plain", b"email=a", 415, "wrong_type"),
        ("application/json", b'{"email":"a"}', 415, "wrong_type"),
        ("multipart/form-data; boundary=x", b"--x--", 415, "wrong_type"),
        (FORM, b"\xff\xfe", 422, "invalid"),
        (FORM, b"email=%FF", 422, "invalid"),
        (FORM, b"email=%ED%A0%80", 422, "invalid"),
        (FORM, b"email=a&email=b", 422, "invalid"),
        (FORM, b"&".join(b"f%d=x" % n for n in range(21)), 422, "invalid"),
        (FORM, b"email=" + b"a" * 16_384, 413, "too_large"),
    ],
)
async def test_a_malformed_form_is_a_4xx_with_a_message(
    tab: httpx.AsyncClient,
    path: str,
    content_type: str | None,
    body: bytes,
    status: int,
    error: str,
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = await tab.post(f"/api/auth/{path}", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.json()["message"].endswith(".")
    assert "set-cookie" not in response.headers


async def test_an_endless_form_is_cut_at_the_limit(tab: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1_000:
            sent += 1
            yield b"a" * 1_024

    headers = {"Content-Type": FORM}
    response = await tab.post("/api/auth/signup", content=endless(), headers=headers)
    assert response.status_code == 413
    assert sent < 20


@pytest.mark.parametrize("path", PATHS[:2])
@pytest.mark.parametrize(
    "body",
    [b"", b"&&&", b"=", b"email", b"email=%00&password=%00", b"email=%&password=%zz", b"a=b;c=d"],
)
async def test_a_random_form_signs_no_user_in(
    harness: AuthHarness, tab: httpx.AsyncClient, path: str, body: bytes
) -> None:
    headers = JSON | {"Content-Type": FORM + "; charset=UTF-8"}
    response = await tab.post(f"/api/auth/{path}", content=body, headers=headers)
    assert response.status_code in (200, 422)
    assert "error=" in response.json()["url"]
    assert not tab.cookies


@pytest.mark.parametrize(
    ("accept", "kind"), [("text/html,*/*", "text/html"), ("*/*", "application/problem+json")]
)
async def test_a_browser_sees_a_page_and_a_program_json(
    tab: httpx.AsyncClient, accept: str, kind: str
) -> None:
    response = await tab.post("/api/auth/signup", content=b"x=1", headers={"Accept": accept})
    assert response.status_code == 415
    assert response.headers["content-type"].startswith(kind)
    assert "Send a form." in response.text
