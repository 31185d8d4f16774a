"""Finishing a sign-in with a two-factor code."""

from collections.abc import AsyncIterator

import httpx
import pytest

from chat_app.api.routes import routes
from testing.auth_api import JSON, auth_api_harness, browser, error_of
from testing.auth_services import PASSWORD, AuthHarness
from testing.database import DatabaseUnderTest
from testing.second_factor import MfaUser, enable_mfa

EMAIL = "ada@example.org"
FINISH = "/api/auth/callback/second-factor"


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_api_harness(database) as one:
        yield one


@pytest.fixture
async def ada(harness: AuthHarness) -> MfaUser:
    return await enable_mfa(harness, await harness.accounts.add(EMAIL, PASSWORD, "Ada"))


@pytest.fixture
async def tab(harness: AuthHarness) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(harness, routes=routes) as one:
        yield one


async def begin(tab: httpx.AsyncClient, **more: str) -> httpx.Response:
    form = {"email": EMAIL, "password": PASSWORD, **more}
    return await tab.post("/api/auth/callback/credentials", data=form, headers=JSON)


async def finish(tab: httpx.AsyncClient, code: str, **more: str) -> httpx.Response:
    return await tab.post(FINISH, data={"code": code, **more}, headers=JSON)


async def who(tab: httpx.AsyncClient) -> str | None:
    said = (await tab.get("/api/auth/session")).json()
    return said and said["user"]["email"]


async def test_a_password_alone_leaves_no_session(
    harness: AuthHarness, ada: MfaUser, tab: httpx.AsyncClient
) -> None:
    response = await begin(tab, callbackUrl="/c/7")
    assert response.json()["url"] == f"{harness.settings.url}/signin/code?callbackUrl=%2Fc%2F7"
    assert list(tab.cookies) == ["chat_challenge"]
    assert "HttpOnly" in response.headers["set-cookie"]
    assert await who(tab) is None
    token = tab.cookies["chat_challenge"]
    tab.cookies.set("chat_session", token)
    assert await who(tab) is None


async def test_the_code_finishes_it(ada: MfaUser, tab: httpx.AsyncClient) -> None:
    await begin(tab, remember="1")
    response = await finish(tab, ada.code(), callbackUrl="/c/7")
    assert response.json()["url"].endswith("/c/7")
    assert await who(tab) == EMAIL
    assert "chat_challenge" not in tab.cookies
    assert "chat_device" not in tab.cookies
    session = next(
        c for c in response.headers.get_list("set-cookie") if c.startswith("chat_session")
    )
    assert "Max-Age=2592000" in session  # what was asked with the password still holds


async def test_a_backup_code_works_once(ada: MfaUser, tab: httpx.AsyncClient) -> None:
    for expected in (EMAIL, None):
        tab.cookies.clear()
        await begin(tab)
        response = await finish(tab, ada.backup[0])
        assert await who(tab) == expected
    assert error_of(response) == {"error": "SecondFactorWrong"}


async def test_a_wrong_code_stays_on_the_page_and_keeps_the_callback_url(
    harness: AuthHarness, ada: MfaUser, tab: httpx.AsyncClient
) -> None:
    await begin(tab)
    response = await finish(tab, ada.wrong(), callbackUrl="/c/7")
    assert response.status_code == 403
    assert response.json()["url"].startswith(f"{harness.settings.url}/signin/code?")
    assert error_of(response) == {"error": "SecondFactorWrong", "callbackUrl": "/c/7"}
    assert "chat_session" not in tab.cookies
    await finish(tab, ada.code())
    assert await who(tab) == EMAIL


async def test_too_many_wrong_codes_have_a_retry_after(
    ada: MfaUser, tab: httpx.AsyncClient
) -> None:
    await begin(tab)
    for _ in range(5):
        await finish(tab, ada.wrong())
    await begin(tab)
    response = await finish(tab, ada.code())
    assert (response.status_code, response.headers["retry-after"]) == (429, "900")
    assert error_of(response) == {"error": "SecondFactorLocked"}
    assert await who(tab) is None


async def test_a_code_without_a_challenge_is_refused(
    harness: AuthHarness, ada: MfaUser, tab: httpx.AsyncClient
) -> None:
    await begin(tab)
    async with browser(harness, routes=routes) as elsewhere:
        for cookie in (None, "x" * 43, "%ff"):
            if cookie:
                elsewhere.cookies.set("chat_challenge", cookie)
            response = await finish(elsewhere, ada.code())
            assert response.json()["url"].startswith(f"{harness.settings.url}/signin?")
            assert error_of(response) == {"error": "Verification"}
            assert await who(elsewhere) is None
    await finish(tab, ada.code())
    assert await who(tab) == EMAIL


async def test_a_wrong_csrf_token_is_refused(ada: MfaUser, tab: httpx.AsyncClient) -> None:
    await begin(tab)
    response = await finish(tab, ada.code(), csrfToken="0" * 64)
    assert error_of(response) == {"error": "MissingCSRF"}
    await finish(tab, ada.code())
    assert await who(tab) == EMAIL


async def test_a_user_disabled_meanwhile_is_refused(
    harness: AuthHarness, ada: MfaUser, tab: httpx.AsyncClient
) -> None:
    await begin(tab)
    await harness.disable(ada.user_id)
    response = await finish(tab, ada.code())
    assert error_of(response) == {"error": "AccessDenied"}
    assert "chat_session" not in tab.cookies


async def test_a_trusted_browser_is_not_asked_again_until_it_is_turned_off(
    harness: AuthHarness, ada: MfaUser, tab: httpx.AsyncClient
) -> None:
    await begin(tab)
    response = await finish(tab, ada.code(), trust="1")
    device = next(c for c in response.headers.get_list("set-cookie") if c.startswith("chat_device"))
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=2592000"} <= set(device.split("; "))
    response = await begin(tab)
    assert response.json()["url"] == f"{harness.settings.url}/"
    assert await who(tab) == EMAIL
    await harness.two_factor.turn_off(ada.principal)
    await enable_mfa(harness, ada.user_id)
    response = await begin(tab)
    assert response.json()["url"].endswith("/signin/code")


async def test_settings_can_require_the_code_each_time(database: DatabaseUnderTest) -> None:
    async with (
        auth_api_harness(database, remember_device_days=0) as harness,
        browser(harness, routes=routes) as tab,
    ):
        ada = await enable_mfa(harness, await harness.accounts.add(EMAIL, PASSWORD, "Ada"))
        await begin(tab)
        await finish(tab, ada.code(), trust="1")
        assert await who(tab) == EMAIL
        assert "chat_device" not in tab.cookies
