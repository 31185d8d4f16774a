"""`/api/auth`: session, sign-in, sign-up and sign-out, in the shapes of Auth.js."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from chat_app.api import auth
from chat_app.auth.principal import Principal
from chat_app.db.tables import Totp, User
from testing.auth_api import (
    JSON,
    ROUTES,
    auth_api_harness,
    browser,
    error_of,
    everything_logged,
)
from testing.auth_services import PASSWORD, AuthHarness
from testing.database import DatabaseUnderTest
from testing.pictures import png

ADA = "ada@example.org"
HOME = "http://localhost:3000"
NO_STORE = "private, no-cache, no-store"


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_api_harness(database) as one:
        await one.accounts.add(ADA, PASSWORD, "Ada")
        yield one


@pytest.fixture
async def tab(harness: AuthHarness) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(harness) as one:
        yield one


async def sign_in(tab: httpx.AsyncClient, headers: dict[str, str] = JSON, **given: Any) -> Any:
    form = {"email": ADA, "password": PASSWORD, **given}
    return await tab.post("/api/auth/callback/credentials", data=form, headers=headers)


async def sign_up(tab: httpx.AsyncClient, headers: dict[str, str] = JSON, **given: Any) -> Any:
    form = {"email": "bob@example.org", "password": PASSWORD, "name": "Bob", **given}
    return await tab.post("/api/auth/signup", data=form, headers=headers)


def session_cookie(response: httpx.Response) -> str:
    return response.headers.get_list("set-cookie")[0]


async def who(tab: httpx.AsyncClient) -> Any:
    return (await tab.get("/api/auth/session")).json()


async def test_an_anonymous_session_is_null_and_not_cached(tab: httpx.AsyncClient) -> None:
    response = await tab.get("/api/auth/session")
    assert (response.status_code, response.text) == (200, "null")
    assert response.headers["cache-control"] == NO_STORE
    assert "set-cookie" not in response.headers


async def test_a_session_is_a_user_and_an_expiry(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    await sign_in(tab)
    response = await tab.get("/api/auth/session")
    body = response.json()
    assert list(body) == ["user", "expires"]
    assert body["user"] | {"id": ""} == {"id": "", "name": "Ada", "email": ADA, "image": None}
    assert body["expires"] == "2026-03-02T00:00:00.000Z"
    assert response.headers["cache-control"] == NO_STORE


async def test_the_image_of_a_session_is_the_url_of_the_picture(harness: AuthHarness) -> None:
    tab = browser(harness, routes=[*auth.routes, *ROUTES])
    await sign_in(tab)
    seen = set()
    for content in (png(4), png(5)):
        assert (await tab.put("/api/account/picture", content=content)).status_code == 204
        image = (await who(tab))["user"]["image"]
        assert image.startswith(f"{HOME}/api/account/picture?")
        assert (await tab.get(image)).content == content
        seen.add(image)
    assert len(seen) == 2
    await tab.delete("/api/account/picture")
    assert (await who(tab))["user"]["image"] is None


async def test_reading_the_session_extends_its_expiry(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    await sign_in(tab)
    harness.time.passes(hours=1)
    assert (await who(tab))["expires"] == "2026-03-02T01:00:00.000Z"


@pytest.mark.parametrize("bad", ["x", "A" * 43, "%ED%A0%80", "\u00e9"])
async def test_a_bad_cookie_is_null_and_is_cleared(tab: httpx.AsyncClient, bad: str) -> None:
    response = await tab.get(
        "/api/auth/session", headers={b"Cookie": f"chat_session={bad}".encode()}
    )
    assert (response.status_code, response.text) == (200, "null")
    assert response.headers["set-cookie"].startswith("chat_session=; ")
    assert "Max-Age=0" in response.headers["set-cookie"]


async def test_an_expired_session_is_null_and_its_cookie_is_cleared(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    await sign_in(tab)
    harness.time.passes(hours=12)
    response = await tab.get("/api/auth/session")
    assert response.text == "null"
    assert "chat_session" not in tab.cookies


async def test_without_identity_providers_the_password_is_listed(
    tab: httpx.AsyncClient,
) -> None:
    assert (await tab.get("/api/auth/providers")).json()["credentials"] == {
        "id": "credentials",
        "name": "Password",
        "type": "credentials",
        "signinUrl": f"{HOME}/api/auth/signin/credentials",
        "callbackUrl": f"{HOME}/api/auth/callback/credentials",
    }


async def test_a_script_that_signs_in_gets_a_url(tab: httpx.AsyncClient) -> None:
    response = await sign_in(tab, callbackUrl="/c/42")
    assert (response.status_code, response.json()) == (200, {"url": f"{HOME}/c/42"})
    assert response.headers["cache-control"] == NO_STORE
    assert (await who(tab))["user"]["email"] == ADA


async def test_a_form_that_signs_in_is_redirected(tab: httpx.AsyncClient) -> None:
    response = await sign_in(tab, headers={}, callbackUrl="/c/42")
    assert (response.status_code, response.headers["location"]) == (303, f"{HOME}/c/42")
    assert response.headers["cache-control"] == NO_STORE
    assert (await who(tab))["user"]["email"] == ADA


async def test_the_cookie_ends_with_the_browser_unless_remembered(
    harness: AuthHarness,
) -> None:
    async with browser(harness) as tab:
        cookie = session_cookie(await sign_in(tab))
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Max-Age" not in cookie
        remembered = session_cookie(await sign_in(tab, remember="on"))
        assert remembered.endswith("; Max-Age=2592000")
        harness.time.passes(days=6)
        assert await who(tab) is not None


async def test_over_https_the_cookie_is_secure_and_of_one_host(database: DatabaseUnderTest) -> None:
    https = {"app_url": "https://chat.example", "sign_up": "open"}
    async with auth_api_harness(database, **https) as harness, browser(harness) as tab:
        cookie = (await sign_up(tab)).headers["set-cookie"]
        assert cookie.startswith("__Host-chat_session=")
        assert "; Secure" in cookie
        assert (await who(tab))["user"]["email"] == "bob@example.org"


@pytest.mark.parametrize(
    "given",
    [
        {"password": "wrong"},
        {"email": "nobody@example.org"},
        {"email": ""},
        {"email": "ada"},
        {"password": ""},
        {"password": "x" * 2_000},
        {"email": "off@example.org"},
    ],
)
async def test_every_failed_sign_in_gets_the_same_bytes(
    harness: AuthHarness, tab: httpx.AsyncClient, given: dict[str, Any]
) -> None:
    await harness.disable(await harness.accounts.add("off@example.org", PASSWORD, ""))
    response = await sign_in(tab, **given)
    url = f"{HOME}/signin?error=CredentialsSignin&code=credentials"
    assert response.status_code == 200
    assert response.content == f'{{"url":"{url}"}}'.encode()
    assert sorted(response.headers) == ["cache-control", "content-length", "content-type"]
    form = await sign_in(tab, headers={}, **given)
    assert (form.status_code, form.headers["location"]) == (303, url)
    assert "chat_session" not in tab.cookies


async def test_the_callback_url_survives_a_failed_sign_in(tab: httpx.AsyncClient) -> None:
    response = await sign_in(tab, password="wrong", callbackUrl="/c/42?x=1")
    assert error_of(response) == {
        "error": "CredentialsSignin",
        "code": "credentials",
        "callbackUrl": "/c/42?x=1",
    }


@pytest.mark.parametrize(
    "callback", ["//evil.example", "https://evil.example/", "/\\evil.example", "\x00", "x" * 9_000]
)
async def test_a_foreign_callback_url_is_not_followed(
    tab: httpx.AsyncClient, callback: str
) -> None:
    for response in (
        await sign_in(tab, callbackUrl=callback),
        await sign_up(tab, callbackUrl=callback),
    ):
        assert response.json() == {"url": f"{HOME}/"}
    response = await tab.post("/api/auth/signout", data={"callbackUrl": callback})
    assert response.headers["location"] == f"{HOME}/signin"


async def test_a_redirect_stays_on_the_origin_of_the_page(database: DatabaseUnderTest) -> None:
    page = "http://localhost:5173"
    async with auth_api_harness(database, app_origins=(page,)) as harness:
        async with browser(harness, Origin=page) as tab:
            assert (await sign_up(tab, callbackUrl="/")).json() == {"url": f"{page}/"}
            failed = await sign_in(tab, password="wrong")
            assert failed.json()["url"].startswith(f"{page}/signin?error=")
            response = await tab.post("/api/auth/signout")
            assert response.headers["location"] == f"{page}/signin"
        async with browser(harness, Origin="http://evil.example") as tab:
            assert (await sign_up(tab, email="c@example.org")).json() == {"url": f"{HOME}/"}


async def test_a_planted_session_is_revoked_at_sign_in(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    async with browser(harness) as eve:
        await sign_up(eve, email="eve@example.org")
        planted = eve.cookies["chat_session"]
        tab.cookies.set("chat_session", planted, domain="localhost.local")
        assert (await who(tab))["user"]["email"] == "eve@example.org"
        await sign_in(tab)
        assert tab.cookies["chat_session"] != planted
        assert (await who(tab))["user"]["email"] == ADA
        assert await who(eve) is None
    assert [reason for _, reason in harness.ended] == ["replaced"]


async def test_sign_out_revokes_the_session_and_every_copy_of_its_cookie(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    await sign_in(tab)
    async with browser(harness) as copy:
        copy.cookies.set("chat_session", tab.cookies["chat_session"], domain="localhost.local")
        assert await who(copy) is not None
        response = await tab.post("/api/auth/signout")
        assert (response.status_code, response.headers["location"]) == (303, f"{HOME}/signin")
        assert response.headers["cache-control"] == NO_STORE
        assert "chat_session" not in tab.cookies
        assert await who(copy) is None
    assert [reason for _, reason in harness.ended] == ["signed_out"]


async def test_a_script_that_signs_out_gets_a_url(tab: httpx.AsyncClient) -> None:
    await sign_in(tab)
    response = await tab.post("/api/auth/signout", data={"callbackUrl": "/"}, headers=JSON)
    assert (response.status_code, response.json()) == (200, {"url": f"{HOME}/"})
    assert await who(tab) is None


async def test_an_anonymous_sign_out_succeeds(tab: httpx.AsyncClient) -> None:
    response = await tab.post("/api/auth/signout")
    assert (response.status_code, response.headers["location"]) == (303, f"{HOME}/signin")


async def test_sign_out_succeeds_for_a_user_deleted_meanwhile(
    harness: AuthHarness, tab: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(tab)
    revoke = harness.sessions.revoke

    async def removed_first(principal: Principal, session_id: UUID, reason: str) -> None:
        async with harness.db.system("auth", write=True) as session:
            await session.delete(await session.get_one(User, principal.user_id))
        await revoke(principal, session_id, reason)

    monkeypatch.setattr(harness.sessions, "revoke", removed_first)
    response = await tab.post("/api/auth/signout")
    assert (response.status_code, response.headers["location"]) == (303, f"{HOME}/signin")
    assert "chat_session" not in tab.cookies


async def test_only_a_post_signs_out(tab: httpx.AsyncClient) -> None:
    await sign_in(tab)
    for method, status in (("GET", 303), ("HEAD", 303), ("PUT", 405), ("DELETE", 405)):
        response = await tab.request(method, "/api/auth/signout")
        assert response.status_code == status
    assert await who(tab) is not None


async def test_sign_up_signs_in(tab: httpx.AsyncClient) -> None:
    response = await sign_up(tab, callbackUrl="/c/42")
    assert (response.status_code, response.json()) == (200, {"url": f"{HOME}/c/42"})
    assert (await who(tab))["user"]["name"] == "Bob"


async def test_a_form_that_signs_up_is_redirected(tab: httpx.AsyncClient) -> None:
    response = await sign_up(tab, headers={})
    assert (response.status_code, response.headers["location"]) == (303, f"{HOME}/")
    assert await who(tab) is not None


async def test_unknown_fields_change_nothing(harness: AuthHarness, tab: httpx.AsyncClient) -> None:
    more: dict[str, Any] = {
        "id": "1",
        "user_id": "1",
        "role": "admin",
        "expires_at": "2099",
        "image": "x",
    }
    await sign_up(tab, **more)
    body = await who(tab)
    assert body["user"]["id"] != "1"
    assert body["user"]["image"] is None
    assert body["expires"] == "2026-03-02T00:00:00.000Z"


@pytest.mark.parametrize(
    ("given", "error", "status"),
    [
        ({"email": ADA}, "EmailTaken", 409),
        ({"email": "bob"}, "InvalidEmail", 422),
        ({"name": "b\nb"}, "InvalidName", 422),
        ({"password": "password123"}, "WeakPassword", 422),
        ({"password": "short"}, "PasswordTooShort", 422),
        ({"password": "x" * 1_025}, "PasswordTooLong", 422),
        ({"csrfToken": "x"}, "MissingCSRF", 403),
    ],
)
async def test_a_refused_sign_up_has_an_error_code(
    tab: httpx.AsyncClient, given: dict[str, Any], error: str, status: int
) -> None:
    response = await sign_up(tab, **given)
    assert (response.status_code, response.json()) == (
        status,
        {"url": f"{HOME}/signup?error={error}"},
    )
    form = await sign_up(tab, headers={}, **given)
    assert (form.status_code, form.headers["location"]) == (303, f"{HOME}/signup?error={error}")
    assert await who(tab) is None


async def test_a_closed_sign_up_has_its_own_code(database: DatabaseUnderTest) -> None:
    async with auth_api_harness(database, sign_up="closed") as harness, browser(harness) as tab:
        response = await sign_up(tab)
        assert response.status_code == 403
        assert response.json() == {"url": f"{HOME}/signup?error=SignUpClosed"}


async def test_too_many_failures_have_a_retry_after(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    burst = await asyncio.gather(*(sign_in(tab, password=f"guess {n}") for n in range(50)))
    assert sorted(response.status_code for response in burst) == [200] * 5 + [429] * 45
    assert harness.hasher.verified == 5
    refused = await sign_in(tab)
    assert error_of(refused) == {"error": "RateLimited"}
    assert 1 <= int(refused.headers["retry-after"]) <= 900
    form = await sign_in(tab, headers={})
    assert form.headers["location"] == f"{HOME}/signin?error=RateLimited"
    async with browser(harness, address="198.51.100.9") as elsewhere:
        assert (await sign_in(elsewhere)).json() == {"url": f"{HOME}/"}


async def test_a_forged_forwarding_header_does_not_reset_the_limit(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    for n in range(8):
        headers = JSON | {"X-Forwarded-For": f"203.0.113.{n}", "Forwarded": f"for=203.0.113.{n}"}
        await sign_in(tab, headers=headers, password="wrong")
    assert harness.hasher.verified == 5


async def test_five_hundred_guesses_check_five_passwords_and_the_owner_still_signs_in(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    for n in range(500):
        invented = f"203.0.113.{n % 250}"
        headers = JSON | {
            "X-Forwarded-For": f"{invented}, 10.0.0.{n % 250}",
            "Forwarded": f"for={invented}",
            "X-Real-IP": invented,
            "True-Client-IP": invented,
        }
        await sign_in(tab, headers=headers, password=f"guess {n}", email=ADA.swapcase())
    assert harness.hasher.verified == 5
    async with browser(harness, address="198.51.100.9") as elsewhere:
        assert (await sign_in(elsewhere)).json() == {"url": f"{HOME}/"}
    assert harness.hasher.verified == 6


async def test_behind_a_proxy_each_client_has_its_own_limit(database: DatabaseUnderTest) -> None:
    async with auth_api_harness(database, trusted_proxy_hops=1) as harness, browser(harness) as tab:
        for n in range(8):
            headers = JSON | {"X-Forwarded-For": f"10.0.0.{n}, 203.0.113.1"}
            await sign_in(tab, headers=headers, password="wrong")
        assert harness.hasher.verified == 5
        await sign_in(tab, headers=JSON | {"X-Forwarded-For": "203.0.113.2"}, password="wrong")
        assert harness.hasher.verified == 6


async def test_forty_sign_ins_at_once_all_succeed(harness: AuthHarness) -> None:
    async def one() -> str:
        async with browser(harness) as tab:
            await sign_in(tab)
            return (await who(tab) or {"user": {"email": ""}})["user"]["email"]

    assert await asyncio.gather(*(one() for _ in range(20))) == [ADA] * 20
    async with browser(harness) as tab:
        responses = await asyncio.gather(*(sign_in(tab) for _ in range(40)))
        assert {response.status_code for response in responses} == {200}


async def test_the_right_csrf_token_is_accepted(tab: httpx.AsyncClient) -> None:
    first = await tab.get("/api/auth/csrf")
    token = first.json()["csrfToken"]
    assert "HttpOnly" in first.headers["set-cookie"]
    again = await tab.get("/api/auth/csrf")
    assert again.json() == {"csrfToken": token}
    assert "set-cookie" not in again.headers
    assert (await sign_in(tab, csrfToken=token)).json() == {"url": f"{HOME}/"}
    await tab.post("/api/auth/signout", data={"csrfToken": token})
    assert await who(tab) is None


async def test_a_wrong_csrf_token_is_refused_wherever_one_is_sent(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    async with browser(harness) as other:
        foreign = (await other.get("/api/auth/csrf")).json()["csrfToken"]
    await sign_in(tab)
    mine = (await tab.get("/api/auth/csrf")).json()["csrfToken"]
    for token in (foreign, "", mine + "0"):
        for path in ("callback/credentials", "signup", "signout"):
            form = {"email": ADA, "password": PASSWORD, "csrfToken": token}
            response = await tab.post(f"/api/auth/{path}", data=form, headers=JSON)
            assert response.status_code == 403
            assert error_of(response) == {"error": "MissingCSRF"}
    assert harness.ended == []


async def test_passwords_are_never_logged(
    harness: AuthHarness, tab: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with everything_logged(caplog):
        await sign_in(tab)
        token = tab.cookies["chat_session"]
        await sign_in(tab, password="wrong-canary")
        await sign_up(tab, email="canary", password="wrong-canary")
        harness.passwords.close()
        broken = await sign_in(tab, password="wrong-canary")
    assert broken.status_code == 500
    assert "RuntimeError" in caplog.text
    for secret in (PASSWORD, "wrong-canary", token):
        assert secret not in caplog.text + broken.text


async def test_a_user_with_two_factor_is_asked_for_a_code_and_gets_no_session(
    harness: AuthHarness, tab: httpx.AsyncClient
) -> None:
    async with harness.db.system("auth", write=True) as session:
        ada = (await session.exec(select(User.id))).one()
        now = harness.time()
        session.add(Totp(user_id=ada, secret="sealed", created_at=now, confirmed_at=now))
    response = await sign_in(tab, callbackUrl="/c/1?x=2")
    assert response.json() == {"url": f"{HOME}/signin/code?callbackUrl=%2Fc%2F1%3Fx%3D2"}
    [cookie] = response.headers.get_list("set-cookie")
    name, *attributes = cookie.split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600"]
    assert name.partition("=")[0] == "chat_challenge"
    assert tab.cookies["chat_challenge"] not in response.text
    assert await who(tab) is None


async def test_a_sign_in_refused_by_the_hook_creates_no_account(
    database: DatabaseUnderTest,
) -> None:
    async with auth_api_harness(database, auth_allowed_domains=("acme.example",)) as harness:
        await harness.accounts.add(ADA, PASSWORD, "Ada")
        async with browser(harness) as tab:
            for response in (await sign_in(tab), await sign_up(tab)):
                assert (response.status_code, error_of(response)["error"]) == (403, "AccessDenied")
            assert await who(tab) is None
        async with harness.db.system("auth") as session:
            assert (await session.exec(select(User.email))).all() == [ADA]
