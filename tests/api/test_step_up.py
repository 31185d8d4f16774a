"""Step-up authentication, and what requires it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pyotp.totp import TOTP

from chat_app.api import organisations
from chat_app.api.routes import routes
from testing.auth_api import JSON, auth_api_harness, browser
from testing.auth_services import PASSWORD, AuthHarness
from testing.authenticator import Authenticator
from testing.database import DatabaseUnderTest
from testing.second_factor import enable_mfa

EMAIL = "ada@example.org"
STEP_UP = "/api/account/step-up"
FRESH = [
    ("POST", "/api/account/totp", {}),
    ("DELETE", "/api/account/totp", {}),
    ("POST", "/api/account/totp/confirm", {"code": "123456"}),
    ("POST", "/api/account/backup-codes", {}),
    ("POST", "/api/account/passkeys/options", {}),
    ("POST", "/api/account/passkeys", {"credential": "{}"}),
    ("DELETE", "/api/account/passkeys/9a8c2a2e-6e2b-4f6d-8f5e-1d1c5b1a0001", {}),
]


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_api_harness(database) as one:
        await one.accounts.add(EMAIL, PASSWORD, "Ada")
        yield one


@pytest.fixture
async def tab(harness: AuthHarness) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(harness, routes=routes) as one:
        form = {"email": EMAIL, "password": PASSWORD, "remember": "1"}
        await one.post("/api/auth/callback/credentials", data=form, headers=JSON)
        yield one


async def own_id(harness: AuthHarness, tab: httpx.AsyncClient) -> Any:
    found = await harness.sessions.resolve(tab.cookies["chat_session"])
    assert found is not None
    return found.principal


async def is_fresh(tab: httpx.AsyncClient) -> bool:
    response = await tab.post("/api/account/passkeys/options")
    return response.status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), FRESH)
async def test_an_old_authentication_is_not_fresh(
    harness: AuthHarness, tab: httpx.AsyncClient, method: str, path: str, body: dict[str, str]
) -> None:
    harness.time.passes(minutes=10, seconds=1)
    response = await tab.request(method, path, json=body)
    assert (response.status_code, response.json()["error"]) == (403, "step_up_required")
    await tab.post(STEP_UP, json={"password": PASSWORD})
    response = await tab.request(method, path, json=body)
    assert response.status_code < 500
    assert "step_up_required" not in response.text


def test_what_takes_something_from_others_in_an_organisation_needs_a_fresh_session() -> None:
    fresh = {
        f"{method} {route.path}"
        for route in organisations.routes
        if route.operation.access == "fresh"
        for method in route.methods or ()
    }
    assert fresh == {
        "DELETE /api/organisations/{id}",
        "PATCH /api/organisations/{id}/members/{member}",
        "DELETE /api/organisations/{id}/members/{member}",
    }


async def test_a_password_step_up_makes_the_session_fresh_under_a_new_token(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    harness.time.passes(minutes=11)
    before, who = tab.cookies["chat_session"], await own_id(harness, tab)
    response = await tab.post(
        STEP_UP, json={"password": PASSWORD, "callbackUrl": "/settings/passkeys"}
    )
    assert response.json() == {"url": f"{harness.settings.url}/settings/passkeys"}
    assert "Max-Age=" in response.headers["set-cookie"]
    assert await own_id(harness, tab) == who
    assert await harness.sessions.resolve(before) is None
    assert await is_fresh(tab)


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/\\evil"])
async def test_a_step_up_redirects_only_to_our_pages(tab: httpx.AsyncClient, wanted: str) -> None:
    response = await tab.post(STEP_UP, json={"password": PASSWORD, "callbackUrl": wanted})
    assert "evil" not in response.text


async def test_a_wrong_step_up_password_counts_as_a_failed_sign_in(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    harness.time.passes(minutes=11)
    for _ in range(10):  # in the known browser, and as in any other
        response = await tab.post(STEP_UP, json={"password": "wrong wrong wrong"})
        assert (response.status_code, response.json()["error"]) == (403, "not_confirmed")
    checked = harness.hasher.verified
    response = await tab.post(STEP_UP, json={"password": PASSWORD})
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) > 0
    assert harness.hasher.verified == checked
    assert not await is_fresh(tab)


async def test_a_user_with_two_factor_steps_up_with_a_code(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    who = await own_id(harness, tab)
    ada = await enable_mfa(harness, who.user_id)
    harness.time.passes(minutes=11)
    response = await tab.post(STEP_UP, json={"password": PASSWORD})
    assert response.json()["error"] == "not_confirmed"
    response = await tab.post(STEP_UP, json={"code": ada.wrong()})
    assert response.json()["error"] == "second_factor_wrong"
    assert not await is_fresh(tab)
    await tab.post(STEP_UP, json={"code": ada.code()})
    assert await is_fresh(tab)
    again = await tab.post(STEP_UP, json={"code": ada.code()})
    assert again.json()["error"] == "second_factor_wrong"


async def test_a_user_steps_up_with_their_own_passkey(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    key = Authenticator(harness.settings.url)
    options = (await tab.post("/api/account/passkeys/options")).json()
    body = {"credential": key.create(options), "name": "Key"}
    assert (await tab.post("/api/account/passkeys", json=body)).status_code == 201
    harness.time.passes(minutes=11)
    options = (await tab.post(f"{STEP_UP}/passkey/options")).json()
    assert [one["id"] for one in options["allowCredentials"]]
    response = await tab.post(f"{STEP_UP}/passkey", json={"credential": key.get(options)})
    assert response.status_code == 200
    assert await is_fresh(tab)


@pytest.mark.parametrize("body", [{}, {"password": "x", "code": "y"}, {"code": 7}, {"more": "x"}])
async def test_a_step_up_takes_one_credential(tab: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await tab.post(STEP_UP, json=body)).status_code == 422


async def test_a_passkey_alone_signs_in(harness: AuthHarness, tab: httpx.AsyncClient) -> None:
    key = Authenticator(harness.settings.url)
    options = (await tab.post("/api/account/passkeys/options")).json()
    await tab.post("/api/account/passkeys", json={"credential": key.create(options)})
    await enable_mfa(harness, (await own_id(harness, tab)).user_id)
    async with browser(harness, routes=routes) as other:
        options = (await other.post("/api/auth/passkey/options")).json()
        form = {"credential": key.get(options), "callbackUrl": "/c/7"}
        async with browser(harness, routes=routes) as thief:
            stolen = await thief.post("/api/auth/callback/passkey", data=form, headers=JSON)
            assert "error=PasskeyRefused" in stolen.json()["url"]
            assert "chat_session" not in thief.cookies
        response = await other.post("/api/auth/callback/passkey", data=form, headers=JSON)
        assert response.json()["url"] == f"{harness.settings.url}/c/7"  # it counts as both factors
        assert list(other.cookies) == ["chat_session", "chat_known"]


async def test_two_factor_is_turned_on(harness: AuthHarness, tab: httpx.AsyncClient) -> None:
    begun = (await tab.post("/api/account/totp")).json()
    assert begun["qr"].startswith("data:image/svg+xml")
    assert f"secret={begun['secret']}" in begun["uri"]
    code = TOTP(begun["secret"]).at(harness.time())
    codes = (await tab.post("/api/account/totp/confirm", json={"code": code})).json()["codes"]
    assert len(set(codes)) == 10
    newer = (await tab.post("/api/account/backup-codes")).json()["codes"]
    assert not set(codes) & set(newer)
    assert (await tab.post("/api/account/totp")).status_code == 409
    assert (await tab.delete("/api/account/totp")).status_code == 204
    assert (await tab.post("/api/account/backup-codes")).status_code == 409


@pytest.mark.parametrize("strategy", ["database", "jwt"])
async def test_reading_the_session_with_the_old_token_does_not_clear_the_cookie(
    database: DatabaseUnderTest, strategy: str
) -> None:
    async with auth_api_harness(database, auth_session_strategy=strategy) as harness:
        await harness.accounts.add(EMAIL, PASSWORD, "Ada")
        async with browser(harness, routes=routes) as tab, browser(harness, routes=routes) as late:
            form = {"email": EMAIL, "password": PASSWORD}
            await tab.post("/api/auth/callback/credentials", data=form, headers=JSON)
            # what was under way in the same browser while this one was answered
            late.cookies.update(tab.cookies)
            harness.time.passes(seconds=1)
            proved = await tab.post(STEP_UP, json={"password": PASSWORD})
            assert proved.status_code == 200
            response = await late.get("/api/auth/session")
            assert (response.json(), response.headers.get("set-cookie")) == (None, None)
            harness.time.passes(minutes=2)
            response = await late.get("/api/auth/session")
            assert "Max-Age=0" in response.headers["set-cookie"]
            assert (await tab.get("/api/auth/session")).json() is not None
