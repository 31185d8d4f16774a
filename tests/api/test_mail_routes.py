"""Sign-in links, resets and verification over HTTP, with a real mail server."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import httpx
import pytest
from starlette.routing import BaseRoute

from chat_app import services
from chat_app.api import account, auth, email_flows
from testing.auth_api import JSON, browser, error_of
from testing.auth_services import PASSWORD
from testing.database import DatabaseUnderTest
from testing.email_flows import ADA, BOB, EmailHarness, email_harness
from testing.mail_server import token_of

HOME = "http://localhost:3000"
ROUTES: Sequence[BaseRoute] = [*auth.routes, *email_flows.routes, *account.routes]
NEW = "another-Lemon-44-chair"


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[EmailHarness]:
    async with email_harness(database) as one:
        services.install(cast(services.Services, one.auth))
        yield one
        services.install(None)


@pytest.fixture
async def tab(harness: EmailHarness) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(harness.auth, routes=ROUTES, **JSON) as one:
        yield one


def elsewhere(harness: EmailHarness) -> httpx.AsyncClient:
    """Another browser."""
    return browser(harness.auth, "198.51.100.1", routes=ROUTES, **JSON)


async def post(tab: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    return await tab.post(f"/api/auth/{path}", data=form)


async def email_token(harness: EmailHarness) -> str:
    """The fragment of the link in the newest email."""
    return token_of(await harness.read())


async def who(tab: httpx.AsyncClient) -> Any:
    said = (await tab.get("/api/auth/session")).json()
    return said and said["user"]["email"]


async def sign_in(tab: httpx.AsyncClient, email: str = ADA, password: str = PASSWORD) -> None:
    await post(tab, "callback/credentials", email=email, password=password)


async def sign_up(tab: httpx.AsyncClient, **given: str) -> httpx.Response:
    return await post(tab, "signup", **{"email": ADA, "password": PASSWORD, "name": "", **given})


async def test_a_sign_in_link_redirects_to_its_callback_url(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    await harness.person()
    asked = await post(tab, "signin/email", email=ADA, callbackUrl="/c/42")
    assert (asked.status_code, asked.json()) == (200, {"url": f"{HOME}/signin/link?sent=1"})
    token = await email_token(harness)
    link = (await post(tab, "email-link", token=token)).json()
    assert link == {"email": ADA, "needs": "click", "callbackUrl": f"{HOME}/c/42"}
    entered = await post(tab, "callback/email", token=token, callbackUrl=link["callbackUrl"])
    assert entered.json() == {"url": f"{HOME}/c/42"}
    assert await who(tab) == ADA


async def test_a_form_without_a_script_is_redirected(harness: EmailHarness) -> None:
    async with browser(harness.auth, routes=ROUTES) as plain:
        response = await post(plain, "signin/email", email=ADA)
    assert (response.status_code, response.headers["location"]) == (
        303,
        f"{HOME}/signin/link?sent=1",
    )


async def test_a_used_link_is_refused_with_its_code(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    await harness.person()
    await post(tab, "signin/email", email=ADA)
    token = await email_token(harness)
    await post(tab, "callback/email", token=token)
    response = await post(tab, "callback/email", token=token)
    assert (response.status_code, error_of(response)["error"]) == (403, "Verification")
    used = await post(tab, "email-link", token=token)
    assert (used.status_code, used.json()["error"]) == (403, "invalid_token")


async def test_previewing_a_link_does_not_use_it_up(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    await harness.person()
    await post(tab, "signin/email", email=ADA)
    token = await email_token(harness)
    for _ in range(3):
        assert (await post(tab, "email-link", token=token)).status_code == 200
        assert (await tab.get(f"/api/auth/callback/email?token={token}")).status_code == 405
    await post(tab, "callback/email", token=token)
    assert await who(tab) == ADA


@pytest.mark.parametrize("path", ["signin/email", "reset"])
async def test_known_and_unknown_emails_get_the_same_bytes(
    harness: EmailHarness, tab: httpx.AsyncClient, path: str
) -> None:
    await harness.person()
    known, unknown = [await post(tab, path, email=email) for email in (ADA, BOB)]
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert sorted(known.headers.items()) == sorted(unknown.headers.items())


async def test_a_sign_up_looks_the_same_whether_or_not_there_is_an_account(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    await harness.person()
    known, unknown = [await sign_up(tab, email=email) for email in (ADA, BOB)]
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert list(known.json()) == list(unknown.json()) == ["url"]
    cookies = [response.headers["set-cookie"].split("=", 1) for response in (known, unknown)]
    assert {name for name, _ in cookies} == {"chat_signup"}
    assert len({len(value) for _, value in cookies}) == 1


async def test_sign_up_is_finished_by_the_email(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    asked = await sign_up(tab, callbackUrl="/c/42")
    assert asked.json() == {"url": f"{HOME}/signup?sent=1"}
    assert "HttpOnly" in asked.headers["set-cookie"]
    assert await who(tab) is None
    token = await email_token(harness)
    assert (await post(tab, "email-link", token=token)).json()["needs"] == "click"
    assert (await post(tab, "verify", token=token)).json() == {"url": f"{HOME}/"}
    assert await who(tab) == ADA
    assert "chat_signup" not in tab.cookies


async def test_another_browser_is_asked_for_the_password(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    await sign_up(tab)
    token = await email_token(harness)
    async with elsewhere(harness) as phone:
        assert (await post(phone, "email-link", token=token)).json()["needs"] == "password"
        refused = await post(phone, "verify", token=token)
        assert error_of(refused)["error"] == "CredentialsSignin"
        assert await harness.people() == []
        await post(phone, "verify", token=token, password=PASSWORD)
        assert await who(phone) == ADA
    assert await who(tab) is None


async def test_a_reset_changes_the_password_without_signing_in(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    await harness.person()
    await sign_in(tab)
    assert (await post(tab, "reset", email=ADA)).json() == {"url": f"{HOME}/reset?sent=1"}
    token = await email_token(harness)
    weak = await post(tab, "reset/confirm", token=token, password="short")
    assert (weak.status_code, error_of(weak)["error"]) == (422, "PasswordTooShort")
    done = await post(tab, "reset/confirm", token=token, password=NEW)
    assert done.json() == {"url": f"{HOME}/reset?done=1"}
    assert await who(tab) is None
    await sign_in(tab, password=NEW)
    assert await who(tab) == ADA


async def test_an_email_is_verified_in_the_session_of_its_user(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    await harness.person(is_verified=False)
    await harness.person(BOB)
    await sign_in(tab)
    assert (await tab.post("/api/account/verify")).status_code == 204
    token = await email_token(harness)
    async with elsewhere(harness) as other:
        assert (await post(other, "email-link", token=token)).json()["needs"] == "session"
        refused = await post(other, "verify", token=token)
        assert (refused.status_code, error_of(refused)["error"]) == (401, "SessionRequired")
        await sign_in(other, BOB)
        assert (await post(other, "email-link", token=token)).json()["needs"] == "session"
        refused = await post(other, "verify", token=token)
        assert error_of(refused)["error"] == "Verification"
    assert (await post(tab, "email-link", token=token)).json()["needs"] == "click"
    proved = await post(tab, "verify", token=token)
    assert proved.json() == {"url": f"{HOME}/settings/account"}


async def test_an_email_is_changed_in_a_fresh_session_of_its_user(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    await harness.person()
    await sign_in(tab)
    harness.auth.time.passes(minutes=11)
    stale = await tab.post("/api/account/email", json={"email": BOB})
    assert (stale.status_code, stale.json()["error"]) == (403, "step_up_required")
    await sign_in(tab)
    assert (await tab.post("/api/account/email", json={"email": BOB})).status_code == 204
    await post(tab, "verify", token=await email_token(harness))
    assert await who(tab) == BOB


async def test_a_change_to_a_taken_email_looks_the_same(
    harness: EmailHarness, tab: httpx.AsyncClient
) -> None:
    await harness.person()
    await harness.person(BOB)
    await sign_in(tab)
    responses = [
        await tab.post("/api/account/email", json={"email": email})
        for email in (BOB, "nobody@example.org")
    ]
    assert {(response.status_code, response.content) for response in responses} == {(204, b"")}
    token = await email_token(harness)
    await harness.person("nobody@example.org")
    taken = await post(tab, "verify", token=token)
    assert (taken.status_code, error_of(taken)["error"]) == (409, "NewEmailTaken")
    assert await who(tab) == ADA


@pytest.mark.parametrize(
    "path", ["signin/email", "callback/email", "reset", "reset/confirm", "verify", "signup"]
)
async def test_a_token_of_another_browser_is_refused(
    harness: EmailHarness, tab: httpx.AsyncClient, path: str
) -> None:
    response = await post(tab, path, email=ADA, token="x", password=NEW, csrfToken="x")
    assert (response.status_code, error_of(response)["error"]) == (403, "MissingCSRF")
    assert await harness.counts() == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "token", ["", "x", ".", "sign_up", "sign_up.", "oauth.x", "second_factor.x", "\u00e9" * 9_000]
)
@pytest.mark.parametrize("path", ["callback/email", "reset/confirm", "verify", "email-link"])
async def test_a_malformed_token_is_refused(
    harness: EmailHarness, tab: httpx.AsyncClient, path: str, token: str
) -> None:
    response = await post(tab, path, token=token, password=NEW)
    assert 400 <= response.status_code < 500
    assert await who(tab) is None


async def test_too_many_emails_have_a_retry_after(database: DatabaseUnderTest) -> None:
    async with email_harness(database, limit_mail_recipient="1/hour") as harness:
        services.install(cast(services.Services, harness.auth))
        async with elsewhere(harness) as tab:
            await post(tab, "reset", email=ADA)
            response = await post(tab, "reset", email=ADA)
        services.install(None)
    assert (response.status_code, error_of(response)["error"]) == (429, "RateLimited")
    assert 1 <= int(response.headers["retry-after"]) <= 3600
