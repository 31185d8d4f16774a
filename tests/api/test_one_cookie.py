"""Only the session cookie signs a request in."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from chat_app.api.routes import http_app
from chat_app.gateway import Gateway
from chat_app.services import services
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import Harness, open_harness

HOME = "http://localhost:3000"
PASSWORD = "correct horse battery staple"
COOKIE = "chat_session"
PLACES: dict[str, dict[str, Any]] = {
    "a password of HTTP": {"headers": {"Authorization": "Basic {}"}},
    "a header": {"headers": {"X-Session-Token": "{}", COOKIE: "{}"}},
    "the query": {"params": {COOKIE: "{}", "token": "{}", "sessionToken": "{}"}},
    "a form": {"method": "POST", "data": {COOKIE: "{}", "sessionToken": "{}"}},
    "JSON": {"method": "POST", "json": {"data": {"sessionToken": "{}", "user": {"id": "{}"}}}},
    "a cookie of another spelling": {"headers": {"Cookie": "Chat_Session={}; chat_session2={}"}},
    "the cookie of a secure site": {"headers": {"Cookie": "__Host-chat_session={}"}},
    "a part of a cookie": {"headers": {"Cookie": "chat_session.0={}; chat_session.1="}},
    "cookies of Auth.js": {
        "headers": {"Cookie": "authjs.session-token={}; next-auth.session-token={}"}
    },
}

AGAIN = {
    "the same cookie again": {"headers": {"Cookie": COOKIE + "={}"}},
    "a cookie inside another": {"headers": {"Cookie": 'theme="x; chat_session={}"'}},
}
"""Without a session these would be the session cookie itself."""


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(
        database.folder, **database.settings, app_url=HOME, sign_up="open"
    ) as harness:
        yield harness


def browser() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Gateway(http_app(), services=services))
    return httpx.AsyncClient(transport=transport, base_url=HOME, headers={"Origin": HOME})


async def token_of(email: str) -> str:
    """The session token of a new user."""
    async with browser() as tab:
        form = {"email": email, "password": PASSWORD, "name": ""}
        await tab.post("/api/auth/signup", data=form)
        return tab.cookies[COOKIE]


def filled(given: Any, token: str) -> Any:
    if isinstance(given, dict):
        return {name: filled(one, token) for name, one in given.items()}
    return given.replace("{}", token)


async def seen(place: dict[str, Any], token: str, own: str) -> str:
    """The session as the routes report it, with a cookie and with a token elsewhere."""
    sent = {"method": "GET", "headers": {}, **filled(place, token)}
    cookies = "; ".join(filter(None, (own, sent["headers"].pop("Cookie", ""))))
    headers = {**sent.pop("headers"), **({"Cookie": cookies} if cookies else {})}
    async with browser() as tab:
        response = await tab.request(**sent, url="/api/auth/session", headers=headers)
        assert response.status_code < 500
        look = await tab.get("/api/auth/session", headers=headers)
        assert look.status_code == 200
        return response.text + look.text


@pytest.mark.parametrize("place", PLACES)
async def test_a_token_outside_the_session_cookie_signs_no_user_in(
    harness: Harness, place: str
) -> None:
    body = await seen(PLACES[place], await token_of("ada@example.com"), "")
    assert body.endswith("null")
    assert "ada@" not in body


@pytest.mark.parametrize("place", [*PLACES, *AGAIN])
async def test_a_token_outside_the_session_cookie_changes_no_user(
    harness: Harness, place: str
) -> None:
    hers, own = await token_of("ada@example.com"), await token_of("eve@example.com")
    body = await seen({**PLACES, **AGAIN}[place], hers, f"{COOKIE}={own}")
    assert "eve@example.com" in body
    assert "ada@" not in body


AS_KEYS: dict[str, dict[str, str]] = {
    "a bearer token": {"Authorization": "Bearer {}"},
    "a bearer token in percents": {"Authorization": "Bearer %{}"},
    "half a bearer token": {"Authorization": "Bearer"},
    "an API key": {"x-api-key": "{}"},
    "an empty API key": {"x-api-key": ""},
}


@pytest.mark.parametrize("place", AS_KEYS)
async def test_the_token_of_a_session_is_no_api_key(harness: Harness, place: str) -> None:
    hers, own = await token_of("ada@example.com"), await token_of("eve@example.com")
    for cookie in ("", f"{COOKIE}={own}", f"{COOKIE}={hers}"):
        headers = filled(AS_KEYS[place], hers) | ({"Cookie": cookie} if cookie else {})
        for path in ("/api/auth/session", "/api/threads"):
            async with browser() as tab:
                response = await tab.get(path, headers=headers)
            assert (response.status_code, response.json()["error"]) == (401, "invalid_api_key")
