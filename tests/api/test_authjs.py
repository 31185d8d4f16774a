"""Auth.js's URLs; its own client is in `tests/nextauth`."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from chat_app.api import auth, oauth
from testing.auth_api import JSON, auth_api_harness, browser, error_of
from testing.auth_services import PASSWORD, AuthHarness
from testing.database import DatabaseUnderTest
from testing.oidc_app import github_at, oidc_at

ADA = "ada@example.org"
HOME = "http://localhost:3000"
ROUTES = (*auth.routes, *oauth.routes)


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    ways = (oidc_at("https://id.example", label="Acme Inc"), github_at("https://github.com"))
    async with auth_api_harness(database, identity_providers=ways) as one:
        await one.accounts.add(ADA, PASSWORD, "Ada")
        yield one


@pytest.fixture
async def tab(harness: AuthHarness) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(harness, routes=ROUTES) as one:
        yield one


async def sign_in(tab: httpx.AsyncClient, **given: str) -> httpx.Response:
    form = {"email": ADA, "password": PASSWORD, **given}
    return await tab.post("/api/auth/signin/credentials", data=form, headers=JSON)


async def sent_to(tab: httpx.AsyncClient, path: str) -> tuple[str, dict[str, str]]:
    """The page of ours where an address leads, and its query."""
    response = await tab.get(path)
    assert response.status_code == 303
    assert response.headers["cache-control"] == "private, no-cache, no-store"
    parts = urlsplit(response.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}" == HOME
    return parts.path, dict(parse_qsl(parts.query))


async def test_the_sign_in_methods_are_in_the_order_of_the_page(tab: httpx.AsyncClient) -> None:
    found = (await tab.get("/api/auth/providers")).json()
    assert [(one["id"], one["name"], one["type"]) for one in found.values()] == [
        ("credentials", "Password", "credentials"),
        ("acme", "Acme Inc", "oidc"),
        ("github", "GitHub", "oauth"),
        ("email", "E-mail link", "email"),
    ]
    assert found["acme"]["signinUrl"] == f"{HOME}/api/auth/signin/acme"
    assert found["github"]["callbackUrl"] == f"{HOME}/api/auth/callback/github"


async def test_without_a_mail_server_there_is_no_email_method(database: DatabaseUnderTest) -> None:
    given = {"app_url": "https://chat.example"}
    async with (
        auth_api_harness(database, **given) as harness,
        browser(harness, routes=ROUTES) as tab,
    ):
        assert list((await tab.get("/api/auth/providers")).json()) == ["credentials"]


async def test_credentials_are_accepted_on_both_paths(tab: httpx.AsyncClient) -> None:
    assert (await sign_in(tab)).json() == {"url": f"{HOME}/"}
    assert (await tab.get("/api/auth/session")).json()["user"]["email"] == ADA
    wrong = await sign_in(tab, password="wrong")
    assert error_of(wrong) == {"error": "CredentialsSignin", "code": "credentials"}


@pytest.mark.parametrize(
    "data",
    [
        {"user": {"id": "1", "email": "eve@example.org", "role": "admin"}, "expires": "2099"},
        {"expires_at": "2099-01-01T00:00:00.000Z", "user_id": "1"},
        "text",
        None,
        [1],
    ],
)
async def test_a_client_cannot_write_a_field_of_the_session(
    tab: httpx.AsyncClient, data: Any
) -> None:
    await sign_in(tab)
    token = (await tab.get("/api/auth/csrf")).json()["csrfToken"]
    before = (await tab.get("/api/auth/session")).json()
    body = {"csrfToken": token, "data": data, "user": data, "expires": "2099"}
    response = await tab.post("/api/auth/session", json=body)
    assert (response.status_code, response.json()) == (200, before)
    assert (await tab.get("/api/auth/session")).json() == before


async def test_an_anonymous_session_update_is_null(tab: httpx.AsyncClient) -> None:
    response = await tab.post("/api/auth/session", json={"data": {"user": {"id": "1"}}})
    assert (response.status_code, response.text) == (200, "null")
    assert "chat_session" not in tab.cookies


async def test_an_update_with_a_wrong_token_is_refused(tab: httpx.AsyncClient) -> None:
    await sign_in(tab)
    for token in ("", "x", "0" * 64):
        response = await tab.post("/api/auth/session", json={"csrfToken": token, "data": {}})
        assert response.status_code == 403
    response = await tab.post("/api/auth/session", json={"csrfToken": 7})
    assert response.status_code == 422


async def test_the_urls_of_auth_js_redirect_to_our_pages(tab: httpx.AsyncClient) -> None:
    for path in ("signin", "signin/acme", "signin/credentials", "signin/nobody-knows"):
        assert await sent_to(tab, f"/api/auth/{path}") == ("/signin", {})
    asked = "error=SessionRequired&callbackUrl=http%3A%2F%2Flocalhost%3A3000%2Fc%2F4%3Fx%3D1"
    said = {"error": "SessionRequired", "callbackUrl": "/c/4?x=1"}
    assert await sent_to(tab, f"/api/auth/signin?{asked}") == ("/signin", said)
    assert await sent_to(tab, "/api/auth/error?error=Configuration") == (
        "/signin",
        {"error": "Configuration"},
    )
    assert await sent_to(tab, "/api/auth/error") == ("/signin", {"error": "Default"})
    assert await sent_to(tab, "/api/auth/verify-request") == ("/signin/link", {"sent": "1"})


async def test_a_link_to_sign_out_signs_no_user_out(tab: httpx.AsyncClient) -> None:
    await sign_in(tab)
    assert await sent_to(tab, "/api/auth/signout?callbackUrl=/c/4") == (
        "/",
        {"callbackUrl": "/c/4"},
    )
    assert (await tab.get("/api/auth/session")).json()["user"]["email"] == ADA


@pytest.mark.parametrize(
    "foreign",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "%2F%2Fevil.example",
        "x" * 3000,
    ],
)
async def test_a_redirect_keeps_only_our_urls_and_known_codes(
    tab: httpx.AsyncClient, foreign: str
) -> None:
    for path in ("signin", "signin/acme", "signout", "error", "verify-request"):
        asked = httpx.QueryParams({"callbackUrl": foreign, "error": "<b>call 555-0100</b>"})
        _, said = await sent_to(tab, f"/api/auth/{path}?{asked}")
        assert said.pop("error") == "Default"
        assert "callbackUrl" not in said


async def test_a_foreign_csrf_token_starts_no_oauth_sign_in(tab: httpx.AsyncClient) -> None:
    response = await tab.post("/api/auth/signin/acme", data={"csrfToken": "0" * 64}, headers=JSON)
    assert (response.status_code, error_of(response)) == (403, {"error": "MissingCSRF"})
    assert not tab.cookies
