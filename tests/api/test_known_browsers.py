"""Known browsers over HTTP: who gets the cookie, what it is worth, and the two attacks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from chat_app.api import account, auth, email_flows, passkeys, step_up, two_factor
from testing.auth_api import JSON, auth_api_harness, browser, error_of
from testing.auth_services import PASSWORD, AuthHarness
from testing.authenticator import Authenticator
from testing.database import DatabaseUnderTest
from testing.mail_server import flush, listening, token_of
from testing.second_factor import enable_mfa

ADA, BOB = "ada@example.org", "bob@example.org"
NEW = "violet-Kettle-harbour-38"
KNOWN = "chat_known"
OFFICE, HOME = "198.51.100.1", "203.0.113.9"
ROUTES = [
    *auth.routes,
    *email_flows.routes,
    *account.routes,
    *step_up.routes,
    *two_factor.routes,
    *passkeys.routes,
]
SMALL = {
    "limit_sign_in_address": "10/hour",
    "limit_sign_in_account": "10/hour",
}


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[AuthHarness]:
    async with auth_api_harness(database, **SMALL) as one:
        await one.accounts.add(BOB, PASSWORD, "Bob")
        yield one


@pytest.fixture
async def ada(harness: AuthHarness) -> UUID:
    return await harness.accounts.add(ADA, PASSWORD, "Ada")


def tab_at(harness: AuthHarness, address: str = OFFICE) -> httpx.AsyncClient:
    return browser(harness, address, routes=ROUTES, **JSON)


async def sign_in(tab: httpx.AsyncClient, email: str = ADA, password: str = PASSWORD) -> Any:
    form = {"email": email, "password": password}
    return await tab.post("/api/auth/callback/credentials", data=form)


def came_in(response: httpx.Response) -> bool:
    return response.status_code == 200 and "error" not in response.text


def known_cookies(response: httpx.Response) -> list[str]:
    return [one for one in response.headers.get_list("set-cookie") if KNOWN in one]


async def attack(harness: AuthHarness, email: str = ADA) -> None:
    """Guess from many networks, until unknown browsers are not looked at any more."""
    for number in range(25):
        async with tab_at(harness, f"2001:db8:0:{number:x}::1") as eve:
            await sign_in(eve, email, "wrong")


async def test_a_complete_sign_in_makes_a_browser_known(harness: AuthHarness, ada: UUID) -> None:
    async with tab_at(harness) as tab:
        for response in (
            await sign_in(tab, password="wrong"),
            await tab.get("/api/auth/session"),
            await tab.get("/api/auth/csrf"),
        ):
            assert known_cookies(response) == []
        [cookie] = known_cookies(await sign_in(tab))
        name, *attributes = cookie.split("; ")
        assert name.startswith(f"{KNOWN}=ey")
        assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=15552000"]
        await tab.post("/api/auth/signout")
        assert tab.cookies[KNOWN]
        form = {"email": "new@example.org", "password": PASSWORD, "name": ""}
        assert len(known_cookies(await tab.post("/api/auth/signup", data=form))) == 1
        known = harness.known_browsers
        for email in (ADA, "new@example.org"):
            assert await known.find(tab.cookies[KNOWN], email)


async def test_over_https_it_is_bound_to_its_host(database: DatabaseUnderTest) -> None:
    public = {"app_url": "https://chat.example", "fake_models": False}
    async with auth_api_harness(database, **SMALL, **public) as harness:
        await harness.accounts.add(ADA, PASSWORD, "Ada")
        async with tab_at(harness) as tab:
            [cookie] = known_cookies(await sign_in(tab))
    assert cookie.startswith("__Host-chat_known=")
    assert "; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=15552000" in cookie
    assert "Domain" not in cookie


async def test_it_authenticates_nothing(harness: AuthHarness, ada: UUID) -> None:
    async with tab_at(harness) as tab, tab_at(harness) as thief:
        await sign_in(tab)
        stolen = tab.cookies[KNOWN]
        for header in (f"{KNOWN}={stolen}", f"{KNOWN}={stolen}; chat_session={stolen}"):
            headers = {"Cookie": header}
            assert (await thief.get("/api/auth/session", headers=headers)).json() is None
            answer = await thief.get("/api/account/sessions", headers=headers)
            assert answer.status_code == 401
        for name in ("chat_device", "chat_challenge", "chat_csrf", "chat_signup"):
            headers = {"Cookie": f"{KNOWN}={stolen}; {name}={stolen}"}
            form = {"code": "000000", "email": ADA}
            answer = await thief.post(
                "/api/auth/callback/second-factor", data=form, headers=headers
            )
            assert error_of(answer)["error"] == "Verification"


async def test_a_known_browser_is_asked_for_the_second_factor(
    harness: AuthHarness, ada: UUID
) -> None:
    user = await enable_mfa(harness, ada)
    async with tab_at(harness) as tab:
        for _ in range(2):
            asked = await sign_in(tab)
            assert asked.json()["url"].endswith("/signin/code")
            assert known_cookies(asked) == []
            assert "chat_session" not in tab.cookies
            form = {"code": user.code()}
            done = await tab.post("/api/auth/callback/second-factor", data=form)
            assert came_in(done)
            assert len(known_cookies(done)) == 1
            await tab.post("/api/auth/signout")
            harness.time.passes(seconds=30)


async def test_many_networks_do_not_lock_the_owner_out(harness: AuthHarness, ada: UUID) -> None:
    async with tab_at(harness) as known, tab_at(harness) as unknown:
        await sign_in(known)
        await known.post("/api/auth/signout")
        before = harness.hasher.verified
        await attack(harness)
        assert harness.hasher.verified == before + 10
        assert came_in(await sign_in(known))
        refused = await sign_in(unknown)
        assert (refused.status_code, error_of(refused)) == (429, {"error": "SignInPaused"})
        assert 1 <= int(refused.headers["retry-after"]) <= 3600
        assert came_in(await sign_in(unknown, BOB))
        harness.rate_limits.clear(ADA)
        assert came_in(await sign_in(unknown))


async def test_who_is_paused_gets_in_by_a_passkey(harness: AuthHarness, ada: UUID) -> None:
    key = Authenticator(harness.settings.url)
    async with tab_at(harness) as known:
        await sign_in(known)
        options = (await known.post("/api/account/passkeys/options")).json()
        body = {"credential": key.create(options), "name": "Key"}
        assert (await known.post("/api/account/passkeys", json=body)).status_code == 201
    await attack(harness)
    async with tab_at(harness) as unknown:
        assert error_of(await sign_in(unknown)) == {"error": "SignInPaused"}
        options = (await unknown.post("/api/auth/passkey/options")).json()
        form = {"credential": key.get(options)}
        assert came_in(await unknown.post("/api/auth/callback/passkey", data=form))
        assert (await unknown.get("/api/auth/session")).json()["user"]["email"] == ADA


async def test_who_is_paused_gets_in_by_a_link_in_an_email(database: DatabaseUnderTest) -> None:
    async with listening() as mailbox:
        smtp = {"smtp_url": f"smtp://127.0.0.1:{mailbox.port}", "mail_from": "c@chat.example"}
        async with auth_api_harness(database, **SMALL, **smtp) as harness:
            await harness.accounts.add(ADA, PASSWORD, "Ada")
            await attack(harness)
            async with tab_at(harness) as unknown:
                assert error_of(await sign_in(unknown)) == {"error": "SignInPaused"}
                await unknown.post("/api/auth/signin/email", data={"email": ADA})
                await flush(harness.mailer)
                form = {"token": token_of(mailbox.to(ADA)[-1])}
                assert came_in(await unknown.post("/api/auth/callback/email", data=form))
                said = (await unknown.get("/api/auth/session")).json()
    assert said["user"]["email"] == ADA


async def test_an_attack_on_an_unknown_email_is_answered_the_same(harness: AuthHarness) -> None:
    await attack(harness, "nobody@example.org")
    async with tab_at(harness) as tab:
        assert error_of(await sign_in(tab, "nobody@example.org")) == {"error": "SignInPaused"}


async def test_many_wrong_passwords_of_one_client_lock_no_user_out(
    harness: AuthHarness, ada: UUID
) -> None:
    async with tab_at(harness) as known, tab_at(harness) as eve, tab_at(harness) as colleague:
        await sign_in(known)
        await known.post("/api/auth/signout")
        for number in range(25):
            await sign_in(eve, f"invented{number}@example.org", "wrong")
        before = harness.time()
        assert came_in(await sign_in(known))
        assert harness.time() == before
        assert came_in(await sign_in(colleague, BOB))
        assert 0 < (harness.time() - before).total_seconds() <= 30
        async with tab_at(harness, HOME) as elsewhere:
            after = harness.time()
            assert came_in(await sign_in(elsewhere, BOB))
            assert harness.time() == after


async def test_in_a_known_browser_five_guesses_and_then_the_others_budgets(
    harness: AuthHarness, ada: UUID
) -> None:
    async with tab_at(harness) as tab:
        await sign_in(tab)
        before = harness.hasher.verified
        tries = [await sign_in(tab, password=f"guess {n}") for n in range(12)]
        assert [answer.status_code for answer in tries] == [200] * 10 + [429] * 2
        assert harness.hasher.verified == before + 10
        harness.time.passes(minutes=15)
        assert came_in(await sign_in(tab))


async def test_a_new_password_makes_every_other_browser_unknown(
    harness: AuthHarness, ada: UUID
) -> None:
    async with tab_at(harness) as here, tab_at(harness) as there:
        await sign_in(here)
        await sign_in(there)
        changed = await here.post("/api/account/password", json={"password": NEW})
        assert changed.status_code == 204
        assert len(known_cookies(changed)) == 1
        await attack(harness)
        assert came_in(await sign_in(here, password=NEW))
        assert error_of(await sign_in(there, password=NEW)) == {"error": "SignInPaused"}


async def test_confirming_a_password_counts_in_the_known_browser(
    harness: AuthHarness, ada: UUID
) -> None:
    async with tab_at(harness) as tab:
        await sign_in(tab)
        await attack(harness)
        wrong = await tab.post("/api/account/step-up", json={"password": "wrong"})
        assert wrong.status_code == 403
        right = await tab.post("/api/account/step-up", json={"password": PASSWORD})
        assert right.status_code == 200


async def test_a_reset_by_email_makes_its_browser_known(harness: AuthHarness, ada: UUID) -> None:
    token = await harness.tokens.create(
        "reset_password", lifetime=harness.time.hour, user_id=ada, subject=ADA
    )
    async with tab_at(harness) as tab:
        form = {"token": token, "password": NEW}
        done = await tab.post("/api/auth/reset/confirm", data=form)
        assert came_in(done)
        assert len(known_cookies(done)) == 1
        assert "chat_session" not in tab.cookies
        await attack(harness)
        assert came_in(await sign_in(tab, password=NEW))


async def test_a_known_browser_can_always_ask_for_an_email(harness: AuthHarness, ada: UUID) -> None:
    async with tab_at(harness) as known, tab_at(harness) as eve:
        await sign_in(known)
        asked = [("signin/email", "/signin/link"), ("reset", "/reset")]
        for number in range(12):
            path, _ = asked[number % 2]
            await eve.post(f"/api/auth/{path}", data={"email": ADA})
        for path, page in asked:
            refused = await eve.post(f"/api/auth/{path}", data={"email": ADA})
            assert (refused.status_code, error_of(refused)) == (429, {"error": "RateLimited"})
            sent = await known.post(f"/api/auth/{path}", data={"email": ADA})
            assert sent.json()["url"].endswith(f"{page}?sent=1")
            harness.time.passes(hours=1)
            for _ in range(5):
                await eve.post(f"/api/auth/{path}", data={"email": ADA})


async def test_who_leaves_is_taken_out_of_the_browsers_cookie(
    harness: AuthHarness, ada: UUID
) -> None:
    async with tab_at(harness) as tab:
        await sign_in(tab, BOB)
        await sign_in(tab)
        left = await tab.request("DELETE", "/api/account", json={"confirm": ADA})
        assert left.status_code == 200
        assert await harness.known_browsers.find(tab.cookies[KNOWN], BOB)
        await sign_in(tab, BOB)
        await tab.request("DELETE", "/api/account", json={"confirm": BOB})
        assert KNOWN not in tab.cookies


async def test_behind_a_proxy_that_hides_its_clients_no_user_waits_for_another(
    database: DatabaseUnderTest,
) -> None:
    public = {"app_url": "https://chat.example", "fake_models": False}
    async with auth_api_harness(database, **SMALL, **public) as harness:
        await harness.accounts.add(ADA, PASSWORD, "Ada")
        start = harness.time()
        async with tab_at(harness, "10.0.0.1") as tab:
            wrong = [sign_in(tab, f"invented{n}@example.org", "wrong") for n in range(25)]
            assert {one.status_code for one in await asyncio.gather(*wrong)} == {200}
            assert came_in(await sign_in(tab))
        assert harness.time() == start
